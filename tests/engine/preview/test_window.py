"""Windows. Levels and widths are those of clinical reading: lung -600/1500, soft tissue 40/400,
brain 40/80.
"""

import numpy as np
import pytest

from totalseg_mcp.engine.preview.window import window
from totalseg_mcp.engine.volume import Grid, Volume


def volume(values) -> Volume:
    data = np.asarray(values).reshape(-1, 1, 1)
    return Volume(data, Grid(data.shape, np.eye(4)))


HU = volume(np.arange(-1000, 1000))


@pytest.mark.parametrize(
    ("found", "level", "width"),
    [
        (("liver", "aorta"), 40, 400),
        ((), 40, 400),
        (("lung_left", "lung_right"), -600, 1500),
        (("lung_left", "liver"), 40, 400),
        (("brainstem", "ventricle_body_left"), 40, 80),
        (("vertebrae_L1", "rib_left_1"), 500, 1800),
        (("vertebrae_L1", "spinal_cord"), 40, 400),
    ],
)
def test_a_ct_is_windowed_by_what_was_found(found, level, width):
    low, high = window(HU, found, "CT")
    assert ((low + high) / 2, high - low) == (level, width)


def test_the_window_maps_its_ends_to_black_and_white():
    shown = window(HU, (), "CT").grey(np.array([-1000, -160, 40, 240, 3000]))
    assert shown.tolist() == [0, 0, 128, 255, 255]


@pytest.mark.parametrize("scale", [1e-4, 1.0, 3000.0])
def test_an_mr_is_windowed_by_its_own_values(scale):
    low, high = window(volume(np.linspace(0, scale, 120)), ("liver",), "MR")
    assert (low / scale, high / scale) == pytest.approx((0.01, 0.995), abs=0.002)


def test_an_even_mr_has_a_window_too():
    assert window(volume(np.full(9, 5)), (), "MR").grey(np.full(3, 5)).tolist() == [0, 0, 0]
