"""Putting the slices of a stack onto an upright and even grid, by linear interpolation.

Arrays are `[column, row, slice]`. Integers stay integers, rounded to the nearest.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform

from totalseg_mcp.engine.watch import track

Pixels = tuple[int, int]


def upright(
    data: NDArray[Any], shifts_px: NDArray[np.float64], fill: float
) -> tuple[NDArray[Any], Pixels]:
    """`data` with slice `k` moved by `shifts_px[k]` columns and rows, on a grid that holds all.

    With it, the column and the row of `data` at which that grid begins, which are not
    above 0. What no slice covers is `fill`.
    """
    low = np.floor(shifts_px.min(axis=0)).astype(int)
    high = np.ceil(shifts_px.max(axis=0)).astype(int)
    columns, rows = (int(n) for n in np.array(data.shape[:2]) + high - low)
    moved = np.empty((columns, rows, data.shape[2]), data.dtype, order="F")
    for k in track(range(data.shape[2]), "slice"):
        plane = affine_transform(
            data[..., k].astype(np.float64),
            np.ones(2),
            low - shifts_px[k],
            (columns, rows),
            order=1,
            cval=fill,
        )
        moved[..., k] = _as(plane, data.dtype)
    return moved, (int(low[0]), int(low[1]))


def evened(data: NDArray[Any], at: NDArray[np.float64]) -> NDArray[Any]:
    """Slices of `data` at the fractional numbers `at`, each between its two neighbours."""
    below = np.minimum(at.astype(int), data.shape[2] - 2)
    even = np.empty((*data.shape[:2], len(at)), data.dtype, order="F")
    for k in track(range(len(at)), "slice"):
        part = at[k] - below[k]
        pair = data[..., below[k]], data[..., below[k] + 1]
        even[..., k] = _as(pair[0] * (1 - part) + pair[1] * part, data.dtype)
    return even


def _as(values: NDArray[np.float64], kind: np.dtype[Any]) -> NDArray[Any]:
    return np.rint(values).astype(kind) if kind.kind in "iu" else values
