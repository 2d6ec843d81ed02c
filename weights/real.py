"""Real CTs with reference label maps, and how a label map compares with them.

A folder holds `ct_thorax_3mm.nii.gz`, `ct_series/` and `reference/<name>.total.nii.gz`: the test
files of TotalSegmentator's repository, and what its own models made of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from totalseg_mcp.engine.files import read
from totalseg_mcp.engine.image.orientation import reorient
from totalseg_mcp.engine.volume import Labels, Volume
from totalseg_mcp.phantom import NAMES
from totalseg_mcp.weights.groups import LUNGS, SKELETON, VERTEBRAE

SCANS = {"ct_thorax_3mm": "ct_thorax_3mm.nii.gz", "ct_series": "ct_series"}
# Structures merged, as far as the references show them.
STRUCTURES = {
    "lungs": LUNGS,
    "liver": ("liver",),
    "spleen": ("spleen",),
    "kidneys": ("kidney_left", "kidney_right"),
    "stomach": ("stomach",),
    "heart": ("heart",),
    "aorta": ("aorta",),
    "spine": VERTEBRAE,
    "skeleton": SKELETON,
    "autochthonous muscles": ("autochthon_left", "autochthon_right"),
}
SMALLEST_ML = 0.5  # less is not a structure but its edge


@dataclass(frozen=True, slots=True)
class Compared:
    """One structure, found against the reference."""

    structure: str
    dice: float
    truth_ml: float
    found_ml: float


def scans(folder: Path) -> Iterator[tuple[str, Volume, Labels]]:
    """Name, CT, and the reference on the CT's voxels."""
    for name, file in SCANS.items():
        volume = read(folder / file).volume
        reference = read(folder / "reference" / f"{name}.total.nii.gz").volume
        data = reference.data.astype(np.uint8)
        yield name, volume, Labels(data, reference.grid, NAMES)


def compared(found: Labels, reference: Labels) -> Iterator[Compared]:
    """Every structure that the reference shows."""
    here, there = reorient(found, "RAS"), reorient(reference, "RAS")
    voxel_ml = abs(float(np.linalg.det(there.grid.affine[:3, :3]))) / 1000
    for structure, names in STRUCTURES.items():
        numbers = [NAMES.index(name) + 1 for name in names]
        a, b = np.isin(here.data, numbers), np.isin(there.data, numbers)
        if b.sum() * voxel_ml >= SMALLEST_ML:
            both = 2 * float((a & b).sum()) / float(a.sum() + b.sum())
            yield Compared(structure, both, b.sum() * voxel_ml, a.sum() * voxel_ml)
