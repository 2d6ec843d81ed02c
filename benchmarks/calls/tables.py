"""What was measured, as tables in Markdown."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from benchmarks.calls.cases import CASES, Case
from benchmarks.calls.measured import Measured, Trial
from benchmarks.calls.programs import CLI, OPENVINO, OURS, PROGRAMS
from benchmarks.calls.ratios import (
    OTHER,
    STAGES,
    Ratio,
    by_stage,
    cpu,
    line,
    memory,
    middle,
    ratio,
    wall,
)
from benchmarks.calls.scans import EXTENTS
from benchmarks.calls.targets import LISTED_S, SECOND, STAGE_TARGETS, TARGETS, listed, met, ratio_in

ABSENT = "–"


def table(head: Sequence[str], rows: Iterator[Sequence[str]]) -> Iterator[str]:
    """Lines of Markdown."""
    yield f"| {' | '.join(head)} |"
    yield "|---" * len(head) + "|"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def times(found: Ratio | None, peer: bool = True) -> str:
    """A ratio with its spread; it says where we lose, unless the other is ours, too."""
    if found is None:
        return ABSENT
    spread = f" ({found.least:.1f} to {found.most:.1f})" if found.rounds > 1 else ""
    lost = ": **we lose**" if peer and found.middle < 1 else ""
    return f"{found.middle:.1f}{spread}{lost}"


def targets(measured: Measured, results: str) -> Iterator[str]:
    """What was aimed at and what was reached."""
    return table(
        ("against TotalSegmentator's", "aim", "torch", "OpenVINO", "torch, CPU time", "verdict"),
        _target_rows(measured, results),
    )


def _target_rows(measured: Measured, results: str) -> Iterator[Sequence[str]]:
    for target in TARGETS:
        reached = met(target, measured)
        best = max((found.middle for found in reached.values() if found), default=None)
        busy = ratio(measured, target.case, target.program, cpu(1))
        cells = [times(reached[OURS]), times(reached[OPENVINO])]
        cells.append(times(busy) if target.figure is SECOND else "")
        yield (target.what, f"≥ {target.times:g}", *cells, verdict(best, target.times))
    for what, least in STAGE_TARGETS.items():
        known = ratio_in(results, what)
        cell = ABSENT if known is None else f"{known:.1f}, in results.md"
        yield (what, f"≥ {least:g}", cell, "", "", verdict(known, least))
    if seconds := listed(measured):
        cell = f"{min(seconds):.1f} to {max(seconds):.1f} s"
        aim = f"< {LISTED_S:g} s"
        yield (
            "start of our process to `tools/list`",
            aim,
            cell,
            "",
            "",
            verdict(LISTED_S, max(seconds)),
        )


def verdict(reached: float | None, least: float) -> str:
    """Whether it was reached."""
    if reached is None:
        return "not measured"
    return "met" if reached >= least else "**missed**"


def case(name: str, case: Case, measured: Measured) -> str:
    """The table of a case; nothing where it was not measured."""
    there = [program for program in case.programs if measured.of(name, program)]
    if not there:
        return ""
    head = (
        "program",
        "cold (s)",
        "second (s)",
        "third (s)",
        "cold ratio",
        "ratio",
        "CPU ratio",
        "peak memory (MiB), ratio",
        "rounds",
        "load",
    )
    rows = (_program(name, program, measured) for program in there)
    return "\n".join([f"### {case.what}", "", *table(head, rows), ""])


def _program(case: str, program: str, measured: Measured) -> Sequence[str]:
    trials = measured.of(case, program)
    mine = program == OURS
    ratios = [
        ABSENT if mine else times(ratio(measured, case, program, figure), PROGRAMS[program].peer)
        for figure in (wall(0), wall(1), cpu(1), memory)
    ]
    loads = [load for trial in trials for load in trial.load]
    return (
        program,
        *(_seconds(trials, number) for number in range(3)),
        *ratios[:3],
        f"{middle(trials, memory):,.0f}, {ratios[3]}{_on_gpu(trials)}",
        str(len(trials)),
        f"{min(loads):.1f} to {max(loads):.1f}",
    )


def _on_gpu(trials: Sequence[Trial]) -> str:
    """The most memory of the GPU; nothing where it had none."""
    most = middle(trials, lambda trial: trial.size.gpu_mib)
    return f"; GPU {most:,.0f}" if most else ""


def _seconds(trials: Sequence[Trial], number: int) -> str:
    """The median of that call, where there was one."""
    made = [trial for trial in trials if len(trial.calls) > number]
    return f"{middle(made, wall(number)):.1f}" if made else ABSENT


def stages(measured: Measured, known: Mapping[str, Case] = CASES) -> Iterator[str]:
    """The stages of our second call, by case."""
    cases = [name for name in known if measured.of(name, OURS)]
    seconds = {name: by_stage(measured.of(name, OURS)) for name in cases}
    rows = (
        (stage, *(f"{seconds[name][stage]:.2f}" for name in cases)) for stage in (*STAGES, OTHER)
    )
    return table(("stage", *cases), rows)


def sizes(measured: Measured) -> Iterator[str]:
    """Our second call and the command line against the size of the scan, with the tiny network."""
    sizes = {
        name: case for name, case in CASES.items() if case.network == "tiny" and not case.smooth
    }
    known = {name: case for name, case in sizes.items() if measured.of(name, OURS)}

    def rows() -> Iterator[Sequence[str]]:
        for name, case in known.items():
            mega = EXTENTS[case.scan].voxels / 1e6
            mine = middle(measured.of(name, OURS), wall(1))
            theirs = measured.of(name, CLI)
            other = f"{middle(theirs, wall(0)):.1f}" if theirs else ABSENT
            yield (case.scan, f"{mega:.1f}", f"{mine:.1f}", f"{mine / mega:.2f}", other)

    head = ("scan", "million voxels", "our second call (s)", "per million", "its command line (s)")
    yield "With the size of the scan, tiny network (the large one with statistics and preview):"
    yield ""
    yield from table(head, rows())


def classes(measured: Measured) -> Iterator[str]:
    """Seconds of our stages by the number of structures, and the straight line through them."""
    if not measured.slopes:
        return
    stages = list(measured.slopes[0].seconds)
    counts = sorted({slope.classes for slope in measured.slopes})
    points = {
        stage: [(float(slope.classes), slope.seconds[stage]) for slope in measured.slopes]
        for stage in stages
    }

    def rows() -> Iterator[Sequence[str]]:
        for stage in stages:
            some = [[y for x, y in points[stage] if x == count] for count in counts]
            start, step = line(points[stage])
            medians = (f"{median(ys):.2f}" for ys in some)
            yield (stage, *medians, f"{start:.2f} + {1000 * step:.1f} ms a structure")

    loads = [slope.load for slope in measured.slopes]
    yield (
        "With the number of structures, seconds: a tiny network over the medium scan, statistics "
        f"and masks of the large one (load {min(loads):.1f} to {max(loads):.1f}):"
    )
    yield ""
    yield from table(("stage", *map(str, counts), "straight line"), rows())


def missing(measured: Measured) -> Iterator[str]:
    """What the page cannot say."""
    yield "- A GPU: [gpu.md](gpu.md) has what was seen on one."
    yield "- The 1.5 mm models at their true size: hours a scan for the reference on a CPU."
    for refusal in measured.refused:
        what = CASES[refusal.case].what
        yield f"- {what}, {refusal.program}: it did not come to the same as ours. {refusal.reason}"
    if not measured.slopes:
        yield "- The slope with the number of structures (`classes`)."
    for name, case in CASES.items():
        absent = [program for program in case.programs if not measured.of(name, program)]
        if absent:
            yield f"- {case.what} (`{name}`): {', '.join(absent)}."
