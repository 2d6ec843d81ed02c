"""Volume and mean intensity of every structure, and whether it was seen whole."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from totalseg_mcp.engine.image.boxes import boxes
from totalseg_mcp.engine.measure.detail import Cut, Detail, detail
from totalseg_mcp.engine.volume import Labels, Volume
from totalseg_mcp.engine.watch import track

RIM = 3  # voxels; nearer to a face than this, a structure counts as cut off (TotalSegmentator)
NARROW = 100  # an image whose values span less is averaged as it is, not in whole numbers
SIDES = {
    "R": ("left", "right"),
    "L": ("right", "left"),
    "A": ("posterior", "anterior"),
    "P": ("anterior", "posterior"),
    "S": ("inferior", "superior"),
    "I": ("superior", "inferior"),
}  # of an axis that grows towards the letter: its first face and its last


@dataclass(frozen=True, slots=True)
class Measurement:
    """One structure.

    `complete` is None where the structure is absent; False where it comes within 3
    voxels of the image's edge, on the sides `touches`: the rest may lie outside. Then
    `volume_mm3` and `mean_intensity` are None, unless they were asked for all the same;
    the volume is a lower bound then, and says so.
    """

    present: bool
    complete: bool | None
    touches: tuple[str, ...]
    voxels: int
    volume_mm3: float | None
    mean_intensity: float | None
    lower_bound: bool
    detail: Detail | None = None


ABSENT = Measurement(
    present=False,
    complete=None,
    touches=(),
    voxels=0,
    volume_mm3=None,
    mean_intensity=None,
    lower_bound=False,
)


def statistics(labels: Labels, image: Volume, include_incomplete: bool) -> dict[str, Measurement]:
    """Every structure of `labels`, in label order, measured on `image`.

    Values are truncated toward zero to whole numbers, as in TotalSegmentator; where all
    values of the image lie within 100 of each other, which truncation would ruin, they
    stay as they are. Means are rounded to 5 decimals.
    """
    if labels.grid.shape != image.grid.shape:
        raise ValueError(f"labels are {labels.grid.shape} but the image is {image.grid.shape}")
    cut, sides = _cut(image.data), touched(labels)
    found = dict.fromkeys(labels.names, ABSENT)
    around = boxes(labels.data, len(labels.names))
    there = [(number, box) for number, box in enumerate(around, start=1) if box is not None]
    for number, box in track(there, "structure"):
        inside = labels.data[box] == number
        values = cut(image.data[box][inside])
        touches = tuple(side for side, near in sides.items() if near[number])
        shown = include_incomplete or not touches
        found[labels.names[number - 1]] = Measurement(
            present=True,
            complete=not touches,
            touches=touches,
            voxels=len(values),
            volume_mm3=len(values) * float(np.prod(image.grid.spacing_mm)) if shown else None,
            mean_intensity=round(float(values.mean(dtype=np.float64)), 5) if shown else None,
            lower_bound=shown and bool(touches),
            detail=detail(inside, values, box, labels.grid.affine) if shown else None,
        )
    return found


def _cut(values: NDArray[Any]) -> Cut:
    """How values are made the whole numbers that are measured, unless that would ruin them."""
    as_they_are = values.dtype.kind in "iu" or np.ptp(values) < NARROW
    return np.asarray if as_they_are else np.trunc


def touched(labels: Labels) -> dict[str, NDArray[np.bool_]]:
    """By side of the patient: which label numbers come within 3 voxels of that face."""
    near: dict[str, NDArray[np.bool_]] = {}
    for axis, letter in enumerate(labels.grid.axcodes):
        planes = np.moveaxis(labels.data, axis, 0)
        for side, rim in zip(SIDES[letter], (planes[:RIM], planes[-RIM:]), strict=True):
            near[side] = np.bincount(rim.ravel(), minlength=len(labels.names) + 1) > 0
    return near
