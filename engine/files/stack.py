"""How the slices of a DICOM series lie in the patient: one after another, evenly, and straight.

Positions and directions come in DICOM's LPS millimetres and leave in RAS+.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from totalseg_mcp.engine.errors import BadImageError
from totalseg_mcp.engine.volume import Affine

UNEVEN = 0.01  # of the distance between slices
ROUNDING_MM = 0.02  # between steps, where positions are given to a hundredth
TILT = 1e-3  # radians
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])

Vector = NDArray[np.float64]
S = TypeVar("S")


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """Where one slice lies: the centre of its first pixel, along its rows, down its columns."""

    position: Vector  # LPS mm
    along_row: Vector  # unit; the direction in which the column number grows
    down_column: Vector  # unit
    pixel_mm: tuple[float, float]  # along a row, down a column

    def __post_init__(self) -> None:
        axes = np.stack([self.along_row, self.down_column])
        if not np.allclose(axes @ axes.T, np.eye(2), atol=1e-3):
            raise ValueError("rows and columns are not at right angles")

    @property
    def normal(self) -> Vector:
        """The direction from which the slices are counted."""
        return np.cross(self.along_row, self.down_column)


def in_order(slices: Sequence[S], places: Sequence[Place]) -> list[S]:
    """`slices` by their places along the normal."""
    heights = [float(place.position @ places[0].normal) for place in places]
    return [slices[at] for at in np.argsort(heights, kind="stable")]


def affine_of(places: Sequence[Place]) -> Affine:
    """From (column, row, slice) to RAS+ mm, for `places` in order.

    Raises:
        BadImageError: slices at the same place, missing ones, or a tilted gantry.
    """
    first, last = places[0], places[-1]
    heights = np.array([place.position @ first.normal for place in places])
    _evenly_spaced(heights)
    _straight(last.position - first.position, first.normal)
    matrix = np.eye(4)
    matrix[:3, 0] = first.along_row * first.pixel_mm[0]
    matrix[:3, 1] = first.down_column * first.pixel_mm[1]
    matrix[:3, 2] = (last.position - first.position) / (len(places) - 1)
    matrix[:3, 3] = first.position
    return LPS_TO_RAS @ matrix


def _evenly_spaced(heights: NDArray[np.float64]) -> None:
    steps = np.diff(heights)
    same = np.flatnonzero(steps < ROUNDING_MM)
    if len(same):
        raise BadImageError(
            f"{len(same)} of {len(heights)} slices lie at the same place as the one before, the "
            f"first at {heights[same[0]]:.2f} mm: the series holds several volumes (phases, "
            "echoes). Give a folder with the slices of one of them."
        )
    step = float(np.median(steps))
    odd = np.flatnonzero(np.abs(steps - step) > max(UNEVEN * step, ROUNDING_MM))
    if len(odd):
        gaps = ", ".join(
            f"{steps[at]:.2f} mm between {heights[at]:.2f} and {heights[at + 1]:.2f}"
            for at in odd[:3]
        )
        more = f" and {len(odd) - 3} more" if len(odd) > 3 else ""
        raise BadImageError(
            f"The slices are {step:.2f} mm apart, but {gaps}{more}: slices are missing or the "
            "spacing changes. Give the complete series, or resample it evenly."
        )


def _straight(way: Vector, normal: Vector) -> None:
    along = float(way @ normal)
    tilt = float(np.arctan2(np.linalg.norm(way - along * normal), along))
    if tilt > TILT:
        raise BadImageError(
            f"The slices are shifted against each other by {np.degrees(tilt):.1f} degrees (a "
            "tilted gantry). Convert the series with a program that corrects the tilt, such as "
            "dcm2niix, and give the corrected NIfTI file."
        )
