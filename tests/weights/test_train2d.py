import math

import numpy as np
import pytest
import torch

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
    masks = np.zeros((117, height, width), np.bool_)
    masks[4, height // 4 : height // 2], masks[116, :, width // 2 :] = True, True
    image = rng.normal(0, 100, (2, height, width)).astype(np.float32)
    return image, np.packbits(masks, axis=0)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("shape", [(60, 90), (300, 200)])
def test_a_patch_has_the_size_of_the_plans_and_no_structures_beyond_the_scan(seed, shape):
    image, masks = patches2d.patch(_sample(*shape), np.random.default_rng(seed))
    assert image.shape == (2, *SIZE)
    assert image.dtype == np.float32
    assert masks.shape == (117, *SIZE)
    assert not masks[:, (image == 0).all(axis=0)].any()
    assert set(np.flatnonzero(masks.any(axis=(1, 2)))) <= {4, 116}


def test_a_patch_that_is_not_varied_is_the_scan_with_a_z_score_in_the_middle():
    class Never:
        def random(self):
            return 1.0

        def integers(self, high):
            return 0

    image, masks = patches2d.patch(_sample(100, 80), Never())
    inner = (slice(None), slice(14, 114), slice(40, 120))
    raw, bits = _sample(100, 80)
    expected = (raw - raw.mean((1, 2), keepdims=True)) / raw.std((1, 2), keepdims=True)
    np.testing.assert_allclose(image[inner], expected, atol=1e-4)
    np.testing.assert_array_equal(masks[inner], np.unpackbits(bits, axis=0, count=117))
    assert np.count_nonzero(image) == np.count_nonzero(image[inner])


def test_the_first_target_of_a_group_is_where_none_of_its_structures_is():
    masks = torch.zeros(117, 2, 2, dtype=torch.bool)
    masks[NAMES.index("liver"), 0, 0] = masks[NAMES.index("spleen"), 0, 0] = True
    organs, ribs = train2d.targets(masks, ["organs", "ribs"]).split((25, 27))
    assert organs[0].tolist() == [[0, 1], [1, 1]]
    assert organs[1:].sum() == 2
    assert ribs[0].tolist() == [[1, 1], [1, 1]]


@pytest.mark.parametrize("group", folder2d.GROUPS)
def test_a_groups_network_starts_with_its_outputs_of_the_network_of_all(group):
    whole = folder2d.DESIGN.network(117 + 5)
    own = folder2d.DESIGN.network(1 + len(folder2d.GROUPS[group]))
    own.load_state_dict(train2d.part(whole.state_dict(), group))
    image = torch.randn(1, 2, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = whole(image)[:, train2d.rows(group)]
        torch.testing.assert_close(own(image), expected)


@pytest.mark.parametrize("group", folder2d.GROUPS)
def test_a_groups_first_output_is_its_background(group):
    nothing = train2d.backgrounds(tuple(folder2d.GROUPS))
    assert nothing[list(folder2d.GROUPS).index(group)] == train2d.rows(group).start


STRIPE = (torch.arange(100).reshape(1, 1, 10, 10) < 30).float()


def test_certain_and_right_outputs_cost_nothing_and_wrong_ones_do():
    right, wrong = 40 * (STRIPE - 0.5), -40 * (STRIPE - 0.5)
    assert train2d.overlapping(right, STRIPE, []) == pytest.approx(0, abs=1e-4)
    # 100 pixels at 20 each over the area and what is added to it; Dice 1 / (70 + 30 + 1)
    cost = 100 * 20 / (30 + train2d.FEWEST) + train2d.DICE_SHARE * (1 - 1 / 101)
    assert train2d.overlapping(wrong, STRIPE, []) == pytest.approx(cost, rel=1e-4)


def test_a_background_is_fined_more_for_clearing_a_structure_than_for_sparing_nothing():
    spares = train2d.overlapping(torch.full_like(STRIPE, -20), STRIPE, [0])
    clears = train2d.overlapping(torch.full_like(STRIPE, 20), STRIPE, [0])
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
