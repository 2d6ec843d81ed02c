"""Cutting a tall image into three overlapping slabs, and putting their labels together.

TotalSegmentator 2.18.0's way to save memory: along z, in RAS order.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from totalseg_mcp.engine.image.crop import Box
from totalseg_mcp.engine.volume import Grid, Labels

MARGIN = 20  # slices that a slab sees beyond what it decides
FEWEST = 3 * MARGIN - 2  # slices; in fewer, the slabs reach beyond the image
MOST_VOXELS = 512 * 512 * 900  # of an image that is not split of itself
TALL = 200  # slices; an image that is lower is never split of itself


class Slab(NamedTuple):
    """Slices `start` to `stop` are looked at, `first` to `last` are decided."""

    start: int
    stop: int
    first: int
    last: int

    def box(self, grid: Grid) -> Box:
        """What is looked at."""
        return Box((0, 0, self.start), (*grid.shape[:2], self.stop))


def slabs(slices: int) -> tuple[Slab, Slab, Slab]:
    """Three slabs; the lower end of each but the first is seen one slice less far.

    >>> slabs(90)[1]
    Slab(start=11, stop=80, first=30, last=60)
    """
    third = slices // 3
    return (
        Slab(0, third + MARGIN, 0, third),
        Slab(third - MARGIN + 1, 2 * third + MARGIN, third, 2 * third),
        Slab(2 * third - MARGIN + 1, slices, 2 * third, slices),
    )


def join(parts: Sequence[tuple[Slab, Labels]], grid: Grid) -> Labels:
    """The labels on `grid`, each slice from the slab that decides it."""
    joined = np.zeros(grid.shape, parts[0][1].data.dtype)
    for slab, part in parts:
        decided = part.data[:, :, slab.first - slab.start : slab.last - slab.start]
        joined[:, :, slab.first : slab.last] = decided
    return Labels(joined, grid, parts[0][1].names)


def worth_splitting(grid: Grid) -> bool:
    """Whether TotalSegmentator splits an image of this size of itself."""
    return int(np.prod(grid.shape)) > MOST_VOXELS and grid.shape[2] > TALL
