"""Putting results where the caller wants them: all or none, and nothing of the caller's is lost.

A small manifest in the folder tells what is ours: the name of each file we wrote, and its
SHA-256. A file that still has that digest may be replaced by a later run; one that was
changed since, or that we never wrote, is the caller's and stays.
"""

import hashlib
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from totalseg_mcp.engine.errors import OutOfReachError, OutputInTheWayError

MANIFEST = "totalseg-mcp.json"
STAGING = ".totalseg-mcp-"  # how our temporary folders begin
ABANDONED_S = 24 * 3600.0  # a temporary folder this old is left from a run that was killed
DIGEST = re.compile(r"[0-9a-f]{64}")


def check(folder: Path, names: Iterable[str]) -> tuple[str, ...]:
    """The files of earlier runs that will stay in `folder` beside the new `names`.

    To be asked before the work starts, as what it refuses would be refused at the end.

    Raises:
        OutOfReachError: the folder cannot be made or written.
        OutputInTheWayError: a file of the caller's has one of the names.
    """
    there = next(step for step in (folder, *folder.parents) if step.exists())
    if not there.is_dir():
        raise OutputInTheWayError(f"{there} is a file; give a folder for the results.")
    if not os.access(there, os.W_OK | os.X_OK):
        raise OutOfReachError(f"{there} cannot be written to. Give another folder.")
    written = _manifest(folder)
    names = set(names)
    _refuse_what_is_not_ours(folder, names, written)
    return tuple(sorted(name for name in written.keys() - names if (folder / name).exists()))


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """A temporary folder whose files move into `folder` when the block is left in peace.

    After an error or a cancellation nothing of it is left, and `folder` is gone again if
    it was made for this. Files of earlier runs that this one does not write again stay.

    Raises:
        OutOfReachError: the folder cannot be written, or its disk is full.
        OutputInTheWayError: as in `check`, if it has come true since.
    """
    try:
        with _made(folder), _temporary(folder) as staging:
            yield staging
            _move(staging, folder)
    except OSError as error:
        raise OutOfReachError(
            f"The results cannot be written to {folder} ({error}). Make room, or give another "
            "folder."
        ) from error


@contextmanager
def _made(folder: Path) -> Iterator[None]:
    """Make `folder` and its parents where they are missing, and unmake them after an error."""
    missing = [step for step in (folder, *folder.parents) if not step.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        for step in missing:
            with suppress(OSError):  # not empty: something else was put there meanwhile
                step.rmdir()
        raise


@contextmanager
def _temporary(folder: Path) -> Iterator[Path]:
    _sweep(folder)
    staging = Path(tempfile.mkdtemp(prefix=STAGING, dir=folder))
    try:
        yield staging
    finally:
        shutil.rmtree(staging)


def _sweep(folder: Path) -> None:
    """Remove what killed runs left behind."""
    for left in folder.glob(f"{STAGING}*"):
        old = time.time() - left.lstat().st_mtime > ABANDONED_S
        if old and left.is_dir() and not left.is_symlink():
            shutil.rmtree(left)


def _move(staging: Path, folder: Path) -> None:
    """Replace our old files in `folder` by those in `staging`.

    The old ones go first and the manifest comes before the new ones: whenever a run is
    killed, no old file stands beside a new one, and every file that is there is known
    to be ours.
    """
    new = {file.name: _digest(file) for file in sorted(staging.iterdir())}
    written = _manifest(folder)
    _refuse_what_is_not_ours(folder, new, written)
    kept = {name: digest for name, digest in written.items() if (folder / name).exists()}
    draft = staging / MANIFEST
    draft.write_text(json.dumps({**kept, **new}, indent=2, sort_keys=True) + "\n", "utf-8")
    for name in new:
        (folder / name).unlink(missing_ok=True)
    draft.replace(folder / MANIFEST)
    for name in new:
        (staging / name).rename(folder / name)


def _refuse_what_is_not_ours(
    folder: Path, names: Iterable[str], written: Mapping[str, str]
) -> None:
    theirs = [name for name in sorted(names) if not _replaceable(folder / name, written)]
    if theirs:
        some = ", ".join(theirs[:5]) + (f" and {len(theirs) - 5} more" if theirs[5:] else "")
        raise OutputInTheWayError(
            f"{folder} already has {some}, not written by this program or changed since. "
            "Give another folder, or move them away."
        )


def _replaceable(file: Path, written: Mapping[str, str]) -> bool:
    if not os.path.lexists(file):
        return True
    ours = file.name in written and file.is_file() and not file.is_symlink()
    return ours and _digest(file) == written[file.name]


def _manifest(folder: Path) -> dict[str, str]:
    """What we wrote into `folder` before."""
    file = folder / MANIFEST
    if not os.path.lexists(file):
        return {}
    written: object = None
    if file.is_file() and not file.is_symlink():
        with suppress(ValueError):
            written = json.loads(file.read_text("utf-8"))
    if not isinstance(written, dict) or not all(map(_entry, written.items())):
        raise OutputInTheWayError(
            f"{file} is not the list of files that this program keeps under that name. "
            "Give another folder, or move it away."
        )
    return written


def _entry(item: tuple[object, object]) -> bool:
    name, digest = item
    plain = isinstance(name, str) and Path(name).name == name and name not in ("..", MANIFEST)
    return plain and isinstance(digest, str) and DIGEST.fullmatch(digest) is not None


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
