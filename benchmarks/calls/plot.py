"""One picture of what was measured: how often ours fits into theirs, and where our time goes."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Canvas

from benchmarks.calls.cases import CASES
from benchmarks.calls.measured import Measured
from benchmarks.calls.programs import API, CLI, OPENVINO, OURS, THEIR_SERVER
from benchmarks.calls.ratios import OTHER, STAGES, Ratio, by_stage, ratio
from benchmarks.calls.targets import SECOND, TARGETS

TICKS = (1, 2, 3, 5, 10, 20, 50)
COLOURS = {CLI: "#1b6ca8", API: "#2a9d5c", THEIR_SERVER: "#b5541c"}
STAGE_COLOURS = (
    "#9ecae1",
    "#6baed6",
    "#3182bd",
    "#e6550d",
    "#fdae6b",
    "#74c476",
    "#9e9ac8",
    "#bdbdbd",
)


def draw(measured: Measured, file: Path) -> None:
    """Write the picture (PNG) to `file`."""
    canvas = Canvas(figsize=(12, 4.8), layout="constrained")
    FigureCanvasAgg(canvas)
    left, right = canvas.subplots(1, 2)
    names = [name for name in CASES if measured.of(name, OURS)]
    _ratios(left, measured, names)
    _stages(right, measured, names)
    canvas.savefig(file, dpi=110)


def _ratios(axes: Axes, measured: Measured, names: Sequence[str]) -> None:
    """A dot for torch, a ring for OpenVINO; lines are the spread, ticks what was aimed at."""
    for row, (name, program, found, ours) in enumerate(_found(measured, names)):
        face = COLOURS[program] if ours == OURS else "white"
        axes.plot([found.least, found.most], [row, row], color=COLOURS[program], zorder=1)
        axes.scatter([found.middle], [row], color=COLOURS[program], facecolor=face, zorder=2)
        for target in TARGETS:
            if (target.case, target.program, target.figure) == (name, program, SECOND):
                axes.plot([target.times], [row], marker="|", markersize=14, color="black")
    rows = list(_found(measured, names))
    axes.set_yticks(
        range(len(rows)),
        [f"{name}: {theirs}{_by(ours)}" for name, theirs, _, ours in rows],
        fontsize=8,
    )
    axes.set_xscale("log")
    axes.set_xticks(TICKS, [str(tick) for tick in TICKS])
    axes.set_xticks([], minor=True)
    axes.axvline(1, color="grey", linewidth=0.8)
    axes.invert_yaxis()
    axes.set_xlabel("times longer than our second call (| aimed at; ring: ours by OpenVINO)")
    axes.set_title("Beside TotalSegmentator 2.18.0")


def _found(measured: Measured, names: Sequence[str]) -> Iterator[tuple[str, str, Ratio, str]]:
    for name in names:
        for program in COLOURS:
            for ours in (OURS, OPENVINO):
                if found := ratio(measured, name, program, SECOND, ours):
                    yield name, program, found, ours


def _by(ours: str) -> str:
    return "" if ours == OURS else " / OpenVINO"


def _stages(axes: Axes, measured: Measured, names: Sequence[str]) -> None:
    """Our second call as a stack of stages."""
    stacks = [by_stage(measured.of(name, OURS)) for name in names]
    begun = [0.0] * len(names)
    for stage, colour in zip((*STAGES, OTHER), STAGE_COLOURS, strict=True):
        widths = [stack[stage] for stack in stacks]
        axes.barh(range(len(names)), widths, left=begun, color=colour, label=stage)
        begun = [start + width for start, width in zip(begun, widths, strict=True)]
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel("seconds")
    axes.set_title("Our second call, by stage (torch)")
    axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.01, 1.0))
