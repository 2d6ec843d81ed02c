"""The scans of the recorded runs: a part of a phantom's trunk on awkward grids.

None of the grids is upright: the axes are permuted and flipped, turned by several degrees,
anisotropic and far from the origin; the files hold integers with a slope and an intercept.
They are stored beside this module, so that what was recorded stays what is compared.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.affines import from_matvec
from numpy.typing import NDArray

from totalseg_mcp.engine.volume import Grid
from totalseg_mcp.phantom import phantom, scan
from totalseg_mcp.phantom.shapes import turned

FOLDER = Path(__file__).parent / "recordings" / "scans"
DIRECTIONS: Mapping[str, tuple[int, int, int]] = {
    "R": (1, 0, 0),
    "L": (-1, 0, 0),
    "A": (0, 1, 0),
    "P": (0, -1, 0),
    "S": (0, 0, 1),
    "I": (0, 0, -1),
}
MR_AIR_HU = -300  # everything darker gives no signal
SEED = 11  # of the phantom


@dataclass(frozen=True)
class Scan:
    """A field of view in the phantom, and how its values are stored."""

    middle_mm: tuple[float, float, float]  # in the body's own frame
    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    axes: str  # where i, j and k go
    turn: tuple[float, float, float]  # degrees about x, y and z
    slope: float
    intercept: float
    seen: Callable[[NDArray[np.int16]], NDArray[np.float64]]
    code: str = "sform"  # which of the header's two transforms says where the voxels are

    @property
    def grid(self) -> Grid:
        """Its voxels in the world."""
        pose = phantom(SEED).pose
        middle = np.linalg.inv(pose.matrix) @ self.middle_mm + pose.origin_mm
        axes = np.array([DIRECTIONS[letter] for letter in self.axes], float).T
        matrix = turned(*self.turn) @ axes @ np.diag(self.spacing_mm)
        return Grid(
            self.shape, from_matvec(matrix, middle - matrix @ (np.array(self.shape) - 1) / 2)
        )

    def image(self) -> nib.Nifti1Image:
        """The file."""
        grid = self.grid
        values = self.seen(scan(phantom(SEED), grid)[0].data)
        stored = np.rint((values - self.intercept) / self.slope).astype(np.int16)
        image = nib.Nifti1Image(stored, grid.affine)
        image.header.set_slope_inter(self.slope, self.intercept)
        image.header.set_xyzt_units("mm")
        image.header["descrip"] = "phantom"
        if self.code == "qform":
            image.set_qform(grid.affine, 1)
            image.set_sform(None, 0)
        return image


def in_hu(hu: NDArray[np.int16]) -> NDArray[np.float64]:
    """As CT sees it."""
    return hu.astype(np.float64)


def in_mr(hu: NDArray[np.int16]) -> NDArray[np.float64]:
    """Soft tissue bright, bone dark, air and the outermost slices nothing at all: exactly 0."""
    signal = np.clip(500 - 1.2 * np.abs(hu - 20.0), 40, None)
    signal[hu < MR_AIR_HU] = 0
    signal[:2], signal[:, -3:], signal[:, :, :1] = 0, 0, 0
    return signal


SCANS: Mapping[str, Scan] = {
    "ct": Scan((10, 25, 235), (38, 32, 44), (2.9, 3.5, 2.6), "PIR", (9, -6, 12), 2.5, -1024, in_hu),
    "ct_small": Scan(
        (15, 30, 260), (17, 15, 20), (3.1, 2.7, 2.3), "SLA", (-7, 11, 5), 2.5, -1000, in_hu, "qform"
    ),
    "ct_3mm": Scan(
        (15, 30, 250), (20, 24, 28), (3, 3, 3), "PSL", (5, 8, -10), 0.5, -1024.25, in_hu
    ),
    "mr": Scan((40, 70, 235), (30, 42, 36), (3.6, 2.7, 3.1), "IRA", (-8, 10, 6), 1.5, -30, in_mr),
    "mr_small": Scan(
        (40, 90, 235), (16, 19, 17), (2.8, 2.2, 3.0), "ASL", (6, 8, -11), 1.5, -15, in_mr
    ),
}


def file_of(name: str) -> Path:
    """Where the scan `name` is stored."""
    return FOLDER / f"{name}.nii.gz"


def store() -> None:
    """Write the scans that are not there yet."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, chosen in SCANS.items():
        if not file_of(name).exists():
            chosen.image().to_filename(file_of(name))
