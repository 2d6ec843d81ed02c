"""Cutting a projection and varying it where it is used for training: on the device that trains."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.random import Generator
from torch.nn import functional

from totalseg_mcp.phantom import NAMES
from totalseg_mcp.weights.folder2d import DESIGN
from totalseg_mcp.weights.projections import Sample

SHORTEST = 40  # rows that are left when a scan is cut short
NOISE_HU = (5.0, 25.0)  # at most, of mean and maximum
BITS = 8  # structures in a byte, the first in the highest bit (numpy.packbits)

Projection = tuple[torch.Tensor, torch.Tensor]  # a Sample as tensors


def on(device: torch.device, sample: Sample) -> Projection:
    """The sample's image and bits on `device`."""
    image, bits = (torch.from_numpy(array).to(device) for array in sample)
    return image, bits


def patch(sample: Projection, rng: Generator) -> Projection:
    """A patch at random: image `(2, row, column)` as nnU-Net normalises it, bits `(15, …)`.

    The z-score is that of the whole scan, after it was cut; beyond the scan the image is 0.
    """
    image, bits = _cut(sample, rng)
    if rng.random() < 0.7:
        image, bits = _warped((image, bits), rng)
    image = _recoloured(image, rng)
    spread, mean = torch.std_mean(image, (1, 2), correction=0, keepdim=True)
    image = (image - mean) / spread.clamp(min=1e-8)
    size = image.shape[1:]
    start = [int(rng.integers(max(n - p, 0) + 1)) for n, p in zip(size, DESIGN.patch, strict=True)]
    rows, columns = (slice(s, s + p) for s, p in zip(start, DESIGN.patch, strict=True))
    missing = [max(p - n, 0) for p, n in zip(DESIGN.patch, size, strict=True)]
    pad = [m for n in reversed(missing) for m in (n // 2, n - n // 2)]  # as nnU-Net pads its tiles
    return (
        functional.pad(image[:, rows, columns], pad),
        functional.pad(bits[:, rows, columns], pad),
    )


def masks(bits: torch.Tensor, names: Sequence[str]) -> torch.Tensor:
    """Where the structures `names` are, `(structure, row, column)`, from `bits` of all."""
    chosen = torch.tensor([NAMES.index(name) for name in names], device=bits.device)
    shift = (BITS - 1 - chosen % BITS).to(torch.uint8)
    return (bits[chosen // BITS] >> shift[:, None, None] & 1).bool()


def _cut(sample: Projection, rng: Generator) -> Projection:
    """A shorter part of the body, or less at the sides."""
    image, bits = sample
    height, width = image.shape[1:]
    top, bottom, left, right = 0, height, 0, width
    if height > SHORTEST and rng.random() < 0.4:
        kept = int(rng.integers(SHORTEST, height))
        top = int(rng.integers(height - kept + 1))
        bottom = top + kept
    if rng.random() < 0.25:
        left, right = int(rng.integers(width // 4)), width - int(rng.integers(width // 4))
    return image[:, top:bottom, left:right], bits[:, top:bottom, left:right]


def _warped(sample: Projection, rng: Generator) -> Projection:
    """Stretched by up to a sixth, turned and sheared by a few degrees."""
    image, bits = sample
    size = np.array(image.shape[1:])
    matrix = np.diag(rng.uniform(0.86, 1.16) * rng.uniform(0.94, 1.06, 2))
    shape = np.maximum(np.round(size / np.diag(matrix)), 4).astype(int)
    matrix[[0, 1], [1, 0]] = rng.normal(0, 0.05) * np.array([1, -1]) + rng.normal(0, 0.02, 2)
    offset = (size - 1) / 2 - matrix @ (shape - 1) / 2
    row, column = _places(matrix, offset, shape, image)
    last = [max(n - 1, 1) for n in size]
    there = torch.stack((2 * column / last[1] - 1, 2 * row / last[0] - 1), -1)[None]
    warped = functional.grid_sample(
        image[None], there, mode="bilinear", padding_mode="border", align_corners=True
    )
    nearest = bits[
        :, row.round().long().clamp(0, size[0] - 1), column.round().long().clamp(0, size[1] - 1)
    ]
    return warped[0], nearest


def _places(
    matrix: np.ndarray, offset: np.ndarray, shape: np.ndarray, like: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Row and column in the old image of every pixel of a new one of `shape`."""
    rows = torch.arange(int(shape[0]), device=like.device, dtype=like.dtype)[:, None]
    columns = torch.arange(int(shape[1]), device=like.device, dtype=like.dtype)
    (a, b), (c, d) = matrix.tolist()
    first, second = offset.tolist()
    return a * rows + b * columns + first, c * rows + d * columns + second


def _recoloured(image: torch.Tensor, rng: Generator) -> torch.Tensor:
    """Contrast, the air's level, sharpness, thickness of slices and noise varied."""
    if rng.random() < 0.4:
        share = ((image + 1024) / 2048).clamp(min=0)
        image = 2048 * share ** rng.uniform(0.85, 1.2) - 1024
    if rng.random() < 0.3:
        image = torch.stack((image[0], image[1].clamp(min=rng.uniform(-1024, -850))))
    if rng.random() < 0.25:
        image = _blurred(image, rng.uniform(0.2, 0.9, 2))
    if rng.random() < 0.25:
        image = _coarse(image, rng)
    if rng.random() < 0.3:
        sigma = torch.tensor(rng.uniform(0, NOISE_HU), dtype=image.dtype, device=image.device)
        image = image + sigma[:, None, None] * torch.randn_like(image)
    return image


def _blurred(image: torch.Tensor, sigmas: np.ndarray) -> torch.Tensor:
    """By Gaussians of so many pixels along rows and columns."""
    for axis, sigma in enumerate(sigmas):
        radius = int(4 * sigma + 0.5)
        at = torch.arange(-radius, radius + 1, device=image.device, dtype=image.dtype)
        kernel = torch.exp(-0.5 * (at / sigma) ** 2)
        kernel = (kernel / kernel.sum()).reshape(1, 1, *((-1, 1) if axis == 0 else (1, -1)))
        pad = (0, 0, radius, radius) if axis == 0 else (radius, radius, 0, 0)
        edged = functional.pad(image[:, None], pad, mode="replicate")
        image = functional.conv2d(edged, kernel)[:, 0]
    return image


def _coarse(image: torch.Tensor, rng: Generator) -> torch.Tensor:
    """As if the voxels had been larger, thick slices or all edges, and were resampled back."""
    factor = np.array([rng.uniform(1.2, 2.2), rng.choice([1.0, 1.5])])
    size = np.array(image.shape[1:])
    few = np.maximum(np.round(size / factor), 2).astype(int).tolist()
    coarse = functional.interpolate(image[None], few, mode="bilinear")
    return functional.interpolate(coarse, image.shape[1:], mode="bicubic")[0]
