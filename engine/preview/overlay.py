"""A slice with its structures laid over it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from totalseg_mcp.engine.colours import RGB, colour
from totalseg_mcp.engine.preview.slices import Slice

VEIL, EDGE = 0.35, 0.95  # opacity of a structure, inside and at its outline
STEP = 4  # brightnesses are multiples of it: not seen, and a third off the size of the file
BLACK: RGB = (0, 0, 0)
Size = tuple[int, int]  # width, height, px


def overlaid(cut: Slice, size: Size, names: Sequence[str]) -> Image.Image:
    """The slice in `size`: grey, and every structure as an outlined veil of its colour."""
    grey = np.asarray(Image.fromarray(cut.grey).resize(size, Image.Resampling.BICUBIC), np.float32)
    labels = _resized(cut.labels, size)
    opacity = np.where(_outlined(labels), np.float32(EDGE), np.float32(VEIL) * (labels > 0))
    colours = np.array([BLACK, *map(colour, names)], np.float32)[labels]
    blend = grey[..., None] + opacity[..., None] * (colours - grey[..., None])
    return coarsened(blend)


def coarsened(colours: NDArray[np.floating]) -> Image.Image:
    """The image of `colours` `[row, column, 3]`, 0..255, with fewer brightnesses."""
    return Image.fromarray((np.clip(np.rint(colours / STEP) * STEP, 0, 255)).astype(np.uint8))


def _resized(labels: NDArray[Any], size: Size) -> NDArray[np.intp]:
    """`labels` in `size`, their borders interpolated: no staircase where voxels are large."""
    best = np.zeros(size[::-1], np.uint8)
    resized = np.zeros(size[::-1], np.intp)
    for label in np.unique(labels):
        mask = Image.fromarray(np.where(labels == label, np.uint8(255), np.uint8(0)))
        share = np.asarray(mask.resize(size, Image.Resampling.BILINEAR))
        more = share > best
        resized[more] = label
        np.maximum(best, share, out=best)
    return resized


def _outlined(labels: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Where a structure's neighbour above, below, left or right is another."""
    padded = np.pad(labels, 1, mode="edge")
    near = (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:])
    outlined: NDArray[np.bool_] = np.logical_or.reduce([other != labels for other in near])
    return outlined & (labels > 0)
