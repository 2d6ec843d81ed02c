"""Reading NIfTI: `.nii`, `.nii.gz` and pairs of `.hdr` and `.img`, told by what is in them."""

import logging
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from nibabel.nifti1 import Nifti1Header, Nifti1PairHeader
from nibabel.nifti2 import Nifti2Header, Nifti2PairHeader
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from totalseg_mcp.engine.errors import BadImageError
from totalseg_mcp.engine.files import checks
from totalseg_mcp.engine.files.nifti_voxels import opened, slabs, voxels
from totalseg_mcp.engine.reach import Reach
from totalseg_mcp.engine.reel import Reel, in_one_piece
from totalseg_mcp.engine.scan import Scan
from totalseg_mcp.engine.volume import Grid, Volume

LONGEST_HEADER = 540
UNITS = {1: "metres", 3: "micrometres"}  # of the lower three bits of xyzt_units; 2 is mm

log = logging.getLogger(__name__)


class Form(NamedTuple):
    """A kind of NIfTI: where its magic is, and the headers that read and repeat it."""

    at: int
    magic: bytes
    read: type[Nifti1Header]
    repeat: type[Nifti1Header]

    @property
    def paired(self) -> bool:
        """Whether the voxels are in another file."""
        return self.read is not self.repeat


FORMS = (
    Form(344, b"n+1\0", Nifti1Header, Nifti1Header),
    Form(344, b"ni1\0", Nifti1PairHeader, Nifti1Header),
    Form(4, b"n+2\0\r\n\x1a\n", Nifti2Header, Nifti2Header),
    Form(4, b"ni2\0\r\n\x1a\n", Nifti2PairHeader, Nifti2Header),
)


def is_nifti(path: Path) -> bool:
    """Whether `path` is a NIfTI file, or the voxels of a pair whose header lies beside it."""
    return path.is_file() and _form(_header_file(path)) is not None


def read_nifti(path: Path, reach: Reach) -> Scan:
    """The image in `path`, checked.

    Integers that the header does not scale stay the integers of the file; everything
    else becomes float64, slope and intercept applied as nibabel does. The header of
    the scan is of the single-file kind, in native byte order, without extensions.

    Raises:
        BadImageError: it cannot be segmented as it is.
        OutOfReachError: the other file of a pair is elsewhere.
    """
    scan = _scan(path, reach)
    checks.meaningful(scan.volume.data)
    return scan


def read_mask(path: Path, reach: Reach) -> Volume:
    """The mask in `path`, checked like an image, but that it may be empty or full.

    Raises:
        BadImageError, OutOfReachError: as `read_nifti`.
    """
    return _scan(path, reach).volume


def unrolled_nifti(path: Path, reach: Reach, uncut: str) -> Reel:
    """The image in `path`, its voxels as `read_nifti` has them, in slabs that are not checked yet.

    One slab where k runs in a direction of the patient that is in `uncut`, such as "AP".

    Raises:
        BadImageError, OutOfReachError: as `read_nifti`.
    """
    file, form, header = headed(path, reach)
    grid, notes = _placed(header)
    if grid.axcodes[2] in uncut:
        return in_one_piece(read_nifti(path, reach))
    there = _voxel_file(file, form, reach)
    return Reel(grid, partial(slabs, there, header, grid.shape), "nifti", notes=notes)


def _scan(path: Path, reach: Reach) -> Scan:
    file, form, header = headed(path, reach)
    grid, notes = _placed(header)
    data = voxels_of(file, form, header, reach).reshape(grid.shape, order="F")
    return Scan(Volume(data, grid), _repeated(header, form), "nifti", notes=notes)


def _placed(header: Nifti1Header) -> tuple[Grid, tuple[str, ...]]:
    """Where the voxels are, checked, and notes on that."""
    shape = checks.three_dimensional(size_of(header))
    affine = np.asarray(header.get_best_affine(), np.float64)
    i, j, k = header["pixdim"][1:4].astype(float).tolist()
    notes = (*checks.placed(affine, (i, j, k)), *_notes(header))
    return Grid(shape, affine, (i, j, k)), notes


def headed(path: Path, reach: Reach) -> tuple[Path, Form, Nifti1Header]:
    """The file with the header of the image in `path`, and the header, of single real numbers.

    Raises:
        BadImageError, OutOfReachError: as `read_nifti`.
    """
    file = reach.reading(_header_file(path))
    form = _form(file)
    if form is None:
        raise BadImageError(f"{path} is not a NIfTI file.")
    header = _header(file, form)
    _scalar(header)
    return file, form, header


def voxels_of(file: Path, form: Form, header: Nifti1Header, reach: Reach) -> NDArray[Any]:
    """All values, in real units, of the image that `headed` has found."""
    return voxels(_voxel_file(file, form, reach), header)


def _form(path: Path) -> Form | None:
    with opened(path) as stream:
        start = stream.read(LONGEST_HEADER)
    return next((f for f in FORMS if start[f.at :].startswith(f.magic)), None)


def _header_file(path: Path) -> Path:
    """`path`, or the `.hdr` beside it if it is the `.img` of a pair."""
    return next((hdr for hdr in _partners(path, ".img", ".hdr")), path)


def _voxel_file(header_file: Path, form: Form, reach: Reach) -> Path:
    if not form.paired:
        return header_file
    for img in _partners(header_file, ".hdr", ".img"):
        return reach.reading(img)
    raise BadImageError(
        f"{header_file} is only the header of an image: the .img with its voxels is not beside it. "
        "Put it there, or save the image as one .nii.gz."
    )


def _partners(path: Path, own: str, other: str) -> Iterator[Path]:
    """The existing files that `path` makes a pair with, if its name ends in `own`."""
    plain = path.with_suffix("") if path.suffix == ".gz" else path
    if plain.suffix == own:
        candidates = (plain.with_suffix(other + zipped) for zipped in ("", ".gz"))
        yield from (file for file in candidates if file.is_file())


def _header(path: Path, form: Form) -> Nifti1Header:
    """The header as nibabel would repair it, but a spacing that is 0 stays 0."""
    with opened(path) as stream:
        block = stream.read(form.read.template_dtype.itemsize)
    try:
        header = form.read(block, check=False)
        pixdim = np.abs(header["pixdim"])
        header.check_fix(logger=log)
        header.get_slope_inter()
    except (HeaderDataError, ValueError) as error:
        raise BadImageError(f"{path} has a damaged header ({error}). Export it again.") from error
    header["pixdim"][1:] = pixdim[1:]
    return header


def size_of(header: Nifti1Header) -> list[int]:
    """The sizes of all axes."""
    axes = int(header["dim"][0])
    if not 1 <= axes <= 7:
        raise BadImageError(f"The header is damaged: it says that the image is {axes}-D.")
    return [int(n) for n in header["dim"][1 : axes + 1]]


def _scalar(header: Nifti1Header) -> None:
    kind = header.get_data_dtype()
    if kind.kind not in "iuf":
        raise BadImageError(
            f"The voxels are {header.get_value_label('datatype')}, not single real numbers: this "
            "is a colour picture or a complex signal. Give the original scan, or its magnitude."
        )


def _notes(header: Nifti1Header) -> Iterator[str]:
    if not header["qform_code"] and not header["sform_code"]:
        yield (
            "The header does not say how the image lies in the patient (sform and qform codes "
            "are 0): left and right are NIfTI's default and may be swapped."
        )
    if unit := UNITS.get(int(header["xyzt_units"]) % 8):
        yield f"The header gives lengths in {unit}; its numbers were taken as mm."
    if int(header["dim"][0]) > 3:
        yield "The image is 3-D with further axes of size 1, which were dropped."


def _repeated(header: Nifti1Header, form: Form) -> Nifti1Header:
    """`header` for a file of its own: single, 3-D, native, without what followed it."""
    native = header.as_byteswapped("native")
    single = form.repeat(native.binaryblock, check=False)
    single["magic"] = form.repeat.single_magic
    single["vox_offset"] = 0
    single.set_data_shape(header["dim"][1:4])
    return single


def header_of(grid: Grid) -> Nifti1Header:
    """A header for an image on a grid of our own making, in mm."""
    header = Nifti1Header()
    header.set_data_shape(grid.shape)
    header.set_sform(grid.affine, code="aligned")
    header.set_qform(grid.affine, code="unknown")
    header.set_xyzt_units("mm")
    return header
