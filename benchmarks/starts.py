"""Timing starts: from no process to the list of tools, as a host sees it.

Several versions of the program, each in an environment of its own, take turns. Processor time is
told beside the clock's, because a start is short and others may work on the machine, too.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.calls.targets import LISTED_S
from benchmarks.machine import load
from benchmarks.sides.client import Server
from benchmarks.sides.processes import cpu_of

HERE = str(Path(sys.executable).with_name("totalseg-mcp"))
SERVE = ("serve", "--device", "cpu", "--weights", "demo")


@dataclass(frozen=True)
class Start:
    """Seconds by the clock and of processor time until the tools were listed."""

    wall: float
    cpu: float
    load: float  # of the machine, when it began


def main() -> None:
    """Measure, and print a line for each program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("programs", nargs="*", metavar="TOTALSEG-MCP", default=[HERE])
    parser.add_argument("--rounds", type=int, default=20)
    asked = parser.parse_args()
    for program, starts in measured(asked.programs, asked.rounds).items():
        sys.stdout.write(f"{program}: {told(starts)}\n")


def start(program: str) -> Start:
    """One start; nothing is asked of the server but its tools."""
    with Path(os.devnull).open("w") as log:
        busy, began = load(), time.perf_counter()
        with Server(os.environ, (program, *SERVE), log) as server:
            server.tools()
            return Start(time.perf_counter() - began, cpu_of(server.pid), busy)


def measured(
    programs: Sequence[str], rounds: int, start: Callable[[str], Start] = start
) -> dict[str, list[Start]]:
    """The starts of every program; who was first in a round is last in the next."""
    starts: dict[str, list[Start]] = {program: [] for program in programs}
    for number in range(rounds):
        for program in programs[:: -1 if number % 2 else 1]:
            starts[program].append(start(program))
    return starts


def told(starts: Sequence[Start]) -> str:
    """Median and worst, how many took too long, and how busy the machine was."""
    walls, cpus, loads = zip(*((one.wall, one.cpu, one.load) for one in starts), strict=True)
    late = sum(wall > LISTED_S for wall in walls)
    return (
        f"{statistics.median(walls):.2f} s (worst {max(walls):.2f}), "
        f"processor {statistics.median(cpus):.2f} s (worst {max(cpus):.2f}), "
        f"{late} of {len(starts)} over {LISTED_S:g} s, load {min(loads):.1f} to {max(loads):.1f}"
    )


if __name__ == "__main__":
    main()
