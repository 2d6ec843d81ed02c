"""A network's output on the grid of its picture, linearly, and only where it can be high."""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Shape = tuple[int, int]
Box = tuple[slice, slice]  # rows, columns
High = NDArray[np.bool_]
Places = NDArray[np.intp]  # of pixels, counted on from row to row


class Shares(NamedTuple):
    """Between which two outputs each pixel along an axis lies, and its shares of them."""

    first: NDArray[np.intp]
    second: NDArray[np.intp]
    of_first: NDArray[np.float64]
    of_second: NDArray[np.float64]

    @classmethod
    def of(cls, before: int, after: int) -> "Shares":
        """Of `after` pixels that lie over `before` outputs.

        There is half a pixel at either end, as scikit-image and torch have it; beyond the middle
        of the outermost output its value goes on.
        """
        places = np.clip((np.arange(after) + 0.5) * (before / after) - 0.5, 0.0, before - 1.0)
        first = places.astype(np.intp)
        part = places - first
        return cls(first, np.minimum(first + 1, before - 1), 1 - part, part)

    def touched(self, high: High) -> slice:
        """The pixels from the first to the last that are made of an output that is `high`."""
        there = np.flatnonzero(high[self.first] | high[self.second])
        return slice(int(there[0]), int(there[-1]) + 1) if there.size else slice(0, 0)

    def part(self, pixels: slice) -> "Shares":
        """Those of some pixels."""
        return Shares(
            self.first[pixels], self.second[pixels], self.of_first[pixels], self.of_second[pixels]
        )


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """From a grid of outputs [row, column] to that of a picture, the same for all outputs."""

    down: Shares
    across: Shares

    def near(self, high: High) -> High:
        """The pixels that are made of an output that is `high`, among others."""
        either = high.copy()  # of a row and the next one
        either[:-1] |= high[1:]
        tall: High = either[self.down.first]
        either = tall.copy()
        either[:, :-1] |= tall[:, 1:]
        return either[:, self.across.first]

    def above(
        self, outputs: NDArray[np.float32], level: float, wanted: High
    ) -> tuple[Places, NDArray[np.float64]]:
        """The pixels that are `wanted` and can be above `level`, and their values.

        What is interpolated lies between what it is made of: no other pixel is above it. The
        values are in double precision as scikit-image has them.
        """
        high = outputs > level
        by_row, by_column = np.asarray(high.any(axis=1)), np.asarray(high.any(axis=0))
        box = self.down.touched(by_row), self.across.touched(by_column)
        part = Stretch(self.down.part(box[0]), self.across.part(box[1]))
        near = part.near(high) & wanted[box]
        width = near.shape[1]
        places = np.flatnonzero(near)
        counts = np.diff(np.searchsorted(places, np.arange(len(near) + 1) * width))
        rows = np.repeat(np.arange(len(near)), counts)
        columns = places - rows * width
        values = _interpolated(outputs, part, counts, columns)
        return (rows + box[0].start) * wanted.shape[1] + columns + box[1].start, values


@lru_cache(maxsize=1)  # the networks of a call stretch alike
def stretch_between(before: Shape, after: Shape) -> Stretch:
    """From one shape to the other."""
    return Stretch(*map(Shares.of, before, after))


def _interpolated(
    outputs: NDArray[np.float32], stretch: Stretch, counts: Places, columns: Places
) -> NDArray[np.float64]:
    """The pixels in these `columns`, of which there are `counts` in each row; along rows first."""
    down, across = stretch.down, stretch.across
    flat, width = outputs.reshape(-1), outputs.shape[1]
    first, second = across.first[columns], across.second[columns]
    of_first, of_second = across.of_first[columns], across.of_second[columns]

    def along(rows: NDArray[np.intp]) -> NDArray[np.float64]:
        row = np.repeat(rows * width, counts)
        values: NDArray[np.float64] = flat[row + first].astype(np.float64) * of_first
        values += flat[row + second].astype(np.float64) * of_second
        return values

    values = along(down.first) * np.repeat(down.of_first, counts)
    values += along(down.second) * np.repeat(down.of_second, counts)
    return values
