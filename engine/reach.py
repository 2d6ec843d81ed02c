"""Which folders a job may read and write."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from totalseg_mcp.engine.errors import OutOfReachError


@dataclass(frozen=True, slots=True)
class Reach:
    """The folders that are allowed; none given means every folder.

    Symbolic links are resolved before the comparison, in the path and in `folders`.
    """

    folders: tuple[Path, ...] = ()

    def reading(self, path: Path) -> Path:
        """`path`, absolute and free of links, if it may be read. It need not exist.

        Raises:
            OutOfReachError: a relative path, or one outside the allowed folders.
        """
        resolved = _resolved(path)
        if self.folders and not any(resolved.is_relative_to(f) for f in self._allowed()):
            allowed = ", ".join(str(folder) for folder in self._allowed())
            detail = "" if resolved == path else f" (it leads to {resolved})"
            raise OutOfReachError(
                f"{path}{detail} is outside the folders this server may touch: {allowed}. "
                "Use a path inside one of them, or ask the operator to allow its folder."
            )
        return resolved

    def writing(self, path: Path) -> Path:
        """`path`, absolute and free of links, if results may go into this folder.

        Raises:
            OutOfReachError: as in `reading`, or a file stands on the way to the folder.
        """
        resolved = self.reading(path)
        for step in (resolved, *resolved.parents):
            if step.exists() and not step.is_dir():
                raise OutOfReachError(f"{step} is a file; give a folder for the results.")
        return resolved

    def _allowed(self) -> tuple[Path, ...]:
        return tuple(_resolved(folder) for folder in self.folders)


def _resolved(path: Path) -> Path:
    if "\0" in str(path):
        raise OutOfReachError(f"{str(path)!r} is not a path: it has a NUL character in it.")
    try:
        expanded = path.expanduser()
        if not expanded.is_absolute():
            raise OutOfReachError(
                f"{str(path)!r} is a relative path, and the server's working folder is not "
                "yours. Give an absolute path."
            )
        resolved = expanded.resolve()
        with suppress(FileNotFoundError, NotADirectoryError):
            resolved.stat()
    except (RuntimeError, OSError) as error:  # an unknown ~user, links in a circle, a name too long
        raise OutOfReachError(f"{path} cannot be followed: {error}.") from error
    return resolved
