import numpy as np
import pytest

from totalseg_mcp.engine.image.logits import class_by_class
from totalseg_mcp.engine.image.restore import RESTORE, each_to_grid
from totalseg_mcp.engine.volume import Grid, Labels


def column(*values: int) -> Labels:
    data = np.array(values, np.uint8).reshape(-1, 1, 1)
    return Labels(data, Grid(data.shape, np.eye(4)), ("a", "b"))


def stretched(labels: Labels, length: int) -> list[int]:
    grid = Grid((length, 1, 1), np.eye(4))
    return each_to_grid(labels, grid).data[:, 0, 0].tolist()


def test_a_structures_outer_edges_stay_in_place():
    """Two voxels of 6 become four of 12; the border lies where the mask passes one half."""
    assert stretched(column(0, 0, 1, 1, 0, 0), 12) == [0] * 4 + [1] * 4 + [0] * 4


def test_a_structure_of_one_voxel_keeps_its_length():
    """Sampled a quarter of a voxel off its middle it is 3/4: inside. The next is 1/4: outside."""
    assert stretched(column(0, 0, 1, 0, 0), 10) == [0] * 4 + [1] * 2 + [0] * 4


def test_where_both_reach_one_half_the_higher_number_wins():
    """At one and a half times the length, samples lie midway between voxels: both are 1/2 there."""
    assert stretched(column(1, 2, 2, 1), 6) == [1, 2, 2, 2, 2, 1]


@pytest.mark.parametrize("threads", [1, 3])
def test_a_ball_comes_back_rounder_than_by_the_nearest_label(threads):
    coarse, fine = np.indices((12, 12, 12)), np.indices((60, 60, 60))
    ball = (((coarse + 0.5) / 12 - 0.5) ** 2).sum(0) <= 0.35**2
    truth = (((fine + 0.5) / 60 - 0.5) ** 2).sum(0) <= 0.35**2
    labels = Labels(ball.astype(np.uint8), Grid(ball.shape, np.eye(4)), ("ball",))
    grid = Grid(truth.shape, np.eye(4))
    off = {way: ((RESTORE[way](labels, grid, threads).data > 0) != truth).sum() for way in RESTORE}
    assert off["labels"] < 0.8 * off["nearest"]


def test_a_grid_that_is_the_same_changes_nothing():
    labels = column(0, 1, 2)
    assert each_to_grid(labels, Grid((3, 1, 1), np.diag([2.0, 1, 1, 1]))).data is labels.data


def doubled(logits: np.ndarray) -> np.ndarray:
    return logits.repeat(2, axis=1)


def test_outputs_are_interpolated_before_they_are_compared():
    """Class 1 falls from 8 to -8 between voxels 1 and 2 while the background stays 0.

    On the grid twice as fine its samples are 8, 8, 8, 4, -4, -8, ...: above 0 in the first 4.
    """
    logits = np.zeros((2, 4, 1, 1), np.float16)
    logits[1, :, 0, 0] = [8, 8, -8, -8]
    labels = class_by_class(logits, (8, 1, 1), doubled)
    assert labels[:, 0, 0].tolist() == [1, 1, 1, 1, 0, 0, 0, 0]


def test_a_class_takes_only_what_it_wins_from_those_before_it():
    """In the middle, classes 1 and 2 are 6 and 5, 2 and 9: class 2 wins from its half on."""
    logits = np.zeros((3, 4, 1, 1), np.float16)
    logits[1, :, 0, 0] = [6, 6, 2, 2]
    logits[2, :, 0, 0] = [-5, 5, 9, 9]
    labels = class_by_class(logits, (8, 1, 1), doubled)
    # class 1 at the samples: 6, 6, 6, 5, 3, 2, ...; class 2: -5, -2.5, 2.5, 6, 8, 9, ...
    assert labels[:, 0, 0].tolist() == [1, 1, 1, 2, 2, 2, 2, 2]


def test_a_class_that_never_wins_on_the_coarse_grid_has_no_voxel():
    logits = np.zeros((2, 4, 1, 1), np.float16)
    logits[1] = -1
    assert not class_by_class(logits, (8, 1, 1), doubled).any()
