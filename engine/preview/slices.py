"""Slices through the structures, as radiologists look at them."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from totalseg_mcp.engine.preview.window import SAMPLES, Window
from totalseg_mcp.engine.volume import Labels, Volume

MARGIN_MM = 40.0  # shown around the structures
Box = tuple[slice, slice, slice]


class Plane(NamedTuple):
    """A way to cut an LPI volume."""

    name: str
    normal: int
    left: str  # what of the patient is at the picture's left
    right: str

    @property
    def across(self) -> int:
        """The axis that runs to the picture's right."""
        return 0 if self.normal else 1

    @property
    def down(self) -> int:
        """The axis that runs down the picture."""
        return 1 if self.normal == 2 else 2


CORONAL, SAGITTAL = Plane("coronal", 1, "R", "L"), Plane("sagittal", 0, "A", "P")
AXIAL = Plane("axial", 2, "R", "L")
PLANES = (CORONAL, SAGITTAL, AXIAL)


@dataclass(frozen=True, slots=True, eq=False)
class Slice:
    """A slice with rows downwards: grey 0..255, labels, and the edges of a pixel in mm.

    `crossings` is where the two other slices cut it, as shares of its width and height.
    """

    plane: Plane
    grey: NDArray[np.uint8]
    labels: NDArray[Any]
    pixel_mm: tuple[float, float]  # down, across
    crossings: tuple[float, float]  # across, down

    @property
    def size_mm(self) -> tuple[float, float]:
        """Width and height."""
        rows, columns = self.grey.shape
        return columns * self.pixel_mm[1], rows * self.pixel_mm[0]


def slices(image: Volume, labels: Labels, shown: Window) -> tuple[Slice, ...]:
    """Coronal, sagittal and axial, of volumes in LPI order; all of them show the same box.

    The box holds every structure and a margin. Each slice goes where the most is to be
    seen, or through the middle where there is no structure.
    """
    at = tuple(_best_slice(labels, axis) for axis in range(3))
    box = _box(labels)
    return tuple(_slice(image, labels, plane, (at, box), shown) for plane in PLANES)


def _slice(
    image: Volume, labels: Labels, plane: Plane, where: tuple[tuple[int, ...], Box], shown: Window
) -> Slice:
    at, box = where

    def cut(data: NDArray[Any]) -> NDArray[Any]:
        flat: NDArray[Any] = np.moveaxis(data, plane.normal, 0)[at[plane.normal]]
        return flat[box[plane.across], box[plane.down]].T

    def share(axis: int) -> float:
        first, end = int(box[axis].start), int(box[axis].stop)
        return (at[axis] + 0.5 - first) / (end - first)

    spacing = image.grid.spacing_mm
    return Slice(
        plane,
        shown.grey(cut(image.data)),
        cut(labels.data),
        (spacing[plane.down], spacing[plane.across]),
        (share(plane.across), share(plane.down)),
    )


def _best_slice(labels: Labels, axis: int) -> int:
    """The slice that shows the most structures at their largest; the middle where there are none.

    A structure counts by its area in the slice, as a share of its largest area, times the root
    of the latter: organs for more than ribs, but not for everything.
    """
    thin = tuple(slice(None, None, 1 + n // SAMPLES) for n in labels.grid.shape)
    data = np.moveaxis(labels.data[thin], axis, 0)
    planes, size = len(data), len(labels.names) + 1
    place = np.arange(planes).reshape(-1, 1, 1) * size + data
    areas = np.bincount(place.ravel(), minlength=planes * size).reshape(planes, size)[:, 1:]
    largest = areas.max(axis=0, initial=1)
    score = (areas / np.sqrt(np.maximum(largest, 1))).sum(axis=1)
    if not score.any():
        return labels.grid.shape[axis] // 2
    return int(score.argmax()) * (thin[axis].step or 1)


def _box(labels: Labels) -> Box:
    """The part with structures, and a margin; everything where there are none."""
    i, j, k = (_span(labels, axis) for axis in range(3))
    return i, j, k


def _span(labels: Labels, axis: int) -> slice:
    others = tuple(other for other in range(3) if other != axis)
    there = np.flatnonzero(labels.data.any(axis=others))
    size = labels.grid.shape[axis]
    if not len(there):
        return slice(0, size)
    margin = round(MARGIN_MM / labels.grid.spacing_mm[axis])
    return slice(max(int(there[0]) - margin, 0), min(int(there[-1]) + margin + 1, size))
