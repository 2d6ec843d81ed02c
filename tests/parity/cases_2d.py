"""The recorded runs in two dimensions, from `cases_2d.toml`."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from parity.cases import FOLDER

TABLE = Path(__file__).with_name("cases_2d.toml")


@dataclass(frozen=True)
class FlatCase:
    """One run: what ts2d is asked for, a scan, and whether the result has two dimensions."""

    key: str
    scan: str
    collapsed: bool = False

    @property
    def name(self) -> str:
        """What the run is called."""
        return f"{self.key}, {self.scan}" + (", collapsed" if self.collapsed else "")

    @property
    def recording(self) -> Path:
        """Its masks: of each pixel a bit for each structure, in the order of the record."""
        return FOLDER / "masks_2d" / f"{self.name.replace(', ', '-')}.npz"


def _cases() -> Iterator[FlatCase]:
    for key, entry in tomllib.loads(TABLE.read_text(encoding="utf-8")).items():
        yield from (FlatCase(key, scan) for scan in entry["scans"])
        yield from (FlatCase(key, scan, collapsed=True) for scan in entry.get("collapsed", ()))


CASES_2D: Mapping[str, FlatCase] = {case.name: case for case in _cases()}
