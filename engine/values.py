"""A sample of an image's values, and how many of them lie where."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

LOWEST_HU = -1200.0  # below are paddings only: -2000, -2048, -3024
PILE = 0.05  # of the voxels; so many exact zeros are padding, not tissue (in CT they are below 1 %)
SIGNAL = 0.3  # of the 99th percentile; what is darker is background, lung or cortical bone

COUNTED: Literal["stable"] = "stable"  # how numpy sorts 16 bits without comparing, in a sixth


class Values:
    """The sorted values of a sample of voxels."""

    def __init__(self, values: NDArray[Any]) -> None:
        kind = COUNTED if values.dtype.itemsize <= 2 else None
        self.sorted = np.sort(values, axis=None, kind=kind).astype(np.float64, copy=False)

    @classmethod
    def _of_sorted(cls, values: NDArray[np.float64]) -> "Values":
        """Of values that are in order."""
        made = cls.__new__(cls)
        made.sorted = values
        return made

    def share(self, low: float, high: float = np.inf) -> float:
        """How many of the values lie in [low, high), as a part of all."""
        first, last = np.searchsorted(self.sorted, (low, high))
        return float(last - first) / max(len(self.sorted), 1)

    def above(self, low: float) -> "Values":
        """Those that are `low` or more."""
        return Values._of_sorted(self.sorted[np.searchsorted(self.sorted, low) :])

    def at(self, share: float) -> float:
        """The value that this share of the values lies below."""
        return float(self.sorted[int(share * (len(self.sorted) - 1))])

    @property
    def low(self) -> float:
        """The lowest one."""
        return self.at(0.0)

    @property
    def high(self) -> float:
        """The highest one."""
        return self.at(1.0)

    @property
    def signal(self) -> "Values":
        """What is not dark, in an image whose background is 0."""
        return self.above(SIGNAL * max(self.at(0.99), 0.0))

    @property
    def scanned(self) -> "Values":
        """Without padding: exact zeros, if they are many, and one value lower than any in CT."""
        kept = self.sorted
        if self.low < LOWEST_HU:
            kept = kept[kept > self.low]
        if np.count_nonzero(kept == 0) > PILE * len(self.sorted):
            kept = kept[kept != 0]
        return Values._of_sorted(kept)
