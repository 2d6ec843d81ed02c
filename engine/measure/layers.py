"""Where every structure of a picture lies, how large it looks, and whether it was seen whole."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from math import isnan

import numpy as np
from numpy.typing import NDArray

from totalseg_mcp.engine.measure.runs import Runs
from totalseg_mcp.engine.measure.statistics import RIM, SIDES
from totalseg_mcp.engine.picture import Layers, Picture, Plane

Pixels = NDArray[np.bool_]  # [row, column]
Box = tuple[slice, slice]
# Of a picture that has no place in a patient: its rows' ends and its columns'.
OF_PICTURE = (("top", "bottom"), ("picture's left", "picture's right"))


@dataclass(frozen=True, slots=True)
class Extent:
    """One structure, as far as it is in the picture.

    `complete` is None where the structure is absent; False where it comes within 3 pixels
    of the picture's edge, on the sides `touches`: the rest may lie outside. Then `area_mm2`
    and `intensity` are None, unless they were asked for all the same; the area is a lower
    bound then, and says so. What a projection hides, in front of or behind what was
    scanned, is never known.

    `area_mm2` is that of the shadow: structures that lie behind one another share it.
    `intensity` is the mean of every channel inside, by the channel's name. `confidence` is
    the mean probability that the network gave; it is no chance of being right.

    The four ends are the outer edges of what is visible, also where it is cut off. Of a
    projection they are in RAS+ mm at half the depth (`top_mm` and `bottom_mm` along z,
    `left_mm` and `right_mm` along x, the patient's); of a picture without a place they are
    mm from its first row and its first column, so that the bottom has the greater number.
    """

    present: bool
    complete: bool | None
    touches: tuple[str, ...]
    pixels: int
    area_mm2: float | None
    lower_bound: bool
    intensity: Mapping[str, float] | None
    confidence: float | None
    pieces: int | None
    top_mm: float | None
    bottom_mm: float | None
    left_mm: float | None
    right_mm: float | None


ABSENT = Extent(
    present=False,
    complete=None,
    touches=(),
    pixels=0,
    area_mm2=None,
    lower_bound=False,
    intensity=None,
    confidence=None,
    pieces=None,
    top_mm=None,
    bottom_mm=None,
    left_mm=None,
    right_mm=None,
)


def measure_layers(
    layers: Layers, picture: Picture | None, include_incomplete: bool = False
) -> dict[str, Extent]:
    """Every structure of `layers`, in their order; `picture` is what they were found in.

    Without a `picture` there is no `intensity`. Pieces share no pixel edge.
    """
    if picture is not None and picture.plane.shape != layers.plane.shape:
        raise ValueError(
            f"layers are {layers.plane.shape} but the picture is {picture.plane.shape}"
        )
    return {
        name: _extent(pixels, sure, layers.plane, picture, include_incomplete)
        for name, pixels, sure in zip(layers.names, layers.data, layers.confidence, strict=True)
    }


def _extent(
    pixels: Pixels, sure: float, plane: Plane, picture: Picture | None, include_incomplete: bool
) -> Extent:
    box = _box(pixels)
    if box is None:
        return ABSENT
    inside = pixels[box]
    touches = _touches(box, plane)
    shown = include_incomplete or not touches
    runs = Runs.of(inside)
    count = runs.pixels
    top, bottom, left, right = _ends(runs, box, plane)
    return Extent(
        present=True,
        complete=not touches,
        touches=touches,
        pixels=count,
        area_mm2=count * plane.pixel_mm2 if shown else None,
        lower_bound=shown and bool(touches),
        intensity=_means(picture, inside, box) if shown and picture else None,
        confidence=None if isnan(sure) else sure,
        pieces=runs.pieces,
        top_mm=top,
        bottom_mm=bottom,
        left_mm=left,
        right_mm=right,
    )


def without_mm(extent: Extent) -> Extent:
    """What is left of an extent where nobody knows how large a pixel is."""
    return replace(
        extent,
        area_mm2=None,
        lower_bound=False,
        top_mm=None,
        bottom_mm=None,
        left_mm=None,
        right_mm=None,
    )


def field_mm(plane: Plane) -> tuple[float, float]:
    """Where the picture begins and ends along the body: its top and bottom edge in mm.

    As `Extent` counts them, in the middle column.
    """
    rows, columns = plane.shape
    heights, _ = _axes(plane)
    middle = (columns - 1) / 2
    top, bottom = (heights @ (row, middle, 1.0) for row in (-0.5, rows - 0.5))
    return float(top), float(bottom)


def row_at(plane: Plane, mm: float) -> float:
    """The row at a height, which is counted as `Extent` does, in the middle column."""
    heights, _ = _axes(plane)
    middle = (plane.shape[1] - 1) / 2
    return float((mm - heights[2] - heights[1] * middle) / heights[0])


def _box(pixels: Pixels) -> Box | None:
    """The rows and columns between which there are pixels; None where there are none."""
    rows = np.flatnonzero(pixels.any(axis=1))
    if not rows.size:
        return None
    down = slice(int(rows[0]), int(rows[-1]) + 1)
    columns = np.flatnonzero(pixels[down].any(axis=0))
    return down, slice(int(columns[0]), int(columns[-1]) + 1)


def _touches(box: Box, plane: Plane) -> tuple[str, ...]:
    """The sides that a box comes within 3 pixels of."""
    near = []
    for span, length, (first, last) in zip(box, plane.shape, _sides(plane), strict=True):
        near += [first] if span.start < RIM else []
        near += [last] if span.stop > length - RIM else []
    return tuple(near)


@lru_cache(maxsize=1)  # every structure of a picture asks, and a grid takes a millisecond to tell
def _sides(plane: Plane) -> tuple[tuple[str, str], tuple[str, str]]:
    """What lies at the first and the last row, and at the first and the last column."""
    if plane.grid is None:
        return OF_PICTURE
    across, _, down = tuple(plane.grid.axcodes)
    return SIDES[down], SIDES[across]


def _means(picture: Picture, inside: Pixels, box: Box) -> dict[str, float]:
    return {
        name: float(channel[box][inside].mean(dtype=np.float64))
        for name, channel in zip(picture.channels, picture.data, strict=True)
    }


def _axes(plane: Plane) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What turns (row, column, 1) into mm along the body, and into mm across it.

    Of a projection this is its grid's affine at half the depth. That is the middle of what
    was projected but for half of one voxel's depth, which shows on oblique scans only.
    """
    if plane.grid is None:
        across, down = plane.spacing_mm
        return np.array([down, 0.0, down / 2]), np.array([0.0, across, across / 2])
    x, _, z = plane.grid.affine[:3]
    along, over = (np.array([axis[2], axis[0], axis[3] + axis[1] / 2]) for axis in (z, x))
    return along, over


def _ends(runs: Runs, box: Box, plane: Plane) -> tuple[float, float, float, float]:
    """Top, bottom, left and right, in mm, at the outer edges of the pixels inside a box.

    The tips of the runs are enough, since a place goes evenly along a row.
    """
    rows, columns = (tips + side.start for tips, side in zip(runs.tips, box, strict=True))
    heights, widths = _axes(plane)
    low_z, high_z = _reach(heights, rows, columns)
    low_x, high_x = _reach(widths, rows, columns)
    if plane.grid is None:
        return low_z, high_z, low_x, high_x
    return high_z, low_z, low_x, high_x


def _reach(
    axis: NDArray[np.float64], rows: NDArray[np.intp], columns: NDArray[np.intp]
) -> tuple[float, float]:
    """The least and the greatest place along an axis of the corners of some pixels."""
    places = axis[0] * rows + axis[1] * columns + axis[2]
    half = (abs(axis[0]) + abs(axis[1])) / 2
    return float(places.min() - half), float(places.max() + half)
