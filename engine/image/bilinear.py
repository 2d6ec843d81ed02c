"""A network's output on the grid of its picture, linearly, and only where it can be high."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

Shape = tuple[int, int]
Box = tuple[slice, slice]  # rows, columns


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """From a grid of outputs [row, column] to that of a picture, the same for all outputs.

    The shares of the rows of one grid in each row of the other, and of the columns.
    """

    down: csr_array
    across: csr_array

    def box(self, high: NDArray[np.bool_]) -> Box | None:
        """The part of the picture outside of which nothing is made of an output that is `high`.

        What is interpolated lies between what it is made of. None where no output is high, or
        none of those that the coarser grid of a picture is made of.
        """
        rows = _span(self.down @ high.any(axis=1))
        columns = _span(self.across @ high.any(axis=0))
        return (rows, columns) if rows and columns else None

    def __call__(self, outputs: NDArray[np.floating], box: Box) -> NDArray[np.float64]:
        """The pixels of `box`, in double precision as scikit-image has them."""
        rows, columns = box
        along = self.across[columns] @ outputs.T.astype(np.float64, order="C")
        there: NDArray[np.float64] = self.down[rows] @ along.T
        return there


@lru_cache(maxsize=1)  # the networks of a call stretch alike
def stretch_between(before: Shape, after: Shape) -> Stretch:
    """From one shape to the other."""
    return Stretch(*map(shares, before, after))


def shares(before: int, after: int) -> csr_array:
    """What part each of `before` pixels has in each of `after` as many that lie over them.

    There is half a pixel at either end, as scikit-image and torch have it; beyond the middle of
    the outermost one its value goes on.
    """
    places = np.clip((np.arange(after) + 0.5) * (before / after) - 0.5, 0.0, before - 1.0)
    first = places.astype(np.intp)
    second = np.minimum(first + 1, before - 1)
    part = places - first
    taken = np.stack([1 - part, part], axis=1).ravel(), np.stack([first, second], axis=1).ravel()
    return csr_array((*taken, np.arange(0, 2 * after + 1, 2)), shape=(after, before))


def _span(touched: NDArray[np.float64]) -> slice | None:
    there = np.flatnonzero(touched)
    return slice(int(there[0]), int(there[-1]) + 1) if there.size else None
