"""Which regions of the body a picture shows, and how much of each."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from totalseg_mcp.engine.edges import Edge, Side, View, called
from totalseg_mcp.engine.measure.layers import Extent, field_mm
from totalseg_mcp.engine.picture import Plane
from totalseg_mcp.engine.ruler import Ruler, ruler
from totalseg_mcp.engine.tasks import TABLES, Entry

LARGE_MM2 = 2000.0  # what is as large as that shows a region by itself


@dataclass(frozen=True, slots=True)
class BodyRegion:
    """One region, as far as it is in the picture.

    `present` is None where nothing was looked for that would show it. `top_mm` and
    `bottom_mm` bound what of it is in the picture, counted as in `Extent`; None where it is
    not present. `in_view` is the share of its length that is in the picture, from 0 to 1;
    None where it is not present or where an end outside cannot be told from what was found.
    """

    name: str
    present: bool | None
    top_mm: float | None = None
    bottom_mm: float | None = None
    in_view: float | None = None


class Bounds(Entry):
    """What bounds a region and what shows it; see `tables/regions.toml`."""

    upper: tuple[tuple[Side, str], ...]
    lower: tuple[tuple[Side, str], ...]
    ruler_mm: tuple[float, float]
    shown_by: tuple[str, ...]


class Table(Entry):
    """`tables/regions.toml`."""

    ruler_mm: Mapping[Side, Mapping[str, float]]
    region: Mapping[str, Bounds]


TABLE = Table.model_validate(tomllib.loads((TABLES / "regions.toml").read_text(encoding="utf-8")))


def body_regions(found: Mapping[str, Extent], plane: Plane) -> tuple[BodyRegion, ...]:
    """Head, neck, thorax, abdomen, pelvis and legs, in this order.

    A region is bounded by edges of structures, by `tables/regions.toml`. Where such an edge
    is not in the picture, a ruler with the proportions of an average man, fitted to all
    bones that are, says where it must be. `in_view` is then the length of the region within
    the picture, divided by its whole length.

    A picture without a place in a patient is taken to stand upright. Its pixels must have a
    size: what is present in `found` must have its mm.
    """
    up = 1.0 if plane.grid else -1.0
    low, high = sorted(up * end for end in field_mm(plane))
    view = View(found, up, plane.pixel_mm2, (low, high))
    measure = ruler(
        [
            (on_ruler, edge.height)
            for side, marks in TABLE.ruler_mm.items()
            for pattern, on_ruler in marks.items()
            if (edge := view.edge(side, pattern)) and not edge.cut
        ]
    )
    return tuple(_region(name, bounds, view, measure) for name, bounds in TABLE.region.items())


def _region(name: str, bounds: Bounds, view: View, measure: Ruler) -> BodyRegion:
    wanted = [n for n in view.found if any(called(one, n) for one in bounds.shown_by)]
    if not wanted:
        return BodyRegion(name, None)
    shadows = view.shadows(bounds.shown_by)
    if len(shadows) < 2 and not any(area >= LARGE_MM2 for area in shadows.values()):
        return BodyRegion(name, False)
    upper = _end(bounds.upper, bounds.ruler_mm[0], view, measure)
    lower = _end(bounds.lower, bounds.ruler_mm[1], view, measure)
    top = min(view.field[1], _height(upper, "top", shadows, view))
    bottom = max(view.field[0], _height(lower, "bottom", shadows, view))
    if top <= bottom:
        return BodyRegion(name, False)
    return BodyRegion(
        name, True, view.up * top, view.up * bottom, _share(top - bottom, upper, lower)
    )


def _end(
    edges: tuple[tuple[Side, str], ...], on_ruler: float, view: View, measure: Ruler
) -> Edge | None:
    """Where a region ends: by the first edge that is in the picture, else by the ruler.

    An edge that the picture cuts off lies outside, whatever the ruler says; one that strays
    from the ruler is not the region's.
    """
    expected = measure.height(on_ruler)
    seen = [
        (side, edge)
        for side, pattern in edges
        if (edge := view.edge(side, pattern)) and not measure.strays(on_ruler, edge.height)
    ]
    for _, edge in seen:
        if not edge.cut:
            return edge
    if seen:
        return view.beyond(seen[0][0], expected)
    return None if expected is None else Edge(expected, cut=False)


def _height(end: Edge | None, side: Side, shadows: Iterable[str], view: View) -> float:
    """That of an end, or where nothing tells of it that of what shows the region."""
    if end is not None:
        return end.height
    edges = [edge.height for name in shadows if (edge := view.edge(side, name))]
    return max(edges) if side == "top" else min(edges)


def _share(visible: float, upper: Edge | None, lower: Edge | None) -> float | None:
    if upper is None or lower is None or upper.cut or lower.cut:
        return None
    return min(1.0, visible / (upper.height - lower.height))
