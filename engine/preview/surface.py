"""The structures as shaded surfaces, seen from the front."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

from totalseg_mcp.engine.colours import colour
from totalseg_mcp.engine.preview.layers import Layer, layers
from totalseg_mcp.engine.preview.light import lit
from totalseg_mcp.engine.preview.rays import Floats, first_hits
from totalseg_mcp.engine.preview.solid import FRAME, ROOM, SURFACE, Block, block, solid
from totalseg_mcp.engine.volume import Labels

MOST_RAYS, LONGEST = 800_000, 1400  # in all, and along the longer side
FADE = 0.35  # how much darker the farthest surface is than the nearest
SHADE, SHADE_MM, SHADE_PX = 0.45, 30.0, 10.0  # the darkness, depth and width of hollows
RIM = 0.65  # how much of what opacity lacks is added where glass is seen edge on


@dataclass(frozen=True, slots=True, eq=False)
class Sheet:
    """What is seen of one layer."""

    layer: Layer
    colours: Floats  # [row, column, 3], 0..255
    depth_mm: Floats  # [row, column]; infinite where nothing is seen
    edge_on: Floats  # [row, column], 0 where the surface faces the viewer, 1 at its rim


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """A picture of the structures with their edges in mm; its background is black."""

    image: Image.Image
    size_mm: tuple[float, float]  # width, height


def surface(labels: Labels, found: Sequence[int]) -> Surface | None:
    """The structures `found` in `labels`, which are in LPI order; None where there are none.

    Parallel rays run from the front to the back. Structures that enclose others are glass
    (see `layers`), seen by their front only.
    """
    if not found:
        return None
    whole = block(labels)
    width_mm, depth_mm, height_mm = whole.size_mm
    per_mm = min((MOST_RAYS / (width_mm * height_mm)) ** 0.5, LONGEST / max(width_mm, height_mm))
    size = max(round(width_mm * per_mm), 1), max(round(height_mm * per_mm), 1)
    palette = np.array([(0, 0, 0), *map(colour, labels.names)], np.float32)
    sheets = [_sheet(whole, layer, palette, size) for layer in layers(found, labels.names)]
    seen = _stacked(sheets, depth_mm)
    image = Image.fromarray(np.clip(seen, 0, 255).round().astype(np.uint8))
    return Surface(image, (width_mm, height_mm))


def _sheet(whole: Block, layer: Layer, palette: Floats, size: tuple[int, int]) -> Sheet:
    """What the rays of a picture of `size` (width, height) meet of `layer`."""
    body = solid(whole, layer.labels)
    hidden = ROOM - FRAME
    columns, rows = (
        hidden - 0.5 + (np.arange(pixels, dtype=np.float32) + 0.5) * ((n - 2 * hidden) / pixels)
        for pixels, n in zip(size, body.density.shape[::2], strict=True)
    )
    hits = first_hits(body.density, columns, rows, SURFACE)
    lights, facing = lit(body, hits, palette)
    width, height = size
    colours = np.zeros((height * width, 3), np.float32)
    depth = np.full(height * width, np.inf, np.float32)
    edge_on = np.zeros(height * width, np.float32)
    colours[hits.pixels] = lights
    depth[hits.pixels] = (hits.points[1] - hidden) * body.spacing_mm[1]
    edge_on[hits.pixels] = 1 - facing
    shape = (height, width)
    return Sheet(layer, colours.reshape(*shape, 3), depth.reshape(shape), edge_on.reshape(shape))


def _cover(sheet: Sheet, behind_mm: Floats) -> Floats:
    """The opacity of `sheet` where the nearest solid lies at the depth `behind_mm`."""
    before, alone = sheet.layer.opacity
    face_on = np.where(np.isfinite(behind_mm), np.float32(before), np.float32(alone))
    cover = face_on + RIM * (1 - face_on) * sheet.edge_on**2
    out: Floats = np.where(np.isfinite(sheet.depth_mm), cover, 0).astype(np.float32)
    return out


def _stacked(sheets: list[Sheet], depth_mm: float) -> Floats:
    """The sheets over one another, the farthest first, each as dark as it is far."""
    depths = np.stack([sheet.depth_mm for sheet in sheets])
    order = np.argsort(-depths, axis=0, kind="stable")
    picture = np.zeros((*depths.shape[1:], 3), np.float32)
    dark = [_darkness(sheet, depth_mm) for sheet in sheets]
    covers = [_cover(sheet, sheets[-1].depth_mm) for sheet in sheets]
    for place in range(len(sheets)):
        for number, sheet in enumerate(sheets):
            cover = np.where(order[place] == number, covers[number], 0)[..., None]
            picture += cover * (sheet.colours * dark[number][..., None] - picture)
    return picture


def _darkness(sheet: Sheet, depth_mm: float) -> Floats:
    """What is left of the light, 0..1: less far away, and less in hollows."""
    there = np.isfinite(sheet.depth_mm)
    far = np.where(there, sheet.depth_mm, np.float32(depth_mm))
    fade = 1 - FADE * far / np.float32(depth_mm)
    hollow = np.clip((far - gaussian_filter(far, SHADE_PX, truncate=2)) / SHADE_MM, 0, 1)
    out: NDArray[np.float32] = fade * (1 - np.float32(SHADE) * hollow)
    return out
