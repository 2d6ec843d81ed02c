"""What every image must be, whatever its format: 3-D, finite, placed, and not empty.

Each check raises a `BadImageError` with the value that was wrong and what to do about it, or
returns notes on what is odd but can be lived with.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from nibabel.affines import voxel_sizes
from numpy.typing import NDArray

from totalseg_mcp.engine.errors import BadImageError
from totalseg_mcp.engine.memory import free_memory
from totalseg_mcp.engine.volume import Affine, Shape

MOST_VOXELS = 2**31  # 1024 x 1024 x 2048; more does not fit any machine this runs on
MOST_PIXELS = 2**26  # of a picture, its channels included; 8192 x 8192
WIDEST_MM = 50.0
SPACING_TOLERANCE = 0.01  # relative; TotalSegmentator believes the header's spacing
SHEAR_NOTED, SHEAR_REFUSED = 0.999, 0.5  # volume of the cell spanned by the unit axes; 1 = upright


def three_dimensional(shape: Sequence[int]) -> Shape:
    """The first three of `shape`, if they are all there is: one volume, thicker than a slice."""
    size = " x ".join(str(n) for n in shape)
    if any(n < 1 for n in shape):
        raise BadImageError(f"The image is empty: its size is {size}.")
    if len(shape) < 3:
        raise BadImageError(
            f"The image is {len(shape)}-D ({size}); 3-D volumes are segmented. "
            "Give the whole stack of slices."
        )
    volumes = int(np.prod(shape[3:], dtype=np.int64))
    if volumes > 1:
        raise BadImageError(
            f"The image holds {volumes} volumes (its size is {size}). "
            "Save the one to segment as a 3-D image and give that."
        )
    i, j, k = shape[:3]
    if min(i, j, k) == 1:
        raise BadImageError(
            f"The image is a single slice (its size is {size}); a slice cannot be segmented "
            "in 3-D. Give the whole stack of slices."
        )
    if i * j * k > MOST_VOXELS:
        raise BadImageError(
            f"The image is too large ({size} voxels). Crop or resample it to at most "
            f"{MOST_VOXELS:,} voxels."
        )
    return i, j, k


def placed(affine: Affine, spacing_mm: Sequence[float]) -> tuple[str, ...]:
    """Notes on a grid that can be worked with. `spacing_mm` is what the header says it is."""
    if not np.isfinite(affine).all():
        raise BadImageError("The image's affine has NaN or infinite entries. Repair its header.")
    said = ", ".join(f"{s:.4g}" for s in spacing_mm)
    if not all(0 < s <= WIDEST_MM for s in spacing_mm):
        raise BadImageError(
            f"The voxel spacing is {said} mm; it must be above 0 and at most {WIDEST_MM:g} mm. "
            "Repair the image's header."
        )
    sizes = voxel_sizes(affine)
    if not sizes.all() or (upright := _upright(affine)) < SHEAR_REFUSED:
        raise BadImageError("The image's affine has no inverse: its axes lie in one plane.")
    off = float(np.max(np.abs(sizes / np.asarray(spacing_mm, np.float64) - 1)))
    found = ", ".join(f"{s:.4g}" for s in sizes)
    if off > SPACING_TOLERANCE:
        raise BadImageError(
            f"The header contradicts itself: the voxel spacing is {said} mm by pixdim but {found} "
            "mm by the affine. Save the image again with a program that writes both."
        )
    notes = []
    if off > SPACING_TOLERANCE / 10:
        notes.append(f"Voxel spacing: {said} mm by pixdim, {found} mm by the affine.")
    if upright < SHEAR_NOTED:
        notes.append(
            f"The image's axes are not at right angles: volumes come out {1 / upright - 1:.1%} "
            "too large."
        )
    return tuple(notes)


def _upright(affine: Affine) -> float:
    axes = affine[:3, :3] / voxel_sizes(affine)
    return abs(float(np.linalg.det(axes)))


def meaningful(data: NDArray[Any]) -> None:
    """Refuse NaN, infinity, and an image that is the same everywhere."""
    tally = Tally()
    tally.add(data)
    tally.refuse()


@dataclass(slots=True)
class Tally:
    """How many voxels there were, how many of them no numbers, and what all are if they are equal.

    `low` and `high` are kept only until they differ.
    """

    count: int = 0
    broken: int = 0
    low: float = math.inf
    high: float = -math.inf

    def add(self, part: NDArray[Any]) -> None:
        """Look at further voxels of the same image."""
        self.count += part.size
        if part.dtype.kind == "f":
            self.broken += part.size - int(np.count_nonzero(np.isfinite(part)))
        if not (self.broken or self.low < self.high):
            self.low = min(self.low, part.min())
            self.high = max(self.high, part.max())

    def refuse(self) -> None:
        """Refuse an image with NaN or infinity, or that is the same everywhere."""
        if self.broken:
            raise BadImageError(
                f"{self.broken:,} of {self.count:,} voxels are NaN or infinite. Replace them, in a "
                "CT by -1024, and give the repaired image."
            )
        if self.low == self.high:
            raise BadImageError(f"The image is empty: all its voxels are {self.low:g}.")


def spaced(spacing_mm: Sequence[float]) -> None:
    """Refuse pixels that are no pixels of a patient."""
    if not all(0 < edge <= WIDEST_MM for edge in spacing_mm):
        said = ", ".join(f"{edge:.4g}" for edge in spacing_mm)
        raise BadImageError(
            f"The pixel spacing is {said} mm; it must be above 0 and at most {WIDEST_MM:g} mm. "
            "Repair the image's header."
        )


def visible(data: NDArray[np.float32]) -> None:
    """Refuse a picture `[channel, row, column]` with NaN, infinity, or a channel without contrast.

    The networks normalise a picture by its mean and deviation: neither would mean anything.
    """
    broken = data.size - int(np.count_nonzero(np.isfinite(data)))
    if broken:
        raise BadImageError(
            f"{broken:,} of the picture's {data.size:,} values are NaN, infinite or beyond single "
            "precision. Replace them, and give the repaired picture."
        )
    for channel, values in enumerate(data):
        if values.min() == values.max():
            raise BadImageError(
                f"The picture is empty: all values of channel {channel} are {values.min():g}."
            )


def fits(nbytes: int) -> None:
    """Refuse voxels that take so much memory, before it is asked for."""
    free = free_memory()
    if nbytes > free:
        raise BadImageError(
            f"The image's voxels alone need {nbytes / 2**30:.1f} GiB of memory, and "
            f"{free / 2**30:.1f} GiB are free. Crop it, give a coarser one, or free memory."
        )
