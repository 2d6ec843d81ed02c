"""Reading DICOM: a folder with one series of CT or MR slices, or one of its files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from nibabel.affines import voxel_sizes
from nibabel.nifti1 import Nifti1Image
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.pixels.decoders.base import get_decoder

from totalseg_mcp.engine.errors import BadImageError
from totalseg_mcp.engine.files import checks
from totalseg_mcp.engine.files.series import ELEMENTS, MODALITIES, Slice, one_stack, understood
from totalseg_mcp.engine.files.stack import affine_of, in_order
from totalseg_mcp.engine.headers import Headers
from totalseg_mcp.engine.image.orientation import reorient
from totalseg_mcp.engine.reach import Reach
from totalseg_mcp.engine.scan import Scan
from totalseg_mcp.engine.volume import Grid, Volume
from totalseg_mcp.engine.watch import stage, track


def read_dicom(path: Path, reach: Reach) -> Scan:
    """The only series in the folder `path`, or the one that the file `path` belongs to.

    Values are rescaled slice by slice: whole numbers stay integers (16 bits where they
    fit), all else becomes float64. The axes are turned to LAS, and the header is one
    made new, both as dicom2nifti does.

    Raises:
        OutOfReachError: a link in the folder leads elsewhere.
        BadImageError: not exactly one stack of evenly spaced CT or MR slices.
    """
    with stage("read headers", 0.0, 0.3):
        slices, notes = one_stack(path, reach)
    slices = in_order(slices, [one.place for one in slices])
    affine = affine_of([one.place for one in slices])
    notes = (*notes, *checks.placed(affine, voxel_sizes(affine)))
    with stage("read slices", 0.3, 1.0):
        data = _voxels(slices)
    checks.meaningful(data)
    volume = reorient(Volume(data, Grid(data.shape, affine)), "LAS")
    image = Nifti1Image(volume.data, volume.grid.affine)
    image.header.set_xyzt_units("mm")
    i, j, k = (float(edge) for edge in image.header.get_zooms())
    grid = Grid(volume.grid.shape, image.header.get_best_affine(), (i, j, k))
    modality = next(m for m in MODALITIES if m == slices[0].kind)
    source = Headers(tuple(one.header for one in slices))
    return Scan(Volume(volume.data, grid), image.header, "dicom", modality, notes, source)


def _voxels(slices: Sequence[Slice]) -> NDArray[Any]:
    """`[column, row, slice]` in real units, as whole numbers where they are."""
    rescales = [_rescale(one) for one in slices]
    whole = all(slope == 1 and intercept.is_integer() for slope, intercept in rescales)
    header = slices[0].header
    shape = (int(header.Columns), int(header.Rows), len(slices))
    integer = np.int32 if header.BitsAllocated <= 16 else np.int64
    data = np.empty(checks.three_dimensional(shape), integer if whole else np.float64, order="F")
    for k, one in enumerate(track(slices, "slice")):
        slope, intercept = rescales[k]
        pixels = _pixels(one)
        data[..., k] = (pixels + int(intercept) if whole else pixels * slope + intercept).T
    small = np.iinfo(np.int16)
    if whole and small.min <= data.min() and data.max() <= small.max:
        return data.astype(np.int16)
    return data


def _rescale(one: Slice) -> tuple[float, float]:
    with understood(one.path):
        slope = one.header.get("RescaleSlope")
        return float(1 if slope is None else slope), float(one.header.get("RescaleIntercept") or 0)


def _pixels(one: Slice) -> NDArray[Any]:
    """`[row, column]` as stored, wide enough to be rescaled."""
    with understood(one.path):
        whole = dcmread(one.path, specific_tags=ELEMENTS)
        syntax = whole.file_meta.TransferSyntaxUID
        ready = get_decoder(syntax).is_available
    if not ready:
        raise BadImageError(
            f"{one.path} is packed as {syntax.name}, which cannot be unpacked here. Convert the "
            "series to NIfTI, with dcm2niix for example."
        )
    with understood(one.path):
        return whole.pixel_array.astype(np.int64)
