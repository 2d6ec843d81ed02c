"""2-D networks: mirror images, and what the sigmoids open and close."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from totalseg_mcp.engine.network2d import Mirrored, Network2D

BOX = [[0, 1], [0, 2], [1, 3]]  # of the picture's 1 x 2 x 4 pixels
MADE = {
    "bbox_used_for_cropping": BOX,
    "shape_before_cropping": (1, 2, 4),
    "shape_after_cropping_and_before_resampling": (1, 2, 2),
}


def network() -> Network2D:
    """Two structures, nothing to resample."""
    how = {
        "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
        "resampling_fn_probabilities_kwargs": {"order": 1},
    }
    configuration = SimpleNamespace(configuration=how)
    plans = SimpleNamespace(transpose_backward=[0, 1, 2])
    inner = SimpleNamespace(configuration=configuration, plans=plans)
    return Network2D(inner, ("mean",), ("liver", "spleen"), 0.5)  # type: ignore[arg-type]


def logits(background: float, liver: float, spleen: float) -> np.ndarray:
    return np.broadcast_to(
        np.array([background, liver, spleen], np.float16)[:, None, None, None], (3, 1, 2, 2)
    ).copy()


def test_layers_overlap_inside_the_crop_and_are_empty_outside():
    layers, confidence = network()._layers(logits(-4, 1, 2), MADE, 0.5)
    assert layers.shape == (2, 2, 4)
    assert layers.sum((1, 2)).tolist() == [4, 4]
    assert not layers[:, :, [0, 3]].any()
    sigmoid = 1 / (1 + np.exp(-np.array([1.0, 2.0])))
    np.testing.assert_allclose(confidence, sigmoid, rtol=1e-6)


def test_the_background_clears_every_structure():
    layers, confidence = network()._layers(logits(0.1, 3, 3), MADE, 0.5)
    assert not layers.any()
    assert np.isnan(confidence).all()


def test_one_half_is_not_above_one_half():
    layers, _ = network()._layers(logits(0.0, 0.0, 0.01), MADE, 0.5)
    assert layers.sum((1, 2)).tolist() == [0, 4]


@pytest.mark.parametrize(("threshold", "found"), [(0.2, [4, 4]), (0.5, [0, 4]), (0.9, [0, 0])])
def test_the_threshold_is_the_structures_own(threshold, found):
    layers, _ = network()._layers(logits(-1, -1, 1), MADE, threshold)  # 0.27 and 0.73
    assert layers.sum((1, 2)).tolist() == found


def test_a_mirrored_network_answers_with_the_mean_over_all_mirror_images():
    weight = torch.arange(12.0).reshape(1, 1, 3, 4)
    image = torch.ones(1, 1, 3, 4)
    both = Mirrored(lambda seen: seen * weight, (0, 1))(image)
    assert torch.equal(both, torch.full((1, 1, 3, 4), 5.5))  # the mean of 0 to 11
    upside = Mirrored(lambda seen: seen * weight, (0,))(image)
    assert torch.equal(upside, (weight + weight.flip(2)) / 2)
