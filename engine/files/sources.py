"""Where DICOM files lie: by themselves, in a folder, or in a zip archive that stays packed."""

import lzma
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from io import BufferedReader
from itertools import islice
from pathlib import Path
from typing import BinaryIO, cast
from zipfile import BadZipFile, ZipFile, ZipInfo

from pydicom.uid import DeflatedExplicitVRLittleEndian

from totalseg_mcp.engine.errors import BadImageError
from totalseg_mcp.engine.reach import Reach

MOST_FILES = 20_000
MOST_BYTES = 2**31  # that one file may unfold to
MOST_DEFLATED = MOST_BYTES // 1032  # a byte of deflated data unfolds to so many at most
MOST_BYTES_PACKED = 2**34  # of all files in an archive, unfolded
PREAMBLE = 128  # bytes before the word DICM
META = 2048  # bytes from the start in which the packing of a file is named
ENCRYPTED = 1  # flag bit of an archive's member
ZIP = b"PK\x03\x04"
BROKEN = (
    *(OSError, EOFError, ValueError, NotImplementedError, RuntimeError, struct.error),
    *(BadZipFile, zlib.error, lzma.LZMAError),
)


@dataclass(frozen=True, slots=True)
class Source:
    """One DICOM file: what to call it, and how to open it. `path` is None inside an archive."""

    name: str
    opened: Callable[[], BinaryIO]
    path: Path | None = None


def is_dicom(path: Path) -> bool:
    """Whether `path` is a DICOM file, or a folder or a zip archive with one somewhere in it.

    Raises:
        BadImageError: too many files, or an archive that cannot be unpacked.
    """
    with _archived(path) as members:
        if members is not None:
            return any(map(_is_part_10, members))
    return any(_is_part_10(_on_disk(file)) for file in _files(path))


@contextmanager
def dicom_files(path: Path, reach: Reach) -> Iterator[tuple[list[Source], int]]:
    """The DICOM files in the folder or the archive `path`, or beside the file `path`.

    With them, the number of files that are empty. They can be opened inside the block.

    Raises:
        OutOfReachError: a link in the folder leads elsewhere.
        BadImageError: as `is_dicom`.
    """
    with _archived(path) as members:
        if members is not None:
            yield [member for member in members if _is_part_10(member)], 0
            return
        beside = filter(Path.is_file, path.parent.glob("*")) if path.is_file() else _files(path)
        files = [reach.reading(file) for file in sorted(beside)]
        on_disk = [source for source in map(_on_disk, files) if _is_part_10(source)]
        yield on_disk, sum(file.stat().st_size == 0 for file in files)


def is_zip(path: Path) -> bool:
    """Whether the file `path` begins as an archive does."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(ZIP)) == ZIP


@contextmanager
def _archived(path: Path) -> Iterator[list[Source] | None]:
    """The members of the archive `path` while it is open; None where it is none."""
    if not is_zip(path):
        yield None
        return
    try:
        archive = ZipFile(path)
    except BROKEN as error:
        raise BadImageError(
            f"{path} is a damaged zip archive. Copy or export it again, or unpack it first."
        ) from error
    with closing(archive):
        yield _members(path, archive)


def _members(path: Path, archive: ZipFile) -> list[Source]:
    """The files in `archive`, numbered: their own names may say who the patient is."""
    members = [member for member in archive.infolist() if not member.is_dir()]
    faults = {
        "is encrypted": any(member.flag_bits & ENCRYPTED for member in members),
        f"has more than {MOST_FILES:,} files": len(members) > MOST_FILES,
        "unfolds to too much": max((m.file_size for m in members), default=0) > MOST_BYTES
        or sum(member.file_size for member in members) > MOST_BYTES_PACKED,
    }
    for fault, true in faults.items():
        if true:
            raise BadImageError(
                f"{path} {fault}: it is not opened. Unpack it, and give the folder of the series."
            )
    return [
        Source(f"file {number} of {path.name}", _opener(archive, member))
        for number, member in enumerate(members, start=1)
    ]


def _opener(archive: ZipFile, member: ZipInfo) -> Callable[[], BinaryIO]:
    """Opens `member`, which zipfile reads no further than the size it promises."""

    def opened() -> BinaryIO:
        return cast(BinaryIO, BufferedReader(archive.open(member)))

    return opened


def _on_disk(path: Path) -> Source:
    return Source(str(path), lambda: path.open("rb"), path)


def _files(path: Path) -> list[Path]:
    """`path`, or the files anywhere in it."""
    if path.is_file():
        return [path]
    files = list(islice(filter(Path.is_file, path.rglob("*")), MOST_FILES + 1))
    if len(files) > MOST_FILES:
        raise BadImageError(
            f"{path} has more than {MOST_FILES:,} files. Give the folder of the one series."
        )
    return sorted(files)


def _is_part_10(source: Source) -> bool:
    try:
        with source.opened() as stream:
            return stream.read(PREAMBLE + 4)[PREAMBLE:] == b"DICM"
    except BROKEN as error:
        raise BadImageError(
            f"{source.name} cannot be read ({type(error).__name__}). Check that it is whole and "
            "may be read, or take it away."
        ) from error


def unfolds(source: Source) -> bool:
    """Whether the file stays within bounds when opened; one deflated as a whole may not."""
    with source.opened() as stream:
        start = stream.read(META)
        if str(DeflatedExplicitVRLittleEndian).encode() not in start:
            return True
        return len(start) + len(stream.read(MOST_DEFLATED)) <= MOST_DEFLATED
