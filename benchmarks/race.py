"""Running a contest: both sides in turn, each time in a fresh process."""

import json
import os
import resource
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contests import Contest
from benchmarks.machine import load
from benchmarks.sides.job import SECONDS, Seconds
from benchmarks.sides.processes import SIZE, Size

MOST_SAID = 2000  # characters
UNKNOWN = Size(0, 0.0, 0.0)


class FailedError(Exception):
    """A program did not come to an end; the text is the end of what it said."""


@dataclass(frozen=True)
class Side:
    """A program: its interpreter, and the script with its jobs."""

    python: Path
    script: Path
    environment: Mapping[str, str]

    def run(self, job: str, inputs: Path, out: Path) -> Seconds:
        """Do `job`; the seconds of the whole process.

        Raises:
            FailedError: it failed.
        """
        out.mkdir()
        command = [str(self.python), str(self.script), job, str(inputs), str(out)]
        wall, cpu = time.perf_counter(), _cpu_of_children()
        with (out / "log.txt").open("w") as log:
            environment = os.environ | self.environment
            ended = subprocess.run(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
        took = Seconds(time.perf_counter() - wall, _cpu_of_children() - cpu)
        if ended.returncode:
            said = (out / "log.txt").read_text(errors="replace")
            raise FailedError(f"{self.script.stem}, {job!r}: {said[-MOST_SAID:]}")
        return took


@dataclass(frozen=True)
class Result:
    """What came of a contest: the times of every round, and the load before and after.

    `sizes` are ours and the reference's, where the contest looks at them.
    """

    contest: Contest
    ours: tuple[Seconds, ...]
    reference: tuple[Seconds, ...]
    load: tuple[float, float]
    sizes: tuple[Size, Size] = (UNKNOWN, UNKNOWN)

    @property
    def ratio(self) -> float:
        """How many times faster we are, by the clock; below 1 the reference is faster."""
        return median(self.reference).wall / median(self.ours).wall

    @property
    def cpu_ratio(self) -> float:
        """How many times less processor time we take."""
        return median(self.reference).cpu / median(self.ours).cpu


def race(
    contest: Contest, sides: tuple[Side, Side], inputs: Path, wait: Callable[[], None]
) -> Result:
    """Both of `sides` (ours, the reference) in turn; whoever was first is second the next time.

    `wait` is called before every run.

    Raises:
        DisagreementError: they did not come to the same in the first round.
        FailedError: one of them failed.
    """
    times: tuple[list[Seconds], list[Seconds]] = ([], [])
    loads: list[tuple[float, float]] = []
    sizes = [UNKNOWN, UNKNOWN]
    jobs = (contest.ours, contest.reference)
    for turn in range(contest.rounds):
        with tempfile.TemporaryDirectory(dir=inputs.parent) as name:
            outs = Path(name) / "ours", Path(name) / "reference"
            for n in (0, 1) if turn % 2 == 0 else (1, 0):
                wait()
                before = load()
                process = sides[n].run(jobs[n], inputs, outs[n])
                times[n].append(process if contest.whole else _of_work(outs[n]))
                loads.append((before, load()))
                sizes[n] = sizes[n].or_more(_size(outs[n]))
            if turn == 0:
                contest.agree(*outs)
    before, after = (statistics.median(some) for some in zip(*loads, strict=True))
    ours, reference = (tuple(some) for some in times)
    return Result(contest, ours, reference, (before, after), (sizes[0], sizes[1]))


def median(times: tuple[Seconds, ...]) -> Seconds:
    """Of the clock and of processor time, each by itself."""
    return Seconds(
        statistics.median(one.wall for one in times), statistics.median(one.cpu for one in times)
    )


def _of_work(out: Path) -> Seconds:
    return Seconds(**json.loads((out / SECONDS).read_text()))


def _size(out: Path) -> Size:
    file = out / SIZE
    return Size(**json.loads(file.read_text())) if file.exists() else UNKNOWN


def _cpu_of_children() -> float:
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime
