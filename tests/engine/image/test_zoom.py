import numpy as np
import pytest
from scipy.ndimage import zoom

from totalseg_mcp.engine.image.zoom import zoomed


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("order", [0, 1, 3])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((51, 40, 33), (71, 117, 54)),  # where a part's offset, divided again, is off by a bit
        ((49, 38, 55), (98, 20, 75)),
        ((7, 30, 1), (2, 90, 1)),
        ((1, 9, 9), (6, 1, 9)),
    ],
)
def test_threads_give_bit_by_bit_what_scipy_gives(before, after, order, threads):
    data = np.random.default_rng(1).normal(0, 500, before)
    whole = zoom(data, np.divide(after, before), order=order, mode="nearest")
    assert whole.shape == after
    np.testing.assert_array_equal(zoomed(data, after, order, threads), whole)


def test_labels_keep_their_type():
    data = np.arange(27, dtype=np.uint8).reshape(3, 3, 3)
    stretched = zoomed(data, (6, 6, 6), 0, 2)
    assert stretched.dtype == np.uint8
    assert set(np.unique(stretched)) == set(range(27))
