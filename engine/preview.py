"""A picture of what was found: three slices, the structures laid over them, and their names."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from totalseg_mcp.engine.colours import RGB, colour
from totalseg_mcp.engine.image.orientation import reorient
from totalseg_mcp.engine.scan import Modality
from totalseg_mcp.engine.volume import Labels, Volume

MOST_BYTES = 400_000  # of the picture: it travels inside an answer
BOXES = ((500, 900), (400, 720), (320, 576), (200, 360))  # px; of a slice, the first that will do
MARGIN_MM = 40.0  # shown around the structures
CT_WINDOW_HU = (-160.0, 240.0)  # soft tissue
MR_PERCENTILES = (1.0, 99.5)
VEIL, EDGE = 0.4, 0.9  # opacity of a structure, inside and at its outline
GAP, FONT, ROW = 8, 16, 22  # px
LEGEND_ROWS = 8
LEAST_WIDTH = 480  # px
BLACK: RGB = (0, 0, 0)
SAMPLES = 128  # along each axis, enough to choose slices by


class Plane(NamedTuple):
    """A way to cut a RAS volume. Shown with both axes reversed: as radiologists look."""

    normal: int
    left: str  # what of the patient is at the picture's left
    right: str


PLANES = (Plane(1, "R", "L"), Plane(0, "A", "P"), Plane(2, "R", "L"))  # coronal, sagittal, axial


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A slice, rows downwards: grey 0..255, labels, and the edges of a pixel in mm."""

    plane: Plane
    grey: NDArray[np.uint8]
    labels: NDArray[Any]
    pixel_mm: tuple[float, float]  # down, across


def preview(image: Volume, labels: Labels, modality: Modality) -> bytes:
    """A PNG of at most 1568 px and 400 kB: coronal, sagittal and axial, with a legend.

    The patient's right is at the picture's left, and front at the left of the sagittal
    slice. Each slice goes where the most is to be seen, or through the middle.
    """
    image, labels = reorient(image, "RAS"), reorient(labels, "RAS")
    window = _window(image, modality)
    views = [_view(image, labels, plane, window) for plane in PLANES]
    for box in BOXES:
        picture = _drawn(views, labels.names, box)
        if len(picture) <= MOST_BYTES:
            break
    return picture


def _window(image: Volume, modality: Modality) -> tuple[float, float]:
    """The values shown black and white."""
    if modality == "CT":
        return CT_WINDOW_HU
    low, high = np.percentile(image.data[_thinned(image)], MR_PERCENTILES)
    return float(low), float(max(high, low + 1e-6))


def _thinned(volume: Volume) -> tuple[slice, ...]:
    return tuple(slice(None, None, 1 + n // SAMPLES) for n in volume.grid.shape)


def _view(image: Volume, labels: Labels, plane: Plane, window: tuple[float, float]) -> View:
    at = _best_slice(labels, plane.normal)
    across, down = (axis for axis in range(3) if axis != plane.normal)
    rows, columns = _shown(labels, down), _shown(labels, across)

    def cut(data: NDArray[Any]) -> NDArray[Any]:
        flat: NDArray[Any] = np.take(data, at, plane.normal)[columns, rows]
        return flat[::-1, ::-1].T

    low, high = window
    grey = np.clip((cut(image.data) - low) / (high - low), 0, 1) * 255
    spacing = image.grid.spacing_mm
    return View(plane, grey.astype(np.uint8), cut(labels.data), (spacing[down], spacing[across]))


def _best_slice(labels: Labels, axis: int) -> int:
    """The slice that shows the most structures at their largest; the middle where there are none.

    Each structure counts by its area in the slice, as a share of its largest area.
    """
    thin = _thinned(labels)
    data = np.moveaxis(labels.data[thin], axis, 0)
    planes, size = len(data), len(labels.names) + 1
    place = np.arange(planes).reshape(-1, 1, 1) * size + data
    areas = np.bincount(place.ravel(), minlength=planes * size).reshape(planes, size)[:, 1:]
    largest = areas.max(axis=0, initial=1)
    score = (areas / np.maximum(largest, 1)).sum(axis=1)
    if not score.any():
        return labels.grid.shape[axis] // 2
    return int(score.argmax()) * (thin[axis].step or 1)


def _shown(labels: Labels, axis: int) -> slice:
    """The part of `axis` with structures, and a margin; all of it where there are none."""
    others = tuple(other for other in range(3) if other != axis)
    there = np.flatnonzero(labels.data.any(axis=others))
    if not len(there):
        return slice(None)
    margin = int(MARGIN_MM / labels.grid.spacing_mm[axis])
    return slice(max(int(there[0]) - margin, 0), int(there[-1]) + margin + 1)


def _drawn(views: Sequence[View], names: Sequence[str], box: tuple[int, int]) -> bytes:
    """The PNG with every slice fitted into `box` (width, height)."""
    sizes = _sizes(views, box)
    panels = [_panel(view, size, names) for view, size in zip(views, sizes, strict=True)]
    corners = _corners(sizes)
    width = max(x + panel.width + GAP for (x, _), panel in zip(corners, panels, strict=True))
    height = max(y + panel.height + GAP for (_, y), panel in zip(corners, panels, strict=True))
    legend = _legend(_largest(views), names, max(width, LEAST_WIDTH))
    canvas = Image.new("RGB", (legend.width, height + legend.height))
    for panel, corner in zip(panels, corners, strict=True):
        canvas.paste(panel, corner)
    canvas.paste(legend, (0, height))
    buffer = BytesIO()
    canvas.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _sizes(views: Sequence[View], box: tuple[int, int]) -> list[tuple[int, int]]:
    """Width and height in px; the coronal and the sagittal slice have one scale."""
    extents_mm = [np.multiply(view.grey.shape, view.pixel_mm)[::-1] for view in views]
    scales = [float(np.min(box / extent)) for extent in extents_mm]
    scales[:2] = [min(scales[:2])] * 2
    wanted = (extent * scale for extent, scale in zip(extents_mm, scales, strict=True))
    return [(max(round(width), FONT), max(round(height), FONT)) for width, height in wanted]


def _corners(sizes: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Where the slices go: in a row, or, where they are low, sagittal below coronal."""
    coronal, sagittal, axial = sizes
    if coronal[1] + GAP + sagittal[1] <= axial[1]:
        second, third = (GAP, 2 * GAP + coronal[1]), 2 * GAP + max(coronal[0], sagittal[0])
    else:
        second, third = (2 * GAP + coronal[0], GAP), 3 * GAP + coronal[0] + sagittal[0]
    return [(GAP, GAP), second, (third, GAP)]


def _panel(view: View, size: tuple[int, int], names: Sequence[str]) -> Image.Image:
    """The slice in `size`, its structures over it, the sides of the patient marked."""
    width, height = size
    grey = Image.fromarray(view.grey).resize(size, Image.Resampling.BILINEAR)
    rows, columns = (
        (np.arange(new) * old // new)
        for new, old in zip((height, width), view.labels.shape, strict=True)
    )
    labels = view.labels[np.ix_(rows, columns)].astype(np.intp)
    opacity = np.where(_outlined(labels), EDGE, VEIL * (labels > 0))[..., None]
    colours = np.array([BLACK, *map(colour, names)], np.float64)[labels]
    blend = (1 - opacity) * np.asarray(grey, np.float64)[..., None] + opacity * colours
    panel = Image.fromarray(blend.round().astype(np.uint8))
    draw, middle = ImageDraw.Draw(panel), height // 2
    for x, anchor, letter in ((4, "lm", view.plane.left), (width - 4, "rm", view.plane.right)):
        draw.text(
            (x, middle), letter, "white", _font(), anchor, stroke_width=2, stroke_fill="black"
        )
    return panel


def _outlined(labels: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Where a structure's neighbour above, below, left or right is another."""
    padded = np.pad(labels, 1, mode="edge")
    near = (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:])
    outlined: NDArray[np.bool_] = np.logical_or.reduce([other != labels for other in near])
    return outlined & (labels > 0)


def _largest(views: Sequence[View]) -> list[int]:
    """The labels in the slices, by their area in mm², largest first."""
    areas: dict[int, float] = {}
    for view in views:
        for label, pixels in zip(*np.unique(view.labels, return_counts=True), strict=True):
            areas[int(label)] = areas.get(int(label), 0) + pixels * float(np.prod(view.pixel_mm))
    areas.pop(0, None)
    return sorted(areas, key=areas.__getitem__, reverse=True)


def _legend(labels: Sequence[int], names: Sequence[str], width: int) -> Image.Image:
    """The colours and names of `labels` in columns, the first ones if there are too many."""
    entries = [(names[label - 1].replace("_", " "), colour(names[label - 1])) for label in labels]
    widest = 2 * ROW + max((int(_font().getlength(text)) for text, _ in entries), default=0)
    columns = max(width // widest, 1)
    if len(entries) > (room := columns * LEGEND_ROWS):
        entries[room - 1 :] = [(f"and {len(entries) - room + 1} more", BLACK)]
    entries = entries or [("no structure found", BLACK)]
    rows = -(-len(entries) // columns)
    legend = Image.new("RGB", (width, rows * ROW + GAP))
    draw = ImageDraw.Draw(legend)
    for number, (text, rgb) in enumerate(entries):
        x, y = GAP + number // rows * widest, number % rows * ROW
        draw.rectangle((x, y + 3, x + 15, y + 18), rgb)
        draw.text((x + ROW, y + ROW // 2), text, "white", _font(), "lm")
    return legend


@cache
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(FONT)
