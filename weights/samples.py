"""Training samples: phantoms scanned at 6 mm, kept on disk, cut and varied when they are used."""

from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.ndimage import affine_transform, gaussian_filter

from totalseg_mcp.phantom import any_view, phantom, scan
from totalseg_mcp.weights.folder import DESIGN

FIRST_TRAINING_SEED = 100_000  # evaluation uses seeds below

Sample = tuple[NDArray[np.int16], NDArray[np.uint8]]  # HU and numbers, [z, y, x]
Make = Callable[[int], Mapping[str, NDArray[Any]]]  # what belongs to a seed, by name


def make(seed: int) -> Mapping[str, NDArray[Any]]:
    """`hu` and `numbers` of a phantom at 6 mm in nnU-Net's axis order, as sharp as a finer scan."""
    rng = np.random.default_rng([seed, 4])
    anatomy = phantom(seed)
    edge = DESIGN.spacing_mm
    grid = any_view(anatomy, rng, (edge, edge, edge))
    volume, truth = scan(anatomy, grid, detail_mm=float(rng.uniform(2.5, 6.5)))
    arrays = {"hu": volume.data, "numbers": truth.data}
    return {name: np.ascontiguousarray(data.transpose(2, 1, 0)) for name, data in arrays.items()}


def _store(folder: Path, seed: int, make: Make) -> None:
    path = folder / f"{seed}.npz"
    if not path.exists():
        arrays: dict[str, Any] = dict(make(seed))
        np.savez_compressed(path, **arrays)


def fill(folder: Path, count: int, workers: int = 2, make: Make = make) -> None:
    """Make the first `count` samples that are not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    seeds = range(FIRST_TRAINING_SEED, FIRST_TRAINING_SEED + count)
    with ProcessPoolExecutor(workers) as pool:
        list(pool.map(_store, [folder] * count, seeds, [make] * count, chunksize=4))


def load(folder: Path) -> list[Sample]:
    """All samples of a folder."""
    samples = []
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as stored:
            samples.append((stored["hu"], stored["numbers"]))
    return samples


def intensities(values: NDArray[np.int16] | NDArray[np.float32]) -> dict[str, float]:
    """nnU-Net's statistics of labelled voxels, in HU."""
    exact = values.astype(np.float64)
    low, median, high = np.percentile(exact, [0.5, 50, 99.5])
    return {
        "max": float(exact.max()),
        "mean": round(float(exact.mean()), 3),
        "median": float(median),
        "min": float(exact.min()),
        "percentile_00_5": float(low),
        "percentile_99_5": float(high),
        "std": round(float(exact.std()), 3),
    }


def patch(sample: Sample, rng: Generator) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """A patch at random, stretched, turned and recoloured a little; HU, NaN where it is padding."""
    hu, numbers = sample
    if rng.random() < 0.07:
        thick = int(rng.integers(6, 24))
        low = int(rng.integers(0, max(hu.shape[0] - thick, 1)))
        hu, numbers = hu[low : low + thick], numbers[low : low + thick]
    if rng.random() < 0.2:
        hu, numbers = _warped(hu, numbers, rng)
    start = [
        int(rng.integers(0, max(n - p, 0) + 1)) for n, p in zip(hu.shape, DESIGN.patch, strict=True)
    ]
    cut = tuple(slice(s, s + p) for s, p in zip(start, DESIGN.patch, strict=True))
    image, truth = hu[cut].astype(np.float32), numbers[cut]
    image = _recoloured(image, rng)
    missing = [p - n for p, n in zip(DESIGN.patch, image.shape, strict=True)]
    pad = [(m // 2, m - m // 2) for m in missing]
    return np.pad(image, pad, constant_values=np.nan), np.pad(truth, pad)


def _warped(hu: NDArray[np.int16], numbers: NDArray[np.uint8], rng: Generator) -> Sample:
    matrix = np.diag(rng.uniform(0.88, 1.14, 3)) + rng.normal(0, 0.04, (3, 3))
    middle = (np.array(hu.shape) - 1) / 2
    shape = tuple(int(n) for n in np.maximum(np.round(hu.shape / np.diag(matrix)), 4))
    offset = middle - matrix @ ((np.array(shape) - 1) / 2)
    image = affine_transform(hu, matrix, offset, shape, order=1, mode="nearest")
    truth = affine_transform(numbers, matrix, offset, shape, order=0, mode="nearest")
    return image, truth


def _recoloured(image: NDArray[np.float32], rng: Generator) -> NDArray[np.float32]:
    """Soft tissue's contrast and level, noise and sharpness varied."""
    image = image * np.float32(rng.uniform(0.93, 1.07)) + np.float32(rng.normal(0, 10))
    if rng.random() < 0.2:
        image = gaussian_filter(image, rng.uniform(0.2, 0.7))
    if rng.random() < 0.25:
        image = image + rng.standard_normal(image.shape, dtype=np.float32) * rng.uniform(5, 30)
    return np.maximum(image, np.float32(-1024))
