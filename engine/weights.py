"""Where the models are on disk."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Store:
    """Model folders below these roots, the first that has a model wins."""

    roots: tuple[Path, ...] = ()
