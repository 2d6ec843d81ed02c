"""Reading DICOM: one series of CT or MR slices, from a folder, a zip archive, or by one file."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from nibabel.affines import voxel_sizes
from nibabel.nifti1 import Nifti1Image
from numpy.typing import NDArray

from totalseg_mcp.engine.files import checks
from totalseg_mcp.engine.files.pixels import voxels
from totalseg_mcp.engine.files.series import one_stack
from totalseg_mcp.engine.files.slices import Slice, headers_of
from totalseg_mcp.engine.files.sources import dicom_files
from totalseg_mcp.engine.files.stack import Lie, lie_of
from totalseg_mcp.engine.image.orientation import reorient
from totalseg_mcp.engine.image.restack import evened, upright
from totalseg_mcp.engine.reach import Reach
from totalseg_mcp.engine.scan import Scan
from totalseg_mcp.engine.volume import Grid, Volume
from totalseg_mcp.engine.watch import stage

OUTSIDE = {"CT": -1024, "MR": 0}  # what an upright grid holds where no slice reaches


def read_dicom(path: Path, reach: Reach) -> Scan:
    """The series in the folder or zip archive `path`, or the one that the file `path` is of.

    Of several series one is chosen where the rules of `one_stack` leave one. Tilted
    slices are put upright, uneven ones even. The axes are turned to LAS, and the header
    is one made new, both as dicom2nifti does.

    Raises:
        OutOfReachError: a link in the folder leads elsewhere.
        BadImageError: not exactly one stack of CT or MR slices that makes a volume.
    """
    with dicom_files(path, reach) as (files, empty):
        with stage("read headers", 0.0, 0.3):
            slices, notes = one_stack(path, files, empty)
        lie = lie_of([one.place for one in slices])
        notes = (*notes, *lie.notes, *checks.placed(lie.affine, voxel_sizes(lie.affine)))
        with stage("read slices", 0.3, 0.9):
            data = voxels(slices)
        source = headers_of(slices)
    checks.meaningful(data)
    with stage("restack", 0.9, 1.0):
        volume = reorient(_restacked(data, lie, OUTSIDE[slices[0].kind]), "LAS")
    image = Nifti1Image(volume.data, volume.grid.affine)
    image.header.set_xyzt_units("mm")
    i, j, k = (float(edge) for edge in image.header.get_zooms())
    grid = Grid(volume.grid.shape, image.header.get_best_affine(), (i, j, k))
    notes = (*notes, *_notes(slices, data))
    return Scan(Volume(volume.data, grid), image.header, "dicom", slices[0].kind, notes, source)


def _restacked(data: NDArray[Any], lie: Lie, outside: float) -> Volume:
    """The slices on the grid that `lie` has for them."""
    affine = lie.affine.copy()
    checks.three_dimensional(lie.room(data.shape))  # before memory is taken for it
    if lie.shifts_px is not None:
        data, low = upright(data, lie.shifts_px, outside)
        affine[:3, 3] += affine[:3, :2] @ low
    if lie.at is not None:
        data = evened(data, lie.at)
    return Volume(data, Grid(data.shape, affine))


def _notes(slices: Sequence[Slice], data: NDArray[Any]) -> Iterator[str]:
    if any(one.lossy for one in slices):
        yield "The slices were compressed with loss: their values are not exactly the scanner's."
    first = slices[0]
    if first.padding is not None:
        value = first.padding * first.rescale.slope + first.rescale.intercept
        if value != OUTSIDE[first.kind] and np.any(data[..., 0] == value):
            yield (
                f"Outside the field of view the slices hold {value:g} (padding); it was left as "
                "it is, as TotalSegmentator does."
            )
