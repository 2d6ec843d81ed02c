"""A ruler along the body: from where some bones are seen to where the others must be."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Mark = tuple[float, float]  # on the ruler, and its height in the picture, mm; both grow upwards
STRETCH = (0.25, 2.5)  # from one mark to the next, of an average man; a newborn's spine: 0.34
STRAY_MM = 100.0  # on the ruler; organs move by less when a patient breathes
SHORTEST_MM = 50.0  # on the ruler; from less than that nothing is extrapolated


@dataclass(frozen=True, slots=True)
class Ruler:
    """Marks of the ruler that were seen, from the lowest to the highest."""

    marks: tuple[Mark, ...]

    @property
    def stretch(self) -> float | None:
        """How long a mm of the ruler is; None where too little of it was seen to tell."""
        if not self.marks or self.marks[-1][0] - self.marks[0][0] < SHORTEST_MM:
            return None
        (low, bottom), (high, top) = self.marks[0], self.marks[-1]
        return (top - bottom) / (high - low)

    def height(self, on_ruler: float) -> float | None:
        """The height of a mark, between those seen or beyond them; None where nothing tells.

        Between two marks it is interpolated; beyond the last it goes on at the mean stretch.

        >>> Ruler(((0.0, 100.0), (200.0, 500.0))).height(250.0)
        600.0
        """
        if self.stretch is None:
            return None
        known = [mark for mark, _ in self.marks]
        heights = [height for _, height in self.marks]
        within = float(np.interp(on_ruler, known, heights))
        beyond = on_ruler - min(max(on_ruler, known[0]), known[-1])
        return within + beyond * self.stretch

    def strays(self, on_ruler: float, height: float) -> bool:
        """Whether a height is too far from where the ruler has the mark to be that of the mark."""
        expected, stretch = self.height(on_ruler), self.stretch
        if expected is None or stretch is None:
            return False
        return abs(height - expected) > STRAY_MM * stretch


def ruler(seen: Sequence[Mark]) -> Ruler:
    """The ruler through as many of the marks as can be right together.

    Those are the longest chain in which every step is stretched plausibly. It leaves out a
    bone that was found in the wrong place.

    >>> ruler([(0.0, 0.0), (36.0, 40.0), (72.0, 500.0), (108.0, 110.0)]).marks
    ((0.0, 0.0), (36.0, 40.0), (108.0, 110.0))
    """
    marks = sorted(seen)
    chains: list[tuple[Mark, ...]] = []
    for number, mark in enumerate(marks):
        fitting = [chains[below] for below in range(number) if _fits(marks[below], mark)]
        chains.append((*max(fitting, key=len, default=()), mark))
    return Ruler(max(chains, key=len, default=()))


def _fits(lower: Mark, upper: Mark) -> bool:
    apart = upper[0] - lower[0]
    return STRETCH[0] * apart <= upper[1] - lower[1] <= STRETCH[1] * apart
