"""The scans of the calls: three sizes of one phantom."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from nibabel.affines import from_matvec
from nibabel.nifti1 import Nifti1Image

from benchmarks.inputs import SHAPE, SPACING_MM
from benchmarks.sides.job import SCAN
from totalseg_mcp.engine.files import read
from totalseg_mcp.engine.image.zoom import zoomed
from totalseg_mcp.engine.threads import threads


@dataclass(frozen=True)
class Extent:
    """So many voxels of such edges, from the middle of the large scan."""

    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]

    @property
    def voxels(self) -> int:
        """How many."""
        return math.prod(self.shape)


# On the model's grid of 3 mm: 122 x 101 x 112 voxels, which is one tile of the network;
# 137 x 137 x 108, which are four; 137 x 137 x 250, which are twelve.
EXTENTS: Mapping[str, Extent] = {
    "small": Extent((122, 101, 112), (3.0, 3.0, 3.0)),
    "medium": Extent((256, 256, 130), (1.6, 1.6, 2.5)),
    "large": Extent(SHAPE, SPACING_MM),
}


def file_of(name: str) -> str:
    """The file of a scan, below the folder of inputs."""
    return SCAN if name == "large" else f"{name}.nii"


def make_scans(inputs: Path) -> None:
    """The small and the medium scan from the large one, unless they are there."""
    for name, extent in EXTENTS.items():
        if not (inputs / file_of(name)).exists():
            _make(inputs, name, extent)


def _make(inputs: Path, name: str, extent: Extent) -> None:
    """The middle of the large scan, on fewer voxels."""
    whole = read(inputs / SCAN).volume
    spacing = np.array(whole.grid.spacing_mm)
    sides = np.ceil(np.multiply(extent.shape, extent.spacing_mm) / spacing).astype(int)
    sides = np.minimum(sides, whole.grid.shape)
    first = (np.array(whole.grid.shape) - sides) // 2
    box = tuple(slice(a, a + n) for a, n in zip(first, sides, strict=True))
    data = zoomed(np.ascontiguousarray(whole.data[box]), extent.shape, 1, threads(None))
    directions = whole.grid.affine[:3, :3] / spacing
    corner = (whole.grid.affine @ [*first, 1])[:3]
    image = Nifti1Image(data, from_matvec(directions * extent.spacing_mm, corner))
    image.to_filename(inputs / file_of(name))
