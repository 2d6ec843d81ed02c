import numpy as np
import pytest

from totalseg_mcp.engine.image.crop import crop
from totalseg_mcp.engine.image.split import FEWEST, MARGIN, join, slabs, worth_splitting
from totalseg_mcp.engine.volume import Grid, Labels


@pytest.mark.parametrize("slices", [FEWEST, 59, 60, 100, 301])
def test_slabs_lie_in_the_image_and_decide_every_slice_once(slices):
    decided = [n for slab in slabs(slices) for n in range(slab.first, slab.last)]
    assert decided == list(range(slices))
    for slab in slabs(slices):
        assert 0 <= slab.start <= slab.first < slab.last <= slab.stop <= slices
        assert slab.first == 0 or slab.first - slab.start == MARGIN - 1
        assert slab.last == slices or slab.stop - slab.last == MARGIN


def test_joining_what_was_cut_gives_the_whole(tilted):
    grid = Grid((2, 3, 75), tilted.affine)
    whole = Labels(np.arange(450).reshape(2, 3, 75) % 200, grid, ())
    parts = [(slab, crop(whole, slab.box(grid))) for slab in slabs(75)]
    np.testing.assert_array_equal(join(parts, grid).data, whole.data)


@pytest.mark.parametrize(
    ("shape", "worth"),
    [((512, 512, 901), True), ((512, 512, 900), False), ((1100, 1100, 200), False)],
)
def test_only_large_and_tall_images_are_split_of_themselves(tilted, shape, worth):
    assert worth_splitting(Grid(shape, tilted.affine)) == worth
