import numpy as np
import pytest

from totalseg_mcp.engine.errors import BadImageError
from totalseg_mcp.engine.image.resample import to_spacing
from totalseg_mcp.engine.image.restore import to_grid
from totalseg_mcp.engine.volume import Grid, Labels, Volume


def ramp(spacing_mm: float, count: int = 11) -> Volume:
    """Values that grow by 100 a voxel along i."""
    data = np.broadcast_to(100 * np.arange(count).reshape(-1, 1, 1), (count, 4, 4))
    return Volume(data.astype(np.int16), Grid(data.shape, np.diag([spacing_mm, 1.0, 1.0, 1.0])))


def test_the_corner_voxels_keep_their_values_and_the_rest_lie_evenly_between():
    """11 voxels of 1 mm become 22 of 0.5 mm, at positions 10 * n / 21, cut off to whole numbers."""
    finer = to_spacing(ramp(1.0), (0.5, 1.0, 1.0))
    assert finer.data[:, 0, 0].tolist() == [int(1000 * n / 21 + 1e-9) for n in range(22)]


def test_the_affine_is_divided_by_the_nominal_zoom_and_keeps_its_origin(tilted):
    volume = Volume(np.zeros(tilted.shape, np.int16), tilted)
    coarse = to_spacing(volume, (3.0, 3.0, 3.0))
    np.testing.assert_allclose(coarse.grid.spacing_mm, (3.0, 3.0, 3.0), rtol=1e-6)
    np.testing.assert_array_equal(coarse.grid.affine[:, 3], tilted.affine[:, 3])
    assert coarse.grid.shape == (3, 3, 8), "12*0.7/3, 10*0.8/3, 9*2.5/3 rounded, halves to even"


def test_the_spacing_that_the_file_states_decides_whether_to_resample():
    grid = Grid((11, 4, 4), np.diag([1.0000001, 1.0, 1.0, 1.0]), (1.0, 1.0, 1.0))
    volume = Volume(np.zeros(grid.shape), grid)
    assert to_spacing(volume, (1.0, 1.0, 1.0)) is volume


def test_values_between_0_and_1_are_not_cut_off():
    """They would all become 0."""
    grid = Grid((9, 9, 9), np.diag([2.0, 2.0, 2.0, 1.0]))
    data = np.linspace(0, 1, 729).reshape(grid.shape)
    coarse = to_spacing(Volume(data, grid), (3.0, 3.0, 3.0))
    assert coarse.data.min() == pytest.approx(0.0)
    assert coarse.data.max() == pytest.approx(1.0)
    assert len(np.unique(coarse.data)) > 100


def test_an_image_thinner_than_half_a_voxel_of_the_model_is_refused():
    grid = Grid((40, 40, 2), np.diag([1.0, 1.0, 1.0, 1.0]))
    with pytest.raises(BadImageError, match="2 mm thick"):
        to_spacing(Volume(np.zeros(grid.shape), grid), (6.0, 6.0, 6.0))


@pytest.mark.parametrize("count", [5, 11, 30])
def test_labels_take_the_nearest_and_never_mix(count):
    data = np.zeros((11, 4, 4), np.uint8)
    data[6:] = 77
    grid = Grid((count, 4, 4), np.eye(4))
    there = to_grid(Labels(data, Grid((11, 4, 4), np.eye(4)), ("a",)), grid)
    nearest = [77 if round(n * 10 / (count - 1), 9) >= 5.5 else 0 for n in range(count)]
    assert there.data.dtype == np.uint8
    assert there.data[:, 0, 0].tolist() == nearest
