"""The boxes around the structures of a label map."""

import numpy as np
from numpy.typing import NDArray

Box = tuple[slice, slice, slice]


def boxes(numbers: NDArray[np.integer], count: int) -> list[Box | None]:
    """The smallest box around each of the numbers 1 to `count` in `numbers`; None if it is absent.

    What scipy's `find_objects` gives for three axes. That looks at every voxel by itself; here
    voxels in a row with the same number are one run, and runs are few.
    """
    order = np.argsort(np.abs(numbers.strides))[::-1]  # as the voxels follow each other in memory
    first = np.full((len(order), count + 1), np.iinfo(np.intp).max)
    last = np.full((len(order), count + 1), -1)
    for place, plane in enumerate(numbers.transpose(order)):
        who, row, start, stop = _runs(plane)
        here = np.full(len(who), place)
        for axis, (low, high) in enumerate(((here, here), (row, row), (start, stop))):
            np.minimum.at(first[axis], who, low)
            np.maximum.at(last[axis], who, high)
    places = np.argsort(order)

    def around(number: int) -> Box:
        i, j, k = (slice(int(first[p, number]), int(last[p, number]) + 1) for p in places)
        return i, j, k

    return [around(n) if last[0, n] >= 0 else None for n in range(1, count + 1)]


def _runs(plane: NDArray[np.integer]) -> tuple[NDArray[np.integer], ...]:
    """Of every run of a number other than 0 along the rows: number, row, first and last column."""
    width = plane.shape[1]
    flat = plane.reshape(-1)
    begins = np.ones(len(flat), bool)
    np.not_equal(flat[1:], flat[:-1], out=begins[1:])
    begins[::width] = True
    start = np.flatnonzero(begins)
    stop = np.append(start[1:], len(flat)) - 1
    found = np.flatnonzero(flat[start])
    start, stop = start[found], stop[found]
    row = start // width
    return flat[start], row, start - row * width, stop - row * width
