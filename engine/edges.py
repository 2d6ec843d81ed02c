"""The upper and lower edges of what was found in a picture, and of the picture itself."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from typing import Literal

from totalseg_mcp.engine.measure.layers import Extent

Side = Literal["top", "bottom"]
Field = tuple[float, float]  # the heights of its lower and its upper edge
SIDES: Mapping[Side, tuple[str, str]] = {
    "top": ("top", "superior"),
    "bottom": ("bottom", "inferior"),
}  # what `Extent.touches` calls them
LEAST_MM2 = 50.0  # a shadow smaller than that shows nothing; a newborn's vertebra has more


@cache  # of the patterns in a table and the structures of the models
def called(pattern: str, name: str) -> bool:
    """Whether a structure's name is of a pattern such as "rib_*"."""
    return fnmatchcase(name, pattern)


@dataclass(frozen=True, slots=True)
class Edge:
    """The height of an end, mm upwards; `cut` if the picture ends first, so that it lies beyond."""

    height: float
    cut: bool


@dataclass(frozen=True, slots=True)
class View:
    """What was found in a picture: heights grow upwards in it, whether or not it has a place."""

    found: Mapping[str, Extent]
    up: float  # 1 where mm grow upwards, -1 where they grow downwards
    pixel_mm2: float
    field: Field

    def shadows(self, patterns: Iterable[str]) -> dict[str, float]:
        """The structures of these names that are large enough to count, and their mm²."""
        areas = {
            name: extent.pixels * self.pixel_mm2
            for name, extent in self.found.items()
            if any(called(pattern, name) for pattern in patterns)
        }
        return {name: area for name, area in areas.items() if area >= LEAST_MM2}

    def edge(self, side: Side, pattern: str) -> Edge | None:
        """The outermost end on a side of the structures called so; None if there are none."""
        there = [self.found[name] for name in self.shadows([pattern])]
        if not there:
            return None
        ends = [one.top_mm if side == "top" else one.bottom_mm for one in there]
        cut = any(set(one.touches) & set(SIDES[side]) for one in there)
        outermost = max if side == "top" else min
        return Edge(outermost(self.up * end for end in ends if end is not None), cut)

    def beyond(self, side: Side, expected: float | None) -> Edge:
        """An end that the picture cuts off: where it is expected, but not inside the picture."""
        low, high = self.field
        if expected is None:
            return Edge(high if side == "top" else low, cut=True)
        return Edge(max(expected, high) if side == "top" else min(expected, low), cut=False)
