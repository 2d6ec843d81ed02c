import pytest

from totalseg_mcp.engine.errors import BadRequestError
from totalseg_mcp.engine.options import Options
from totalseg_mcp.engine.plan import plan
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
        (Options("liver_segments", robust_crop=True), [297, 570]),
        (Options("total", "default", ("liver",), robust_crop=True), [297, 291]),
        (Options("liver_segments_mr", robust_crop=True), [852, 576]),
        (Options("abdominal_muscles", robust_crop=True), [300, 952]),
        (Options("teeth", robust_crop=True), [298, 115, 113]),
        (Options("liver_segments", given_region=True), [570]),
        (Options("total", "fast", body_only=True, given_region=True), [297]),
        (Options("vertebrae_pp_refined"), [803, 305]),
        (Options("headneck_muscles"), [298, 778, 779]),
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


@pytest.mark.parametrize("name", sorted(TASKS))
def test_the_models_of_a_task_cover_its_structures_on_one_grid(name):
    chosen = plan(Options(name))
    assert set(chosen.names) <= {name for model in chosen.models for name in model.names}
    assert len({model.spacing_mm for model in chosen.models}) == 1


@pytest.mark.parametrize(
    ("options", "advice"),
    [
        (Options(save_lowres=True), "give one of them"),
        (Options("total", "fast", ("liver",), save_lowres=True), "whole scan"),
        (Options("total", "fast", body_only=True, save_lowres=True), "whole scan"),
        (Options("total", "fast", given_region=True, save_lowres=True), "whole scan"),
        (Options("total", "fast", restore="logits", save_lowres=True), "exclude each other"),
        (Options("body", v1_order=True), "for the task 'total'"),
        (Options("total", "default", ("heart",), v1_order=True), "'heart'"),
    ],
)
def test_options_that_contradict_each_other_are_refused_with_what_to_do(options, advice):
    with pytest.raises(BadRequestError, match=advice):
        plan(options)


def test_in_version_1s_order_what_it_did_not_know_is_dropped():
    """104 structures, of which 7 are no more; 97 are left (TotalSegmentator 2.18.0's class map)."""
    former = plan(Options("total", v1_order=True))
    assert (len(former.names), len(former.wanted)) == (104, 97)
    assert former.names[12] == "lung_upper_lobe_left"
    assert former.merged == plan(Options("total")).names


def test_outputs_that_are_interpolated_leave_resampling_to_nnunet_but_not_for_the_rough_model():
    chosen = plan(Options("liver_segments", restore="logits"))
    assert chosen.spacing_mm is None
    assert chosen.region.plan.spacing_mm == (6.0, 6.0, 6.0)


def test_the_order_of_resampling_is_that_of_every_model():
    chosen = plan(Options("vertebrae_pp_refined", resampling_order=3))
    assert chosen.resampling_order == chosen.refinement.plan.resampling_order == 3
    assert plan(Options("teeth", resampling_order=3)).region.plan.region.plan.resampling_order == 3


def test_a_margin_that_has_no_effect_is_in_the_table_all_the_same():
    crop = TASKS["pleural_pericard_effusion"].crop
    assert (crop.margin_mm, crop.configured_mm) == (20.0, 50.0)


def test_the_number_of_threads_is_no_part_of_what_a_plan_is():
    assert plan(Options(threads=1)) == plan(Options(threads=7))
