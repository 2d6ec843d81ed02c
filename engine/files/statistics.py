"""Writing measurements: `statistics.json`."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from totalseg_mcp.engine.measure.statistics import Measurement


def write_statistics(measurements: Mapping[str, Measurement], path: Path) -> None:
    """One object a structure, in the order given; null where nothing was measured."""
    table = {name: asdict(measurement) for name, measurement in measurements.items()}
    path.write_text(json.dumps(table, indent=2, allow_nan=False) + "\n", encoding="utf-8")
