"""Writing all that a call was asked for: together, or not at all."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from totalseg_mcp.engine.files.outputs import check, staged
from totalseg_mcp.engine.watch import track

F = TypeVar("F")


@dataclass(frozen=True, slots=True, eq=False)
class Output(Generic[F]):
    """What `writers` make of `findings`, by the kind of file, and the folder for it."""

    writers: Mapping[str, Callable[[F, Path], None]]
    findings: F
    folder: Path


def write_together(
    writers: Mapping[str, Callable[[F, Path], None]], findings: F, folder: Path
) -> tuple[Path, ...]:
    """The files that `writers` make of `findings`, all of them in their final place.

    Raises:
        EngineError: they cannot be written; then none is.
    """
    (files,) = write_all([Output(writers, findings, folder)])
    return files


def write_all(outputs: Sequence[Output[F]]) -> list[tuple[Path, ...]]:
    """The files of each output, all of them in their final place.

    Raises:
        EngineError: some cannot be written; then none is.
    """
    written: list[tuple[Path, ...]] = []
    with ExitStack() as stack:
        for output in track(outputs, "folder") if len(outputs) > 1 else outputs:
            staging = stack.enter_context(staged(output.folder)) if output.writers else None
            written.append(_drafted(output, staging) if staging else ())
        for output, files in zip(outputs, written, strict=True):
            check(output.folder, (file.name for file in files))
    return written


def _drafted(output: Output[F], staging: Path) -> tuple[Path, ...]:
    """Write the files in `staging`; where they will be."""
    for name in track(tuple(output.writers), "file kind"):
        output.writers[name](output.findings, staging)
    return tuple(output.folder / name for name in sorted(f.name for f in staging.iterdir()))
