"""Whether both sides came to the same: a benchmark of wrong results is worthless."""

import json
import math
import zlib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from isal import isal_zlib
from nibabel.nifti1 import Nifti1Image

from totalseg_mcp.engine.measure.detail import Detail
from totalseg_mcp.engine.tasks import task_named

ROUNDED = 1.01e-5  # one step of the fifth decimal, to which both round
ALIKE = 0.999  # of the voxels
GZIP = 16 + zlib.MAX_WBITS
COUNTERPARTS: Mapping[str, str] = {
    "volume": "volume_mm3",
    "intensity": "mean_intensity",
    "intensity_std": "std_intensity",
    "intensity_min": "min_intensity",
    "intensity_max": "max_intensity",
    "n_voxels": "voxels",
    "centroid_vox": "centroid_voxel",
    "bbox_vox": "first_voxel",
}


class DisagreementError(Exception):
    """The two sides came to different results."""


def same_statistics(ours: Path, reference: Path) -> None:
    """Volumes and means, and where the reference has more, that too.

    The reference gives 0 for what is absent or not measured; we give null.
    """
    mine = json.loads((ours / "statistics.json").read_text())
    theirs = json.loads((reference / "statistics.json").read_text())
    if list(mine) != list(theirs):
        raise DisagreementError(f"structures: {list(mine)} and {list(theirs)}")
    for name, numbers in theirs.items():
        for key, expected in numbers.items():
            found = _counterpart(mine[name], key)
            if not _close(found, expected):
                raise DisagreementError(f"{name}, {key}: {found} and {expected}")


def same_masks(ours: Path, reference: Path) -> None:
    """All 117 files, voxel by voxel, and their geometry."""
    for name in task_named("total").names:
        one, other = ours / f"{name}.nii.gz", reference / f"{name}.nii.gz"
        if not np.allclose(
            Nifti1Image.from_filename(one).affine, Nifti1Image.from_filename(other).affine
        ):
            raise DisagreementError(f"{name}: the affines")
        if _voxels(one) != _voxels(other):
            raise DisagreementError(f"{name}: the voxels")


def same_array(ours: Path, reference: Path) -> None:
    """The resampled voxels, and their type."""
    one, other = (np.load(folder / "resampled.npy") for folder in (ours, reference))
    if one.dtype != other.dtype or not np.array_equal(one, other):
        raise DisagreementError(f"the resampled arrays: {one.dtype}, {other.dtype}")


def same_labels(ours: Path, reference: Path) -> None:
    """Every voxel of the label maps."""
    _agree(ours, reference, least=1.0)


def like_labels(ours: Path, reference: Path) -> None:
    """All voxels of the label maps but one in a thousand: another library rounds otherwise."""
    _agree(ours, reference, least=ALIKE)


def _agree(ours: Path, reference: Path, least: float) -> None:
    one, other = (np.load(folder / "labels.npy") for folder in (ours, reference))
    share = float((one == other).mean())
    if share < least:
        raise DisagreementError(f"labels: {share:.5%} of the voxels agree")


def _image(path: Path) -> Nifti1Image:
    image: Nifti1Image = Nifti1Image.from_filename(path)
    return image


def _voxels(path: Path) -> bytes:
    """The values of a mask, as they are stored; one byte each."""
    shape = _image(path).shape
    content: bytes = isal_zlib.decompress(path.read_bytes(), wbits=GZIP)
    return content[-math.prod(shape) :]


def _counterpart(numbers: Mapping[str, Any], key: str) -> Any:  # noqa: ANN401 (JSON)
    """What is ours, of a structure's `numbers`, for what the reference calls `key`."""
    names = (field.name for field in fields(Detail))
    known = {**numbers, **(numbers["detail"] or dict.fromkeys(names))}
    if key == "bbox_vox" and known["first_voxel"]:
        ends = zip(known["first_voxel"], known["last_voxel"], strict=True)
        return [list(pair) for pair in ends]
    return known[COUNTERPARTS.get(key, key)]


def _close(found: Any, expected: Any) -> bool:  # noqa: ANN401 (JSON)
    """Volumes differ by the single precision of the reference's voxel edges."""
    if found is None or expected is None:
        return found is None and expected in (None, 0)
    return np.shape(found) == np.shape(expected) and np.allclose(
        found, expected, rtol=1e-6, atol=ROUNDED
    )
