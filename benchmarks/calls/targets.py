"""What this program set out to reach beside TotalSegmentator 2.18.0, and whether it does."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.calls.measured import Measured
from benchmarks.calls.programs import API, CLI, OPENVINO, OURS, THEIR_SERVER
from benchmarks.calls.ratios import Figure, Ratio, memory, ratio, wall

SECOND, COLD = wall(1), wall(0)
LISTED_S = 2.0


@dataclass(frozen=True)
class Target:
    """At least `times` less than `program` takes in `case`."""

    what: str
    case: str
    program: str
    times: float
    figure: Figure = SECOND


TARGETS = (
    Target("small scan, true size: second call, command line", "small-true", CLI, 4),
    Target("small scan, true size: second call, MCP server", "served-true", THEIR_SERVER, 5),
    Target("small scan, true size: second call, warm Python API", "small-true", API, 2.5),
    Target("small scan, tiny network: second call, command line", "small-tiny", CLI, 15),
    Target("small scan, tiny network: second call, MCP server", "served-tiny", THEIR_SERVER, 10),
    Target("small scan, tiny network: second call, warm Python API", "small-tiny", API, 8),
    Target("large scan, true size: second call, command line", "large-true", CLI, 3),
    Target("large scan, tiny network: second call, command line", "large-tiny", CLI, 8),
    Target("small scan, true size: cold call, command line", "small-true", CLI, 2, COLD),
    Target("small scan, true size: peak memory, command line", "small-true", CLI, 2, memory),
    Target("large scan, tiny network: peak memory, command line", "large-tiny", CLI, 2, memory),
)
# Rows of results.md, which another program measures.
STAGE_TARGETS: Mapping[str, float] = {
    "Volume and mean of 117 structures": 20,
    "Saving 117 masks; the reference with 6 processes, its default": 5,
}


def met(target: Target, measured: Measured) -> Mapping[str, Ratio | None]:
    """What was reached by torch and by OpenVINO; None where it was not measured."""
    return {
        ours: ratio(measured, target.case, target.program, target.figure, ours)
        for ours in (OURS, OPENVINO)
    }


def listed(measured: Measured) -> list[float]:
    """Seconds from the start of our process to the list of its tools, of every trial."""
    return [
        trial.listed
        for trial in measured.trials
        if trial.program in (OURS, OPENVINO) and trial.listed is not None
    ]


def ratio_in(page: str, what: str) -> float | None:
    """The ratio in the row `what` of results.md; None where there is no such row.

    >>> ratio_in("| Saving | 3.76 (3.5 to 5.7) | 68.07 | 18.1 | 3 |", "Saving")
    18.1
    """
    found = re.search(rf"^\| {re.escape(what)} \|[^|]*\|[^|]*\| ([\d.]+)", page, flags=re.M)
    return float(found[1]) if found else None


def seconds_in(page: str, what: str) -> float:
    """Our seconds in the row `what` of results.md.

    >>> seconds_in("| Saving | 3.76 (3.5 to 5.7) | 68.07 | 18.1 | 3 |", "Saving")
    3.76
    """
    found = re.search(rf"^\| {re.escape(what)} \| ([\d.]+)", page, flags=re.M)
    if not found:
        raise ValueError(f"results.md has no row {what!r}: run benchmarks.run")
    return float(found[1])
