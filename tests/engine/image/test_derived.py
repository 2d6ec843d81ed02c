import numpy as np

from totalseg_mcp.engine.image.derived import DERIVED
from totalseg_mcp.engine.volume import Grid, Labels, Volume

GRID = Grid((30, 30, 30), np.diag([2.0, 2.0, 2.0, 1.0]))


def trunk() -> Labels:
    """A cube of 20 voxels, its upper half called extremity."""
    data = np.zeros(GRID.shape, np.uint8)
    data[5:25, 5:25, 5:15] = 1
    data[5:25, 5:25, 15:25] = 2
    return Labels(data, GRID, ("body_trunc", "body_extremities"))


def test_the_body_is_trunk_and_limbs():
    scan = Volume(np.zeros(GRID.shape), GRID)
    assert DERIVED["body"](scan, trunk()).sum() == 20**3


def test_the_skin_is_a_shell_where_the_scan_is_as_dense_as_skin():
    """One voxel outside the body and two inside, where it is between -200 and 250 HU.

    Growing a cube by its faces adds 6 x 20 x 20; the erosion by three leaves 16 x 16 x 16, and
    what stands out of the grown cube beside its faces goes with it.
    """
    soft = Volume(np.full(GRID.shape, 40), GRID)
    assert DERIVED["skin"](soft, trunk()).sum() == 20**3 + 6 * 20**2 - 16**3
    air = Volume(np.full(GRID.shape, -1000), GRID)
    assert not DERIVED["skin"](air, trunk()).any()
