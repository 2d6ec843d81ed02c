"""The structures of TotalSegmentator's task `total`, by number."""

from importlib.resources import files

_TABLE = files("totalseg_mcp.engine.tables") / "labels" / "total.txt"

NAMES: tuple[str, ...] = tuple(_TABLE.read_text(encoding="utf-8").split())
NUMBER = {name: number for number, name in enumerate(NAMES, start=1)}
