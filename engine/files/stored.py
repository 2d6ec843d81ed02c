"""Images of formats that keep a header apart from plain or deflated voxels: NRRD, MetaImage.

Their world is ITK's: LPS+ in mm, which is turned to RAS+ here.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from totalseg_mcp.engine.errors import BadImageError
from totalseg_mcp.engine.files import checks
from totalseg_mcp.engine.files.nifti import header_of
from totalseg_mcp.engine.files.nifti_voxels import DEFLATE_RATIO, GZIP, PACKING
from totalseg_mcp.engine.files.stack import LPS_TO_RAS
from totalseg_mcp.engine.reach import Reach
from totalseg_mcp.engine.scan import Scan
from totalseg_mcp.engine.volume import Affine, Grid, Volume

CHUNK = 2**16  # bytes, read at a time: they unfold to 64 MiB at most
GZIP_BITS, ZLIB_BITS = 31, 15
TO_THE_END = -1  # `Voxels.skipped`: the voxels are the last bytes of their file
AXES = 16  # more than any image has
LONGEST_REASON = 200  # characters
BROKEN = (OSError, EOFError, ValueError, LookupError, OverflowError, PACKING)


class Voxels(NamedTuple):
    """Where the voxels are and how they are kept.

    `sizes` are those of all axes, the fastest first; `channel_axis` is the one that is not in
    space, or None. Lines, then bytes, are skipped from `start` on.
    """

    path: Path
    kind: np.dtype[Any]
    sizes: tuple[int, ...]
    channel_axis: int | None
    deflated: bool
    start: int = 0
    lines: int = 0
    skipped: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """What a header says. `spacing_mm`, `origin_mm` and `direction` are as ITK has them.

    The columns of `direction` are the axes' directions, in LPS.
    """

    voxels: Voxels
    spacing_mm: tuple[float, ...]
    origin_mm: tuple[float, ...]
    direction: NDArray[np.float64]
    spacing_known: bool = True  # else it is ITK's 1 mm
    notes: tuple[str, ...] = ()

    @property
    def channels(self) -> int:
        """The values of a voxel."""
        axis = self.voxels.channel_axis
        return 1 if axis is None else self.voxels.sizes[axis]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the axes in space."""
        sizes, axis = self.voxels.sizes, self.voxels.channel_axis
        return tuple(size for n, size in enumerate(sizes) if n != axis)

    @property
    def affine(self) -> Affine:
        """Of a 3-D image: voxel index to RAS+ mm."""
        affine = np.eye(4)
        affine[:3, :3] = self.direction * self.spacing_mm
        affine[:3, 3] = self.origin_mm
        turned: Affine = LPS_TO_RAS @ affine
        return turned


Describe = Callable[[Path, Reach], Stored]


def scan_of(stored: Stored, form: Literal["nrrd", "metaimage"]) -> Scan:
    """The 3-D image that `stored` describes, checked.

    Integers stay those of the file, all else becomes float64.

    Raises:
        BadImageError: it cannot be segmented as it is.
    """
    shape = checks.three_dimensional(stored.shape)
    if stored.channels > 1:
        raise BadImageError(
            f"The image has {stored.channels} values a voxel, not one: it is a colour picture, a "
            "vector field, or a segmentation in layers. Give the original scan."
        )
    spacing = stored.spacing_mm[:3]
    affine = _first_three(stored).affine
    notes = (*stored.notes, *checks.placed(affine, spacing))
    data = values(stored).reshape(shape, order="F")
    if data.dtype.kind == "f":
        data = data.astype(np.float64)
    checks.meaningful(data)
    i, j, k = spacing
    grid = Grid(shape, affine, (i, j, k))
    return Scan(Volume(data, grid), header_of(grid), form, notes=notes)


def _first_three(stored: Stored) -> Stored:
    """Without further axes, which are of size 1."""
    return Stored(
        stored.voxels, stored.spacing_mm[:3], stored.origin_mm[:3], stored.direction[:3, :3]
    )


def values(stored: Stored) -> NDArray[Any]:
    """`[channel, i, j, ...]`, in native byte order and in Fortran's."""
    where = stored.voxels
    count = int(np.prod(where.sizes, dtype=np.float64)) * where.kind.itemsize
    with unharmed(where.path), where.path.open("rb") as file:
        at = _start(file, where, count)
        most = (where.path.stat().st_size - at) * (DEFLATE_RATIO if where.deflated else 1)
        if count > most:  # before so much memory is asked for
            raise BadImageError(
                f"{where.path} is cut short: its header promises {count:,} bytes of voxels, and "
                f"it can hold at most {most:,}. Copy or export it again."
            )
        data = _inflated(file, count) if where.deflated else np.fromfile(file, np.uint8, count)
    array = data.view(where.kind).reshape(where.sizes, order="F")
    array = array.astype(where.kind.newbyteorder("="), copy=False)
    axis = where.channel_axis
    return array[None] if axis is None else np.moveaxis(array, axis, 0)


def _start(file: BinaryIO, where: Voxels, count: int) -> int:
    """Where the voxels begin in `file`, which stands there then."""
    file.seek(where.start)
    for _ in range(where.lines):
        file.readline(CHUNK)
    at = file.tell() + where.skipped
    if where.skipped == TO_THE_END:
        at = max(where.path.stat().st_size - count, 0)
    return file.seek(at)


def _inflated(file: BinaryIO, count: int) -> NDArray[np.uint8]:
    """The first `count` bytes that the rest of `file`, gzip or zlib, unfolds to."""
    at = file.tell()
    bits = GZIP_BITS if file.read(len(GZIP)) == GZIP else ZLIB_BITS
    file.seek(at)
    unpacker = isal_zlib.decompressobj(wbits=bits)
    data, filled = np.empty(count, np.uint8), 0
    while not unpacker.eof and filled <= count and (chunk := file.read(CHUNK)):
        piece = np.frombuffer(unpacker.decompress(chunk), np.uint8)
        kept = piece[: count - filled]
        data[filled : filled + len(kept)] = kept
        filled += len(piece)
    if filled < count or (filled == count and not unpacker.eof):
        raise EOFError(f"it unfolds to {filled:,} of {count:,} bytes, or lacks its checksum")
    return data


@contextmanager
def unharmed(path: Path) -> Iterator[None]:
    """Tell what of `path` cannot be read or understood."""
    try:
        yield
    except BROKEN as error:
        said = f"its header lacks {error}" if isinstance(error, KeyError) else str(error)
        raise BadImageError(
            f"{path} cannot be read ({said[:LONGEST_REASON]}). If it is damaged or cut short, copy "
            "or export it again."
        ) from error


def numbers(text: str, count: int) -> tuple[float, ...]:
    """The `count` numbers in `text`.

    Raises:
        ValueError: there are more, fewer or others.
    """
    found = tuple(map(float, text.split()))
    if len(found) != count:
        raise ValueError(f"{len(found)} numbers where {count} are needed: {text[:80]!r}")
    return found


def sizes(text: str, count: int) -> tuple[int, ...]:
    """The `count` sizes in `text`, none of them negative."""
    found = tuple(map(int, text.split()))
    if len(found) != count or min(found) < 0:
        raise ValueError(f"sizes {text[:80]!r} of {count} axes")
    return found


def axes(text: str) -> int:
    """How many axes `text` says."""
    found = int(text)
    if not 1 <= found <= AXES:
        raise ValueError(f"{found} axes")
    return found


def partner(header: Path, name: str, reach: Reach) -> Path:
    """The file of voxels that `header` names, which must be within `reach`.

    Raises:
        OutOfReachError: it is elsewhere.
        BadImageError: it is not there, or not one file.
    """
    if name.upper().startswith("LIST") or "%" in name:
        raise BadImageError(
            f"{header} keeps its voxels in several files. Save the image as one file (.nrrd, .mha)."
        )
    file = reach.reading(header.parent / name)
    if not file.is_file():
        raise BadImageError(
            f"{header} is only the header of an image: {file}, with its voxels, is not there. "
            "Put it there, or save the image as one file (.nrrd, .mha, .nii.gz)."
        )
    return file


def unit(columns: Sequence[Sequence[float]]) -> tuple[tuple[float, ...], NDArray[np.float64]]:
    """The lengths of `columns`, and a matrix of them at length 1."""
    matrix = np.array(columns, np.float64).T
    lengths = np.linalg.norm(matrix, axis=0)
    if not (np.isfinite(lengths).all() and lengths.all()):
        raise ValueError("an axis without a direction")
    return tuple(map(float, lengths)), matrix / lengths
