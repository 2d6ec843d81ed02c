"""Pictures: what lies behind one another in the patient, seen from the front in one plane.

Arrays are `[channel, row, column]`: rows go down, columns to the right, as pictures are
shown. In a projection of a CT the first row is the topmost of the patient and the first
column the leftmost *of the patient* (RAI), which is how TotalSegmentator 2D looks at it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from totalseg_mcp.engine.volume import Grid


@dataclass(frozen=True, slots=True, eq=False)
class Plane:
    """Where the pixels are.

    `spacing_mm` and `direction` are between rows and columns, in ITK's order: first along a
    row, then along a column. `origin_mm` is the middle of the first pixel. `grid` places a
    projection in the patient: RAI axes, shape (columns, 1, rows), one voxel as thick as all
    that was projected; None for a picture that came as one.
    """

    shape: tuple[int, int]  # rows, columns
    spacing_mm: tuple[float, float]  # of columns, of rows
    origin_mm: tuple[float, float] = (0.0, 0.0)
    direction: tuple[float, float, float, float] = (1.0, 0.0, 0.0, 1.0)  # row by row
    grid: Grid | None = None

    @property
    def pixel_mm2(self) -> float:
        """The area of a pixel, mm², as seen from the front."""
        along, down = self.spacing_mm
        a, b, c, d = self.direction
        return along * down * abs(a * d - b * c)


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """`data[channel, row, column]`, float32, on `plane`; `channels` are named as by its model."""

    data: NDArray[np.float32]
    channels: tuple[str, ...]
    plane: Plane

    def __post_init__(self) -> None:
        if self.data.shape != (len(self.channels), *self.plane.shape):
            raise ValueError(f"data is {self.data.shape} but its plane is {self.plane.shape}")
        self.data.setflags(write=False)


@dataclass(frozen=True, slots=True, eq=False)
class Layers:
    """Structures in a picture, which may overlap: `data[structure, row, column]` is yes or no.

    `confidence` is the mean probability that the network gave to a structure's pixels; NaN
    where it has none.
    """

    data: NDArray[np.bool_]
    names: tuple[str, ...]
    confidence: tuple[float, ...]
    plane: Plane

    def __post_init__(self) -> None:
        if self.data.shape != (len(self.names), *self.plane.shape):
            raise ValueError(f"data is {self.data.shape} but its plane is {self.plane.shape}")
        self.data.setflags(write=False)

    def named(self, name: str) -> NDArray[np.bool_]:
        """The pixels [row, column] of one structure."""
        pixels: NDArray[np.bool_] = self.data[self.names.index(name)]
        return pixels
