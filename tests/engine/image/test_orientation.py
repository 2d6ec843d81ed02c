from itertools import permutations, product

import numpy as np
import pytest

from totalseg_mcp.engine.image.orientation import reorient
from totalseg_mcp.engine.volume import Volume

ALL = ["".join(code) for axes in permutations(("RL", "AP", "SI")) for code in product(*axes)]


@pytest.mark.parametrize("axcodes", ALL)
def test_every_voxel_stays_where_it_is_in_the_patient(tilted, axcodes):
    data = np.arange(np.prod(tilted.shape)).reshape(tilted.shape)
    turned = reorient(Volume(data, tilted), axcodes)
    assert turned.grid.axcodes == axcodes
    for value in (0, 137, data.size - 1):
        (there,) = np.argwhere(turned.data == value)
        (here,) = np.argwhere(data == value)
        moved = turned.grid.affine @ [*there, 1]
        np.testing.assert_allclose(moved, tilted.affine @ [*here, 1], atol=1e-9)
    back = reorient(turned, tilted.axcodes)
    np.testing.assert_array_equal(back.data, data)
    np.testing.assert_allclose(back.grid.affine, tilted.affine, atol=1e-9)
