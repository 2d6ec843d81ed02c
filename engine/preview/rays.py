"""Looking at a density from the front: where parallel rays meet its surface."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Hits:
    """Where rays meet a surface: `pixels` number the rays, `points` (3, n) are voxel indices."""

    pixels: NDArray[np.intp]
    points: Floats


@dataclass(frozen=True, slots=True, eq=False)
class _Rays:
    """Rays on their way: in which row of cells each runs, and where in it, 0..1."""

    pixels: NDArray[np.intp]
    column: NDArray[np.intp]
    row: NDArray[np.intp]
    right: Floats
    below: Floats

    def __getitem__(self, which: NDArray[Any]) -> "_Rays":
        parts = (self.pixels, self.column, self.row, self.right, self.below)
        return _Rays(*(part[which] for part in parts))

    def density(self, volume: Floats, depth: NDArray[np.intp]) -> Floats:
        """The density at whole `depth`s, between four voxels."""
        upper = _between(volume, self.column, depth, self.row, self.right)
        lower = _between(volume, self.column, depth, self.row + 1, self.right)
        return upper + (lower - upper) * self.below


def _between(
    volume: Floats,
    i: NDArray[np.intp],
    j: NDArray[np.intp],
    k: NDArray[np.intp],
    right: Floats,
) -> Floats:
    left = volume[i, j, k]
    out: Floats = left + (volume[i + 1, j, k] - left) * right
    return out


def first_hits(density: Floats, columns: Floats, rows: Floats, surface: float) -> Hits:
    """Where rays along the second index first meet `surface`, exactly, for trilinear density.

    There is a ray for every pair of `columns` (first index) and `rows` (last index), numbered
    row by row. The outermost voxels must lie below `surface`.
    """
    ahead = _next_cell(density, surface)
    across, down = np.meshgrid(columns, rows)
    column, row = (np.floor(axis).astype(np.intp).ravel() for axis in (across, down))
    rays = _Rays(np.arange(column.size), column, row, across.ravel() - column, down.ravel() - row)
    depth = np.zeros(column.size, np.intp)
    met: list[tuple[NDArray[np.intp], Floats]] = []
    while rays.pixels.size:
        depth = ahead[rays.column, depth, rays.row].astype(np.intp)
        going = depth < density.shape[1] - 1
        rays, depth = rays[going], depth[going]
        behind = rays.density(density, depth + 1)
        hit = behind >= surface
        there, at = rays[hit], depth[hit]
        before = there.density(density, at)
        share = (surface - before) / (behind[hit] - before)
        met.append((there.pixels, at + share.astype(np.float32)))
        rays, depth = rays[~hit], depth[~hit] + 1
    pixels = np.concatenate([pixels for pixels, _ in met])
    found = np.concatenate([depths for _, depths in met])
    points = np.stack([across.ravel()[pixels], found, down.ravel()[pixels]])
    return Hits(pixels, points.astype(np.float32))


def _next_cell(density: Floats, surface: float) -> NDArray[np.int16]:
    """For every cell between eight voxels, the depth of the first cell that may hold the surface.

    It is the cell itself, or one behind it, or the number of depths where there is none.
    """
    inside = maximum_filter(density, 2, origin=-1) >= surface
    depths = density.shape[1]
    places = np.where(inside, np.arange(depths, dtype=np.int16)[:, None], np.int16(depths))
    nearest: NDArray[np.int16] = np.minimum.accumulate(places[:, ::-1], axis=1)[:, ::-1]
    return nearest
