"""Reading for TotalSegmentator 2D: a volume to be projected, or a picture that came as one.

As in ts2d, an image with at most two axes longer than 1 is a picture, whatever its axis of
length 1 is, and is never turned.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from nibabel.affines import voxel_sizes
from numpy.typing import NDArray

from totalseg_mcp.engine.errors import BadImageError
from totalseg_mcp.engine.files import EVERYWHERE, checks, read
from totalseg_mcp.engine.files.metaimage import describe_metaimage, is_metaimage
from totalseg_mcp.engine.files.nifti import headed, is_nifti, size_of, unrolled_nifti, voxels_of
from totalseg_mcp.engine.files.nrrd_image import describe_nrrd, is_nrrd
from totalseg_mcp.engine.files.photo import is_photo, read_photo
from totalseg_mcp.engine.files.stack import LPS_TO_RAS
from totalseg_mcp.engine.files.stored import Describe, values
from totalseg_mcp.engine.files.xray import is_xray, read_xray
from totalseg_mcp.engine.flat import LEFT_FIRST, Flat, FlatForm
from totalseg_mcp.engine.image.project import FROM_FRONT
from totalseg_mcp.engine.picture import Picture, Plane
from totalseg_mcp.engine.reach import Reach
from totalseg_mcp.engine.reel import Reel, in_one_piece
from totalseg_mcp.engine.volume import Affine, Grid

SINGULAR = 1e-6  # a determinant of directions that is rounding only
FRONT_TO_BACK = "AP"  # either way
FRONT = [0, 2]  # the axes that a coronal projection keeps
UPSIDE_DOWN = (
    "The picture is a coronal slice whose axes run {codes}. It was taken as it is stored, as ts2d "
    "does; the networks expect the head in the first row and the patient's left in the first "
    "column (RAI). Turn it if that is not so."
)


@dataclass(frozen=True, slots=True, eq=False)
class Sheet:
    """`data[channel, i, j, ...]` with ITK's geometry: LPS in mm, columns of `direction` are axes.

    At most two of its axes in space are longer than 1.
    """

    data: NDArray[Any]
    spacing_mm: tuple[float, ...]
    origin_mm: tuple[float, ...]
    direction: NDArray[np.float64]

    @property
    def kept(self) -> list[int]:
        """The two axes that make the picture."""
        shape = self.data.shape[1:]
        long = [axis for axis, size in enumerate(shape) if size > 1]
        if len(long) < 2:
            size = " x ".join(map(str, shape))
            raise BadImageError(f"The image is a line or a point ({size} pixels), not a picture.")
        return long


def read_seen(path: Path, reach: Reach = EVERYWHERE) -> Reel | Flat:
    """The volume or the checked picture at `path`, whose format is told by its content.

    The slabs of a volume can be projected one by one.

    Raises:
        BadImageError: there is nothing, or nothing that can be segmented.
        OutOfReachError: a part of the image is elsewhere.
    """
    for fits, reader in FLAT_READERS:
        if path.exists() and fits(path) and (flat := reader(path, reach)) is not None:
            return flat
    if path.is_file() and is_nifti(path):
        return unrolled_nifti(path, reach, FRONT_TO_BACK)
    return in_one_piece(read(path, reach))


def _is_flat(shape: Sequence[int]) -> bool:
    return sum(size > 1 for size in shape) <= 2 and min(shape) > 0


def _stored(describe: Describe, form: FlatForm) -> Callable[[Path, Reach], Flat | None]:
    """A reader of pictures kept as `describe` says; it gives None for a volume."""

    def read_flat(path: Path, reach: Reach) -> Flat | None:
        stored = describe(path, reach)
        if not _is_flat(stored.shape):
            return None
        _bounded((stored.channels, *stored.shape))
        sheet = Sheet(values(stored), stored.spacing_mm, stored.origin_mm, stored.direction)
        return _flat(sheet, form, stored.spacing_known, stored.notes)

    return read_flat


def _nifti(path: Path, reach: Reach) -> Flat | None:
    """A picture kept as NIfTI, the fifth axis of which are its channels; None for a volume."""
    file, form, header = headed(path, reach)
    shape = (*size_of(header), 1, 1, 1, 1)
    space, channels = (*shape[:4], *shape[5:]), shape[4]
    if not _is_flat(space):
        return None
    _bounded(shape)
    affine = LPS_TO_RAS @ np.asarray(header.get_best_affine(), np.float64)  # its own inverse
    x, y, z = header["pixdim"][1:4].astype(float).tolist()
    checks.placed(affine, (x, y, z if shape[2] > 1 else float(voxel_sizes(affine)[2])))
    data = voxels_of(file, form, header, reach)
    data = np.moveaxis(data.reshape(*shape[:3], channels, order="F"), -1, 0)
    axes = affine[:3, :3] / voxel_sizes(affine)
    return _flat(Sheet(data, (x, y, z), tuple(affine[:3, 3].tolist()), axes), "nifti")


def _bounded(shape: Sequence[int]) -> None:
    if float(np.prod(shape, dtype=np.float64)) > checks.MOST_PIXELS:
        raise BadImageError(
            f"The picture is too large ({' x '.join(map(str, shape))}). Make it smaller, to at "
            f"most {checks.MOST_PIXELS:,} values."
        )


def _flat(
    sheet: Sheet, form: FlatForm, spacing_known: bool = True, notes: tuple[str, ...] = ()
) -> Flat:
    kept = sheet.kept
    checks.spaced([sheet.spacing_mm[axis] for axis in kept])
    plane = _coronal(sheet) or _collapsed(sheet)
    flat: NDArray[Any] = sheet.data.reshape(len(sheet.data), *plane.shape[::-1], order="F")
    channels = tuple(f"ch{n}" for n in range(len(flat)))
    data = np.ascontiguousarray(flat.transpose(0, 2, 1), np.float32)
    checks.visible(data)
    if kept == FRONT and plane.grid is None and (codes := _grid(sheet).axcodes) != FROM_FRONT:
        notes = (*notes, UPSIDE_DOWN.format(codes=codes))
    return Flat(
        picture=Picture(data, channels, plane),
        form=form,
        spacing_known=spacing_known,
        sides=LEFT_FIRST if plane.grid else None,
        notes=notes,
    )


def _collapsed(sheet: Sheet) -> Plane:
    """The plane of the two axes, as ITK guesses it, with the edges that NRRD gives it in ts2d.

    The part of the directions that lies in the plane stays; its lengths become part of the
    spacing. Where nothing of it stays, the axes are the picture's.
    """
    kept = sheet.kept
    spacing = np.array([sheet.spacing_mm[axis] for axis in kept])
    direction = sheet.direction[np.ix_(kept, kept)]
    if abs(np.linalg.det(direction)) < SINGULAR:
        direction = np.eye(2)
    lengths = np.linalg.norm(direction, axis=0)
    columns, rows = (sheet.data.shape[1 + axis] for axis in kept)
    along, down = (spacing * lengths).tolist()
    x, y = (sheet.origin_mm[axis] for axis in kept)
    a, b, c, d = (direction / lengths).ravel().tolist()
    return Plane((rows, columns), (along, down), (x, y), (a, b, c, d))


def _coronal(sheet: Sheet) -> Plane | None:
    """The plane of a projection that was saved in its place in the patient; None for others."""
    if sheet.data.ndim != 4 or sheet.kept != FRONT or _grid(sheet).axcodes != FROM_FRONT:
        return None
    plane = _collapsed(sheet)
    return Plane(plane.shape, plane.spacing_mm, plane.origin_mm, plane.direction, _grid(sheet))


def _grid(sheet: Sheet) -> Grid:
    """Where the one slice is in the patient."""
    affine: Affine = np.eye(4)
    affine[:3, :3] = sheet.direction[:3, :3] * sheet.spacing_mm[:3]
    affine[:3, 3] = sheet.origin_mm[:3]
    i, j, k = sheet.data.shape[1:4]
    return Grid((i, j, k), LPS_TO_RAS @ affine)


# Formats by their content, as in `files.READERS`; a reader gives None for what is a volume.
FLAT_READERS: tuple[tuple[Callable[[Path], bool], Callable[[Path, Reach], Flat | None]], ...] = (
    (is_nifti, _nifti),
    (is_nrrd, _stored(describe_nrrd, "nrrd")),
    (is_metaimage, _stored(describe_metaimage, "metaimage")),
    (is_photo, read_photo),
    (is_xray, read_xray),
)
