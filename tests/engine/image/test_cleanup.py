import numpy as np
import pytest

from totalseg_mcp.engine.image.cleanup import drop_small_blobs, largest_blob, without_blobs
from totalseg_mcp.engine.image.steps import STEPS
from totalseg_mcp.engine.volume import Grid, Labels

NAMES = ("body_trunc", "body_extremities")
GRID = Grid((40, 40, 40), np.diag([6.0, 6.0, 6.0, 1.0]))  # 216 mm³ a voxel


def labels(*boxes: tuple[int, int, int]) -> Labels:
    """Boxes given as label, place along i, and edge length in voxels."""
    data = np.zeros(GRID.shape, np.uint8)
    for number, start, edge in boxes:
        data[start : start + edge, :edge, :edge] = number
    return Labels(data, GRID, NAMES)


def counts(of: Labels) -> tuple[int, int]:
    return int((of.data == 1).sum()), int((of.data == 2).sum())


def test_only_the_largest_piece_of_the_trunk_stays():
    cleaned = STEPS["keep_largest_trunk"](labels((1, 0, 5), (1, 10, 8), (2, 30, 3)))
    assert counts(cleaned) == (8**3, 3**3)


# 50,000 mm³ are 231 voxels of 216 mm³: 6 x 6 x 6 voxels are fewer, 7 x 7 x 7 are more.
def test_extremities_of_up_to_50_ml_are_dropped():
    cleaned = STEPS["drop_small_extremities"](labels((1, 0, 3), (2, 10, 6), (2, 20, 7)))
    assert counts(cleaned) == (3**3, 7**3)


def test_blobs_that_meet_at_an_edge_only_are_two():
    mask = np.zeros((4, 4, 4), bool)
    mask[0, 0, :3] = mask[1, 1, :2] = True
    assert largest_blob(mask).sum() == 3


@pytest.mark.parametrize(("most", "left"), [(1, 5), (2, 3), (3, 0)])
def test_a_blob_of_just_the_limit_goes(most, left):
    mask = np.zeros((9, 3, 3), bool)
    mask[0:3, 0, 0] = mask[5:7, 0, 0] = True
    assert without_blobs(mask, most).sum() == left


def test_nothing_has_no_blobs():
    assert not largest_blob(np.zeros((3, 3, 3), bool)).any()
    assert not without_blobs(np.zeros((3, 3, 3), bool), 0).any()


# 5 x 5 x 5 voxels of 216 mm³ are 27,000 mm³, which is a blob of just the limit.
@pytest.mark.parametrize(("most_mm3", "left"), [(26_999, (125, 125)), (27_000, (0, 0))])
def test_every_structure_loses_its_small_blobs(most_mm3, left):
    cleaned = drop_small_blobs(labels((1, 0, 5), (1, 10, 8), (2, 20, 5), (2, 30, 8)), most_mm3)
    assert counts(cleaned) == (left[0] + 8**3, left[1] + 8**3)


def test_a_blob_is_of_one_structure_only():
    """Two halves that touch are two blobs of 864 mm³, not one of 1,728."""
    touching = labels((1, 0, 2), (2, 1, 2))
    assert counts(touching) == (4, 8)
    assert counts(drop_small_blobs(touching, 864.0)) == (0, 8)
