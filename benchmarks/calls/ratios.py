"""How often ours fits into theirs: from trials to figures."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.calls.measured import Call, Measured, Trial
from benchmarks.calls.programs import OURS

Figure = Callable[[Trial], float]
# What a stage of ours contains that has a row of its own.
INSIDE = {"infer": ("load weights",)}
STAGES = ("read", "load weights", "resample", "infer", "restore", "measure", "write")
OTHER = "the rest"


@dataclass(frozen=True)
class Ratio:
    """The median of one program over that of the other; `least` and `most` of any two rounds."""

    middle: float
    least: float
    most: float
    rounds: int


def call(number: int) -> Callable[[Trial], Call]:
    """That call of a trial, counted from 0; the last one where there are fewer.

    A command line has one call only, and every one is like it.
    """

    def chosen(trial: Trial) -> Call:
        return trial.calls[min(number, len(trial.calls) - 1)]

    return chosen


def wall(number: int) -> Figure:
    """Seconds by the clock of that call."""
    return lambda trial: call(number)(trial).wall


def cpu(number: int) -> Figure:
    """Seconds of processor time of that call."""
    return lambda trial: call(number)(trial).cpu


def memory(trial: Trial) -> float:
    """The most resident memory of all its processes at once, in MiB; shared pages count in each."""
    return trial.size.resident_mib


def ratio(
    measured: Measured, case: str, theirs: str, figure: Figure, ours: str = OURS
) -> Ratio | None:
    """`figure` of `theirs` over that of `ours`; None where one of them was not measured."""
    mine = [figure(trial) for trial in measured.of(case, ours)]
    others = [figure(trial) for trial in measured.of(case, theirs)]
    if not mine or not others:
        return None
    return Ratio(
        statistics.median(others) / statistics.median(mine),
        min(others) / max(mine),
        max(others) / min(mine),
        len(mine),
    )


def middle(trials: Sequence[Trial], figure: Figure) -> float:
    """The median of `figure`."""
    return statistics.median(figure(trial) for trial in trials)


def by_stage(trials: Sequence[Trial], number: int = 1) -> dict[str, float]:
    """The median seconds of every stage of ours in a call, each without what lies inside it."""
    seconds = {name: middle(trials, _alone(name, number)) for name in STAGES}
    return {**seconds, OTHER: max(0.0, middle(trials, wall(number)) - sum(seconds.values()))}


def _alone(name: str, number: int) -> Figure:
    def alone(trial: Trial) -> float:
        stages = call(number)(trial).stages
        inside = sum(stages.get(part, 0.0) for part in INSIDE.get(name, ()))
        return stages.get(name, 0.0) - inside

    return alone


def line(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Start and slope of the straight line nearest to `points` (x, y).

    >>> line([(0, 1.0), (1, 3.0), (2, 5.0)])
    (1.0, 2.0)
    """
    slope, start = statistics.linear_regression(*zip(*points, strict=True))
    return start, slope
