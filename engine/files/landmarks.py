"""Reading the caller's own masks of where to look."""

from collections.abc import Sequence
from functools import reduce
from pathlib import Path

import numpy as np

from totalseg_mcp.engine.errors import BadImageError
from totalseg_mcp.engine.files.nifti import is_nifti, read_mask
from totalseg_mcp.engine.image.orientation import reorient
from totalseg_mcp.engine.landmarks import Landmarks
from totalseg_mcp.engine.reach import Reach
from totalseg_mcp.engine.volume import Grid, Mask, Volume

SUFFIXES = (".nii.gz", ".nii")
OFF_VOXELS = 0.01  # by which the corners of a mask may lie off those of the scan


def read_landmarks(
    path: Path, look: Sequence[str], keep: Sequence[str], grid: Grid, reach: Reach
) -> Landmarks:
    """The masks in `path`, joined, on `grid`: one file, or a folder of them.

    Of a folder, the masks called by the names in `look` are taken, or all where it is
    empty; those in `keep` limit what is kept. A single file serves for both.

    Raises:
        BadImageError: there is no such mask, or one is not on `grid`.
        OutOfReachError: a file in the folder leads elsewhere.
    """
    if path.is_dir():
        there = _masks(path)
        found = _named(there, look) if look else list(there.values())
        if not found:
            wanted = " or ".join(f"{name}.nii.gz" for name in look) or "any .nii.gz"
            raise BadImageError(f"crop_path {path} has no mask called {wanted}. Put one there.")
        limits = _named(there, keep) or found
    elif path.is_file():
        found = limits = [path]
    else:
        raise BadImageError(f"There is no crop_path {path}. Give a mask, or a folder of masks.")
    joined = _joined(found, grid, reach)
    return Landmarks(joined, _joined(limits, grid, reach) if keep else None)


def _masks(folder: Path) -> dict[str, Path]:
    """By the name of the structure."""
    return {
        file.name.removesuffix(suffix): file
        for suffix in SUFFIXES
        for file in sorted(folder.glob(f"*{suffix}"))
    }


def _named(masks: dict[str, Path], names: Sequence[str]) -> list[Path]:
    return [masks[name] for name in names if name in masks]


def _joined(files: Sequence[Path], grid: Grid, reach: Reach) -> Volume:
    masks = (_on(grid, reach.reading(file), reach) for file in files)
    return Volume(reduce(np.logical_or, masks, np.zeros(grid.shape, bool)), grid)


def _on(grid: Grid, file: Path, reach: Reach) -> Mask:
    """The mask in `file`, its axes turned to those of `grid`."""
    if not is_nifti(file):
        raise BadImageError(f"crop_path {file} is not a NIfTI mask. Give a .nii.gz, or a folder.")
    mask = reorient(read_mask(file, reach), grid.axcodes)
    corners = np.array([[0, 0, 0, 1], [*grid.shape, 1]], np.float64).T
    off = (mask.grid.affine - grid.affine) @ corners
    if mask.grid.shape != grid.shape or np.abs(off).max() > OFF_VOXELS * min(grid.spacing_mm):
        raise BadImageError(
            f"crop_path {file.name} is not on the scan's grid: it has {mask.grid.shape} voxels in "
            f"the scan's axes, the scan {grid.shape}, or it lies elsewhere. Resample it to the "
            "scan, by the nearest label."
        )
    inside: Mask = mask.data != 0
    return inside
