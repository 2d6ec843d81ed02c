"""The borders of a flat mask as polygons. Imports scikit-image, so it is imported when needed."""

import numpy as np
from numpy.typing import NDArray
from skimage.measure import find_contours

from totalseg_mcp.engine.volume import Mask

Polygon = NDArray[np.float64]  # (n, 2): row and column of each corner, the last leads to the first


def outlines(mask: Mask) -> list[Polygon]:
    """Polygons half-way between the pixels in `mask[row, column]` and those out of it.

    The border of a hole is a polygon like any other: a point is in the mask if it is in an odd
    number of them. No centre of a pixel lies on a polygon, so filling them gives `mask`
    again; corners are cut off at 45 degrees. Pixels that touch at a corner are apart.

    >>> outlines(np.array([[True]]))[0].tolist()
    [[0.5, 0.0], [0.0, -0.5], [-0.5, 0.0], [0.0, 0.5]]
    """
    borders = find_contours(np.pad(mask, 1).astype(np.float64), 0.5, fully_connected="low")
    return [_corners(border[:-1] - 1) for border in borders]


def _corners(border: Polygon) -> Polygon:
    """`border` without the points on its straight parts."""
    before, after = border - np.roll(border, 1, axis=0), np.roll(border, -1, axis=0) - border
    turns = before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]
    corners: Polygon = border[turns]
    return corners
