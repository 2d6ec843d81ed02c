import pytest

from totalseg_mcp.engine.ruler import Ruler, ruler

STRAIGHT = [(36.0 * n, 500 + 27.0 * n) for n in range(6)]  # 0.75 of the ruler's lengths


@pytest.mark.parametrize("on_ruler", [-100.0, 0.0, 50.0, 180.0, 400.0])
def test_heights_lie_on_the_line_through_the_marks(on_ruler):
    assert ruler(STRAIGHT).height(on_ruler) == pytest.approx(500 + 0.75 * on_ruler)


def test_between_two_marks_only_those_two_count():
    bent = ruler([(0.0, 0.0), (100.0, 100.0), (200.0, 300.0)])
    assert bent.height(150.0) == 200.0
    assert bent.height(300.0) == 450.0  # beyond: at 1.5, the mean


@pytest.mark.parametrize("at", range(6))
@pytest.mark.parametrize("off", [-700.0, 700.0])
def test_one_mark_in_the_wrong_place_is_left_out(at, off):
    marks = [(m, h + (off if n == at else 0.0)) for n, (m, h) in enumerate(STRAIGHT)]
    assert ruler(marks).marks == tuple(m for n, m in enumerate(STRAIGHT) if n != at)


def test_marks_may_come_in_any_order():
    assert ruler(STRAIGHT[::-1]).marks == tuple(STRAIGHT)


@pytest.mark.parametrize("marks", [[], [(0.0, 5.0)], [(0.0, 5.0), (36.0, 41.0)]])
def test_too_little_tells_nothing(marks):
    assert ruler(marks).stretch is None
    assert ruler(marks).height(100.0) is None


def test_a_body_upside_down_is_not_measured():
    assert ruler([(m, -h) for m, h in STRAIGHT]).height(0.0) is None
    assert Ruler(()).stretch is None


@pytest.mark.parametrize(("off", "strays"), [(70.0, False), (-80.0, True), (80.0, True)])
def test_a_height_strays_by_more_than_100_mm_of_the_ruler(off, strays):
    assert ruler(STRAIGHT).strays(72.0, 500 + 54.0 + off) is strays  # 75 mm at this stretch


def test_nothing_strays_from_no_ruler():
    assert not ruler([]).strays(72.0, 5000.0)
