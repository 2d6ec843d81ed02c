"""docs/scale.md, worked out from what was measured: `python -m benchmarks.calls.cohort`."""

import argparse
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.calls.measured import Measured, load
from benchmarks.calls.networks import VOLUME_PATCH
from benchmarks.calls.page import MEASURED
from benchmarks.calls.programs import OURS
from benchmarks.calls.ratios import by_stage
from benchmarks.calls.scans import EXTENTS, Extent
from benchmarks.calls.tables import ABSENT, table
from benchmarks.calls.targets import seconds_in
from benchmarks.run import HERE, RESULTS
from totalseg_mcp.engine.sliding import Window
from totalseg_mcp.engine.tasks import MODELS, TASKS, Resolution

PAGE = HERE.parent / "docs" / "scale.md"
TEMPLATE = HERE / "calls" / "scale.template.md"
TILE_CASE = "small-true"  # its scan is one tile
# What surrounds the network, and its row in results.md: the scan there is the large one.
PARTS = {
    "the scan to the model's grid": "Scan to 3 mm, 1 thread",
    "labels back to the scan's grid": "Labels back from 3 mm, 1 thread",
    "statistics": "Volume and mean of 117 structures",
    "117 masks": "Saving 117 masks; the reference with 6 processes, its default",
}
SCANS = 100_000
ASSUMED_PATCH = (128, 128, 128)  # of all models but the 3 mm one, whose plans are public
TILES_A_SECOND = (1, 5, 20)  # what a GPU might do: an assumption, to be replaced by a measurement
HOUR_S, DAYS = 3600, 24
# Whole commands of TotalSegmentator on one Nvidia RTX 3090, as its authors report them
# (resources/imgs/runtime_table.png of its repository, from the README): slices of 512 x 512,
# seconds at 1.5 mm, seconds at 3 mm. The network is a part of each.
PUBLISHED_S = {280: (77, 34), 458: (169, 53), 824: (212, 83)}


def tile_count(extent: Extent, dataset: int, step: float) -> int:
    """The tiles of model `dataset` over a scan, where each moves on by `step` of its size."""
    model = MODELS[dataset]
    assert model.spacing_mm
    patch = list(VOLUME_PATCH if model.spacing_mm == (3.0, 3.0, 3.0) else ASSUMED_PATCH)
    edges = zip(extent.shape, extent.spacing_mm, model.spacing_mm, strict=True)
    image = [round(n * mm / grid) for n, mm, grid in edges][::-1]  # nnU-Net's z, y, x
    padded = tuple(max(n, most) for n, most in zip(image, patch, strict=True))
    return sum(len(row) for row in Window(tuple(patch), step).rows(padded))


def task_tiles(task: str, resolution: Resolution) -> int | None:
    """The tiles of all models of a task over the large scan; None where that cannot be told.

    That is where the model's grid is not public, or only a region is looked at.
    """
    chosen, step = TASKS[task].models[resolution], TASKS[task].tile_step
    if TASKS[task].crop or any(MODELS[dataset].spacing_mm is None for dataset in chosen):
        return None
    return sum(tile_count(EXTENTS["large"], dataset, step) for dataset in chosen)


def page(measured: Measured, results: str, template: str) -> str:
    """The page; `results` is results.md, where the parts around the network are measured."""
    parts = {name: seconds_in(results, row) for name, row in PARTS.items()}
    around, trials = sum(parts.values()), measured.of(TILE_CASE, OURS)
    tile_s = by_stage(trials)["infer"] if trials else None
    return template.format(
        machine=measured.about["machine"],
        parts="\n".join(table(("part", "seconds"), _rows(parts))),
        around=f"{around:.1f}",
        tile=f"took {tile_s:.1f} s here" if tile_s else "was not measured yet",
        tasks="\n".join(_tasks(around, tile_s)),
        published="\n".join(_published()),
        cores="\n".join(_cores(around)),
        cohort="\n".join(_cohort(around)),
    )


def _rows(parts: Mapping[str, float]) -> Iterator[Sequence[str]]:
    return ((name, f"{seconds:.2f}") for name, seconds in parts.items())


def _tasks(around: float, tile_s: float | None) -> Iterator[str]:
    head = ("task", "tiles", "this CPU", *(f"{n} tiles a second" for n in TILES_A_SECOND))

    def rows() -> Iterator[Sequence[str]]:
        for task, resolution in _listed():
            count = task_tiles(task, resolution)
            if count is None:
                continue
            rates = (hourly(max(count / n, around)) for n in TILES_A_SECOND)
            here = hourly(around + count * tile_s) if tile_s else ABSENT
            yield (f"{task}, {resolution}", str(count), here, *rates)

    return table(head, rows())


def _listed() -> Iterator[tuple[str, Resolution]]:
    for name, task in TASKS.items():
        for resolution in task.models:
            yield name, resolution


def hourly(seconds: float) -> str:
    """Scans an hour, if one takes so long.

    >>> hourly(34)
    '106'
    """
    rate = HOUR_S / seconds
    return f"{rate:.0f}" if rate >= 10 else f"{rate:.1f}"


def _published() -> Iterator[str]:
    head = ("slices of 512 x 512", "1.5 mm (s)", "scans an hour", "3 mm (s)", "scans an hour")
    rows = (
        (str(slices), str(fine), hourly(fine), str(coarse), hourly(coarse))
        for slices, (fine, coarse) in PUBLISHED_S.items()
    )
    return table(head, rows)


def _cores(around: float) -> Iterator[str]:
    """Machines like this one that read and write for a GPU, by how long that needs for a scan."""
    head = ("a scan on the GPU (s)", "scans an hour, one lane", "pipelined", "machines to keep up")
    rows = (
        (f"{gpu}", hourly(gpu + around), hourly(gpu), str(math.ceil(around / gpu)))
        for gpu in (1, 2, 5, 10, 34, 77)
    )
    return table(head, rows)


def _cohort(around: float) -> Iterator[str]:
    fine, coarse = PUBLISHED_S[280]
    large = EXTENTS["large"]
    rows = {
        "reading, measuring, writing": f"{SCANS * around / HOUR_S:,.0f} hours of such a machine",
        "network, 3 mm, at most": _gpu_time(coarse),
        "network, 1.5 mm, at most": _gpu_time(fine),
        "scans to read, 16 bits a voxel": f"{SCANS * large.voxels * 2 / 1e12:.1f} TB",
    }
    return table(("what", "for 100,000 scans"), iter(rows.items()))


def _gpu_time(seconds: float) -> str:
    hours = SCANS * seconds / HOUR_S
    return f"{hours:,.0f} GPU hours: {hours / DAYS:,.0f} days on one, {hours / DAYS / 16:.1f} on 16"


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measured", type=Path, default=MEASURED)
    parser.add_argument("--page", type=Path, default=PAGE)
    asked = parser.parse_args()
    text = page(load(asked.measured), RESULTS.read_text("utf-8"), TEMPLATE.read_text("utf-8"))
    asked.page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
