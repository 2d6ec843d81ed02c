"""Writing measurements: `statistics.json`, and the same as a table."""

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from totalseg_mcp.engine.measure.detail import Detail
from totalseg_mcp.engine.measure.statistics import Measurement

# The columns of what has several numbers.
PARTS: Mapping[str, tuple[str, ...]] = {
    **{f"{name}_voxel": tuple(f"{name}_{axis}" for axis in "ijk") for name in ("first", "last")},
    "centroid_voxel": ("centroid_i", "centroid_j", "centroid_k"),
    "centroid_mm": ("centroid_x_mm", "centroid_y_mm", "centroid_z_mm"),
    "bbox_mm": tuple(f"{end}_{axis}_mm" for end in ("least", "greatest") for axis in "xyz"),
}


def _columns(kind: type[Detail] | type[Measurement]) -> Iterator[str]:
    for field in fields(kind):
        if field.name == "detail":
            yield from _columns(Detail)
        else:
            yield from PARTS.get(field.name, (field.name,))


COLUMNS = ("structure", *_columns(Measurement))


def write_statistics(measurements: Mapping[str, Measurement], path: Path) -> None:
    """One object a structure, in the order given; null where nothing was measured."""
    table = {name: asdict(measurement) for name, measurement in measurements.items()}
    path.write_text(json.dumps(table, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def write_table(measurements: Mapping[str, Measurement], path: Path) -> None:
    """One row a structure, in the order given; an empty cell where nothing was measured."""
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.DictWriter(file, COLUMNS, restval="")
        rows.writeheader()
        for name, measurement in measurements.items():
            rows.writerow({"structure": name, **dict(_cells(asdict(measurement)))})


def _cells(of: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Flat: a detail's fields beside the others, points and boxes by axis."""
    for key, value in of.items():
        if isinstance(value, dict):
            yield from _cells(value)
        elif key in PARTS:
            yield from zip(PARTS[key], np.ravel(value).tolist(), strict=True)
        elif key == "touches" and isinstance(value, tuple):
            yield key, " ".join(value)
        elif value is not None:
            yield key, value
