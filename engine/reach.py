"""Which folders a job may read and write."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Reach:
    """The folders that are allowed; none given means every folder."""

    folders: tuple[Path, ...] = ()
