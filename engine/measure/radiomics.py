"""Radiomics features of every structure, each in its own box of the scan."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.ndimage import find_objects

from totalseg_mcp.engine.image.crop import Box, crop
from totalseg_mcp.engine.measure.extraction import Extraction
from totalseg_mcp.engine.measure.statistics import touched
from totalseg_mcp.engine.volume import Grid, Labels, Volume
from totalseg_mcp.engine.watch import track

Features = Mapping[str, float | None]  # None: not defined for this structure

# What pyradiomics and ITK raise about a structure that they cannot measure.
FAILURES = (ArithmeticError, AssertionError, LookupError, MemoryError, RuntimeError, ValueError)
SPLINE = 20  # voxels; so far off, a cubic B-spline weighs a value with less than 1e-11
LARGEST = 200_000_000  # voxels of a box; pyradiomics counts 9 values a voxel in 32 bits
CUT_OFF = (
    "cut off by the image's border on the side {sides}: the features of a part are not those of "
    "the whole. stats_include_incomplete=true computes them nevertheless."
)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a structure has no features."""

    error: str


@dataclass(frozen=True, slots=True)
class Radiomics:
    """By structure, in label order; absent ones have no entry. `settings` are as in Extraction."""

    structures: Mapping[str, Features | Failure]
    settings: Mapping[str, Any]


def radiomics(
    labels: Labels,
    image: Volume,
    wanted: Sequence[str],
    how: Extraction,
    include_incomplete: bool,
) -> Radiomics:
    """The features of the structures `wanted` that are in `labels`, measured on `image`.

    One that the border cuts off, as `statistics` understands it, has a Failure, unless
    incomplete ones are included; so has one that pyradiomics cannot measure. Can be
    stopped between structures and between classes of features.
    """
    if labels.grid.shape != image.grid.shape:
        raise ValueError(f"labels are {labels.grid.shape} but the image is {image.grid.shape}")
    image = how.normalized(image)
    sides = touched(labels)
    boxes = enumerate(find_objects(labels.data, max_label=len(labels.names)), start=1)
    there = [(v, b) for v, b in boxes if b is not None and labels.names[v - 1] in wanted]
    found: dict[str, Features | Failure] = {}
    for number, slices in track(there, "structure"):
        near = [side for side, labels_near in sides.items() if labels_near[number]]
        name = labels.names[number - 1]
        if near and not include_incomplete:
            found[name] = Failure(CUT_OFF.format(sides=" and ".join(near)))
            continue
        tight = Box(tuple(s.start for s in slices), tuple(s.stop for s in slices))
        found[name] = _measured(labels, number, tight, image, how)
    return Radiomics(found, how.settings)


def _measured(
    labels: Labels, number: int, tight: Box, image: Volume, how: Extraction
) -> Features | Failure:
    try:
        box = surroundings(tight, image.grid, how.settings["setting"])
        part = crop(labels, box)
        mask = Volume((part.data == number).astype(np.uint8), part.grid)
        return how.features(crop(image, box), mask)
    except FAILURES as error:
        why = " ".join(str(error).split()) or type(error).__name__
        return Failure(f"pyradiomics could not measure it: {why}")


def surroundings(tight: Box, grid: Grid, setting: Mapping[str, Any]) -> Box:
    """The part of `grid` that the features of a structure in the box `tight` depend on.

    `setting` is pyradiomics'. Without resampling it is the box and `padDistance` voxels
    around it. Resampling aligns its voxels with the image's corner: there the box starts
    where a new voxel does too, so that the features are those of the whole image.

    Raises:
        ValueError: the box, resampled if it is, has more voxels than pyradiomics can take.
    """
    spacing = np.array(grid.spacing_mm)
    new = _new_spacing(tight, spacing, setting)
    padding = np.ceil(setting["padDistance"] * new / spacing).astype(int)
    _check_size(np.array(tight.shape) * spacing / new + 2 * setting["padDistance"])
    if np.allclose(new, spacing):  # pyradiomics does not resample either
        start = np.maximum(np.array(tight.start) - padding, 0)
    else:
        padding += SPLINE
        corner = np.array(tight.start) - padding
        start = np.array([_aligned(*axis) for axis in zip(corner, spacing / new, strict=True)])
    stop = np.minimum(np.array(tight.stop) + padding, grid.shape)
    return Box(tuple(start.tolist()), tuple(stop.tolist()))


def _new_spacing(
    tight: Box, spacing: np.ndarray[Any, Any], setting: Mapping[str, Any]
) -> np.ndarray[Any, Any]:
    """Voxel edges in mm after resampling: 0 means as they are, and so does a single slice."""
    if setting["resampledPixelSpacing"] is None or setting["interpolator"] is None:
        return spacing
    new = np.array(setting["resampledPixelSpacing"], float)
    return np.where((new == 0) | (np.array(tight.shape) == 1), spacing, new)


def _aligned(corner: int, ratio: float) -> int:
    """The last index up to `corner` at which a new voxel starts; there are `ratio` in an old one.

    >>> _aligned(25, ratio=0.7), _aligned(25, ratio=0.3333), _aligned(-3, ratio=0.7)
    (20, 0, 0)
    """
    for start in range(int(corner), 0, -1):
        if abs(start * ratio - round(start * ratio)) < 1e-6:
            return start
    return 0


def _check_size(shape: np.ndarray[Any, Any]) -> None:
    voxels = float(np.prod(shape))
    if voxels > LARGEST:
        raise ValueError(
            f"its box has {voxels:.3g} voxels, and more than {LARGEST:.3g} are too many; set "
            "larger edges in resampledPixelSpacing (mm) of radiomics_parameters"
        )
