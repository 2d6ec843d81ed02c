"""Writing what the numbers in a label map mean, beside it."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from totalseg_mcp.engine.colours import colour
from totalseg_mcp.engine.files.provenance import Provenance
from totalseg_mcp.engine.terms import SCHEME, terms


def write_key(
    names: Sequence[str], wanted: Sequence[str], provenance: Provenance, path: Path
) -> None:
    """JSON: what made the map and, by structure, its number, its colour and its SNOMED codes.

    Numbers are places in `names` from 1 on; only `wanted` are listed, in their order.
    """
    structures = {
        name: {"number": names.index(name) + 1, "colour": list(colour(name)), **asdict(terms(name))}
        for name in sorted(wanted, key=names.index)
    }
    key = {
        **asdict(provenance),
        "version": provenance.version,
        "coding_scheme": SCHEME,
        "structures": structures,
    }
    path.write_text(json.dumps(key, indent=2) + "\n", "utf-8")
