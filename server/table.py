"""A result as text, for people."""

import textwrap
from collections.abc import Iterable

from totalseg_mcp.schemas.findings import StructureStatistics
from totalseg_mcp.schemas.totalsegmentator import TotalSegmentatorResult

MM3_PER_ML = 1000.0
WIDTH = 100


def table(result: TotalSegmentatorResult) -> str:
    """What was done, where it is, what was measured, and what to beware of."""
    parts = [wrapped(result.summary), _facts(result)]
    if result.statistics:
        unit = "HU" if result.task_info.image_type == "CT" else "a.u."
        parts.append(_measured(result.statistics, unit))
    if result.not_found:
        parts.append(wrapped(f"Not found: {', '.join(result.not_found)}."))
    if result.warnings:
        parts.append("\n".join(["Warnings", *(wrapped(f"- {text}") for text in result.warnings)]))
    return "\n\n".join(parts)


def _facts(result: TotalSegmentatorResult) -> str:
    stages = (f"{name} {seconds:.1f}" for name, seconds in result.timings.stages_s.items())
    datasets = ", ".join(str(model.dataset) for model in result.models)
    rows = {
        "Status": result.status,
        "Task": f"{result.task_info.task} ({result.task_info.resolution})",
        "Weights": f"{result.weights} (models {datasets})",
        "Device": " by ".join(filter(None, (result.device.used, result.device.engine))),
        "Seconds": f"{result.timings.total_s:.1f} ({', '.join(stages)})",
        "Folder": result.output_dir,
        "Masks": f"{len(result.segmentation_files)} files",
        "Statistics": result.statistics_file or "-",
        "Preview": result.preview_file or "-",
    }
    return "\n".join(wrapped(f"{name:<12}{value}", 12) for name, value in rows.items())


def _measured(statistics: dict[str, StructureStatistics], unit: str) -> str:
    """The structures that are there, the largest first."""
    present = {name: row for name, row in statistics.items() if row.present}
    by_size = sorted(present.items(), key=lambda item: -item[1].voxels)
    rows = [
        (name, _volume(row), _number(row.mean_intensity), "yes" if row.complete else "cut off")
        for name, row in by_size
    ]
    return columns([("Structure", "Volume (ml)", f"Mean ({unit})", "Complete"), *rows])


def _volume(row: StructureStatistics) -> str:
    if row.volume_mm3 is None:
        return "-"
    return f"{'> ' if row.lower_bound else ''}{row.volume_mm3 / MM3_PER_ML:.1f}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def columns(rows: Iterable[tuple[str, str, str, str]]) -> str:
    """Rows of a name, two numbers and a word, one below the other."""
    return "\n".join(f"{a:<34}{b:>12}{c:>12}  {d}" for a, b, c, d in rows)


def wrapped(text: str, indent: int = 2) -> str:
    """Within `WIDTH`; a path that is longer stays whole."""
    return textwrap.fill(
        text,
        WIDTH,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
