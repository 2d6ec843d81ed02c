"""Where a structure lies, and how its values spread."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from nibabel.affines import apply_affine
from numpy.typing import NDArray
from scipy.ndimage import label

from totalseg_mcp.engine.volume import Affine, Mask

Point = tuple[float, float, float]
Index = tuple[int, int, int]
Box = tuple[slice, slice, slice]
Cut = Callable[[NDArray[Any]], NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Detail:
    """One structure: values in the image's unit, places by voxel and in mm (RAS+).

    The standard deviation is that of the voxels themselves (n, not n - 1); percentiles
    are interpolated linearly. `bbox_mm` reaches to the outer edges of the voxels from
    `first_voxel` to `last_voxel`. Voxels of one component share faces.
    """

    median_intensity: float
    std_intensity: float
    min_intensity: float
    max_intensity: float
    p10_intensity: float
    p90_intensity: float
    components: int
    centroid_voxel: Point
    centroid_mm: Point
    first_voxel: Index
    last_voxel: Index
    bbox_mm: tuple[Point, Point]


def detail(inside: Mask, values: NDArray[Any], box: Box, affine: Affine) -> Detail:
    """The structure that is `inside` of a `box` of an image, where it has `values`.

    Rounded as TotalSegmentator rounds: values to 5 decimals, places to 2.
    """
    p10, median, p90 = np.percentile(values, (10, 50, 90))
    first = np.array([edge.start for edge in box])
    last = np.array([edge.stop - 1 for edge in box])
    middle = first + _middle(inside)
    low, high = _reach(first, last, affine)
    return Detail(
        median_intensity=round(float(median), 5),
        std_intensity=round(float(np.std(values, dtype=np.float64)), 5),
        min_intensity=float(values.min()),
        max_intensity=float(values.max()),
        p10_intensity=round(float(p10), 5),
        p90_intensity=round(float(p90), 5),
        components=int(label(inside)[1]),
        centroid_voxel=_point(middle),
        centroid_mm=_point(apply_affine(affine, middle)),
        first_voxel=_index(first),
        last_voxel=_index(last),
        bbox_mm=(_point(low), _point(high)),
    )


def _middle(inside: Mask) -> NDArray[np.float64]:
    """The centroid of a mask, from how many voxels each plane of it has."""
    planes = [np.count_nonzero(inside, axis=others) for others in ((1, 2), (0, 2), (0, 1))]
    return np.array([np.average(np.arange(len(plane)), weights=plane) for plane in planes])


def _reach(
    first: NDArray[np.int64], last: NDArray[np.int64], affine: Affine
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The least and the greatest coordinates of the corners of a box of voxels."""
    corners = apply_affine(affine, [*product(*zip(first - 0.5, last + 0.5, strict=True))])
    return corners.min(axis=0), corners.max(axis=0)


def _point(at: NDArray[np.float64]) -> Point:
    i, j, k = (round(float(n), 2) for n in at)
    return i, j, k


def _index(at: NDArray[np.int64]) -> Index:
    i, j, k = (int(n) for n in at)
    return i, j, k
