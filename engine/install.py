"""Putting a model in its place: one process at a time, all of it at once or nothing."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from filelock import FileLock, Timeout

from totalseg_mcp.engine.archive import Entry, below, unpack
from totalseg_mcp.engine.errors import MissingWeightsError, NotReadyError
from totalseg_mcp.engine.pins import (
    LOCK_FILE,
    Pin,
    digests,
    pin,
    refuse_other_files,
    write_receipt,
)
from totalseg_mcp.engine.sources import Sources
from totalseg_mcp.engine.tasks import Model
from totalseg_mcp.engine.watch import advance, stage
from totalseg_mcp.engine.weights import Store

WORKPLACE = ".totalseg-mcp"  # below the root: locks, and what is not complete yet
TURN_S = 0.25


@dataclass(frozen=True, slots=True)
class Site:
    """Where one model is prepared and where it goes; held by one process at a time."""

    model: Model
    root: Path
    lock: Path  # the lock file of digests

    @property
    def folder(self) -> Path:
        """Where it is prepared; on the same disk as its place."""
        return self.root / WORKPLACE / str(self.model.dataset)

    @property
    def inside(self) -> PurePosixPath:
        """Where the model is in an archive."""
        return PurePosixPath(self.model.folder, self.model.subfolder)


@contextmanager
def site(model: Model, root: Path, sources: Sources) -> Iterator[Site]:
    """The model's site, once no other process is at it; its folder exists."""
    chosen = Site(model, root, sources.lock or root / LOCK_FILE)
    chosen.folder.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(chosen.folder.with_suffix(".lock"))
    while not lock.is_locked:
        try:
            lock.acquire(timeout=TURN_S)
        except Timeout:
            advance(0.0, f"model {model.dataset}: another process is at it")
    try:
        chosen.folder.mkdir(exist_ok=True)
        yield chosen
    finally:
        lock.release()


def install(found: Sequence[Entry], at: Site, url: str | None, sha256: str | None) -> Path:
    """Unpack the model from among `found`, compare and pin its digests, move it into place.

    Raises:
        NotReadyError: it is not there whole, or not what the lock file says it is.
    """
    unpacked = at.folder / "unpacked"
    shutil.rmtree(unpacked, ignore_errors=True)
    try:
        with stage(f"unpack model {at.model.dataset}", 0.9, 1.0):
            unpack(below(found, at.inside), unpacked / at.inside)
        whole = _whole(unpacked, at.model)
        files = digests(whole)
        refuse_other_files(at.lock, at.model, files)
        known = Pin(url=url, sha256=sha256, files=files)
        write_receipt(whole, known)
        pin(at.lock, at.model, known)
        return _move(whole, at)
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)


def _whole(unpacked: Path, model: Model) -> Path:
    try:
        return Store((unpacked,)).find(model)
    except MissingWeightsError as error:
        raise NotReadyError(
            f"Model {model.dataset} ({model.folder}) is not there whole."
        ) from error


def _move(whole: Path, at: Site) -> Path:
    """One rename, so that it is there or not; an incomplete one in its place goes."""
    place = at.root / at.inside
    place.parent.mkdir(exist_ok=True)
    if place.exists():
        place.rename(at.folder / "unpacked" / "replaced")
    return whole.rename(place)
