"""Images and labels, with their place in the patient.

Arrays are indexed `[i, j, k]`, as nibabel reads them. World coordinates are
millimetres in RAS+: x grows to the patient's right, y forwards, z upwards. Values are
never changed in place; the arrays are read-only.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from nibabel.affines import voxel_sizes
from nibabel.orientations import aff2axcodes
from numpy.typing import NDArray

from totalseg_mcp.engine.imaging import Spacing

Shape = tuple[int, int, int]
Affine = NDArray[np.float64]  # (4, 4), voxel index -> RAS+ mm
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Where voxels are.

    `stated_mm` are the voxel edges as the file gives them, which may differ from the
    affine's in the last digit; TotalSegmentator goes by them until the axes are turned.

    >>> Grid((2, 3, 4), np.diag([1.5, 1.5, 3.0, 1.0])).spacing_mm
    (1.5, 1.5, 3.0)
    """

    shape: Shape
    affine: Affine
    stated_mm: Spacing | None = None

    @property
    def spacing_mm(self) -> Spacing:
        """Voxel edge lengths along i, j, k."""
        if self.stated_mm is not None:
            return self.stated_mm
        i, j, k = voxel_sizes(self.affine)
        return float(i), float(j), float(k)

    @property
    def stored_mm(self) -> Spacing:
        """Voxel edges as a NIfTI file would give them back: in single precision.

        TotalSegmentator reads the labels of a model from such a file, and the last digit
        decides whether 3 mm reach one voxel further.
        """
        stored = self.affine.astype(np.float32).astype(np.float64)
        i, j, k = voxel_sizes(stored).astype(np.float32).tolist()
        return i, j, k

    @property
    def axcodes(self) -> str:
        """The direction in which each index grows, such as "RAS" or "LPS"."""
        return "".join(aff2axcodes(self.affine))


@dataclass(frozen=True, slots=True, eq=False)
class Volume:
    """`data[i, j, k]` on `grid`. The array becomes the volume's own, and read-only."""

    data: NDArray[Any]
    grid: Grid

    def __post_init__(self) -> None:
        if self.data.shape != self.grid.shape:
            raise ValueError(f"data is {self.data.shape} but its grid is {self.grid.shape}")
        self.data.setflags(write=False)


@dataclass(frozen=True, slots=True, eq=False)
class Labels(Volume):
    """A volume where 0 is background and `v` is the structure `names[v - 1]`."""

    names: tuple[str, ...] = ()

    @property
    def there(self) -> tuple[str, ...]:
        """The structures with at least one voxel, in label order; counted plane by plane.

        Counting all at once takes eight bytes for each voxel.
        """
        planes = np.moveaxis(self.data, int(np.argmax(np.abs(self.data.strides))), 0)
        found = np.zeros(len(self.names) + 1, bool)
        for plane in planes:
            found |= np.bincount(plane.ravel(), minlength=len(found)) > 0
        return tuple(name for name, is_there in zip(self.names, found[1:], strict=True) if is_there)
