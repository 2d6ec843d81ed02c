"""What was found in a picture: bones and soft tissue side by side, and what the colours mean.

A projection is shown as radiologists look: the patient's right at the left, the head up. A
picture that came as one is turned only if its file says where the patient's sides are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from totalseg_mcp.engine.colours import colour
from totalseg_mcp.engine.picture import Layers, Picture
from totalseg_mcp.engine.preview.fit import fitted
from totalseg_mcp.engine.preview.layout import GAP, MOST_PX, Layout, Size, layout
from totalseg_mcp.engine.preview.legend import Legend, legend
from totalseg_mcp.engine.preview.marks import DIM, SMALL, font, scaled, titled, upright
from totalseg_mcp.engine.preview.overlay import coarsened
from totalseg_mcp.engine.preview.window import BONES, Window
from totalseg_mcp.engine.volume import Mask

ROOM = (MOST_PX, 1000)  # px
VEIL, EDGE = (
    np.float32(0.16),
    np.float32(0.9),
)  # opacity of a structure, inside and at its outline: many lie on another
PERCENTILES = (1.0, 99.7)  # of a picture's values, shown black and white
HALF = 127  # of 255
STRIP, BAR = 104, 5  # px: the width of the names of the regions, and of the bar beside them
FOOT = 20  # px
CAUTION = "Research use only, not for diagnosis."
LEFT_FIRST = ("L", "R")
# The channels that show a kind of structure best, the best first; else the last, or the first.
FOR_BONES, FOR_SOFT_TISSUE = ("max", "mip"), ("mean", "avg")


class Region(NamedTuple):
    """A part of the body, and its first and last row in the picture."""

    name: str
    top_row: int
    bottom_row: int


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """Grey values 0..255 `[row, column]`, and the structures over them, the largest first."""

    title: str
    grey: NDArray[np.uint8]
    structures: tuple[tuple[str, Mask], ...]


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """What is drawn. `sides` are the patient's at the left and at the right, "" if unknown."""

    panels: tuple[Panel, ...]
    size_mm: tuple[float, float]  # width, height, of a panel
    sides: tuple[str, str]
    head_up: bool
    measured: bool  # else mm mean nothing
    regions: tuple[Region, ...]


def front_view(
    picture: Picture,
    layers: Layers,
    regions: Sequence[Region] = (),
    sides: tuple[str, str] | None = None,
    spacing_known: bool = True,
) -> bytes:
    """A PNG of at most 1568 px a side and 400 kB, with nothing in it but pixels.

    `sides` is what of the patient is in the first and in the last column of a picture that came
    as one ("L", "R"); a projection's are known. `regions` are named beside the picture. The same
    input gives the same bytes.
    """
    if picture.plane.grid is not None:
        sides = LEFT_FIRST
    pixels = {
        number: int(np.count_nonzero(mask)) for number, mask in enumerate(layers.data, start=1)
    }
    found = {number: count for number, count in pixels.items() if count}
    rows, columns = picture.plane.shape
    along, down = picture.plane.spacing_mm
    view = View(
        panels=_panels(picture, layers, found, turned=sides == LEFT_FIRST),
        size_mm=(columns * along, rows * down),
        sides=("R", "L") if sides else ("", ""),
        head_up=picture.plane.grid is not None,
        measured=spacing_known,
        regions=tuple(Region(*region) for region in regions),
    )
    names = legend(found, layers.names)
    return fitted(lambda shrink: _composed(view, names, rows, shrink))


def _panels(
    picture: Picture, layers: Layers, found: dict[int, int], turned: bool
) -> tuple[Panel, ...]:
    """Bones over the projection that shows them, all else over the other."""
    across = slice(None, None, -1 if turned else 1)
    largest = sorted(found, key=lambda number: -found[number])
    named = [(layers.names[number - 1], layers.data[number - 1][:, across]) for number in largest]
    several = len(picture.channels) > 1
    panels = []
    for title, kinds, otherwise, bony in (
        ("bones", FOR_BONES, -1, True),
        ("soft tissue", FOR_SOFT_TISSUE, 0, False),
    ):
        at = next((picture.channels.index(k) for k in kinds if k in picture.channels), otherwise)
        values = picture.data[at][:, across]
        over = tuple((name, mask) for name, mask in named if name.startswith(BONES) == bony)
        shown = f"{title} ({picture.channels[at]})" if several else title
        panels.append(Panel(shown, _window(values).grey(values), over))
    return tuple(panels)


def _window(values: NDArray[np.float32]) -> Window:
    low, high = map(float, np.percentile(values, PERCENTILES))
    return Window(low, max(high, low + 1e-6))


def _composed(view: View, names: Legend, rows: int, shrink: float) -> Image.Image:
    strip = STRIP if view.regions else 0
    room = ROOM[0] - strip, ROOM[1] - FOOT
    plan = layout([view.size_mm] * len(view.panels), names, room, shrink)
    pieces = [
        _drawn(panel, view, size, plan.px_per_mm)
        for panel, size in zip(view.panels, plan.sizes, strict=True)
    ]
    pieces.append(names.drawn(*plan.legend_shape))
    canvas = _pasted(pieces, plan, strip)
    if view.regions:
        canvas.paste(_strip(view.regions, rows, plan.sizes[0][1]), (GAP, GAP))
    at = GAP, canvas.height - FOOT // 2 - 2
    ImageDraw.Draw(canvas).text(at, CAUTION, DIM, font(SMALL), "lm")
    return canvas


def _pasted(pieces: Sequence[Image.Image], plan: Layout, strip: int) -> Image.Image:
    """All pieces where the plan has them, `strip` px farther to the right."""
    corners = [(x + strip, y) for x, y in (*plan.corners, plan.legend_corner)]
    placed = list(zip(pieces, corners, strict=True))
    width = max(x + piece.width for piece, (x, _) in placed) + GAP
    height = max(y + piece.height for piece, (_, y) in placed) + FOOT
    canvas = Image.new("RGB", (width, height))
    for piece, corner in placed:
        canvas.paste(piece, corner)
    return canvas


def _drawn(panel: Panel, view: View, size: Size, px_per_mm: float) -> Image.Image:
    """The panel in `size`, which is that of the picture or, if that is tiny, larger."""
    width, height = (max(int(mm * px_per_mm), 1) for mm in view.size_mm)
    shown = Image.new("RGB", size)
    corner = (size[0] - width) // 2, (size[1] - height) // 2
    shown.paste(_veiled(panel, (width, height)), corner)
    titled(shown, panel.title, view.sides)
    if view.head_up:
        upright(shown)
    if view.measured:
        scaled(shown, px_per_mm)
    return shown


def _veiled(panel: Panel, size: Size) -> Image.Image:
    """The grey picture in `size` under thin veils of colour, and their outlines over all veils."""
    grey = np.asarray(Image.fromarray(panel.grey).resize(size, Image.Resampling.BICUBIC))
    seen = np.repeat(grey[..., None].astype(np.float32), 3, axis=2)
    drawn = [_cut_out(name, _resized(mask, size)) for name, mask in panel.structures]
    for one in drawn:
        seen[one.box] += VEIL * one.mask[..., None] * (one.ink - seen[one.box])
    for one in drawn:
        seen[one.box] += EDGE * _rim(one.mask)[..., None] * (one.ink - seen[one.box])
    return coarsened(seen)


class CutOut(NamedTuple):
    """A structure's colour, and its pixels inside the box around them."""

    ink: NDArray[np.float32]
    box: tuple[slice, slice]
    mask: Mask


def _cut_out(name: str, mask: Mask) -> CutOut:
    down, across = (
        slice(int(there[0]), int(there[-1]) + 1) if len(there) else slice(0)
        for there in (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    )
    return CutOut(np.array(colour(name), np.float32), (down, across), mask[down, across])


def _resized(mask: Mask, size: Size) -> Mask:
    """`mask` in `size`, its border interpolated."""
    picture = Image.fromarray(np.where(mask, np.uint8(255), np.uint8(0)))
    resized: Mask = np.asarray(picture.resize(size, Image.Resampling.BILINEAR)) > HALF
    return resized


def _rim(mask: Mask) -> Mask:
    """The pixels of `mask` with a neighbour above, below, left or right that is not in it."""
    padded = np.pad(mask, 1)
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    rim: Mask = mask & ~inner
    return rim


def _strip(regions: Sequence[Region], rows: int, height: int) -> Image.Image:
    """The names of the regions beside bars that are as high as they are."""
    strip = Image.new("RGB", (STRIP, height))
    draw = ImageDraw.Draw(strip)
    for number, region in enumerate(regions):
        top = region.top_row * height // rows
        bottom = max((region.bottom_row + 1) * height // rows - 2, top)
        right = STRIP - GAP // 2 - BAR * (number % 2)
        draw.rectangle((right - BAR, top, right - 1, bottom), DIM)
        text = region.name.replace("_", " ")
        while font(SMALL).getlength(text) > STRIP - 3 * GAP:
            text = text[:-2] + "…"
        draw.text((STRIP - 2 * GAP - BAR, (top + bottom) // 2), text, DIM, font(SMALL), "rm")
    return strip
