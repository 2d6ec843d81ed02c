"""What is in an archive or a folder of models, and unpacking it without trusting it."""

import lzma
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import IO

from totalseg_mcp.engine.errors import NotReadyError
from totalseg_mcp.engine.watch import track

MOST_FILES = 1000
MOST_BYTES = 8 * 2**30  # unpacked; a fold of the largest published models takes 0.3 GB
MOST_GROWTH = 100  # times; learned numbers hardly shrink at all
CHUNK = 2**20
WORKPLACE = ".totalseg-mcp"  # below a root: locks, what is not complete yet, copies
DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    OSError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A file that may be unpacked: where it says it belongs, its size, packed and not."""

    path: PurePosixPath
    size: int
    packed: int
    open: Callable[[], IO[bytes]]


@contextmanager
def entries(source: Path) -> Iterator[list[Entry]]:
    """The files in a zip archive or a folder, while the archive is open.

    Those of a folder have its absolute path before theirs.

    Raises:
        NotReadyError: there is no such thing, it is damaged, or it could write elsewhere.
    """
    if source.is_dir():
        with _trouble():
            there = list(_in_folder(source.resolve()))
        yield there
        return
    if not source.is_file():
        raise NotReadyError(f"There is no {source}.")
    with _trouble():
        archive = zipfile.ZipFile(source)
    with archive:
        infos = [info for info in archive.infolist() if not info.is_dir()]
        _refuse_strange(infos)
        yield [_entry(archive, info) for info in infos]


def below(found: Sequence[Entry], folder: PurePosixPath) -> list[Entry]:
    """Those inside `folder`, wherever that is, with their paths in it.

    Where that is twice in a path, as in an archive that was unpacked into a folder of its name,
    the inner one counts.

    >>> file = Entry(PurePosixPath("a/b/c/d.json"), 2, 2, open)
    >>> [entry.path.as_posix() for entry in below([file], PurePosixPath("b/c"))]
    ['d.json']
    """
    names = folder.parts
    inside = []
    for entry in found:
        parts = entry.path.parts
        last = len(parts) - len(names)
        starts = [n for n in range(last) if parts[n : n + len(names)] == names]
        if starts:
            rest = PurePosixPath(*parts[starts[-1] + len(names) :])
            inside.append(replace(entry, path=rest))
    return inside


def unpack(wanted: Sequence[Entry], folder: Path) -> None:
    """Write these files below `folder`, and see that they are on the disk.

    Raises:
        NotReadyError: they are more than a model, or two want the same place.
    """
    _refuse_endless(wanted)
    _refuse_clashes(wanted)
    for entry in track(wanted, "file"):
        target = folder / entry.path
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:
            file.writelines(_content(entry))
            file.flush()
            os.fsync(file.fileno())


def _content(entry: Entry) -> Iterator[bytes]:
    with _trouble(), entry.open() as source:
        while piece := source.read(CHUNK):
            yield piece


@contextmanager
def _trouble() -> Iterator[None]:
    """Say it where the archive is what fails."""
    try:
        yield
    except DAMAGE as error:
        raise NotReadyError(f"The archive is damaged ({error}).") from error


def _entry(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Entry:
    path = PurePosixPath(info.filename)
    return Entry(path, info.file_size, info.compress_size, lambda: archive.open(info))


def _in_folder(folder: Path) -> Iterator[Entry]:
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name != WORKPLACE]
        for name in (*folders, *files):
            file = Path(place, name)
            if file.is_symlink():
                raise NotReadyError(f"{file} is a link, and links are not imported.")
            if name in files:
                size = file.stat().st_size
                path = PurePosixPath(file.as_posix())
                yield Entry(path, size, size, lambda file=file: file.open("rb"))  # type: ignore[misc]  # mypy sees no default


def _refuse_strange(infos: Sequence[zipfile.ZipInfo]) -> None:
    """Refuse an archive with anything in it but plain files below it."""
    for info in infos:
        path, name = PurePosixPath(info.filename), info.orig_filename
        leads_out = path.is_absolute() or ".." in path.parts or not path.parts
        unusual = any(letter in name for letter in "\\:\0")
        kind = stat.S_IFMT(info.external_attr >> 16)
        if leads_out or unusual or kind not in (0, stat.S_IFREG):
            raise NotReadyError(
                f"The archive has the entry {name!r}, which could write elsewhere. "
                "It was not unpacked."
            )


def _refuse_endless(wanted: Sequence[Entry]) -> None:
    size, packed = sum(entry.size for entry in wanted), sum(entry.packed for entry in wanted)
    grows = size > MOST_GROWTH * max(packed, CHUNK)
    if len(wanted) > MOST_FILES or size > MOST_BYTES or grows:
        raise NotReadyError(
            f"The archive would unpack to {len(wanted)} files of {size:,} bytes together, far "
            "more than a model. It was not unpacked."
        )


def _refuse_clashes(wanted: Sequence[Entry]) -> None:
    """Refuse two entries for one place, also where a disk takes A for a."""
    places = [entry.path.as_posix().casefold() for entry in wanted]
    folders = {parent.as_posix().casefold() for entry in wanted for parent in entry.path.parents}
    if len(set(places)) < len(places) or folders & set(places):
        raise NotReadyError("The archive has two entries for one place. It was not unpacked.")
