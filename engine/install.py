"""Putting a model in its place: one process at a time, all of it at once or nothing."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from totalseg_mcp.engine.archive import WORKPLACE, Entry, below, unpack
from totalseg_mcp.engine.errors import NotReadyError
from totalseg_mcp.engine.parcel import Parcel, fault
from totalseg_mcp.engine.pins import (
    LOCK_FILE,
    Pin,
    digests,
    pin,
    refuse_other_files,
    write_receipt,
)
from totalseg_mcp.engine.sources import Sources
from totalseg_mcp.engine.watch import advance, stage

TURN_S = 0.25


@dataclass(frozen=True, slots=True)
class Site:
    """Where one parcel is prepared and where it goes; held by one process at a time."""

    parcel: Parcel
    root: Path
    lock: Path  # the lock file of digests

    @property
    def folder(self) -> Path:
        """Where it is prepared; on the same disk as its place."""
        return self.root / WORKPLACE / self.parcel.folder

    @property
    def place(self) -> Path:
        """Where it goes."""
        return self.root / self.parcel.inside


@contextmanager
def site(parcel: Parcel, root: Path, sources: Sources) -> Iterator[Site]:
    """The parcel's site, once no other process is at it; its folder exists."""
    chosen = Site(parcel, root, sources.lock or root / LOCK_FILE)
    chosen.folder.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(chosen.folder.with_suffix(".lock"))
    while not lock.is_locked:
        try:
            lock.acquire(timeout=TURN_S)
        except Timeout:
            advance(0.0, f"model {parcel.called}: another process is at it")
    try:
        chosen.folder.mkdir(exist_ok=True)
        yield chosen
    finally:
        lock.release()


def install(found: Sequence[Entry], at: Site, url: str | None, sha256: str | None) -> Path:
    """Unpack the parcel from among `found`, compare and pin its digests, move it into place.

    Raises:
        NotReadyError: it is not there whole, or not what the lock file says it is.
    """
    unpacked = at.folder / "unpacked"
    shutil.rmtree(unpacked, ignore_errors=True)
    try:
        with stage(f"unpack model {at.parcel.called}", 0.9, 1.0):
            unpack(below(found, at.parcel.inside), unpacked / at.parcel.inside)
        whole = _whole(unpacked, at.parcel)
        files = digests(whole)
        refuse_other_files(at.lock, at.parcel, files)
        known = Pin(url=url, sha256=sha256, files=files)
        write_receipt(whole, known)
        pin(at.lock, at.parcel, known)
        return _move(whole, at)
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)


def _whole(unpacked: Path, parcel: Parcel) -> Path:
    if why := fault(parcel, unpacked):
        raise NotReadyError(f"Model {parcel.called} ({parcel.folder}) is not there whole: {why}.")
    return unpacked / parcel.inside


def _move(whole: Path, at: Site) -> Path:
    """One rename, so that it is there or not; an incomplete one in its place goes."""
    at.place.parent.mkdir(exist_ok=True)
    if at.place.exists():
        at.place.rename(at.folder / "unpacked" / "replaced")
    return whole.rename(at.place)
