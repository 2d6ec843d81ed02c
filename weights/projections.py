"""Training samples in two dimensions: phantoms scanned at 3 mm and seen from the front.

Arrays are `[row, column]`: row 0 is the head's end and column 0 the patient's left, as
TotalSegmentator 2D lays out its projections.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from totalseg_mcp.engine.image.orientation import reorient
from totalseg_mcp.engine.image.project import FROM_FRONT, project
from totalseg_mcp.engine.volume import Grid, Labels, Mask, Volume
from totalseg_mcp.phantom import any_view, oblique, phantom, scan
from totalseg_mcp.weights.folder2d import CHANNELS, DESIGN

OBLIQUE_SHARE = 0.35
SLAB_SHARE = 0.12

# HU of mean and maximum (2, row, column), and the 117 structures' bits (15, row, column):
# structures lie over one another, so that one number a pixel will not do.
Sample = tuple[NDArray[np.float32], NDArray[np.uint8]]


def pictured(volume: Volume) -> NDArray[np.float32]:
    """The channels of the networks, `(2, row, column)` in HU."""
    return np.stack([project(volume, how) for how in CHANNELS])


def shadows(labels: Labels) -> Mask:
    """Where any voxel from front to back is a structure, `(structure, row, column)`."""
    numbers = reorient(labels, FROM_FRONT).data
    width, _, height = numbers.shape
    out = np.zeros((len(labels.names) + 1, height, width), dtype=np.bool_)
    out[numbers, np.arange(height), np.arange(width)[:, None, None]] = True
    return out[1:]


def make(seed: int) -> Mapping[str, NDArray[Any]]:
    """A phantom's `image` and `masks`: field, turn, sharpness and depth of voxels at random."""
    rng = np.random.default_rng([seed, 6])
    anatomy = phantom(seed)
    edges = (DESIGN.spacing_mm, float(rng.uniform(3.5, 6.0)), DESIGN.spacing_mm)
    grid = any_view(anatomy, rng, edges)
    if rng.random() < OBLIQUE_SHARE:
        x, y, z = rng.normal(0, 4, 3)
        grid = oblique(grid, (x, y, z), "RAS")
    if rng.random() < SLAB_SHARE:
        grid = _slab(grid, rng)
    volume, truth = scan(anatomy, grid, detail_mm=float(rng.uniform(1.2, 4.5)))
    return {"image": pictured(volume), "masks": np.packbits(shadows(truth), axis=0)}


def _slab(grid: Grid, rng: Generator) -> Grid:
    """Only some of the slices from front to back."""
    width, depth, height = grid.shape
    kept = int(rng.integers(max(depth // 8, 1), depth))
    affine = grid.affine.copy()
    affine[:3, 3] += affine[:3, 1] * int(rng.integers(0, depth - kept + 1))
    return Grid((width, kept, height), affine)


def load(folder: Path) -> list[Sample]:
    """All samples of a folder."""
    samples = []
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as stored:
            samples.append((stored["image"], stored["masks"]))
    return samples
