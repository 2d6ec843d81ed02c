"""Whether the files of a model are there."""

from collections.abc import Iterable
from pathlib import Path


def first_missing(folder: Path, wanted: Iterable[Path]) -> str | None:
    """A clause about the first of these files in `folder` that is missing or empty."""
    for file in wanted:
        if not file.is_file() or not file.stat().st_size:
            return f"{file.relative_to(folder)} is missing or empty"
    return None
