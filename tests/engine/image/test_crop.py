import numpy as np
import pytest

from totalseg_mcp.engine.image.crop import Box, box_around, crop, paste
from totalseg_mcp.engine.volume import Grid, Volume


def at(grid: Grid, index: tuple[int, int, int]) -> np.ndarray:
    return grid.affine[:3, :3] @ index + grid.affine[:3, 3]


def test_what_is_cropped_stays_in_its_place_in_the_patient(tilted):
    data = np.arange(np.prod(tilted.shape)).reshape(tilted.shape)
    part = crop(Volume(data, tilted), Box((3, 2, 1), (9, 8, 7)))
    assert part.grid.shape == (6, 6, 6)
    assert part.data[0, 0, 0] == data[3, 2, 1]
    np.testing.assert_allclose(at(part.grid, (0, 0, 0)), at(tilted, (3, 2, 1)))
    np.testing.assert_allclose(at(part.grid, (5, 1, 2)), at(tilted, (8, 3, 3)))


def test_pasting_undoes_cropping_with_nothing_around_it(tilted):
    data = np.ones(tilted.shape, np.uint8)
    box = Box((3, 2, 1), (9, 8, 7))
    back = paste(crop(Volume(data, tilted), box), box, tilted)
    assert back.data.sum() == 6 * 6 * 6
    assert back.data[box.slices].all()
    np.testing.assert_array_equal(back.grid.affine, tilted.affine)


# tilted has voxels of 0.7 x 0.8 x 2.5 mm, 12 x 10 x 9 of them.
@pytest.mark.parametrize(
    ("margin_mm", "box"),
    [
        (0, Box((5, 4, 4), (7, 5, 5))),
        (1.5, Box((3, 3, 4), (9, 6, 5))),
        (2.5, Box((2, 1, 3), (10, 8, 6))),
        (99, Box((0, 0, 0), (12, 10, 9))),
    ],
)
def test_the_margin_is_rounded_down_to_voxels_and_ends_at_the_image(tilted, margin_mm, box):
    mask = np.zeros(tilted.shape, bool)
    mask[5:7, 4, 4] = True
    assert box_around(Volume(mask, tilted), margin_mm) == box


def test_around_nothing_there_is_no_box(tilted):
    assert box_around(Volume(np.zeros(tilted.shape, bool), tilted), 20) is None
