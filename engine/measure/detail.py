"""Where a structure lies, and how its values spread."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from nibabel.affines import apply_affine
from numpy.typing import NDArray
from scipy.ndimage import find_objects

from totalseg_mcp.engine.volume import Labels, Volume

Point = tuple[float, float, float]
Index = tuple[int, int, int]
Cut = Callable[[NDArray[Any]], NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Detail:
    """One structure: values in the image's unit, places by voxel and in mm (RAS+)."""

    median_intensity: float
    std_intensity: float
    min_intensity: float
    max_intensity: float
    centroid_voxel: Point
    centroid_mm: Point
    first_voxel: Index
    last_voxel: Index


def details(labels: Labels, image: Volume, cut: Cut) -> dict[str, Detail]:
    """Every structure that is there, by name, from what `cut` makes of the image's values.

    The standard deviation is that of the voxels themselves (n, not n - 1). Rounded as
    TotalSegmentator rounds: values to 5 decimals, places to 2.
    """
    found = {}
    for number, box in enumerate(find_objects(labels.data), start=1):
        if box is not None:
            inside = labels.data[box] == number
            first = np.array([edge.start for edge in box])
            places = np.argwhere(inside) + first
            middle = places.mean(axis=0)
            values = cut(image.data[box][inside])
            found[labels.names[number - 1]] = Detail(
                median_intensity=round(float(np.median(values)), 5),
                std_intensity=round(float(np.std(values, dtype=np.float64)), 5),
                min_intensity=float(values.min()),
                max_intensity=float(values.max()),
                centroid_voxel=_point(middle),
                centroid_mm=_point(apply_affine(labels.grid.affine, middle)),
                first_voxel=_index(first),
                last_voxel=_index(np.array([edge.stop - 1 for edge in box])),
            )
    return found


def _point(at: NDArray[np.float64]) -> Point:
    i, j, k = (round(float(n), 2) for n in at)
    return i, j, k


def _index(at: NDArray[np.int64]) -> Index:
    i, j, k = (int(n) for n in at)
    return i, j, k
