import numpy as np
import pytest
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter, label
from skimage.draw import polygon2mask

from totalseg_mcp.engine.image.outlines import outlines

SCALE = 8  # of the picture that polygons are drawn on


def drawn(polygons, shape):
    """All of them filled, one over the other, by Pillow; as seen at the centres of the pixels."""
    picture = Image.new("1", (shape[1] * SCALE, shape[0] * SCALE))
    for polygon in polygons:
        points = [(column * SCALE + SCALE / 2, row * SCALE + SCALE / 2) for row, column in polygon]
        ImageDraw.Draw(picture).polygon(points, fill=1)
    return np.array(picture)[SCALE // 2 :: SCALE, SCALE // 2 :: SCALE]


def rings():
    mask = np.zeros((30, 34), bool)
    for edge, inside in ((3, True), (6, False), (9, True), (12, False)):
        mask[edge:-edge, edge:-edge] = inside
    return mask


def swiss_cheese():
    mask = np.ones((24, 24), bool)
    mask[3::5, 2::4] = False
    mask[8:10, 4:20] = False
    return mask


MASKS = {
    "a pixel": np.eye(1, dtype=bool),
    "a full image": np.ones((7, 5), bool),
    "pixels that touch at corners": np.eye(6, dtype=bool),
    "rings in one another": rings(),
    "many holes": swiss_cheese(),
    "holes that touch at corners": ~np.pad(np.eye(5, dtype=bool), 2),
    "blobs": gaussian_filter(np.random.default_rng(0).normal(size=(60, 50)), 2) > 0,
    "noise": np.random.default_rng(1).random((40, 40)) > 0.4,
}


@pytest.mark.parametrize("case", MASKS)
def test_polygons_filled_one_over_the_other_are_the_mask_again(case):
    mask = MASKS[case]
    polygons = outlines(mask)
    assert len(polygons) == label(mask)[1]
    assert np.array_equal(drawn(polygons, mask.shape), mask)


@pytest.mark.parametrize("case", MASKS)
def test_polygons_filled_where_an_odd_number_lies_are_the_mask_again(case):
    mask = MASKS[case]
    found = np.zeros(mask.shape, bool)
    for polygon in outlines(mask):
        found ^= polygon2mask(mask.shape, polygon)
    assert np.array_equal(found, mask)


def test_the_area_of_a_polygon_is_that_of_the_pixels_but_for_the_corners():
    """Each of the four corners of a square of pixels loses 1/8; those of a hole too."""
    mask = rings()
    areas = []
    for row, column in (polygon.T for polygon in outlines(mask)):
        areas.append(abs(row @ np.roll(column, 1) - column @ np.roll(row, 1)) / 2)
    squares = [(30 - 2 * edge) * (34 - 2 * edge) - 0.5 for edge in (3, 6, 9, 12)]
    assert areas == pytest.approx([squares[0] - squares[1], squares[2] - squares[3]])


def test_a_straight_side_has_two_corners():
    """A square of 5 x 5 pixels has four sides, and four short ones that cut off its corners."""
    (polygon,) = outlines(np.pad(np.ones((5, 5), bool), 2))
    assert len(polygon) == 8
