"""The jobs of one call: read, plan, segment, measure, write."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from totalseg_mcp.engine.cautions import cautions
from totalseg_mcp.engine.engines import chosen, named
from totalseg_mcp.engine.files import read
from totalseg_mcp.engine.fingerprint import digest_of
from totalseg_mcp.engine.job import Job, job
from totalseg_mcp.engine.labelling import Bench, labelled
from totalseg_mcp.engine.measuring import measure
from totalseg_mcp.engine.need import Memory
from totalseg_mcp.engine.peak import forget
from totalseg_mcp.engine.product import asked
from totalseg_mcp.engine.products import PRODUCTS, Findings, suited
from totalseg_mcp.engine.recollection import Recalled, Recollection
from totalseg_mcp.engine.request import Request
from totalseg_mcp.engine.scan import Scan
from totalseg_mcp.engine.session import Session
from totalseg_mcp.engine.starting import started
from totalseg_mcp.engine.suitability import Suitability, suitability
from totalseg_mcp.engine.supply import deliver, ordered, terms
from totalseg_mcp.engine.tasks import Model, task_named
from totalseg_mcp.engine.views import Views
from totalseg_mcp.engine.watch import clocked, noted, stage
from totalseg_mcp.engine.writing import Output, write_all

if TYPE_CHECKING:
    import torch

    from totalseg_mcp.engine.forecast import Forecast
    from totalseg_mcp.engine.ladder import Ladder

SEGMENTING = (0.06, 0.88)  # of the progress: segmenting and measuring
MEASURING = 0.96  # of a job's part of that, where measuring begins


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What came of a job: `files` are final, `seconds` are by stage, with the total.

    `reused_s` are the seconds that its labels took in an earlier call; None where they are
    new. `models` made them. Jobs of one call share seconds, weight reads and device.
    """

    findings: Findings
    suits: Suitability
    files: tuple[Path, ...]
    warnings: tuple[str, ...]
    seconds: Mapping[str, float]
    weight_reads: int
    loads: int
    device: str
    memory: Memory
    notes: tuple[str, ...] = ()
    engine: str | None = None  # what computed the networks; None where none had to run
    reused_s: float | None = None
    models: tuple[Model, ...] = ()
    degradations: tuple[str, ...] = ()  # what was done otherwise than asked; in `warnings` too

    @property
    def found(self) -> tuple[str, ...]:
        """The structures that are in the label map, in label order."""
        return self.findings.labels.there


@dataclass(frozen=True, slots=True, eq=False)
class _Done:
    """A job that is measured, and what to know of it."""

    findings: Findings
    recalled: Recalled | None
    cautions: tuple[str | None, ...]
    notes: tuple[str, ...]


def run(request: Request, session: Session) -> Outcome:
    """Do what was asked; files appear in `request.folder` only when all of it is done.

    What can be refused is refused before a model is loaded.

    Raises:
        EngineError: the caller or the operator can put it right; nothing was written.
    """
    (outcome,) = run_all((request,), session)
    return outcome


def run_all(requests: Sequence[Request], session: Session) -> tuple[Outcome, ...]:
    """Several tasks on one scan, which is read once; they differ in task and folder only.

    Raises:
        EngineError: as `run`, for any of them; nothing was written for any.
    """
    began, before, alone = time.perf_counter(), session.stats(), forget()
    jobs = [job(request) for request in requests]
    first = requests[0]
    with clocked() as seconds, noted() as notes, session.job():
        with stage("read", 0.0, 0.04):
            scan = read(first.input_path, session.reach)
            suits = [suitability(scan, task_named(j.plan.task), first.force) for j in jobs]
            remarks = [suited(j.request, j.plan, scan) for j in jobs]
        for order in [ordered(j.plan, session, first.licence) for j in jobs]:
            deliver(order, session)
        with stage("start the device", 0.05, 0.06):
            ladder, why_not = started(first.device, session)
        forecast = _forecast(scan, session, ladder.device, alone)
        done = _worked(jobs, scan, _bench(first, scan, session, ladder, forecast), session)
        with stage("write", SEGMENTING[1], 1.0):
            files = write_all([_output(j, d.findings) for j, d in zip(jobs, done, strict=True)])
    seconds["total"] = time.perf_counter() - began
    after, memory = session.stats(), forecast.memory()
    degraded = tuple(text for text in (why_not, *ladder.degradations) if text)
    return tuple(
        Outcome(
            findings=d.findings,
            suits=suit,
            files=written,
            warnings=_told(scan, (*remark, *degraded), suit, d),
            seconds=seconds,
            weight_reads=after.weight_reads - before.weight_reads,
            loads=after.loads - before.loads,
            device=ladder.devices,
            notes=(*notes, *d.notes),
            engine=ladder.engines,
            degradations=degraded,
            memory=memory,
            reused_s=d.recalled.seconds if d.recalled else None,
            models=(d.recalled.plan if d.recalled else d.findings.plan).needs,
        )
        for d, suit, remark, written in zip(done, suits, remarks, files, strict=True)
    )


def _worked(jobs: Sequence[Job], scan: Scan, bench: Bench, session: Session) -> list[_Done]:
    """Every job segmented and measured, each before the next."""
    start, stop = SEGMENTING
    share = (stop - start) / len(jobs)
    done = []
    for number, one in enumerate(jobs):
        here = start + number * share
        with noted() as notes:
            with stage("segment", here, here + MEASURING * share):
                labels = labelled(one, bench)
            with stage("measure", here + MEASURING * share, here + share):
                demonstration = session.store.demonstration
                findings = measure(one, scan, bench.views, labels.segmented, demonstration)
        told = cautions(one.plan, labels.segmented, one.leftovers)
        done.append(_Done(findings, labels.recalled, told, tuple(notes)))
    return done


def _told(
    scan: Scan, remarks: tuple[str | None, ...], suits: Suitability, done: _Done
) -> tuple[str, ...]:
    """What to know before a result is used."""
    reuse = done.recalled.caution if done.recalled else None
    last = terms(done.findings.plan)
    told = (*scan.notes, *remarks, suits.warning, reuse, *done.cautions, last)
    return tuple(warning for warning in told if warning)


def _output(job: Job, findings: Findings) -> Output[Findings]:
    writers = {name: product.write for name, product in asked(PRODUCTS, job.request).items()}
    return Output(writers, findings, job.request.folder)


def _forecast(scan: Scan, session: Session, device: "torch.device", alone: bool) -> "Forecast":
    from totalseg_mcp.engine.forecast import Forecast

    return Forecast(
        scan.volume.grid,
        session.store,
        host=device.type == "cpu",
        noted=alone,
    )


def _bench(
    request: Request, scan: Scan, session: Session, ladder: "Ladder", forecast: "Forecast"
) -> Bench:
    """What the jobs share."""
    recollection, device = None, ladder.device
    if session.results and request.cache:
        with stage("recall", SEGMENTING[0], SEGMENTING[0]):
            image = digest_of(scan.volume)
        engine = _engine(session, device)
        recollection = Recollection(session.results, session.store, image, engine)
    views = Views(scan.volume, ladder.zoomed)
    return Bench(
        views, ladder.network, session.reach, recollection, lambda: ladder.device == device
    )


def _engine(session: Session, device: "torch.device") -> str:
    """What computes the networks, to tell its results from others'."""
    engine = chosen(session.cpu, 3) if device.type == "cpu" else None
    return named(engine.package) if engine else f"torch on {device.type}"
