"""Cutting a projection and varying it, when it is used for training."""

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.ndimage import affine_transform, gaussian_filter, zoom

from totalseg_mcp.engine.volume import Mask
from totalseg_mcp.phantom import NAMES
from totalseg_mcp.weights.folder2d import DESIGN
from totalseg_mcp.weights.projections import Sample

SHORTEST = 40  # rows that are left when a scan is cut short
NOISE_HU = (5.0, 25.0)  # at most, of mean and maximum

Image = NDArray[np.float32]


def patch(sample: Sample, rng: Generator) -> tuple[Image, Mask]:
    """A patch at random: image `(2, row, column)` as nnU-Net normalises it, masks `(117, …)`.

    The z-score is that of the whole scan, after it was cut; beyond the scan the image is 0.
    """
    image, bits = _cut(sample, rng)
    if rng.random() < 0.7:
        image, bits = _warped((image, bits), rng)
    image = _recoloured(image, rng)
    image -= image.mean(axis=(1, 2), keepdims=True)
    image /= np.maximum(image.std(axis=(1, 2), keepdims=True), 1e-8)
    size = image.shape[1:]
    start = [int(rng.integers(max(n - p, 0) + 1)) for n, p in zip(size, DESIGN.patch, strict=True)]
    rows, columns = (slice(s, s + p) for s, p in zip(start, DESIGN.patch, strict=True))
    missing = [max(p - n, 0) for p, n in zip(DESIGN.patch, size, strict=True)]
    pad = ((0, 0), *((m // 2, m - m // 2) for m in missing))  # as nnU-Net does for its tiles
    masks = np.unpackbits(bits[:, rows, columns], axis=0, count=len(NAMES))
    return np.pad(image[:, rows, columns], pad), np.pad(masks, pad).astype(np.bool_)


def _cut(sample: Sample, rng: Generator) -> Sample:
    """A shorter part of the body, or less at the sides."""
    image, bits = sample
    height, width = image.shape[1:]
    top, bottom, left, right = 0, height, 0, width
    if height > SHORTEST and rng.random() < 0.4:
        kept = int(rng.integers(SHORTEST, height))
        top = int(rng.integers(height - kept + 1))
        bottom = top + kept
    if rng.random() < 0.25:
        left, right = rng.integers(width // 4), width - rng.integers(width // 4)
    return image[:, top:bottom, left:right], bits[:, top:bottom, left:right]


def _warped(sample: Sample, rng: Generator) -> Sample:
    """Stretched by up to a sixth, turned and sheared by a few degrees."""
    image, bits = sample
    height, width = image.shape[1:]
    matrix = np.diag(rng.uniform(0.86, 1.16) * rng.uniform(0.94, 1.06, 2))
    shape = np.maximum(np.round([height, width] / np.diag(matrix)), 4).astype(int)
    matrix[[0, 1], [1, 0]] = rng.normal(0, 0.05) * np.array([1, -1]) + rng.normal(0, 0.02, 2)
    offset = (np.array([height, width]) - 1) / 2 - matrix @ (shape - 1) / 2
    warped = [
        affine_transform(channel, matrix, offset, tuple(shape), order=1, mode="nearest")
        for channel in image
    ]
    there = np.indices(shape.tolist()).reshape(2, -1)
    row, column = np.rint(matrix @ there + offset[:, None]).astype(int)
    nearest = bits[:, np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)]
    return np.stack(warped), nearest.reshape(-1, *shape)


def _recoloured(image: Image, rng: Generator) -> Image:
    """Contrast, the air's level, sharpness, thickness of slices and noise varied."""
    image = image.copy()
    if rng.random() < 0.4:
        share = np.clip((image + 1024) / 2048, 0, None)
        image = (2048 * share ** rng.uniform(0.85, 1.2) - 1024).astype(np.float32)
    if rng.random() < 0.3:
        image[1] = np.maximum(image[1], rng.uniform(-1024, -850))
    if rng.random() < 0.25:
        image = gaussian_filter(image, (0, *rng.uniform(0.2, 0.9, 2)))
    if rng.random() < 0.25:
        image = _coarse(image, rng)
    if rng.random() < 0.3:
        sigma = rng.uniform(0, NOISE_HU)[:, None, None]
        image = image + (sigma * rng.standard_normal(image.shape)).astype(np.float32)
    return image


def _coarse(image: Image, rng: Generator) -> Image:
    """As if the voxels had been larger: thick slices, or all edges."""
    factor = np.array([rng.uniform(1.2, 2.2), rng.choice([1.0, 1.5])])
    size = np.array(image.shape[1:])
    there = np.maximum(np.round(size / factor), 2) / size
    return np.stack([_resampled(channel, there) for channel in image])


def _resampled(channel: Image, there: NDArray[np.float64]) -> Image:
    """Sampled more coarsely by the shares `there`, and back as nnU-Net does."""
    few = zoom(channel, there, order=1, grid_mode=True, mode="nearest")
    back = np.array(channel.shape) / few.shape
    out: Image = zoom(few, back, order=3, grid_mode=True, mode="nearest")
    return out
