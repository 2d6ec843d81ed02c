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


EVERYTHING = -1e9  # below all outputs


def stretched(outputs: np.ndarray, after: tuple[int, int], level: float = EVERYTHING) -> np.ndarray:
    """The values of the pixels that can be above `level`; NaN elsewhere."""
    stretch = stretch_between(outputs.shape, after)
    places, values = stretch.above(outputs.astype(np.float32), level, np.ones(after, bool))
    picture = np.full(after, np.nan)
    picture.reshape(-1)[places] = values
    return picture


@SIZES
def test_interpolation_is_nnu_nets_own_but_for_ties_of_its_last_digit(before, after):
    outputs = np.random.default_rng(2).normal(0, 4, before).astype(np.float16)
    expected = by_nnu_net(outputs, after)
    ours = stretched(outputs, after).astype(np.float16)
    np.testing.assert_array_equal(ours > 0, expected > 0)
    np.testing.assert_array_max_ulp(ours, expected, 1)


@SIZES
@pytest.mark.parametrize("level", [-0.1, 2.0])
def test_all_that_is_high_is_found_and_the_same_as_among_all_pixels(before, after, level):
    outputs = np.random.default_rng(5).normal(0, 1, before).astype(np.float16)
    outputs[before[0] // 3, before[1] // 2 :] = 3
    found = stretched(outputs, after, level)
    assert not (np.isnan(found) & (by_nnu_net(outputs, after) > level)).any()
    whole = stretched(outputs, after)
    np.testing.assert_array_equal(found, np.where(np.isnan(found), np.nan, whole))


def test_only_what_the_high_outputs_reach_is_looked_at():
    outputs = np.zeros((10, 10), np.float32)
    outputs[4, 6] = 1
    there = np.argwhere(~np.isnan(stretched(outputs, (20, 20), 0.5)))
    assert (there.min(0).tolist(), there.max(0).tolist()) == ([7, 11], [10, 14])
    assert len(there) == 16


@pytest.mark.parametrize("wanted", [[], [(3, 4)], [(0, 0), (7, 2), (7, 8)]])
def test_of_the_pixels_only_those_that_are_wanted_are_found_row_by_row(wanted):
    asked = np.zeros((8, 9), bool)
    asked[tuple(np.array(wanted, int).reshape(-1, 2).T)] = True
    places, _ = stretch_between((4, 5), (8, 9)).above(np.ones((4, 5), np.float32), 0.0, asked)
    assert [divmod(place, 9) for place in places.tolist()] == wanted


@pytest.mark.parametrize("high", [[], [(0, 0)], [(4, 2), (8, 8)]])
def test_pixels_that_no_high_output_has_a_share_in_are_made_of_others_only(high):
    """Of 9 outputs 6 pixels are made: the least that is near a 1 is 0 if it has no share in it."""
    outputs = np.zeros((9, 9), np.float32)
    outputs[tuple(np.array(high, int).reshape(-1, 2).T)] = 1
    near = stretch_between((9, 9), (6, 6)).near(outputs > 0)
    np.testing.assert_array_equal(near, by_nnu_net(outputs, (6, 6)) > 0)


@pytest.mark.parametrize("after", [(6, 6), (3, 3), (9, 3)])
def test_where_nothing_is_high_nothing_is_found(after):
    assert np.isnan(stretched(np.zeros((9, 9), np.float32), after, 0.5)).all()
