"""Outputs on the grid of a picture: as nnU-Net resamples them, and only where they can be high."""

import numpy as np
import pytest
from nnunetv2.preprocessing.resampling.default_resampling import resample_data_or_seg_to_shape

from totalseg_mcp.engine.image.bilinear import stretch_between

SIZES = pytest.mark.parametrize(
    ("before", "after"),
    [
        ((7, 9), (31, 40)),
        ((60, 41), (23, 17)),
        ((33, 20), (33, 61)),
        ((1, 5), (4, 9)),
        ((2, 2), (3, 2)),
        ((12, 8), (12, 8)),
    ],
)


def by_nnu_net(outputs: np.ndarray, after: tuple[int, int]) -> np.ndarray:
    """What nnU-Net has scikit-image make of `outputs` [row, column]."""
    fine = [999.0, *(b / a for a, b in zip(after, outputs.shape, strict=True))]
    options = {"order": 1, "order_z": 0, "force_separate_z": None}
    stack = outputs[None, None]
    made = resample_data_or_seg_to_shape(stack, (1, *after), [999.0, 1.0, 1.0], fine, **options)
    return made[0, 0]


@SIZES
def test_interpolation_is_nnu_nets_own_but_for_ties_of_its_last_digit(before, after):
    outputs = np.random.default_rng(2).normal(0, 4, before).astype(np.float16)
    expected = by_nnu_net(outputs, after)
    ours = stretch_between(before, after)(outputs, (slice(None), slice(None))).astype(np.float16)
    np.testing.assert_array_equal(ours > 0, expected > 0)
    np.testing.assert_array_max_ulp(ours, expected, 1)


@SIZES
@pytest.mark.parametrize("level", [-0.1, 2.0])
def test_all_that_is_high_is_in_the_box_and_the_same_as_without_it(before, after, level):
    outputs = np.full(before, -3, np.float16)
    outputs[before[0] // 3, before[1] // 2 :] = 3
    stretch = stretch_between(before, after)
    box = stretch.box(outputs > level)
    whole = stretch(outputs, (slice(None), slice(None)))
    outside = np.ones(after, bool)
    outside[box] = False
    assert not (outside & (by_nnu_net(outputs, after) > level)).any()
    np.testing.assert_array_equal(stretch(outputs, box), whole[box])


def test_a_box_is_no_larger_than_what_the_high_outputs_reach():
    outputs = np.zeros((10, 10), bool)
    outputs[4, 6] = True
    assert stretch_between((10, 10), (20, 20)).box(outputs) == (slice(7, 11), slice(11, 15))


@pytest.mark.parametrize(("after", "at"), [((6, 6), []), ((3, 3), [0]), ((9, 3), [3])])
def test_where_nothing_is_high_or_is_passed_over_there_is_no_box(after, at):
    outputs = np.zeros((9, 9), bool)
    outputs[:, at] = True  # of nine columns, three are made of the second, the fifth, the eighth
    outputs[at] = False
    assert stretch_between((9, 9), after).box(outputs) is None
