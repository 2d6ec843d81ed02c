"""A result of the 2-D tool as text, for people."""

from totalseg_mcp.schemas.findings2d import AbsentIn2D, BodyRegion
from totalseg_mcp.schemas.ts2d_segment import Ts2dResult
from totalseg_mcp.server.table import columns, wrapped

MM2_PER_CM2 = 100.0


def table_2d(result: Ts2dResult) -> str:
    """What is in view, what was found, what to do next, and what to beware of."""
    parts = [wrapped(result.summary), _facts(result), _regions(result.body_regions)]
    parts += [_found(result)]
    if result.suggestions:
        calls = (f"- {call.task}: {call.reason}" for call in result.suggestions)
        parts.append("\n".join(["Suggested calls of totalsegmentator", *map(wrapped, calls)]))
    if result.warnings:
        parts.append("\n".join(["Warnings", *(wrapped(f"- {text}") for text in result.warnings)]))
    return "\n\n".join(part for part in parts if part)


def _facts(result: Ts2dResult) -> str:
    stages = (f"{name} {seconds:.2f}" for name, seconds in result.timings.stages_s.items())
    rows = {
        "Status": result.status,
        "Model": f"{result.model} ({result.weights})",
        "Device": result.device.used,
        "Seconds": f"{result.timings.total_s:.2f} ({', '.join(stages)})",
        "Folder": result.output_dir,
        "Preview": result.preview_file or "-",
    }
    return "\n".join(wrapped(f"{name:<12}{value}", 12) for name, value in rows.items())


def _regions(regions: list[BodyRegion]) -> str:
    rows = [
        (region.name, _mm(region.top_mm), _mm(region.bottom_mm), _share(region.in_view))
        for region in regions
        if region.present
    ]
    return columns([("Region", "Top (mm)", "Bottom (mm)", "In view"), *rows]) if rows else ""


def _found(result: Ts2dResult) -> str:
    """The structures that are there, from the head down."""
    there = {
        name: seen for name, seen in result.structures.items() if not isinstance(seen, AbsentIn2D)
    }
    order = sorted(there.items(), key=lambda item: -(item[1].top_mm or 0.0))
    rows = [
        (
            name,
            "-" if seen.area_mm2 is None else f"{seen.area_mm2 / MM2_PER_CM2:.1f}",
            "-" if seen.confidence is None else f"{seen.confidence:.2f}",
            "yes" if seen.complete else "cut off",
        )
        for name, seen in order
    ]
    return columns([("Structure", "Area (cm²)", "Confidence", "Complete"), *rows])


def _mm(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"
