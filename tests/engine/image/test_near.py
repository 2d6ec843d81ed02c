import numpy as np
import pytest

from totalseg_mcp.engine.image.near import keep_near
from totalseg_mcp.engine.volume import Grid, Labels, Volume


# The mean edge of 2 x 2 x 5 mm is 3 mm: 10 mm are 3 steps, 2 mm none.
@pytest.mark.parametrize(("margin_mm", "steps"), [(10.0, 3), (6.0, 2), (2.0, 0)])
def test_the_margin_is_counted_in_steps_of_the_mean_voxel_edge(margin_mm, steps):
    grid = Grid((15, 15, 15), np.diag([2.0, 2.0, 5.0, 1.0]))
    landmark = np.zeros(grid.shape, np.uint8)
    landmark[7, 7, 7] = 4
    everything = Labels(np.ones(grid.shape, np.uint8), grid, ("a",))
    kept = keep_near(everything, Volume(landmark, grid), margin_mm).data
    distance = np.abs(np.indices(grid.shape) - 7).sum(0)
    np.testing.assert_array_equal(kept, distance <= steps)


def test_where_there_is_no_landmark_nothing_stays():
    grid = Grid((4, 4, 4), np.eye(4))
    everything = Labels(np.ones(grid.shape, np.uint8), grid, ("a",))
    assert not keep_near(everything, Volume(np.zeros(grid.shape, np.uint8), grid), 10).data.any()
