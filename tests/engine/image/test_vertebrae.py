import nibabel as nib
import numpy as np
import pytest
from nibabel.affines import from_matvec
from scipy.spatial.transform import Rotation

from totalseg_mcp.engine.image.vertebrae import ellipsoid, grown, refine, renumber
from totalseg_mcp.engine.tasks import labels
from totalseg_mcp.engine.volume import Grid, Labels

NAMES = labels("vertebrae_pp")
C1, C2, C3, T5, L4, L5 = 1, 2, 3, 12, 23, 24


def spine(*downward: int | tuple[int, int], edge: int = 4) -> Labels:
    """Blocks of 4 x 4 x 4 mm with gaps, given from the top; a pair shares one block."""
    data = np.zeros((edge, edge, (edge + 2) * len(downward)), np.uint8)
    for place, numbers in enumerate(reversed(downward)):
        bottom = (edge + 2) * place
        upper, lower = numbers if isinstance(numbers, tuple) else (numbers, numbers)
        data[:, :, bottom : bottom + edge // 2] = lower
        data[:, :, bottom + edge // 2 : bottom + edge] = upper
    return Labels(data, Grid(data.shape, np.eye(4)), NAMES)


def downward(of: Labels) -> list[int]:
    """The labels along the middle of the spine, from the top."""
    column = of.data[1, 1, ::-1]
    return [int(v) for n, v in enumerate(column) if v and (n == 0 or column[n - 1] != v)]


@pytest.fixture(autouse=True)
def large_blocks(monkeypatch):
    """A block of 64 mm³ is large enough here."""
    monkeypatch.setattr("totalseg_mcp.engine.image.vertebrae.LEAST_MM3", 60.0)


def test_vertebrae_that_keep_apart_keep_their_numbers():
    apart = spine(C2, T5, L4)
    assert renumber(apart) is apart


def test_where_two_meet_all_are_counted_from_the_lowest_up():
    assert downward(renumber(spine(T5, (C3, T5), L4))) == [L4 - 2, L4 - 1, L4]


def test_with_c1_and_without_l5_they_are_counted_from_the_top_down():
    assert downward(renumber(spine(C1, (C1, T5), L4))) == [1, 2, 3]


def test_with_c1_and_l5_they_are_counted_from_l5_up():
    assert downward(renumber(spine(C1, (C1, T5), L5))) == [22, 23, 24]


def test_more_pieces_than_vertebrae_leave_the_topmost_without_a_name():
    assert downward(renumber(spine(C2, (C2, C3), C3, C3))) == [1, 2, 3]


def test_crumbs_are_dropped_when_they_are_counted():
    data = spine((C3, T5), L4).data.copy()
    data[0, 0, -1] = C2
    crumbed = Labels(data, Grid(data.shape, np.eye(4)), NAMES)
    assert C2 not in renumber(crumbed).data


def test_crumbs_do_not_decide_from_where_they_are_counted():
    data = spine(C1, (C1, T5), L4).data.copy()
    data[0, 0, -1] = L5
    crumbed = Labels(data, Grid(data.shape, np.eye(4)), NAMES)
    assert downward(renumber(crumbed)) == [1, 2, 3]


def test_where_all_are_crumbs_nothing_is_left():
    data = np.zeros((6, 6, 6), np.uint8)
    data[1, 1, 1], data[1, 1, 2] = C3, T5
    assert not renumber(Labels(data, Grid(data.shape, np.eye(4)), NAMES)).data.any()


def test_of_two_at_one_height_the_first_is_the_lower_when_counted_from_below():
    data = np.zeros((12, 4, 4), np.uint8)
    data[:4], data[8:] = T5, L4
    data[3, 0, 0] = L4
    counted = renumber(Labels(data, Grid(data.shape, np.eye(4)), NAMES)).data
    assert [counted[0, 1, 1], counted[9, 1, 1]] == [L4, L4 - 1]


def test_the_edges_are_those_of_the_file_that_the_reference_reads():
    turn = Rotation.from_euler("xyz", [9, -6, 12], degrees=True).as_matrix()
    affine = from_matvec(turn * [1.5 - 2e-8, 1.5 + 2e-8, 1.5])
    stored = nib.Nifti1Image.from_bytes(nib.Nifti1Image(np.zeros((2, 2, 2)), affine).to_bytes())
    again = nib.Nifti1Image(np.zeros((2, 2, 2)), stored.affine)
    assert Grid((2, 2, 2), affine).stored_mm == again.header.get_zooms()


def test_growing_takes_background_only_and_the_upper_vertebra_goes_first():
    data = np.zeros((1, 1, 12), np.uint8)
    data[0, 0, 3], data[0, 0, 8] = C3, C2
    larger = grown(Labels(data, Grid(data.shape, np.eye(4)), NAMES), 3.0, (1.0, 1.0, 1.0))
    assert larger.data[0, 0].tolist() == [3, 3, 3, 3, 3, 2, 2, 2, 2, 2, 2, 2]


def test_an_ellipsoid_is_a_ball_in_millimetres():
    ball = ellipsoid(3.0, (1.5, 1.5, 1.5))
    assert ball.shape == (5, 5, 5)
    assert ball.sum() == 33, "offsets with i² + j² + k² <= 4"


def test_an_ellipsoid_is_sampled_from_its_edge_on():
    """2 mm at 5 mm: samples at -0.4 and 0.6 voxels of a radius of 0.4; only the first is inside."""
    element = ellipsoid(2.0, (5.0, 2.0, 2.0))
    assert element.shape == (2, 3, 3)
    assert np.argwhere(element).tolist() == [[0, 1, 1]]


def test_refined_vertebrae_grow_into_the_background_and_end_where_the_bodies_do():
    data = np.zeros((1, 1, 12), np.uint8)
    data[0, 0, 3], data[0, 0, 8] = C3, C2
    bodies = np.zeros((1, 1, 12), np.uint8)
    bodies[0, 0, 4:10] = 1
    bodies[0, 0, 2] = 2
    grid = Grid(data.shape, np.eye(4))
    refined = refine(Labels(data, grid, NAMES), Labels(bodies, grid, ("vertebrae_body",)), 2.0)
    assert refined.data[0, 0].tolist() == [0, 0, 0, 0, 3, 3, 2, 2, 2, 2, 0, 0]
