"""Fields of view: which part of a body a scan shows, and on what grid."""

import numpy as np
from numpy.random import Generator

from totalseg_mcp.engine.volume import Grid
from totalseg_mcp.phantom.anatomy import Anatomy
from totalseg_mcp.phantom.shapes import turned, vector

# Lowest and highest height in the body's own frame, mm.
REGIONS = {
    "head_neck": (470, 830),
    "thorax": (170, 540),
    "abdomen": (-40, 300),
    "upper_abdomen": (90, 300),
    "pelvis": (-230, 90),
    "thorax_abdomen": (-20, 540),
    "abdomen_pelvis": (-220, 300),
    "trunk": (-220, 540),
    "whole_body": (-320, 830),
}
_WIDTH_MM = 420.0
_DEPTH_MM = 310.0


def view(
    anatomy: Anatomy, region: str, spacing_mm: tuple[float, float, float] = (3.0, 3.0, 3.0)
) -> Grid:
    """A RAS grid around a region of `REGIONS`, wide enough for the trunk."""
    low, high = REGIONS[region]
    return _grid(anatomy, (low, high), (_WIDTH_MM, _DEPTH_MM), spacing_mm)


def any_view(anatomy: Anatomy, rng: Generator, spacing_mm: tuple[float, float, float]) -> Grid:
    """A RAS grid around a region at random, its borders moved and its field sometimes narrow."""
    low, high = REGIONS[str(rng.choice(list(REGIONS)))]
    ends = low + rng.uniform(-45, 45), high + rng.uniform(-45, 45)
    field = rng.uniform(360, 500), rng.uniform(280, 380)
    return _grid(anatomy, ends, field, spacing_mm)


def _grid(
    anatomy: Anatomy,
    ends: tuple[float, float],
    field: tuple[float, float],
    spacing_mm: tuple[float, float, float],
) -> Grid:
    low, high = anatomy.world_z(ends[0]), anatomy.world_z(ends[1])
    extent = np.array([*field, high - low])
    middle = np.array([*(anatomy.pose.origin_mm[:2] + vector((0, 12))), (low + high) / 2])
    shape = np.maximum(np.round(extent / spacing_mm), 4).astype(int)
    affine = np.diag([*spacing_mm, 1.0])
    affine[:3, 3] = middle - (shape - 1) / 2 * np.array(spacing_mm)
    return Grid((int(shape[0]), int(shape[1]), int(shape[2])), affine)


def oblique(grid: Grid, degrees: tuple[float, float, float], flips: str = "LPS") -> Grid:
    """The same field of view, turned about its middle and with its axes in another direction."""
    affine = grid.affine.copy()
    middle = affine @ [*((np.array(grid.shape) - 1) / 2), 1]
    for axis, (code, own) in enumerate(zip(flips, "RAS", strict=True)):
        if code != own:
            affine[:3, 3] += affine[:3, axis] * (grid.shape[axis] - 1)
            affine[:3, axis] *= -1
    affine[:3, :3] = turned(*degrees) @ affine[:3, :3]
    affine[:3, 3] = middle[:3] - affine[:3, :3] @ ((np.array(grid.shape) - 1) / 2)
    return Grid(grid.shape, affine)
