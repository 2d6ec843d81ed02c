"""Numbering and growing vertebrae, as TotalSegmentator 2.18.0 has it for `vertebrae_pp`.

Labels are in RAS order; label 1 is the topmost vertebra, C1.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, center_of_mass, find_objects, label

from totalseg_mcp.engine.image.cleanup import voxel_mm3
from totalseg_mcp.engine.imaging import Spacing
from totalseg_mcp.engine.volume import Labels, Mask

LEAST_MM3 = 100.0  # of a vertebra
GROWTH_MM = 3.0  # which the training labels were eroded by


def renumber(labels: Labels) -> Labels:
    """Every separate piece a vertebra of its own, counted along the spine, where two had met.

    Pieces below 100 mm³ are dropped. Counted from the top down if there is a C1 and no L5
    in the others, else from the bottom up, where the lowest piece is the lowest vertebra in
    them. Labels of which no two share a face stay as they are.
    """
    if not _two_meet(labels.data):
        return labels
    pieces, count = label(labels.data > 0)
    sizes = np.bincount(pieces.ravel(), minlength=count + 1)
    least = LEAST_MM3 / voxel_mm3(labels)
    large = [piece for piece in range(1, count + 1) if sizes[piece] >= least]
    if not large:
        return Labels(np.zeros_like(labels.data), labels.grid, labels.names)
    height = dict(zip(large, center_of_mass(pieces > 0, pieces, large), strict=True))
    present = np.unique(labels.data[np.isin(pieces, large)])
    downward = bool(present[0] == 1 and present[-1] < len(labels.names))
    # Of pieces at one height, the first found comes first either way.
    ordered = sorted(large, key=lambda piece: float(height[piece][2]), reverse=downward)
    numbers = range(1, len(labels.names) + 1) if downward else range(int(present[-1]), 0, -1)
    renumbered = np.zeros(count + 1, labels.data.dtype)
    for piece, number in zip(ordered, numbers, strict=False):
        renumbered[piece] = number
    return Labels(renumbered[pieces], labels.grid, labels.names)


def grow(labels: Labels) -> Labels:
    """Every vertebra as large as it is, for the network sees the inner part of it only."""
    return grown(labels, GROWTH_MM, labels.grid.stored_mm)


def grown(labels: Labels, by_mm: float, spacing_mm: Spacing) -> Labels:
    """Every vertebra larger by `by_mm` all around, where there was background; C1 first."""
    ball = ellipsoid(by_mm, spacing_mm)
    reach = np.array(ball.shape) // 2
    data = labels.data.copy()
    for number, box in enumerate(find_objects(labels.data), start=1):
        if box is None:
            continue
        wide = tuple(
            slice(max(s.start - r, 0), s.stop + r) for s, r in zip(box, reach, strict=True)
        )
        larger = binary_dilation(data[wide] == number, ball)
        data[wide][larger & (data[wide] == 0)] = number
    return Labels(data, labels.grid, labels.names)


def refine(labels: Labels, bodies: Labels, by_mm: float) -> Labels:
    """Every vertebra larger by `by_mm`, clipped to the first structure of `bodies`."""
    larger = grown(labels, by_mm, labels.grid.spacing_mm)
    return Labels(np.where(bodies.data == 1, larger.data, 0), labels.grid, labels.names)


def ellipsoid(radius_mm: float, spacing_mm: Spacing) -> Mask:
    """A structuring element, sampled as TotalSegmentator does: from `-radius_mm` on.

    Where the radius is no whole number of voxels, the samples lie off the centre, and what
    it dilates grows further towards the end of that axis than towards its beginning. Whole
    numbers are the rule: 3 mm at 1.5 mm.

    >>> ellipsoid(3.0, (1.5, 3.0, 1.0)).sum(), ellipsoid(3.0, (1.5, 3.0, 1.0)).shape
    (np.int64(21), (5, 3, 7))
    """
    radii = [radius_mm / np.float32(edge) for edge in spacing_mm]
    i, j, k = np.ogrid[tuple(slice(-radius, radius + 1) for radius in radii)]
    parts = [(at * at) / (radius * radius) for at, radius in zip((i, j, k), radii, strict=True)]
    inside: Mask = parts[0] + parts[1] + parts[2] <= 1
    return inside


def _two_meet(data: NDArray[np.integer]) -> bool:
    """Whether voxels of two different labels share a face."""
    for axis in range(3):
        along = np.moveaxis(data, axis, 0)
        here, next_to_it = along[:-1], along[1:]
        if ((here != next_to_it) & (here > 0) & (next_to_it > 0)).any():
            return True
    return False
