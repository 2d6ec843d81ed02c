import numpy as np
import pytest
from scipy.ndimage import find_objects

from totalseg_mcp.engine.image.boxes import boxes


def _blobs(seed, shape):
    rng = np.random.default_rng(seed)
    numbers = np.zeros(shape, rng.choice([np.uint8, np.uint16]))
    for _ in range(12):
        corner = rng.integers(0, shape)
        sides = rng.integers(1, 9, 3)
        box = tuple(slice(a, a + n) for a, n in zip(corner, sides, strict=True))
        numbers[box] = rng.integers(0, 12)
    return numbers


@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (1, 2, 0)])
@pytest.mark.parametrize("seed", range(20))
def test_boxes_are_those_of_scipy_in_whatever_order_the_voxels_lie(seed, axes):
    shape = tuple(np.random.default_rng(seed).integers(1, 20, 3))
    numbers = _blobs(seed, shape).transpose(axes)
    assert boxes(numbers, 14) == find_objects(numbers, 14)
    part = numbers[::-1, ::2]
    assert boxes(part, 14) == find_objects(part, 14)


def test_a_number_that_touches_the_ends_of_two_rows_has_the_whole_width():
    numbers = np.zeros((2, 2, 5), np.uint8)
    numbers[0, 0, 4] = numbers[0, 1, 0] = 3  # beside each other in memory, not in the image
    assert boxes(numbers, 3) == [None, None, (slice(0, 1), slice(0, 2), slice(0, 5))]
