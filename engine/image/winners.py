"""Which class wins in each voxel."""

import numpy as np
from numpy.typing import NDArray

LOT = 2**13  # voxels at a time, whose outputs stay in the processor's cache
SIGN, REST = 15, 0x7FFF  # of a half-precision number's bits


def winners(outputs: NDArray[np.float16]) -> NDArray[np.integer]:
    """The class with the largest of `outputs` [class, z, y, x], which are finite: [z, y, x].

    The first of those that are equal, as `argmax` gives it, in a tenth of the time.

    >>> winners(np.array([0, -1, -0.0, 0.5, 0.5], np.float16).reshape(5, 1, 1, 1)).item()
    3
    """
    classes, planes, rows, width = outputs.shape
    labels = np.empty((planes, rows, width), np.min_scalar_type(classes - 1))
    thick = max(1, LOT // max(1, width))
    for plane in range(planes):
        for row in range(0, rows, thick):
            there = slice(row, row + thick)
            labels[plane, there] = _winners(outputs[:, plane, there])
    return labels


def _winners(outputs: NDArray[np.float16]) -> NDArray[np.int32]:
    """The same for [class, y, x]: the largest of numbers that hold an output and its class.

    An output's bits, read as sign and magnitude, are an integer in the same order. The classes
    below it count down, so that the first is the largest.
    """
    bits = outputs.view(np.int16)
    sign = bits >> SIGN
    ranks = bits & REST
    ranks ^= sign
    ranks -= sign
    width = int(len(outputs) - 1).bit_length()
    last = (1 << width) - 1
    both = ranks.astype(np.int32)
    both <<= width
    both |= np.arange(last, last - len(outputs), -1, dtype=np.int32)[:, None, None]
    best: NDArray[np.int32] = last - (both.max(0) & last)
    return best
