"""Taking the scan: an anatomy on any grid, as a CT would show it, with the truth."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from totalseg_mcp.engine.volume import Grid, Labels, Volume
from totalseg_mcp.phantom.anatomy import Anatomy
from totalseg_mcp.phantom.part import KEEP, Part
from totalseg_mcp.phantom.shapes import Points
from totalseg_mcp.phantom.structures import NAMES, NUMBER

_RIM_MM = 2.0
_AIR_HU = -1000.0
_COARSEST_DETAIL_MM = 3.0  # coarser grids stand for CTs that were resampled to them


@dataclass(frozen=True, slots=True)
class Quality:
    """How good the scanner is: noise (standard deviation) and blur (of the point spread)."""

    noise_hu: float
    noise_mm: float
    blur_mm: float


def quality(rng: Generator) -> Quality:
    """A scanner at random."""
    return Quality(rng.uniform(4, 24), rng.uniform(0.5, 3.0), rng.uniform(0.6, 2.2))


def scan(anatomy: Anatomy, grid: Grid, detail_mm: float | None = None) -> tuple[Volume, Labels]:
    """The CT (int16 HU) and the truth (uint8, the 117 names) of a body on any grid.

    The truth says what lies at each voxel's middle: it depends on the place in the world alone,
    not on the grid. The CT averages over `detail_mm` (when None over the voxel, at most 3 mm),
    blurs, and adds noise that belongs to the seed.
    """
    voxel = float(np.cbrt(np.prod(grid.spacing_mm)))
    width = detail_mm or min(voxel, _COARSEST_DETAIL_MM)
    points = anatomy.pose.to_body(grid.affine, grid.shape)
    hu = np.full(grid.shape, _AIR_HU, dtype=np.float32)
    mottle = np.zeros(grid.shape, dtype=np.float32)
    numbers = np.zeros(grid.shape, dtype=np.uint8)
    for part in anatomy.parts:
        where = _voxels(anatomy, part, grid)
        if where is not None:
            canvas = (hu[where], mottle[where], numbers[where])
            _paint(part, points[(slice(None), *where)], width, canvas)
    rng = np.random.default_rng([anatomy.seed, 3])
    seen = _seen(hu, mottle, grid, rng)
    return Volume(seen, grid), Labels(numbers, grid, NAMES)


def _voxels(anatomy: Anatomy, part: Part, grid: Grid) -> tuple[slice, ...] | None:
    """The part of the grid that a shape may touch, or None."""
    low, high = part.shape.box
    corners = anatomy.pose.corners(low - max(grid.spacing_mm), high + max(grid.spacing_mm))
    inverse = np.linalg.inv(grid.affine)
    index = corners @ inverse[:3, :3].T + inverse[:3, 3]
    first = np.clip(np.floor(index.min(axis=0)), 0, None).astype(int)
    last = np.minimum(np.ceil(index.max(axis=0)).astype(int) + 1, grid.shape)
    if (last <= first).any():
        return None
    return tuple(slice(int(a), int(b)) for a, b in zip(first, last, strict=True))


def _paint(
    part: Part,
    points: Points,
    width_mm: float,
    canvas: tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.uint8]],
) -> None:
    """Put a part on the canvas (HU, mottle, numbers), over what is there."""
    hu, mottle, numbers = canvas
    distance = part.shape.distance(points)
    share = np.clip(0.5 - distance / np.float32(width_mm), 0, 1)
    value = np.full_like(distance, part.tissue.hu)
    if part.tissue.rim_hu is not None:
        fade = np.exp(np.minimum(distance, 0) / np.float32(_RIM_MM))
        value += np.float32(part.tissue.rim_hu - part.tissue.hu) * fade
    hu += share * (value - hu)
    mottle += share * (np.float32(part.tissue.texture_hu) - mottle)
    if part.name != KEEP:
        numbers[distance < 0] = 0 if part.name is None else NUMBER[part.name]


def _seen(
    hu: NDArray[np.float32], mottle: NDArray[np.float32], grid: Grid, rng: Generator
) -> NDArray[np.int16]:
    """Blurred, mottled and noisy, as int16."""
    scanner = quality(rng)
    spacing = np.array(grid.spacing_mm)
    blurred = gaussian_filter(hu, scanner.blur_mm / spacing)
    grain = _noise(hu.shape, 3.0 / spacing, rng)
    noise = _noise(hu.shape, scanner.noise_mm / spacing, rng)
    whole = blurred + mottle * grain + scanner.noise_hu * noise
    out: NDArray[np.int16] = np.clip(np.rint(whole), -1024, 3071).astype(np.int16)
    return out


def _noise(
    shape: tuple[int, ...], sigma: NDArray[np.float64], rng: Generator
) -> NDArray[np.float32]:
    """Correlated noise with a standard deviation of one."""
    smooth = gaussian_filter(rng.standard_normal(shape, dtype=np.float32), sigma)
    out: NDArray[np.float32] = smooth / np.float32(max(float(smooth.std()), 1e-6))
    return out
