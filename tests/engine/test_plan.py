import pytest

from totalseg_mcp.engine.errors import BadRequestError, NotReadyError
from totalseg_mcp.engine.plan import Options, plan
from totalseg_mcp.engine.tasks import TASKS


def datasets(options: Options) -> list[int]:
    return [model.dataset for model in plan(options).needs]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (Options("total"), [291, 292, 293, 294, 295]),
        (Options("total", "fast"), [297]),
        (Options("total", "fastest"), [298]),
        (Options("total", "default", ("liver", "rib_left_1")), [298, 291, 295]),
        (Options("total", "fast", ("aorta",)), [298, 297]),
        (Options("total", "default", ("aorta",), robust=True), [297, 293]),
        (Options("total_v3", "default", ("liver",)), [298, 831]),
        (Options("total_v3", "default", ("vertebrae_L6",)), [832]),
        (Options("breasts", "default", ("breast",)), [527]),
        (Options("body", "default", ("body_trunc",)), [299]),
        (Options("liver_segments", "default", ("liver_segment_1",)), [298, 570]),
        (Options("total_mr", "default", ("spleen",)), [852, 850]),
        (Options("liver_segments"), [298, 570]),
        (Options("lung_vessels"), [297, 117]),
        (Options("abdominal_muscles"), [300, 952]),
        (Options("teeth"), [298, 115, 113]),
        (Options("total", "fast", body_only=True), [300, 297]),
        (Options("total", "fast", ("liver",), body_only=True), [298, 297]),
        (Options("total_mr", body_only=True), [850, 851]),
    ],
)
def test_the_models_that_run_are_those_of_totalsegmentator(options, expected):
    assert datasets(options) == expected


@pytest.mark.parametrize(
    ("task", "step"), [("total", 0.8), ("total_mr", 0.8), ("liver_segments", 0.5)]
)
def test_tiles_move_on_as_far_as_totalsegmentators(task, step):
    assert plan(Options(task)).tile_step == step


def test_the_rough_pass_moves_by_its_own_task():
    region = plan(Options("liver_segments")).region
    assert region is not None
    assert region.plan.tile_step == 0.8
    assert (region.to, region.margin_mm) == (("liver",), 20.0)


def test_statistics_are_measured_where_totalsegmentator_measures():
    measured = {r: plan(Options("total", r)).measured_on for r in ("default", "fast", "fastest")}
    assert measured == {"default": "scan", "fast": "model", "fastest": "scan"}


def test_an_unknown_structure_is_refused_with_the_nearest_ones():
    with pytest.raises(BadRequestError, match=r"'livr'.*liver"):
        plan(Options("total", "default", ("spleen", "livr")))


def test_a_resolution_that_a_task_lacks_is_refused_with_those_it_has():
    with pytest.raises(BadRequestError, match=r"'liver_segments' has no 'fast' model.*default"):
        plan(Options("liver_segments", "fast"))


LATER = {"vertebrae_pp_refined", "heartchambers_highres"}


@pytest.mark.parametrize("name", sorted(LATER))
def test_a_task_that_cannot_run_yet_is_refused_by_name(name):
    with pytest.raises(NotReadyError, match=f"'{name}'"):
        plan(Options(name))


@pytest.mark.parametrize("name", sorted(TASKS.keys() - LATER))
def test_the_models_of_a_task_cover_its_structures_on_one_grid(name):
    chosen = plan(Options(name))
    assert set(chosen.names) <= {name for model in chosen.models for name in model.names}
    assert len({model.spacing_mm for model in chosen.models}) == 1
