import math

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from totalseg_mcp.engine.volume import Grid, Labels, Volume
from totalseg_mcp.phantom import NAMES
from totalseg_mcp.weights import folder2d, learning, patches2d, projections, train2d

SIZE = folder2d.DESIGN.patch


def _grid(shape=(3, 4, 5)):
    return Grid(shape, np.diag([2.0, 3.0, 4.0, 1.0]))


def test_a_sample_shows_mean_and_maximum_in_the_order_of_the_channels():
    data = np.zeros((3, 4, 5), np.int16)
    data[0, :, 4] = [10, 20, 30, 100]  # the patient's left, at the head's end
    mean, maximum = projections.pictured(Volume(data, _grid()))
    assert mean.shape == (5, 3)
    assert (mean[0, 0], maximum[0, 0]) == (40, 100)
    assert np.count_nonzero(mean) == np.count_nonzero(maximum) == 1


def test_structures_lie_over_one_another_in_a_projection():
    numbers = np.zeros((3, 4, 5), np.uint8)
    numbers[2, 0, 0], numbers[2, 3, 0] = 5, 117
    masks = projections.shadows(Labels(numbers, _grid(), NAMES))
    assert masks.shape == (117, 5, 3)
    assert np.argwhere(masks).tolist() == [[4, 4, 2], [116, 4, 2]]


def _sample(height, width):
    rng = np.random.default_rng(1)
    there = np.zeros((117, height, width), np.bool_)
    there[4, height // 4 : height // 2], there[116, :, width // 2 :] = True, True
    image = rng.normal(0, 100, (2, height, width)).astype(np.float32)
    return image, np.packbits(there, axis=0)


def _patch(sample, rng):
    image, bits = patches2d.patch(patches2d.on(learning.CPU, sample), rng)
    return image.numpy(), patches2d.masks(bits, NAMES).numpy()


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("shape", [(60, 90), (300, 200)])
def test_a_patch_has_the_size_of_the_plans_and_no_structures_beyond_the_scan(seed, shape):
    image, masks = _patch(_sample(*shape), np.random.default_rng(seed))
    assert image.shape == (2, *SIZE)
    assert image.dtype == np.float32
    assert masks.shape == (117, *SIZE)
    assert not masks[:, (image == 0).all(axis=0)].any()
    assert set(np.flatnonzero(masks.any(axis=(1, 2)))) <= {4, 116}


class Drawn:
    """A generator that draws `chances` one after another, and the middle of all ranges."""

    def __init__(self, *chances):
        self.chances = iter(chances)

    def random(self):
        return next(self.chances, 1.0)

    def integers(self, high):
        return 0

    def uniform(self, low, high, size=None):
        middle = (np.asarray(low) + high) / 2
        return float(middle) if size is None and middle.ndim == 0 else np.broadcast_to(middle, size)

    def normal(self, mean, spread, size=None):
        return np.full(size, spread) if size else spread


def test_a_patch_that_is_not_varied_is_the_scan_with_a_z_score_in_the_middle():
    image, masks = _patch(_sample(100, 80), Drawn())
    inner = (slice(None), slice(14, 114), slice(40, 120))
    raw, bits = _sample(100, 80)
    expected = (raw - raw.mean((1, 2), keepdims=True)) / raw.std((1, 2), keepdims=True)
    np.testing.assert_allclose(image[inner], expected, atol=1e-4)
    np.testing.assert_array_equal(masks[inner], np.unpackbits(bits, axis=0, count=117))
    assert np.count_nonzero(image) == np.count_nonzero(image[inner])


def test_a_patch_is_stretched_turned_and_sheared_about_its_middle_together_with_its_masks():
    rows, columns = np.indices((100, 80), dtype=np.float32)
    bits = np.packbits(np.stack([rows > 60, *[columns > 30] * 116]), axis=0)
    image, masks = _patch((np.stack([rows, columns]), bits), Drawn(1.0, 1.0, 0.0))
    # 1.01 along both axes; 0.05 + 0.02 and -0.05 + 0.02 beside them; 99 x 79 pixels in the end
    row, column = np.indices((99, 79)) - np.array([49, 39])[:, None, None]
    down = np.clip(49.5 + 1.01 * row + 0.07 * column, 0, 99)
    across = np.clip(39.5 - 0.03 * row + 1.01 * column, 0, 79)
    inner = (slice(14, 113), slice(40, 119))
    for shown, expected in zip(image, (down, across), strict=True):
        np.testing.assert_allclose(
            shown[inner], (expected - expected.mean()) / expected.std(), atol=1e-3
        )
    sure = np.abs(down - 60.5) > 0.01
    np.testing.assert_array_equal(masks[0][inner][sure], (down > 60.5)[sure])
    sure = np.abs(across - 30.5) > 0.01
    np.testing.assert_array_equal(masks[5][inner][sure], (across > 30.5)[sure])


def test_blurring_is_that_of_a_gaussian():
    image = np.random.default_rng(2).normal(0, 1, (2, 30, 20)).astype(np.float32)
    blurred = patches2d._blurred(torch.from_numpy(image), np.array([0.3, 0.8]))
    expected = gaussian_filter(image, (0, 0.3, 0.8), mode="nearest")
    np.testing.assert_allclose(blurred.numpy(), expected, atol=1e-5)


def test_the_first_target_of_a_group_is_where_none_of_its_structures_is():
    masks = torch.zeros(25, 2, 2, dtype=torch.bool)
    masks[3, 0, 0] = masks[7, 0, 0] = True
    targets = train2d.targets(masks)
    assert targets[0].tolist() == [[0, 1], [1, 1]]
    assert targets[1:].sum() == 2


STRIPE = (torch.arange(100).reshape(1, 1, 10, 10) < 30).float()


def _with_background(logits, background=-40.0):
    """The outputs of a group: the background's, then one structure's."""
    return torch.cat((torch.full_like(logits, background), logits), 1)


def _truth(stripe):
    return torch.cat((torch.zeros_like(stripe), stripe), 1)


def test_certain_and_right_outputs_cost_nothing_and_wrong_ones_do():
    right, wrong = 40 * (STRIPE - 0.5), -40 * (STRIPE - 0.5)
    truth = _truth(STRIPE)
    assert train2d.overlapping(_with_background(right), truth) == pytest.approx(0, abs=1e-4)
    # 100 pixels at 20 each over the area and what is added to it, and nothing for the background;
    # Dice 1 / (70 + 30 + 1)
    cost = 100 * 20 / (30 + train2d.FEWEST) / 2 + train2d.DICE_SHARE * (1 - 1 / 101)
    found = train2d.overlapping(_with_background(wrong), truth)
    assert found == pytest.approx(cost, rel=1e-4)


def test_a_background_is_fined_more_for_clearing_a_structure_than_for_sparing_nothing():
    spares = train2d.overlapping(torch.full_like(STRIPE, -20), STRIPE)
    clears = train2d.overlapping(torch.full_like(STRIPE, 20), STRIPE)
    share = 30 * math.exp(-3) + train2d.FEWEST
    assert spares == pytest.approx(30 * 20 * math.exp(-3) / share, rel=1e-4)
    assert clears == pytest.approx(70 * 20 / share, rel=1e-4)


def test_a_stopped_run_goes_on_where_it_was(tmp_path):
    def loss(module, image, truth):
        return (module(image) - truth).square().mean()

    image, truth = torch.ones(1, 2, 64, 64), torch.zeros(1, 3, 64, 64)
    first = learning.Run(tmp_path / "state.pth", folder2d.DESIGN.network(3), loss)
    first.step(image, truth, 0.5)
    first.save()
    second = learning.Run(tmp_path / "state.pth", folder2d.DESIGN.network(3), loss)
    assert second.steps == 1
    costs = [run.step(image, truth, 0.6) for run in (first, second)]
    assert costs[0] == pytest.approx(costs[1])
