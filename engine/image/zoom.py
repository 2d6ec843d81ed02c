"""Stretching an array with its corner voxels fixed, by several threads at once."""

import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from scipy.ndimage import affine_transform, zoom

from totalseg_mcp.engine.volume import Shape

# From data, shape, order, threads and type of the result, as `zoomed` takes them, to what it gives.
Zoom = Callable[[NDArray[Any], Shape, int, int, DTypeLike], NDArray[Any]]
LINEAR = 1  # splines of a higher order are fitted to the whole array first, by one thread


def zoomed(
    data: NDArray[Any], shape: Shape, order: int, threads: int, dtype: DTypeLike | None = None
) -> NDArray[Any]:
    """`data[i, j, k]` stretched to `shape`, bit by bit what `scipy.ndimage.zoom` makes of it.

    Interpolated by splines of `order`; beyond the edge the edge goes on. `dtype` is that
    of the result, and of `data` if it is None. At most `threads` work at the same time.
    """
    stretched = np.empty(shape, data.dtype if dtype is None else dtype)
    if threads == 1 or order > LINEAR:
        zoom(data, np.divide(shape, data.shape), stretched, order=order, mode="nearest")
        return stretched
    step = np.array([_step(n, m) for n, m in zip(data.shape, shape, strict=True)])

    def fill(start: int, stop: int) -> None:
        affine_transform(
            data,
            step,
            (start * step[0], 0, 0),
            (stop - start, *shape[1:]),
            stretched[start:stop],
            order=order,
            mode="nearest",
            prefilter=False,
        )

    with _diagonal(), ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(fill, *slab) for slab in _slabs(shape[0], step[0], threads)]:
            done.result()
    return stretched


def _step(before: int, after: int) -> float:
    """The distance of the samples in voxels; any where there is one of either, such as 1."""
    return (before - 1) / (after - 1) if min(before, after) > 1 else 1.0


def _slabs(length: int, step: float, count: int) -> list[tuple[int, int]]:
    """`length` planes in about `count` parts, each of which begins at a sound place.

    scipy divides a part's offset by the step again; where that does not give back the
    whole number, every sample of the part would be off by a rounding error.
    """
    sound = np.flatnonzero(np.arange(length) * step / step == np.arange(length))
    wished = np.arange(count) * length // count
    starts = sorted({int(sound[sound <= start].max()) for start in wished})
    return list(pairwise([*starts, length]))


@contextmanager
def _diagonal() -> Iterator[None]:
    """Without scipy's warning that a diagonal matrix meant something else before 0.18."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The behavior of affine_transform with a 1-D")
        yield
