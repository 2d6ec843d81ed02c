"""The colour of each structure, the same in every picture."""

import colorsys
import csv
import hashlib
from functools import cache
from importlib.resources import files

RGB = tuple[int, int, int]


def colour(name: str) -> RGB:
    """The colour in `tables/snomed.csv`, as in TotalSegmentator and Slicer, or one made of `name`.

    >>> colour("liver")
    (40, 140, 40)
    >>> colour("liver_segment_1") == colour("liver_segment_1") != colour("liver_segment_2")
    True
    """
    return _table().get(name) or _made_up(name)


@cache
def _table() -> dict[str, RGB]:
    text = (files("totalseg_mcp.engine.tables") / "snomed.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines())
    return {row["name"]: (int(row["red"]), int(row["green"]), int(row["blue"])) for row in rows}


def _made_up(name: str) -> RGB:
    hue, saturation, *_ = hashlib.sha256(name.encode()).digest()
    red, green, blue = colorsys.hsv_to_rgb(hue / 256, 0.5 + saturation / 512, 0.9)
    return round(red * 255), round(green * 255), round(blue * 255)
