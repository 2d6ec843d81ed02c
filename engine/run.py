"""One job: read, plan, segment, measure, write."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from totalseg_mcp.engine.files import read
from totalseg_mcp.engine.files.landmarks import read_landmarks
from totalseg_mcp.engine.files.nifti import header_of
from totalseg_mcp.engine.files.outputs import check, staged
from totalseg_mcp.engine.files.parameters import read_parameters
from totalseg_mcp.engine.image.orientation import reorient
from totalseg_mcp.engine.image.split import FEWEST
from totalseg_mcp.engine.landmarks import Landmarks
from totalseg_mcp.engine.measure.extraction import Extraction, extraction, version
from totalseg_mcp.engine.measure.radiomics import radiomics
from totalseg_mcp.engine.measure.statistics import Measurement, statistics
from totalseg_mcp.engine.plan import Plan, plan
from totalseg_mcp.engine.products import Findings, asked, file_names
from totalseg_mcp.engine.request import Request
from totalseg_mcp.engine.scan import Scan
from totalseg_mcp.engine.segment import Segmented, segment
from totalseg_mcp.engine.session import Session
from totalseg_mcp.engine.suitability import Suitability, suitability
from totalseg_mcp.engine.supply import deliver, ordered, terms
from totalseg_mcp.engine.tasks import Model, task_named
from totalseg_mcp.engine.watch import clocked, noted, stage, track

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
    features = _extraction(request)
    with clocked() as seconds, noted() as notes:
        with stage("read", 0.0, 0.04):
            scan = read(request.input_path, session.reach)
            suits = suitability(scan, task_named(chosen.task), request.force)
        deliver(ordered(chosen, session, request.licence), session)
        with stage("start the device", 0.05, 0.06):
            device, why_not = _device(request.device)
        with stage("segment", 0.06, 0.85):
            given = _landmarks(request, chosen, scan, session)
            segmented = segment(
                scan.volume, chosen, lambda model: _network(model, session, device), given
            )
        with stage("measure", 0.85, 0.88):
            findings = _findings(request, chosen, scan, segmented, features)
        with stage("write", 0.88, 1.0):
            files = _write(request, findings)
    seconds["total"] = time.perf_counter() - began
    told = (
        *scan.notes,
        why_not,
        _note(chosen),
        suits.warning,
        _nowhere(segmented, chosen),
        _whole(segmented, chosen),
        _beside(leftovers),
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


def _network(model: Model, session: Session, device: "torch.device") -> "Network":
    with stage("load weights", 0.0, 0.0):
        return session.network(model, device)


def _landmarks(request: Request, chosen: Plan, scan: Scan, session: Session) -> Landmarks | None:
    """The caller's own masks of where to look, if there are any."""
    if request.crop_path is None or chosen.region is None:
        return None
    keep = chosen.region.keep.to if chosen.region.keep else ()
    grid = scan.volume.grid
    return read_landmarks(request.crop_path, chosen.region.to, keep, grid, session.reach)


def _extraction(request: Request) -> Extraction | None:
    """Which radiomics features, if any; refused here rather than after the work."""
    if not request.radiomics:
        return None
    version()  # refuses if it is missing; a parameter file is read with what comes with it
    file = request.radiomics_parameters
    return extraction(read_parameters(file) if file else {})


def _findings(
    request: Request,
    chosen: Plan,
    scan: Scan,
    segmented: Segmented,
    features: Extraction | None,
) -> Findings:
    """The labels, and what was measured on the grid that TotalSegmentator measures on."""
    if chosen.lowres:  # the labels are on the model's grid, in the scan's order of axes
        image = reorient(segmented.model_image, scan.volume.grid.axcodes)
        scan = replace(scan, volume=image, header=header_of(image.grid))
    labels, image = segmented.labels, scan.volume
    if chosen.measured_on == "model" and not chosen.lowres:
        labels, image = segmented.model_labels, segmented.model_image
    measured: dict[str, Measurement] = {}
    if request.statistics:
        measured = statistics(labels, image, request.include_incomplete)
    wanted = {name: measured[name] for name in chosen.wanted if name in measured}
    textures = None
    if features:
        with stage("radiomics", 0.1, 1.0):
            textures = radiomics(
                segmented.labels, scan.volume, chosen.wanted, features, request.include_incomplete
            )
    return Findings(chosen, scan, segmented.labels, wanted, request.saving_threads, textures)


def _write(request: Request, findings: Findings) -> tuple[Path, ...]:
    """Write every product, then move them all into place together."""
    products = asked(request)
    if not products:
        return ()
    with staged(request.folder) as folder:
        for name in track(tuple(products), "file kind"):
            products[name].write(findings, folder)
        names = sorted(file.name for file in folder.iterdir())
    return tuple(request.folder / name for name in names)


def _note(chosen: Plan) -> str | None:
    note = task_named(chosen.task).note
    return f"The task {chosen.task!r}: {note}" if note else None


def _nowhere(segmented: Segmented, chosen: Plan) -> str | None:
    if segmented.region_found or chosen.region is None:
        return None
    some = ", ".join(chosen.region.to[:5])
    if chosen.region.plan is None:
        return "Nothing was segmented: the masks in crop_path are empty."
    return (
        f"Nothing was segmented: a rough model found none of the structures to look near ({some}). "
        "They may be outside the scan; check with fast=true and no roi_subset."
    )


def _whole(segmented: Segmented, chosen: Plan) -> str | None:
    slices = segmented.model_image.grid.shape[2]
    if not chosen.split or not segmented.region_found or slices >= FEWEST:
        return None
    return f"force_split changed nothing: the models see {slices} slices, too few to split."


def _beside(leftovers: tuple[str, ...]) -> str | None:
    if not leftovers:
        return None
    return (
        f"The folder still holds {len(leftovers)} files of an earlier run that this one did not "
        f"write, such as {leftovers[0]}."
    )
