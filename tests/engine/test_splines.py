"""scipy itself is the reference: what it makes on the CPU, voxel by voxel and bit by bit."""

import numpy as np
import pytest
import torch
from scipy.ndimage import zoom

from totalseg_mcp.engine.splines import stretched

DEVICES = [
    "cpu",
    pytest.param(
        "cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU here")
    ),
]


def body_in_air(kind: str) -> np.ndarray:
    """Air of exactly -1024 HU, where the last bit decides what is cut off, and noise."""
    data = np.random.default_rng(0).integers(-1024, 2000, (30, 41, 17)).astype(kind)
    data[:10] = -1024
    return data


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("order", [1, 2, 3, 4, 5])
@pytest.mark.parametrize(
    "shape",
    [(21, 20, 30), (30, 60, 9), (1, 41, 17), (31, 40, 18), (30, 41, 17)],
    ids=["both ways", "one axis as it was", "to one plane", "by one voxel", "not at all"],
)
def test_stretched_is_bit_by_bit_what_scipy_makes_of_it(shape, order, device):
    data = body_in_air("int16")
    expected = np.empty(shape)
    zoom(data, np.divide(shape, data.shape), expected, order=order, mode="nearest")
    found = stretched(data, shape, order, torch.device(device))
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("kind", ["uint8", "uint16", ">i2", "<f4", "f8"])
def test_every_type_of_voxel_is_stretched_as_scipy_does_it(kind):
    data = np.abs(body_in_air("int16") // 9).astype(kind)
    expected = np.empty((21, 20, 30))
    zoom(data, np.divide(expected.shape, data.shape), expected, order=3, mode="nearest")
    found = stretched(data, expected.shape, 3, torch.device("cpu"))
    np.testing.assert_array_equal(found, expected)


def test_a_single_plane_is_stretched_as_scipy_does_it():
    data = body_in_air("int16")[:, :, :1]
    expected = np.empty((20, 50, 4))
    zoom(data, np.divide(expected.shape, data.shape), expected, order=3, mode="nearest")
    found = stretched(data, expected.shape, 3, torch.device("cpu"))
    np.testing.assert_array_equal(found, expected)
