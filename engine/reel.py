"""A scan whose voxels pass by: read from its file a few planes at a time, and not kept."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from numpy.typing import NDArray

from totalseg_mcp.engine.imaging import Modality
from totalseg_mcp.engine.scan import Scan
from totalseg_mcp.engine.volume import Grid


@dataclass(frozen=True, slots=True, eq=False)
class Reel:
    """An image that is checked but for its voxels, and else as a `Scan`.

    `slabs` reads it from its first plane to its last: arrays [i, j, k] of one type, in real units,
    which follow one another along k and have all of i and j. It raises a BadImageError where the
    file turns out to be damaged.
    """

    grid: Grid
    slabs: Callable[[], Iterator[NDArray[Any]]]
    form: Literal["nifti", "nrrd", "metaimage", "dicom"]
    modality: Modality | None = None
    notes: tuple[str, ...] = ()


def in_one_piece(scan: Scan) -> Reel:
    """A scan that is in memory, as one slab."""
    data = scan.volume.data
    return Reel(scan.volume.grid, lambda: iter((data,)), scan.form, scan.modality, scan.notes)
