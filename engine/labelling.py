"""The labels of one job: those of an earlier call, where it is remembered, or new ones."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from totalseg_mcp.engine.files.landmarks import read_landmarks
from totalseg_mcp.engine.job import Job
from totalseg_mcp.engine.landmarks import Landmarks
from totalseg_mcp.engine.plan import Plan
from totalseg_mcp.engine.reach import Reach
from totalseg_mcp.engine.recollection import Recalled, Recollection
from totalseg_mcp.engine.segment import Networks, Segmented, segment_views
from totalseg_mcp.engine.views import Views
from totalseg_mcp.engine.watch import note, stage


@dataclass(frozen=True, slots=True, eq=False)
class Bench:
    """What the jobs of one call share. Nothing is remembered without a `recollection`.

    Nor if the networks came not to be run as it says; `as_planned` tells. `check` refuses a job
    whose labels are new and for which there is too little memory.
    """

    views: Views
    networks: Networks
    reach: Reach
    recollection: Recollection | None = None
    as_planned: Callable[[], bool] = lambda: True
    check: Callable[[Job], None] = lambda job: None


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """The labels of one job; `recalled` is None where they are new."""

    segmented: Segmented
    recalled: Recalled | None = None


def labelled(job: Job, bench: Bench) -> Labelled:
    """The labels that `job` asks for; new ones are remembered, and may serve the next job."""
    given = _landmarks(job, bench)
    if recalled := _recalled(job, bench, given):
        note(f"labels of an earlier call were reused: {recalled.seconds:.1f} s saved")
        return Labelled(recalled.segmented, recalled)
    bench.check(job)
    began = time.perf_counter()
    segmented = segment_views(bench.views, job.plan, bench.networks, given)
    if given is None:
        bench.views.labels(job.plan, lambda: segmented.labels)
    if bench.recollection and bench.as_planned():
        took = time.perf_counter() - began
        with stage("remember", 1.0, 1.0):
            bench.recollection.remember(job.plan, given, segmented, took)
    return Labelled(segmented)


def _recalled(job: Job, bench: Bench, given: Landmarks | None) -> Recalled | None:
    """What is remembered of the job; if nothing is, of the tasks that it builds on."""
    if bench.recollection is None:
        return None
    with stage("recall", 0.0, 0.0):
        if recalled := bench.recollection.recall(job.request.options, given):
            return recalled
        for other in (job.plan.region, job.plan.refinement):
            if other and other.plan:
                _recall_for(other.plan, bench.views, bench.recollection)
    return None


def _recall_for(other: Plan, views: Views, recollection: Recollection) -> None:
    """Give the views what is remembered of a plan that another one builds on."""
    if known := recollection.known(other):
        note(f"labels of an earlier run of {other.task} ({other.resolution}) were built on")
        views.labels(other, lambda: known.segmented.labels)


def _landmarks(job: Job, bench: Bench) -> Landmarks | None:
    """The caller's own masks of where to look, if there are any."""
    region, path = job.plan.region, job.request.crop_path
    if path is None or region is None:
        return None
    keep = region.keep.to if region.keep else ()
    return read_landmarks(path, region.to, keep, bench.views.scan.grid, bench.reach)
