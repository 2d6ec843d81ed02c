"""How the slices of a DICOM series lie in the patient: one after another, evenly, and straight.

Positions and directions come in DICOM's LPS millimetres and leave in RAS+.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from totalseg_mcp.engine.errors import BadImageError
from totalseg_mcp.engine.volume import Affine, Shape

ROUNDING_MM = 0.02  # between slices, where positions are given to a hundredth
UNEVEN_NOTED = 0.01  # of the distance between slices, by which one of these differs
UNEVEN = 0.1  # of that distance, by which a slice lies off its place in an even stack
ODD = 0.5  # of that distance as it is nearby: less is taken for another spacing, more for a gap
NEARBY = 5  # distances, whose median a gap must stand out from
TILT = 1e-3  # radians
STEEPEST = np.radians(45)  # gantries tilt by 30 degrees at most
TURN = 1e-3  # of a direction's unit vector; slices are parallel within it, as for dicom2nifti
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
        if not np.isfinite(self.position).all():
            raise ValueError("no finite place")
        if not all(0 < edge < np.inf for edge in self.pixel_mm):
            said = ", ".join(f"{edge:g}" for edge in self.pixel_mm)
            raise BadImageError(
                f"The pixel spacing is {said} mm; it must be above 0. Export the series again, or "
                "convert it with a program where the spacing can be given."
            )

    @property
    def normal(self) -> Vector:
        """The direction from which the slices are counted."""
        return np.cross(self.along_row, self.down_column)

    def parallel(self, other: "Place") -> bool:
        """Whether two slices are turned alike, and have pixels of the same size."""
        here, there = (
            np.concatenate([place.along_row, place.down_column, place.pixel_mm])
            for place in (self, other)
        )
        return bool(np.abs(here - there).max() <= TURN)


@dataclass(frozen=True, slots=True, eq=False)
class Lie:
    """The even grid for a stack of slices, and how to get onto it.

    `affine` is from (column, row, slice) to RAS+ mm. `shifts_px` are the columns and
    rows, for each slice, by which it lies off the upright stack; None where it is one.
    `at` says, for each slice of the grid, which of the given ones it is, in fractions;
    None where they are even as they are.
    """

    affine: Affine
    shifts_px: NDArray[np.float64] | None
    at: Vector | None
    notes: tuple[str, ...]

    def room(self, shape: Sequence[int]) -> Shape:
        """The most voxels that the grid takes along each axis, for slices that make `shape`."""
        more = (0, 0) if self.shifts_px is None else np.ptp(self.shifts_px, axis=0) + 2
        deep = shape[2] if self.at is None else len(self.at)
        return shape[0] + int(more[0]), shape[1] + int(more[1]), deep


def in_order(slices: Sequence[S], places: Sequence[Place]) -> list[S]:
    """`slices` by their places along the normal."""
    return [slices[at] for at in np.argsort(_heights(places), kind="stable")]


def in_one_place(places: Sequence[Place]) -> int:
    """How many slices, of parallel ones, lie where another does."""
    return int(np.count_nonzero(np.diff(np.sort(_heights(places))) < ROUNDING_MM))


def lie_of(places: Sequence[Place]) -> Lie:
    """The grid for `places`, which are in order.

    Raises:
        BadImageError: slices at the same place, missing ones, or ones that jump sideways.
    """
    first = places[0]
    ways = np.stack([place.position for place in places]) - first.position
    along_mm = _heights(places)
    _apart(along_mm)
    nearby = _nearby(along_mm)
    heights = along_mm - along_mm[0]
    even = _even(heights)
    count = len(places) if even else round(heights[-1] / float(nearby.min())) + 1
    aside_mm = np.stack([ways @ first.along_row, ways @ first.down_column], axis=1)
    tilt = _tilt(heights, aside_mm, min(first.pixel_mm))
    slanted = tilt > TILT
    whole_way = first.normal * heights[-1] if slanted else ways[-1]
    even_heights = np.linspace(0, heights[-1], count)
    return Lie(
        affine=_affine(first, whole_way / (count - 1)),
        shifts_px=aside_mm / first.pixel_mm if slanted else None,
        at=None if even else np.interp(even_heights, heights, np.arange(len(places))),
        notes=(*_notes_on_spacing(heights, count, even), *_notes_on_tilt(tilt)),
    )


def _heights(places: Sequence[Place]) -> Vector:
    return np.array([place.position @ places[0].normal for place in places])


def _affine(first: Place, step: Vector) -> Affine:
    matrix = np.eye(4)
    matrix[:3, 0] = first.along_row * first.pixel_mm[0]
    matrix[:3, 1] = first.down_column * first.pixel_mm[1]
    matrix[:3, 2] = step
    matrix[:3, 3] = first.position
    return LPS_TO_RAS @ matrix


def _apart(heights: Vector) -> None:
    same = np.flatnonzero(np.diff(heights) < ROUNDING_MM)
    if len(same):
        raise BadImageError(
            f"{len(same)} of {len(heights)} slices lie at the same place as the one before, the "
            f"first at {heights[same[0]]:.2f} mm: the series holds several volumes (phases, "
            "echoes) that nothing tells apart. Give a folder with the slices of one of them."
        )


def _nearby(heights: Vector) -> Vector:
    """For each distance between slices, what is usual near it, if each is nearly that."""
    steps = np.diff(heights)
    nearby: Vector = median_filter(steps, NEARBY, mode="mirror")
    odd = np.flatnonzero(np.abs(steps - nearby) > ODD * nearby + ROUNDING_MM)
    if len(odd):
        gaps = ", ".join(_gap(heights, at, float(nearby[at])) for at in odd[:3])
        more = f" and {len(odd) - 3} more such places" if len(odd) > 3 else ""
        raise BadImageError(
            f"The {len(heights)} slices are {np.median(steps):.2f} mm apart, but {gaps}{more}: "
            "slices are missing or do not belong here. Give the complete series, or only the "
            "part without a gap."
        )
    return nearby


def _gap(heights: Vector, at: int, usual: float) -> str:
    step = float(heights[at + 1] - heights[at])
    missing = round(step / usual) - 1
    place = f"{step:.2f} mm between {heights[at]:.2f} and {heights[at + 1]:.2f}"
    whole = missing > 0 and abs(step - (missing + 1) * usual) <= UNEVEN * usual + ROUNDING_MM
    return f"{place} ({missing} missing)" if whole else place


def _even(heights: Vector) -> bool:
    """Whether every slice lies nearly where it would, were all as far from one another."""
    even = np.linspace(0, heights[-1], len(heights))
    return bool(np.abs(heights - even).max() <= UNEVEN * even[1] + ROUNDING_MM)


def _notes_on_spacing(heights: Vector, count: int, even: bool) -> tuple[str, ...]:
    steps = np.diff(heights)
    step = heights[-1] / (count - 1)
    if np.abs(steps - step).max() <= max(UNEVEN_NOTED * step, ROUNDING_MM):
        return ()
    done = "taken as even" if even else f"interpolated linearly to {count} slices"
    return (
        f"The distance between slices varies from {steps.min():.2f} to {steps.max():.2f} mm; they "
        f"were {done}, {step:.2f} mm apart.",
    )


def _tilt(heights: Vector, aside_mm: NDArray[np.float64], pixel_mm: float) -> float:
    """The angle between the stack and the slices' normal, if the stack is straight."""
    slope = aside_mm[-1] / heights[-1]
    jump = np.abs(aside_mm - heights[:, np.newaxis] * slope).max(axis=1)
    tilt = float(np.arctan(np.hypot(*slope)))
    if jump.max() > pixel_mm or tilt > STEEPEST:
        raise BadImageError(
            f"The slices are not above one another: they lie up to {jump.max():.1f} mm off a "
            f"straight stack, which leans by {np.degrees(tilt):.1f} degrees. Give slices of one "
            "stack only, or convert the series to NIfTI with a program that resamples it."
        )
    return tilt


def _notes_on_tilt(tilt: float) -> tuple[str, ...]:
    if tilt <= TILT:
        return ()
    return (
        f"The slices are tilted by {np.degrees(tilt):.1f} degrees against the stack (gantry tilt): "
        "each was moved in its plane, by linear interpolation, onto an upright grid.",
    )
