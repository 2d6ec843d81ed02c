"""How a surface looks at the points where rays meet it."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from totalseg_mcp.engine.preview.rays import Floats, Hits
from totalseg_mcp.engine.preview.solid import Solid

# Towards the lamp in LPI, where the viewer is at (0, -1, 0): above the patient's right shoulder.
LAMP = np.array([-0.45, -0.75, -0.5], np.float32) / np.linalg.norm([0.45, 0.75, 0.5])
AMBIENT, DIFFUSE, GLEAM, SHARP = 0.38, 0.72, 0.16, 24  # shares of the colour, of white; exponent
SOFT = 1.2  # standard deviation, in voxels, of the smoothing before normals are taken


def lit(solid: Solid, hits: Hits, palette: Floats) -> tuple[Floats, Floats]:
    """The colour `(n, 3)` 0..255 of every hit, and how far it faces the viewer, 0..1.

    `palette[label]` is the colour of a label in white light.
    """
    normals, colours = _seen(solid, hits, palette)
    facing = np.clip(-normals[:, 1], 0, 1)
    half = LAMP + np.array([0, -1, 0], np.float32)
    gleam = np.clip(normals @ (half / np.linalg.norm(half)), 0, 1) ** SHARP
    bright = AMBIENT + DIFFUSE * np.clip(normals @ LAMP, 0, 1)
    return colours * bright[:, None] + 255 * GLEAM * gleam[:, None], facing


def _seen(solid: Solid, hits: Hits, palette: Floats) -> tuple[Floats, Floats]:
    """The unit normals and the unlit colours of `hits`, mixed from the voxels around them."""
    soft = gaussian_filter(solid.density, SOFT, truncate=2.5)
    slopes = np.gradient(soft, *solid.spacing_mm)
    normals = np.zeros((3, hits.pixels.size), np.float32)
    colours = np.zeros((hits.pixels.size, 3), np.float32)
    total = np.full(hits.pixels.size, 1e-6, np.float32)
    flat = solid.labels.ravel()
    for corner, weight in _corners(hits.points, solid.density.shape):
        labels = flat[corner]
        for normal, slope in zip(normals, slopes, strict=True):
            normal -= slope.ravel()[corner] * weight
        coloured = weight * (labels > 0)
        colours += palette[labels] * coloured[:, None]
        total += coloured
    normals /= np.maximum(np.linalg.norm(normals, axis=0), 1e-9)
    return normals.T, colours / total[:, None]


def _corners(
    points: Floats, shape: tuple[int, ...]
) -> Iterator[tuple[NDArray[np.intp], NDArray[Any]]]:
    """The eight voxels around each point: their flat indices, and their weights, which sum to 1."""
    low = points.astype(np.intp)
    share = points - low.astype(np.float32)
    first = (low[0] * shape[1] + low[1]) * shape[2] + low[2]
    for step in product((0, 1), repeat=3):
        parts = [part if up else 1 - part for up, part in zip(step, share, strict=True)]
        at = first + (step[0] * shape[1] + step[1]) * shape[2] + step[2]
        yield at, parts[0] * parts[1] * parts[2]
