"""What finished jobs left to be reused: sealed entries in a folder of the user's, by key.

Only the user can read the folder. Several servers may share it: an entry appears at once and
whole, and a lock guards what counts and removes. A store that cannot be read or written never
fails a job: the job does its work again, and its log says why.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from totalseg_mcp.engine.errors import NotReadyError
from totalseg_mcp.engine.watch import note

LIMIT = 2 << 30  # bytes, unless the operator says otherwise: some hundred CTs
SUFFIX = ".labels"
DRAFT = ".draft"
LOCK = ".lock"
PATIENCE_S = 10.0  # for the lock, which is held for a moment
ABANDONED_S = 3600.0  # a draft this old is left from a server that was killed


@dataclass(frozen=True, slots=True)
class Usage:
    """How much there is."""

    entries: int
    nbytes: int


@dataclass(frozen=True, slots=True)
class Results:
    """The entries in `folder`, of at most `limit` bytes together."""

    folder: Path
    limit: int = LIMIT

    def read(self, key: str) -> bytes | None:
        """The entry `key`, which counts as used now; None if there is none that can be read."""
        file = self._file(key)
        try:
            content = file.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            note(f"earlier results in {self.folder} cannot be read: {error}")
            return None
        with suppress(OSError):  # it serves also where nothing can be written
            os.utime(file)
        return content

    def write(self, key: str, content: bytes) -> None:
        """Keep `content`, removing what was not used for longest; not if it exceeds the limit."""
        if len(content) > self.limit:
            note(f"the result was not kept: its {len(content)} bytes exceed the store's limit")
            return
        try:
            with self._locked():
                self._trim(self.limit - len(content))
                self._write(self._file(key), content)
        except OSError as error:
            note(f"the result was not kept in {self.folder}: {error}")

    def remove(self, key: str) -> None:
        """Remove the entry `key`, if it is there."""
        try:
            self._file(key).unlink(missing_ok=True)
        except OSError as error:
            note(f"the damaged result {key} cannot be removed: {error}")

    def usage(self) -> Usage:
        """How much there is now."""
        sizes = [size for _, size, _ in self._entries()]
        return Usage(len(sizes), sum(sizes))

    def clear(self) -> Usage:
        """Remove every entry, and drafts; what there was.

        Raises:
            NotReadyError: the folder cannot be written.
        """
        was = self.usage()
        if not self.folder.is_dir():
            return was
        try:
            with self._locked():
                self._trim(0)
                self._sweep(older_than_s=0.0)
        except OSError as error:
            raise NotReadyError(
                f"{self.folder} cannot be emptied ({error}). Allow writing there, or remove it."
            ) from error
        return was

    def _file(self, key: str) -> Path:
        return self.folder / f"{key}{SUFFIX}"

    def _entries(self) -> list[tuple[float, int, Path]]:
        """When each was last used, its size and its file; the oldest first."""
        return sorted(_facts(self.folder.glob(f"*{SUFFIX}")))

    def _trim(self, room: int) -> None:
        """Remove the oldest entries until the rest fit into `room` bytes."""
        self._sweep(ABANDONED_S)
        entries = self._entries()
        excess = sum(size for _, size, _ in entries) - room
        for _, size, file in entries:
            if excess <= 0:
                return
            file.unlink(missing_ok=True)
            excess -= size

    def _sweep(self, older_than_s: float) -> None:
        for used, _, file in _facts(self.folder.glob(f"*{DRAFT}")):
            if time.time() - used >= older_than_s:
                file.unlink(missing_ok=True)

    def _write(self, file: Path, content: bytes) -> None:
        """All of it at once, for the user's eyes only."""
        draft = file.with_name(f"{file.stem}.{os.getpid()}{DRAFT}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            with open(descriptor, "wb") as stream:
                stream.write(content)
            os.replace(draft, file)
        finally:
            draft.unlink(missing_ok=True)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        self.folder.mkdir(mode=0o700, exist_ok=True)
        with FileLock(self.folder / LOCK, timeout=PATIENCE_S, mode=0o600):
            yield


def _facts(files: Iterator[Path]) -> Iterator[tuple[float, int, Path]]:
    """When each was last written or used, its size and itself; not of those that have just gone."""
    for file in files:
        try:
            known = file.stat()
        except FileNotFoundError:
            continue
        yield known.st_mtime, known.st_size, file
