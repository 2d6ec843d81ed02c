"""Writing all that a job was asked for: together, or not at all."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from totalseg_mcp.engine.files.outputs import staged
from totalseg_mcp.engine.watch import track

F = TypeVar("F")


def write_together(
    writers: Mapping[str, Callable[[F, Path], None]], findings: F, folder: Path
) -> tuple[Path, ...]:
    """The files that `writers` make of `findings`, all of them in their final place.

    Raises:
        EngineError: they cannot be written; then none is.
    """
    if not writers:
        return ()
    with staged(folder) as staging:
        for name in track(tuple(writers), "file kind"):
            writers[name](findings, staging)
        names = sorted(file.name for file in staging.iterdir())
    return tuple(folder / name for name in names)
