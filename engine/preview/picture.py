"""The picture: slices and surface side by side, and what the colours mean."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from totalseg_mcp.engine.image.orientation import reorient
from totalseg_mcp.engine.imaging import Modality
from totalseg_mcp.engine.preview.fit import fitted
from totalseg_mcp.engine.preview.layout import GAP, MOST_PX, layout
from totalseg_mcp.engine.preview.legend import Legend, legend
from totalseg_mcp.engine.preview.marks import TITLE, crossed, scaled, titled
from totalseg_mcp.engine.preview.overlay import Size, coarsened, overlaid
from totalseg_mcp.engine.preview.slices import Slice, slices
from totalseg_mcp.engine.preview.surface import Surface, surface
from totalseg_mcp.engine.preview.window import window
from totalseg_mcp.engine.volume import Labels, Volume

ROOM = (MOST_PX, 1000)  # px


def preview(image: Volume, labels: Labels, modality: Modality) -> bytes:
    """A PNG of at most 1568 px a side and 400 kB, with nothing in it but pixels.

    Coronal, sagittal and axial slices in one scale, with `labels` over them, then their
    surfaces from the front, then a legend. The same input gives the same bytes. Where there
    is no structure the picture shows the middle of the scan, and says so.
    """
    image, labels = reorient(image, "LPI"), reorient(labels, "LPI")
    voxels = _voxels(labels)
    found = [labels.names[label - 1] for label in voxels]
    cuts = slices(image, labels, window(image, found, modality))
    body = surface(labels, tuple(voxels))
    names = legend(voxels, labels.names)
    return fitted(lambda shrink: _composed(cuts, body, names, shrink))


def _voxels(labels: Labels) -> dict[int, int]:
    """The size of every structure that is there, by its label."""
    size = len(labels.names) + 1
    counts = np.zeros(size, np.int64)
    for plane in labels.data.T:  # not all at once: numpy makes 8 bytes of every voxel
        counts += np.bincount(plane.ravel(order="K"), minlength=size)
    return {label: int(count) for label, count in enumerate(counts) if label and count}


def _composed(
    cuts: Sequence[Slice], body: Surface | None, colours: Legend, shrink: float
) -> Image.Image:
    extents = [cut.size_mm for cut in cuts] + ([cuts[0].size_mm] if body else [])
    plan = layout(extents, colours, ROOM, shrink)
    panels = [
        _cut_panel(cut, size, plan.px_per_mm, colours.names)
        for cut, size in zip(cuts, plan.sizes, strict=False)
    ]
    if body:
        panels.append(_body_panel(body, plan.sizes[-1]))
    pieces = [*panels, colours.drawn(*plan.legend_shape)]
    corners = [*plan.corners, plan.legend_corner]
    placed = list(zip(pieces, corners, strict=True))
    width = max(x + piece.width for piece, (x, _) in placed) + GAP
    height = max(y + piece.height for piece, (_, y) in placed) + GAP
    canvas = Image.new("RGB", (width, height))
    for piece, corner in placed:
        canvas.paste(piece, corner)
    return canvas


def _cut_panel(cut: Slice, size: Size, px_per_mm: float, names: Sequence[str]) -> Image.Image:
    width, height = (max(int(mm * px_per_mm), 1) for mm in cut.size_mm)
    shown = overlaid(cut, (width, height), names)
    crossed(shown, cut.crossings)
    panel = _centred(shown, size)
    titled(panel, cut.plane.name, (cut.plane.left, cut.plane.right))
    scaled(panel, px_per_mm)
    return panel


def _body_panel(body: Surface, size: Size) -> Image.Image:
    """The surface as large as it fits into `size` below its title; its scale is its own."""
    panel = Image.new("RGB", size)
    room = size[0], max(size[1] - TITLE, 1)
    px_per_mm = min(px / mm for px, mm in zip(room, body.size_mm, strict=True))
    width, height = (max(int(mm * px_per_mm), 1) for mm in body.size_mm)
    shown = body.image.resize((width, height), Image.Resampling.LANCZOS)
    panel.paste(coarsened(np.asarray(shown)), ((room[0] - width) // 2, TITLE))
    titled(panel, "3-D, from the front", ("R", "L"))
    scaled(panel, px_per_mm)
    return panel


def _centred(shown: Image.Image, size: Size) -> Image.Image:
    panel = Image.new("RGB", size)
    panel.paste(shown, ((size[0] - shown.width) // 2, (size[1] - shown.height) // 2))
    return panel
