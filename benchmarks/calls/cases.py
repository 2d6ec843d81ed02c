"""What every program is asked for: one entry a table of the page."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from benchmarks.calls.programs import API, CLI, OPENVINO, OURS, PROGRAMS, THEIR_SERVER


@dataclass(frozen=True)
class Case:
    """`total`, 3 mm, on the CPU: a scan, a network, what is wanted, and who takes part.

    `calls` are those of one process, one after another; `rounds` the processes of each program.
    `smooth` is TotalSegmentator's higher_order_resampling, which its MCP server always sets.
    """

    what: str
    scan: Literal["small", "medium", "large"]
    network: Literal["tiny", "true size"]
    programs: tuple[str, ...]
    calls: int = 3
    rounds: int = 5
    statistics: bool = False
    preview: bool = False
    smooth: bool = False

    @property
    def ours(self) -> Mapping[str, Any]:
        """The arguments of our tool."""
        return {
            "fast": True,
            "device": "cpu",
            "cache": False,  # or the second call would run no network
            "statistics": self.statistics,
            "stats_include_incomplete": self.smooth,
            "preview": self.preview,
            "higher_order_resampling": self.smooth,
        }

    @property
    def theirs(self) -> Mapping[str, bool]:
        """What TotalSegmentator's command line and its Python interface are told."""
        return {"fast": True, "statistics": self.statistics, "preview": self.preview}


EVERYBODY = (OURS, OPENVINO, CLI, API)
CASES: Mapping[str, Case] = {
    "small-tiny": Case("Small scan, tiny network", "small", "tiny", EVERYBODY),
    "small-true": Case(
        "Small scan, network of the true size", "small", "true size", EVERYBODY, rounds=2
    ),
    "served-tiny": Case(
        "What its MCP server does (statistics, smooth borders): small scan, tiny network",
        "small",
        "tiny",
        (OURS, OPENVINO, THEIR_SERVER),
        calls=2,
        rounds=3,
        statistics=True,
        smooth=True,
    ),
    "served-true": Case(
        "What its MCP server does: small scan, network of the true size",
        "small",
        "true size",
        (OURS, OPENVINO, THEIR_SERVER),
        calls=2,
        rounds=1,
        statistics=True,
        smooth=True,
    ),
    "medium-tiny": Case(
        "Medium scan, tiny network", "medium", "tiny", EVERYBODY, calls=2, rounds=1
    ),
    "large-tiny": Case(
        "Large scan, 117 masks, statistics, preview: tiny network",
        "large",
        "tiny",
        (OURS, OPENVINO, CLI),
        calls=2,
        rounds=1,
        statistics=True,
        preview=True,
    ),
    "large-true": Case(
        "Large scan, 117 masks, statistics, preview: network of the true size",
        "large",
        "true size",
        (OURS, OPENVINO, CLI),
        calls=2,
        rounds=1,
        statistics=True,
        preview=True,
    ),
}
LONG = ("large-true",)  # only if it is asked for by name: half an hour


def chosen(names: list[str] | None, peers: bool) -> dict[str, Case]:
    """The cases called `names`, or all but the long ones, and who can take part in them."""
    wanted = [name for name in names or CASES if name in CASES and (names or name not in LONG)]
    return {name: _without_peers(CASES[name]) if not peers else CASES[name] for name in wanted}


def _without_peers(case: Case) -> Case:
    ours = tuple(name for name in case.programs if not PROGRAMS[name].peer)
    return Case(**{**vars(case), "programs": ours})
