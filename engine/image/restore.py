"""Bringing labels back from the model's grid to the scan's, in TotalSegmentator 2.18.0's ways."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray
from scipy.ndimage import find_objects, map_coordinates

from totalseg_mcp.engine.image.zoom import zoomed
from totalseg_mcp.engine.volume import Grid, Labels, Mask, Shape

MARGIN = 2  # voxels of the model's grid around a structure that is interpolated by itself
Slices = tuple[slice, slice, slice]


def to_grid(labels: Labels, grid: Grid, threads: int = 1) -> Labels:
    """`labels` on `grid`, each voxel taking the nearest label; corner voxels stay in place."""
    if labels.grid.shape == grid.shape:
        return Labels(labels.data, grid, labels.names)
    data = zoomed(labels.data, grid.shape, 0, threads)
    return Labels(data, grid, labels.names)


def each_to_grid(labels: Labels, grid: Grid, threads: int = 1) -> Labels:
    """`labels` on `grid`, every structure interpolated by itself and cut off at one half.

    The outer edges of the image stay in place, not the centres of its corner voxels. Where
    structures meet, the one with the higher number wins.
    """
    if labels.grid.shape == grid.shape:
        return Labels(labels.data, grid, labels.names)
    data = np.zeros(grid.shape, labels.data.dtype)
    boxes = [(v, box) for v, box in enumerate(find_objects(labels.data), start=1) if box]

    def smooth(number: int, box: Slices) -> tuple[Slices, Mask]:
        part = Part.around(box, labels.grid.shape, grid.shape, MARGIN)
        return part.after, part.stretched(labels.data[part.before] == number, np.float32) >= 0.5

    with ThreadPoolExecutor(threads) as pool:
        smoothed = pool.map(lambda box: smooth(*box), boxes)
        for (number, _), (place, mask) in zip(boxes, smoothed, strict=True):
            data[place][mask] = number
    return Labels(data, grid, labels.names)


RESTORE: Mapping[str, Callable[[Labels, Grid, int], Labels]] = {
    "nearest": to_grid,
    "labels": each_to_grid,
    "logits": to_grid,  # the network has given labels on the scan's grid already
}


def slices(start: NDArray[np.integer], stop: NDArray[np.integer]) -> Slices:
    """For indexing an array from `start` to `stop` along each axis."""
    i, j, k = (slice(int(a), int(b)) for a, b in zip(start, stop, strict=True))
    return i, j, k


class Part(NamedTuple):
    """A box of an array, and the box that it covers when the array is stretched."""

    before: Slices
    after: Slices
    sizes: tuple[Shape, Shape]  # of the whole array, before and after

    @classmethod
    def around(cls, box: Slices, old: Shape, new: Shape, margin: int) -> "Part":
        """`box` of an array of the size `old`, `margin` voxels larger, and its place in `new`."""
        start = np.maximum([edge.start - margin for edge in box], 0)
        stop = np.minimum([edge.stop + margin for edge in box], old)
        scale = np.divide(new, old)
        first = np.floor(start * scale).astype(int)
        last = np.minimum(np.ceil(stop * scale).astype(int), new)
        return cls(slices(start, stop), slices(first, last), (old, new))

    def stretched(
        self, values: NDArray[np.generic], dtype: DTypeLike, places: DTypeLike = np.float64
    ) -> NDArray[np.floating]:
        """`values` of the box `before`, linearly interpolated in the box `after`.

        Sample positions are computed in float64, kept as `places`.
        """
        old, new = self.sizes
        at = [
            (np.arange(a.start, a.stop) + 0.5) * n / m - 0.5 - b.start
            for a, b, n, m in zip(self.after, self.before, old, new, strict=True)
        ]
        grid = np.array(np.meshgrid(*at, indexing="ij"), dtype=places)
        stretched: NDArray[np.floating] = map_coordinates(
            values.astype(dtype), grid, order=1, mode="nearest"
        )
        return stretched
