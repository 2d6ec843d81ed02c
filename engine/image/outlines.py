"""The borders of a flat mask as polygons. Imports scikit-image, so it is imported when needed."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects, label
from skimage.measure import find_contours

from totalseg_mcp.engine.volume import Mask

Polygon = NDArray[np.float64]  # (n, 2): row and column of each corner, the last leads to the first


def outlines(mask: Mask) -> list[Polygon]:
    """One polygon for each connected part of `mask[row, column]`; corners do not connect.

    It runs half-way between pixels in and out, so no centre of a pixel out of the mask lies on
    it, and filling it gives the part again; corners are cut off at 45 degrees. A hole hangs
    on the border round it by a cut of no width, along which the polygon goes in and out again.

    >>> outlines(np.array([[True]]))[0].tolist()
    [[0.5, 0.0], [0.0, -0.5], [-0.5, 0.0], [0.0, 0.5]]
    """
    parts, _ = label(mask)
    return [
        _outline(parts[rows, columns] == number) + np.array([rows.start, columns.start])
        for number, (rows, columns) in enumerate(find_objects(parts), start=1)
    ]


def _outline(part: Mask) -> Polygon:
    padded = np.pad(part, 1)
    borders = find_contours(padded.astype(np.float64), 0.5, fully_connected="low")
    # From left to right: the outer one is first, and left of a hole all is joined already.
    whole, *holes = sorted((border[:-1] for border in borders), key=lambda b: float(b[:, 1].min()))
    for hole in holes:
        whole = _joined(whole, hole, padded)
    return _corners(whole) - 1


def _joined(whole: Polygon, hole: Polygon, mask: Mask) -> Polygon:
    """`whole` with a cut from the leftmost point of `hole` to the border left of it."""
    start = int(hole[:, 1].argmin())
    row, column = hole[start]
    beyond = np.flatnonzero(~mask[int(row), : int(column)])[-1]
    at = int(np.flatnonzero((whole == (row, beyond + 0.5)).all(axis=1))[0])
    round_ = np.roll(hole, -start, axis=0)
    return np.concatenate([whole[: at + 1], round_, round_[:1], whole[at:]])


def _corners(border: Polygon) -> Polygon:
    """`border` without the points on its straight parts."""
    before, after = border - np.roll(border, 1, axis=0), np.roll(border, -1, axis=0) - border
    corners: Polygon = border[before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]]
    return corners
