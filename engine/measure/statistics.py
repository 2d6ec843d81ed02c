"""Volume and mean intensity of every structure, and whether it was seen whole."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from totalseg_mcp.engine.measure.detail import Cut, Detail, details
from totalseg_mcp.engine.volume import Labels, Volume

RIM = 3  # voxels; nearer to a face than this, a structure counts as cut off (TotalSegmentator)
SLAB = 16  # planes at a time, so that the sums need little memory
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


def statistics(
    labels: Labels, image: Volume, include_incomplete: bool, detailed: bool = False
) -> dict[str, Measurement]:
    """Every structure of `labels`, in label order, measured on `image`.

    `detailed` adds where it lies and how its values spread.

    A mean is that of the image's values truncated toward zero to whole numbers, as in
    TotalSegmentator, rounded to 5 decimals; where all values of the image lie within
    100 of each other, which truncation would ruin, it is that of the values themselves.
    """
    if labels.grid.shape != image.grid.shape:
        raise ValueError(f"labels are {labels.grid.shape} but the image is {image.grid.shape}")
    cut = _cut(image.data)
    counts, sums = _totals(labels, image.data, cut)
    touched = _touched(labels)
    more = details(labels, image, cut) if detailed else {}
    voxel_mm3 = float(np.prod(image.grid.spacing_mm))
    found: dict[str, Measurement] = {}
    for label, name in enumerate(labels.names, start=1):
        voxels = int(counts[label])
        touches = tuple(side for side, there in touched.items() if there[label])
        shown = voxels > 0 and (include_incomplete or not touches)
        found[name] = Measurement(
            present=voxels > 0,
            complete=not touches if voxels else None,
            touches=touches,
            voxels=voxels,
            volume_mm3=voxels * voxel_mm3 if shown else None,
            mean_intensity=round(float(sums[label] / voxels), 5) if shown else None,
            lower_bound=shown and bool(touches),
            detail=more.get(name) if shown else None,
        )
    return found


def _cut(values: NDArray[Any]) -> Cut:
    """How values are made the whole numbers that are measured, unless that would ruin them."""
    as_they_are = values.dtype.kind in "iu" or np.ptp(values) < NARROW
    return np.asarray if as_they_are else np.trunc


def _totals(labels: Labels, values: NDArray[Any], cut: Cut) -> tuple[NDArray[Any], NDArray[Any]]:
    """The number of voxels, and the sum of the image in them, of each label from 0 on."""
    size = len(labels.names) + 1
    counts, sums = np.zeros(size, np.int64), np.zeros(size, np.float64)
    for k in range(0, labels.grid.shape[2], SLAB):
        label = labels.data[:, :, k : k + SLAB].ravel(order="F")
        value = values[:, :, k : k + SLAB].ravel(order="F")
        counts += np.bincount(label, minlength=size)
        sums += np.bincount(label, cut(value), minlength=size)
    return counts, sums


def _touched(labels: Labels) -> dict[str, NDArray[np.bool_]]:
    """By side of the patient: which labels come near that face of the image."""
    near: dict[str, NDArray[np.bool_]] = {}
    for axis, letter in enumerate(labels.grid.axcodes):
        planes = np.moveaxis(labels.data, axis, 0)
        for side, rim in zip(SIDES[letter], (planes[:RIM], planes[-RIM:]), strict=True):
            near[side] = np.bincount(rim.ravel(), minlength=len(labels.names) + 1) > 0
    return near
