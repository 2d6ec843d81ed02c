"""Whether a scan is of the modality that a task is for."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from totalseg_mcp.engine.errors import BadImageError
from totalseg_mcp.engine.imaging import Modality
from totalseg_mcp.engine.modality import Verdict, judge, judge_sample
from totalseg_mcp.engine.scan import Scan
from totalseg_mcp.engine.tasks import TASKS, Task

MOST_NAMED = 5  # tasks in one piece of advice


@dataclass(frozen=True, slots=True)
class Suitability:
    """`detected` is None where neither file nor values tell; `forced`: a refusal was overridden.

    `warning` says what speaks against the task, if anything does.
    """

    detected: Modality | None
    forced: bool = False
    warning: str | None = None


def suitability(scan: Scan, task: Task, force: bool) -> Suitability:
    """How well `scan` suits `task`; what the file says counts, else what the values show.

    Raises:
        BadImageError: it is surely of the other modality, and that is not overridden by `force`.
    """
    verdict = _by_the_file(scan.modality) or judge(scan.volume.data)
    subject = f"The task {task.name!r}"
    return _judged(verdict, subject, task.modality, lambda other: _advice(task, other), force)


def suitability_2d(
    said: Modality | None, sample: NDArray[Any], model: str, force: bool
) -> Suitability:
    """How well a scan suits a 2-D model, which are for CT.

    `said` is what its file says, `sample` are the voxels that it is judged by otherwise.

    Raises:
        BadImageError: as `suitability`.
    """
    advice = (
        "Use the tool totalsegmentator with task='total_mr', or force=true if you know that it "
        "is a CT."
    )
    verdict = _by_the_file(said) or judge_sample(sample)
    return _judged(verdict, f"The model {model!r}", "CT", lambda _: advice, force)


def _judged(
    verdict: Verdict,
    subject: str,
    modality: Modality,
    advice: Callable[[Modality], str],
    force: bool,
) -> Suitability:
    if verdict.leans == modality:
        return Suitability(verdict.modality)
    looks = f"looks like {verdict.leans}" if verdict.leans else "looks like neither CT nor MR"
    against = f"{subject} is for {modality}, but the image {looks}: {verdict.reason}."
    if verdict.modality is None:
        return Suitability(None, warning=against)
    if not force:
        raise BadImageError(f"{against} {advice(verdict.modality)}")
    return Suitability(verdict.modality, True, f"Segmented because of force=true. {against}")


def counterparts(task: Task, modality: Modality) -> tuple[str, ...]:
    """The tasks for `modality` that stand for `task`: its twin by name, if it has one.

    Otherwise those with some of the same structures; those that share most come first.

    >>> counterparts(TASKS["liver_segments"], "MR"), counterparts(TASKS["vertebrae_body"], "MR")
    (('liver_segments_mr',), ('total_mr',))
    """
    stem = task.name.removesuffix("_mr")
    twins = [name for name in (stem, f"{stem}_mr") if name in TASKS]
    if found := tuple(name for name in twins if TASKS[name].modality == modality):
        return found
    others = [other for other in TASKS.values() if other.modality == modality]
    shared = {other.name: len(set(other.names) & set(task.names)) for other in others}
    return tuple(sorted((name for name in shared if shared[name]), key=lambda name: -shared[name]))


def _by_the_file(said: Modality | None) -> Verdict | None:
    if said is None:
        return None
    return Verdict(said, True, "its header says so")


def _advice(task: Task, modality: Modality) -> str:
    names = counterparts(task, modality)[:MOST_NAMED]
    use = (
        f"Use task={' or '.join(map(repr, names))}"
        if names
        else f"No task for {modality} finds these structures"
    )
    return f"{use}, or force=true if you know that the task fits."
