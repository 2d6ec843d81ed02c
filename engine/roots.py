"""The folders that weights are brought to."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from totalseg_mcp.engine.models2d import Group
from totalseg_mcp.engine.parcel import Parcel
from totalseg_mcp.engine.weights import standard_root
from totalseg_mcp.engine.weights2d import standard_root_2d


@dataclass(frozen=True, slots=True)
class Roots:
    """One folder for the 3-D models and one for the 2-D ones, which may be the same."""

    models: Path
    models_2d: Path

    @classmethod
    def standard(cls, environ: Mapping[str, str] = os.environ) -> "Roots":
        """Where TotalSegmentator and ts2d keep theirs."""
        return cls(standard_root(environ), standard_root_2d(environ))

    @classmethod
    def at(cls, root: Path) -> "Roots":
        """One folder for all."""
        return cls(root, root)

    def of(self, parcel: Parcel) -> Path:
        """The folder for this one."""
        return self.models_2d if isinstance(parcel, Group) else self.models
