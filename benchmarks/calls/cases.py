"""What every program is asked for: one entry a table of the page."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from benchmarks.calls.programs import API, CLI, OPENVINO, OURS, PROGRAMS, THEIR_SERVER

CPU, GPU = "cpu", "gpu"  # as all programs call them


@dataclass(frozen=True)
class Case:
    """`total`, 3 mm: a scan, a network, what is wanted, on which `device`, and who takes part.

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
    device: str = CPU

    @property
    def ours(self) -> Mapping[str, Any]:
        """The arguments of our tool."""
        return {
            "fast": True,
            "device": self.device,
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
# The first ones say most; all take some minutes on a fast GPU. Previews would need fury and Xvfb.
ON_GPU: Mapping[str, Case] = {
    f"gpu-{name}": replace(
        CASES[name],
        what=what,
        programs=programs,
        rounds=1,
        statistics=False,
        preview=False,
        device=GPU,
    )
    for name, what, programs in (
        ("small-true", "Small scan, network of the true size", (OURS, CLI, API)),
        ("large-true", "Large scan, 117 masks: network of the true size", (OURS, CLI, API)),
        ("small-tiny", "Small scan, tiny network", (OURS, CLI, API)),
        ("large-tiny", "Large scan, 117 masks: tiny network", (OURS, CLI)),
    )
}
BY_DEVICE: Mapping[str, Mapping[str, Case]] = {CPU: CASES, GPU: ON_GPU}

LONG = ("large-true",)  # only if it is asked for by name: half an hour


def chosen(names: list[str] | None, peers: bool, device: str = CPU) -> dict[str, Case]:
    """Those on `device` called `names`, or all but the long ones, and who can take part in them."""
    cases = BY_DEVICE[device]
    wanted = [name for name in names or cases if name in cases and (names or name not in LONG)]
    return {name: _without_peers(cases[name]) if not peers else cases[name] for name in wanted}


def _without_peers(case: Case) -> Case:
    ours = tuple(name for name in case.programs if not PROGRAMS[name].peer)
    return replace(case, programs=ours)
