"""A layer of structures as a smooth density on a coarse grid."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, maximum_filter

from totalseg_mcp.engine.imaging import Spacing
from totalseg_mcp.engine.volume import Labels

MOST_VOXELS = 180  # along the longest side
SURFACE = 0.38  # the density at a structure's surface; below 0.5, which would thin out what is thin
THIN = 0.7  # the density that is given to what would vanish
MOST_LOST = 0.05  # the share of a structure that may vanish: what is sharp at its edges
SMOOTH = (0.5, 1.1)  # in voxels of the coarse grid and of the scan; they add up as variances
ROOM = 3  # empty coarse voxels on every side, so that every surface is closed
FRAME = 1  # how many of them are shown
Factors = tuple[int, int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """The box of all structures, ready to be made coarse: its sides are multiples of `factors`."""

    data: NDArray[Any]
    factors: Factors
    spacing_mm: Spacing  # of the coarse grid

    @property
    def size_mm(self) -> Spacing:
        """The edges of what is shown: the box and a frame around it."""
        voxels = np.array(self.data.shape) // self.factors + 2 * FRAME
        x, y, z = (float(edge) for edge in voxels * self.spacing_mm)
        return x, y, z

    @property
    def smooth_mm(self) -> float:
        """The standard deviation that hides the voxels, the larger where slices are far apart."""
        edges = np.array(self.spacing_mm), np.array(self.spacing_mm) / self.factors
        typical = [np.sqrt(edge.min() * edge.max()) for edge in edges]
        return float(np.hypot(*np.multiply(SMOOTH, typical)))


@dataclass(frozen=True, slots=True, eq=False)
class Solid:
    """`density[i, j, k]` 0..1, and the label of every voxel in it or touching it.

    Its voxels may be of any shape; `spacing_mm` are their edges.
    """

    density: NDArray[np.float32]
    labels: NDArray[Any]
    spacing_mm: Spacing


def block(labels: Labels) -> Block:
    """The part of `labels` with structures in it, of which there must be one at least."""
    spans = [
        np.flatnonzero(labels.data.any(axis=tuple({0, 1, 2} - {axis})))[[0, -1]]
        for axis in range(3)
    ]
    data = labels.data[tuple(slice(first, last + 1) for first, last in spans)]
    spacing = np.array(labels.grid.spacing_mm)
    coarse_mm = float((spacing * data.shape).max()) / MOST_VOXELS
    factors = np.maximum(np.rint(coarse_mm / spacing), 1).astype(int)
    whole = np.zeros_like(data, shape=tuple(-(-np.array(data.shape) // factors) * factors))
    whole[tuple(slice(0, size) for size in data.shape)] = data
    i, j, k = (int(n) for n in factors)
    x, y, z = (float(edge) for edge in spacing * factors)
    return Block(whole, (i, j, k), (x, y, z))


def solid(block: Block, members: tuple[int, ...]) -> Solid:
    """The structures `members` of `block`, smoothed by about a voxel.

    Structures that are too thin to survive that are kept as thick as a voxel.
    """
    kept = np.zeros(int(block.data.max()) + 1, block.data.dtype)
    kept[list(members)] = members
    data = kept[block.data]
    there = np.pad(_merged((data > 0).view(np.uint8), block.factors, np.add), ROOM)
    labels = np.pad(_merged(data, block.factors, np.maximum), ROOM)
    share = there.astype(np.float32) / np.prod(block.factors, dtype=np.float32)
    widths = np.minimum(block.smooth_mm / np.array(block.spacing_mm), ROOM)
    smooth = gaussian_filter(share, widths, mode="constant", truncate=3)
    density = np.where(_lost(smooth, labels), np.float32(THIN), smooth)
    return Solid(density, np.where(labels > 0, labels, maximum_filter(labels, 3)), block.spacing_mm)


def _lost(density: NDArray[np.float32], labels: NDArray[Any]) -> NDArray[np.bool_]:
    """The voxels that lie inside no surface, of the structures that have lost many so."""
    lost: NDArray[np.bool_] = (labels > 0) & (maximum_filter(density, 3) < SURFACE)
    size = int(labels.max()) + 1
    voxels = np.bincount(labels.ravel(), minlength=size)
    vanished = np.bincount(labels[lost], minlength=size)
    rescued: NDArray[np.bool_] = lost & (vanished > MOST_LOST * voxels)[labels]
    return rescued


def _merged(data: NDArray[Any], factors: Factors, merge: Callable[[Any, Any], Any]) -> NDArray[Any]:
    """`data` with every block of `factors` voxels merged into one."""
    for axis, factor in enumerate(factors):
        every = [slice(None)] * axis
        data = reduce(merge, (data[(*every, slice(n, None, factor))] for n in range(factor)))
        if data.dtype == np.uint8 and merge is np.add:
            data = data.astype(np.uint16)
    return data
