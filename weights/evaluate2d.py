"""How good the demonstration weights of TotalSegmentator 2D are, on phantoms never trained on.

    python -m totalseg_mcp.weights.evaluate2d [--readme weights/README.md]

Prints tables in Markdown; with --readme, puts them between the file's two markers.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from totalseg_mcp.engine.engines import Cpu
from totalseg_mcp.engine.picture import Layers
from totalseg_mcp.engine.segment2d import of_volume, segment_2d
from totalseg_mcp.engine.session import Session
from totalseg_mcp.engine.volume import Mask, Volume
from totalseg_mcp.engine.weights import Store
from totalseg_mcp.engine.weights2d import Store2D
from totalseg_mcp.phantom import NAMES, any_view, oblique, phantom, scan
from totalseg_mcp.weights import folder2d, groups
from totalseg_mcp.weights.evaluate import Found, Setting, mean, place
from totalseg_mcp.weights.projections import shadows

FIRST_SEED = 2000  # training seeds begin at 100 000
SMALLEST_CM2 = 1.0  # a smaller projection does not count as present, nor as found
MARKERS = ("<!-- figures of 2D -->\n", "<!-- end of figures of 2D -->\n")
SETTINGS = (
    Setting((3.0, 3.0, 3.0), (0, 0, 0), "RAS"),
    Setting((3.0, 3.0, 3.0), (4, -3, 4), "LPS"),
    Setting((2.0, 2.0, 5.0), (0, 0, 0), "LPS"),
    Setting((1.5, 1.5, 5.0), (-3, 2, 4), "LAS"),
    Setting((5.0, 5.0, 5.0), (0, 0, 0), "RAS"),
)


@dataclass(frozen=True, slots=True)
class Case:
    """One phantom: Dice by structure, and how many structures were found that are not there."""

    setting: Setting
    dice: Found
    invented: int


class Engine2D:
    """The project's engine on the demonstration weights (or others of the same model), on CPU."""

    def __init__(self, store: Store2D, cpu: Cpu = "torch") -> None:
        self.session = Session(Store(), store_2d=store, cpu=cpu)

    def __call__(self, volume: Volume) -> Layers:
        """The structures of a scan, seen from the front."""
        device = torch.device("cpu")
        return segment_2d(
            of_volume(volume),
            folder2d.MODEL.groups,
            lambda group: self.session.network_2d(group, device),
        ).layers


def compared(found: Layers, truth: Mask) -> tuple[Found, int]:
    """Dice of the structures that the truth shows; how many that it lacks were found.

    `truth` is `(structure, row, column)`, in the order of `NAMES`.
    """
    smallest = SMALLEST_CM2 * 100 / found.plane.pixel_mm2
    scores, invented = {}, 0
    for name, there in zip(NAMES, truth, strict=True):
        here = found.named(name)
        if there.sum() > smallest:
            scores[name] = float(2 * (here & there).sum() / (here.sum() + there.sum()))
        invented += bool(here.sum() > smallest and not there.any())
    return scores, invented


def case(seed: int, setting: Setting, run: Engine2D) -> Case:
    """One phantom in one setting, with a field of view at random."""
    anatomy = phantom(seed)
    plain = any_view(anatomy, np.random.default_rng([seed, 5]), setting.spacing_mm)
    volume, truth = scan(anatomy, oblique(plain, setting.turn, setting.axes))
    return Case(setting, *compared(run(volume), shadows(truth)))


def setting_table(cases: Sequence[Case]) -> Iterator[str]:
    """One line per setting."""
    yield "| scan | phantoms | Dice | structures found that are not there, per phantom |"
    yield "|---|---|---|---|"
    for setting in [*SETTINGS, None]:
        chosen = [one for one in cases if setting in (one.setting, None)]
        dice, invented = mean([one.dice for one in chosen]), [one.invented for one in chosen]
        name = setting or "**all**"
        yield f"| {name} | {len(chosen)} | {dice:.3f} | {np.mean(invented):.1f} |"


def structure_table(cases: Sequence[Case], members: dict[str, Sequence[str]]) -> Iterator[str]:
    """One line per group of structures."""
    yield "| structures | present | mean | lowest |"
    yield "|---|---|---|---|"
    for group, names in members.items():
        scores = [one.dice[name] for one in cases for name in names if name in one.dice]
        if scores:
            yield f"| {group} | {len(scores)} | {np.mean(scores):.3f} | {min(scores):.3f} |"


def report(phantoms: int, run: Engine2D) -> str:
    """All tables."""
    seeds = range(FIRST_SEED, FIRST_SEED + phantoms)
    cases = [case(seed, SETTINGS[n % len(SETTINGS)], run) for n, seed in enumerate(seeds)]
    lines = [*setting_table(cases), "", "By network:", ""]
    lines += [*structure_table(cases, dict(folder2d.GROUPS)), "", "By structure:", ""]
    lines += structure_table(cases, dict(groups.GROUPS))
    return "\n".join(lines) + "\n"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--phantoms", type=int, default=40)
    parser.add_argument("--root", type=Path, default=folder2d.DEMO, help="where the folders are")
    parser.add_argument("--readme", type=Path, help="file to put the tables in")
    arguments = parser.parse_args()
    text = report(arguments.phantoms, Engine2D(Store2D((arguments.root,))))
    sys.stdout.write(text)
    if arguments.readme:
        place(text, arguments.readme, MARKERS)


if __name__ == "__main__":
    main()
