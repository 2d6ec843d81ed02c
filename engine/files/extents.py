"""Writing what was measured in a picture: `statistics.json`, and the same as a table."""

import csv
import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path

from totalseg_mcp.engine.measure.layers import Extent

# What has several numbers, or a name for each, has columns of its own.
PLAIN = tuple(field.name for field in fields(Extent) if field.name not in ("intensity", "touches"))


def write_extents(extents: Mapping[str, Extent], path: Path) -> None:
    """One object a structure, in the order given; null where nothing was measured."""
    table = {name: asdict(extent) for name, extent in extents.items()}
    path.write_text(json.dumps(table, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def write_extents_table(
    extents: Mapping[str, Extent], channels: tuple[str, ...], path: Path
) -> None:
    """One row a structure, in the order given; an empty cell where nothing was measured.

    `channels` are those of the picture, whose means have a column each.
    """
    means = tuple(f"intensity_{channel}" for channel in channels)
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.DictWriter(file, ("structure", *PLAIN, "touches", *means), restval="")
        rows.writeheader()
        for name, extent in extents.items():
            row = {key: value for key in PLAIN if (value := getattr(extent, key)) is not None}
            row |= {f"intensity_{key}": value for key, value in (extent.intensity or {}).items()}
            rows.writerow({"structure": name, **row, "touches": " ".join(extent.touches)})
