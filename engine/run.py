"""One job: read, plan, segment, measure, write."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from totalseg_mcp.engine.cautions import cautions
from totalseg_mcp.engine.files import read
from totalseg_mcp.engine.files.landmarks import read_landmarks
from totalseg_mcp.engine.files.outputs import check
from totalseg_mcp.engine.landmarks import Landmarks
from totalseg_mcp.engine.measuring import features_asked, measure
from totalseg_mcp.engine.plan import Plan, plan
from totalseg_mcp.engine.products import Findings, asked, file_names, suited
from totalseg_mcp.engine.request import Request
from totalseg_mcp.engine.scan import Scan
from totalseg_mcp.engine.segment import Networks, segment
from totalseg_mcp.engine.session import Session
from totalseg_mcp.engine.suitability import Suitability, suitability
from totalseg_mcp.engine.supply import deliver, ordered, terms
from totalseg_mcp.engine.tasks import Model, task_named
from totalseg_mcp.engine.watch import clocked, noted, stage
from totalseg_mcp.engine.writing import write_together

if TYPE_CHECKING:
    import torch

    from totalseg_mcp.engine.network import Network


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What came of a job: `files` are final, `seconds` are by stage, with the total."""

    findings: Findings
    suits: Suitability
    files: tuple[Path, ...]
    warnings: tuple[str, ...]
    seconds: Mapping[str, float]
    weight_reads: int
    device: str
    notes: tuple[str, ...] = ()

    @property
    def found(self) -> tuple[str, ...]:
        """The structures that are in the label map, in label order."""
        labels = self.findings.labels
        there = np.bincount(labels.data.ravel(), minlength=len(labels.names) + 1)
        return tuple(name for number, name in enumerate(labels.names, 1) if there[number])


def run(request: Request, session: Session) -> Outcome:
    """Do what was asked; files appear in `request.folder` only when all of it is done.

    What can be refused is refused before a model is loaded.

    Raises:
        EngineError: the caller or the operator can put it right; nothing was written.
    """
    began, reads = time.perf_counter(), session.weight_reads
    chosen = plan(request.options)
    leftovers = check(request.folder, file_names(request, chosen))
    features = features_asked(request)
    with clocked() as seconds, noted() as notes:
        with stage("read", 0.0, 0.04):
            scan = read(request.input_path, session.reach)
            suits = suitability(scan, task_named(chosen.task), request.force)
            remarks = suited(request, chosen, scan)
        deliver(ordered(chosen, session, request.licence), session)
        with stage("start the device", 0.05, 0.06):
            device, why_not = _device(request.device)
        with stage("segment", 0.06, 0.85):
            given = _landmarks(request, chosen, scan, session)
            segmented = segment(scan.volume, chosen, _networks(session, device), given)
        with stage("measure", 0.85, 0.88):
            demonstration = session.store.demonstration
            findings = measure(request, chosen, scan, segmented, features, demonstration)
        with stage("write", 0.88, 1.0):
            writers = {name: product.write for name, product in asked(request).items()}
            files = write_together(writers, findings, request.folder)
    seconds["total"] = time.perf_counter() - began
    told = (
        *scan.notes,
        *remarks,
        why_not,
        suits.warning,
        *cautions(chosen, segmented, leftovers),
        terms(chosen),
    )
    return Outcome(
        findings=findings,
        suits=suits,
        files=files,
        warnings=tuple(warning for warning in told if warning),
        seconds=seconds,
        weight_reads=session.weight_reads - reads,
        device=str(device),
        notes=tuple(notes),
    )


def _device(name: str) -> "tuple[torch.device, str | None]":
    from totalseg_mcp.engine.device import choose_device

    return choose_device(name)


def _networks(session: Session, device: "torch.device") -> Networks:
    def network(model: Model) -> "Network":
        with stage("load weights", 0.0, 0.0):
            return session.network(model, device)

    return network


def _landmarks(request: Request, chosen: Plan, scan: Scan, session: Session) -> Landmarks | None:
    """The caller's own masks of where to look, if there are any."""
    if request.crop_path is None or chosen.region is None:
        return None
    keep = chosen.region.keep.to if chosen.region.keep else ()
    grid = scan.volume.grid
    return read_landmarks(request.crop_path, chosen.region.to, keep, grid, session.reach)
