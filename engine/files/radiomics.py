"""Writing radiomics features: `radiomics.json`."""

import json
from dataclasses import asdict
from pathlib import Path

from totalseg_mcp.engine.measure.radiomics import Failure, Radiomics


def write_radiomics(found: Radiomics, path: Path) -> None:
    """One object with `settings`, and with `structures`: features by name, or an `error`."""
    structures = {
        name: asdict(entry) if isinstance(entry, Failure) else dict(entry)
        for name, entry in found.structures.items()
    }
    table = {"settings": found.settings, "structures": structures}
    path.write_text(json.dumps(table, indent=2, allow_nan=False) + "\n", encoding="utf-8")
