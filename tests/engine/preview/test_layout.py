"""Where the panels go: arithmetic on sizes in mm."""

from itertools import combinations

import pytest

from totalseg_mcp.engine.preview.layout import GAP, layout
from totalseg_mcp.engine.preview.legend import ROW, legend
from totalseg_mcp.engine.tasks import labels as names_of

ROOM = (1568, 1000)
TOTAL = legend(dict.fromkeys(range(1, 118), 1), names_of("total"))
ONE = legend({1: 1}, ("liver",))
BODIES = {
    "whole body": (420, 310, 1150),
    "trunk": (440, 320, 760),
    "thorax": (380, 280, 330),
    "slab": (366, 303, 40),
    "head": (200, 240, 200),
    "small": (90, 90, 90),
}


def extents(body: str, panels: int):
    x, y, z = BODIES[body]
    return [(x, z), (y, z), (x, y), (x, z)][:panels]


@pytest.mark.parametrize("shrink", [1.0, 0.6])
@pytest.mark.parametrize("panels", [3, 4])
@pytest.mark.parametrize("names", [TOTAL, ONE], ids=["total", "liver"])
@pytest.mark.parametrize("body", BODIES)
def test_nothing_overlaps_and_all_of_it_fits(body, names, panels, shrink):
    plan = layout(extents(body, panels), names, ROOM, shrink)
    columns, rows = plan.legend_shape
    boxes = [
        (x, y, x + width, y + height)
        for (x, y), (width, height) in zip(
            [*plan.corners, plan.legend_corner],
            [*plan.sizes, (columns * names.column, rows * ROW)],
            strict=True,
        )
    ]
    assert max(right for *_, right, _ in boxes) + GAP <= 1568
    assert max(bottom for *_, bottom in boxes) + GAP <= 1568
    for a, b in combinations(boxes, 2):
        assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


@pytest.mark.parametrize("body", ["whole body", "thorax", "small"])
def test_all_panels_have_one_scale(body):
    plan = layout(extents(body, 4), ONE, ROOM)
    for size, extent in zip(plan.sizes, extents(body, 4), strict=True):
        assert size == pytest.approx([mm * plan.px_per_mm for mm in extent], abs=1)


@pytest.mark.parametrize("body", BODIES)
def test_every_family_of_total_has_a_line(body):
    columns, rows = layout(extents(body, 4), TOTAL, ROOM).legend_shape
    assert columns * rows >= 54


def test_one_structure_leaves_the_room_to_the_panels():
    # A cube in a square of four: 1000 px less three gaps of 8 px for twice 90 mm.
    assert layout(extents("small", 4), ONE, ROOM).px_per_mm == pytest.approx(976 / 180)
