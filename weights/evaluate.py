"""How good the demonstration weights are: the engine on phantoms that training never saw.

    python -m totalseg_mcp.weights.evaluate [--real-data DIR] [--readme weights/README.md]

Prints tables in Markdown; with --readme, puts them between the file's two markers.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from totalseg_mcp.engine.image.orientation import reorient
from totalseg_mcp.engine.image.restore import to_grid
from totalseg_mcp.engine.options import Options
from totalseg_mcp.engine.plan import plan
from totalseg_mcp.engine.segment import Segmented, segment
from totalseg_mcp.engine.session import Session
from totalseg_mcp.engine.volume import Grid, Volume
from totalseg_mcp.engine.weights import Store
from totalseg_mcp.phantom import NAMES, any_view, oblique, phantom, scan
from totalseg_mcp.weights import groups, real

FIRST_SEED = 1000  # training seeds begin at 100 000
PRESENT = 20  # voxels on the grid in question from which a structure counts as present
MARKERS = ("<!-- figures -->\n", "<!-- end of figures -->\n")

Found = dict[str, float]  # Dice by structure


@dataclass(frozen=True, slots=True)
class Setting:
    """How a phantom is scanned: voxel edges in mm, a turn in degrees, the axes' directions."""

    spacing_mm: tuple[float, float, float]
    turn: tuple[float, float, float]
    axes: str

    def __str__(self) -> str:
        """For the table."""
        edges = " × ".join(f"{edge:g}" for edge in self.spacing_mm)
        turn = ", oblique" if any(self.turn) else ""
        return f"{edges} mm, {self.axes}{turn}"


# Grids near the model's own, which show what it has learned; the same turned further than training
# turned bodies; and finer ones, on which every 6 mm model loses to the way back to the scan's grid.
NEAR = (
    Setting((6.0, 6.0, 6.0), (0, 0, 0), "RAS"),
    Setting((6.0, 6.0, 6.0), (4, -3, 4), "LPS"),
    Setting((6.0, 6.0, 4.0), (0, 0, 0), "LPS"),
    Setting((6.0, 6.0, 3.0), (-3, 2, 4), "LAS"),
)
TURNED = (
    Setting((6.0, 6.0, 6.0), (8, -6, 7), "LPS"),
    Setting((6.0, 6.0, 3.0), (-6, 5, 8), "LAS"),
)
FINE = (
    Setting((5.0, 5.0, 6.0), (0, 0, 0), "LPS"),
    Setting((4.0, 4.0, 6.0), (-3, 2, 4), "LAS"),
    Setting((3.0, 3.0, 5.0), (0, 0, 0), "LPS"),
    Setting((3.0, 3.0, 3.0), (0, 0, 0), "RAS"),
)


@dataclass(frozen=True, slots=True)
class Case:
    """The Dice of one phantom: on its scan's grid, on the model's, and the best there can be."""

    setting: Setting
    on_scan: Found
    on_model: Found
    ceiling: Found


def dice(found: NDArray[np.integer], truth: NDArray[np.integer]) -> Found:
    """Dice of every structure that the truth shows with at least `PRESENT` voxels."""
    size = len(NAMES) + 1
    both = np.bincount(truth[found == truth], minlength=size)
    in_truth, in_found = (np.bincount(a.ravel(), minlength=size) for a in (truth, found))
    return {
        NAMES[n - 1]: float(2 * both[n] / (in_truth[n] + in_found[n]))
        for n in range(1, size)
        if in_truth[n] >= PRESENT
    }


def model_grid(scanned: Grid, shape: tuple[int, ...]) -> Grid:
    """Where the voxels of the model's image really lie: corner voxels stay where they are."""
    affine = scanned.affine.copy()
    affine[:3, :3] *= [(n - 1) / max(m - 1, 1) for n, m in zip(scanned.shape, shape, strict=True)]
    return Grid((shape[0], shape[1], shape[2]), affine)


def case(seed: int, setting: Setting, run: "Engine") -> Case:
    """One phantom in one setting, with a field of view at random."""
    anatomy = phantom(seed)
    plain = any_view(anatomy, np.random.default_rng([seed, 5]), setting.spacing_mm)
    grid = oblique(plain, setting.turn, setting.axes)
    volume, truth = scan(anatomy, grid)
    segmented = run(volume)
    straight = reorient(truth, "RAS")
    shape = segmented.model_labels.grid.shape
    on_model = scan(anatomy, model_grid(straight.grid, shape))[1]
    best = to_grid(on_model, straight.grid)
    return Case(
        setting,
        dice(segmented.labels.data, truth.data),
        dice(segmented.model_labels.data, on_model.data),
        dice(best.data, straight.data),
    )


class Engine:
    """The project's engine on the demonstration weights (or others of the same model), on CPU."""

    def __init__(self, store: Store) -> None:
        self.session = Session(store)
        self.plan = plan(Options("total", "fastest"))

    def __call__(self, volume: Volume) -> Segmented:
        """The structures of a scan."""
        device = torch.device("cpu")
        return segment(volume, self.plan, lambda model: self.session.network(model, device))


def mean(cases: Sequence[Found]) -> float:
    """The mean over cases of the mean over structures present."""
    return float(np.mean([np.mean(list(found.values())) for found in cases]))


def cases(settings: Sequence[Setting], phantoms: int, run: "Engine") -> list[Case]:
    """Phantoms from the first seed on, in each setting in turn."""
    seeds = range(FIRST_SEED, FIRST_SEED + phantoms)
    return [case(seed, settings[n % len(settings)], run) for n, seed in enumerate(seeds)]


def setting_table(settings: Sequence[Setting], cases: Sequence[Case]) -> Iterator[str]:
    """One line per setting: on the scan's grid, on the model's, the ceiling."""
    yield "| scan | phantoms | Dice on the scan's grid | best possible | Dice on the model's grid |"
    yield "|---|---|---|---|---|"
    for setting in [*settings, None]:
        chosen = [one for one in cases if setting in (one.setting, None)]
        values = [mean([getattr(one, key) for one in chosen]) for key in Case.__slots__[1:]]
        on_scan, on_model, ceiling = values
        name = setting or "**all**"
        line = f"| {name} | {len(chosen)} | {on_scan:.3f} | {ceiling:.3f} | {on_model:.3f} |"
        yield line


def group_table(cases: Sequence[Case]) -> Iterator[str]:
    """One line per group of structures."""
    yield "| structures | present | mean | lowest | on the model's grid |"
    yield "|---|---|---|---|---|"
    for group, members in groups.GROUPS.items():
        scans, models = (
            [found[name] for found in kind for name in members if name in found]
            for kind in ([one.on_scan for one in cases], [one.on_model for one in cases])
        )
        if scans:
            low, here, there = min(scans), np.mean(scans), np.mean(models)
            yield f"| {group} | {len(scans)} | {here:.3f} | {low:.3f} | {there:.3f} |"


def real_table(folder: Path, run: Engine) -> Iterator[str]:
    """One line per real scan and structure."""
    yield "| real CT | structure | Dice | millilitres, reference | millilitres, found |"
    yield "|---|---|---|---|---|"
    for name, volume, reference in real.scans(folder):
        for row in real.compared(run(volume).labels, reference):
            volumes = f"{row.truth_ml:.0f} | {row.found_ml:.0f}"
            yield f"| {name} | {row.structure} | {row.dice:.3f} | {volumes} |"


def report(arguments: argparse.Namespace) -> str:
    """All tables."""
    run = Engine(Store((arguments.root,)) if arguments.root else Store.demo())
    near = cases(NEAR, arguments.phantoms, run)
    lines = ["Grids near the model's 6 mm:", "", *setting_table(NEAR, near), ""]
    lines += ["The same, by structure:", "", *group_table(near)]
    others = {"Turned further than training turned bodies:": TURNED, "Finer grids:": FINE}
    for title, settings in others.items():
        harder = cases(settings, arguments.phantoms * len(settings) // 4, run)
        lines += ["", title, "", *setting_table(settings, harder)]
    if arguments.real_data:
        lines += ["", "Real CTs:", "", *real_table(arguments.real_data, run)]
    return "\n".join(lines) + "\n"


def place(text: str, readme: Path, markers: tuple[str, str]) -> None:
    """Put tables between two markers of a file, in place of what is there."""
    before, rest = readme.read_text(encoding="utf-8").split(markers[0])
    after = rest.split(markers[1])[1]
    readme.write_text("".join((before, markers[0], text, markers[1], after)), encoding="utf-8")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--phantoms", type=int, default=20)
    parser.add_argument("--real-data", type=Path, help="folder with real CTs and reference/")
    parser.add_argument("--root", type=Path, help="weights elsewhere than in demo/")
    parser.add_argument("--readme", type=Path, help="file to put the tables in")
    arguments = parser.parse_args()
    text = report(arguments)
    sys.stdout.write(text)
    if arguments.readme:
        place(text, arguments.readme, MARKERS)


if __name__ == "__main__":
    main()
