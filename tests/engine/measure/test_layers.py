import numpy as np
import pytest
from nibabel.affines import from_matvec
from scipy.spatial.transform import Rotation

from totalseg_mcp.engine.image.orientation import reorient
from totalseg_mcp.engine.image.project import plane_of, project
from totalseg_mcp.engine.measure.layers import field_mm, measure_layers
from totalseg_mcp.engine.picture import Layers, Picture, Plane
from totalseg_mcp.engine.volume import Grid, Volume

# Rows 5 to 9 and columns 4 to 6: 15 pixels, 3 or more from any edge of 14 x 11.
INSIDE = (slice(5, 10), slice(4, 7))
FLAT = Plane((14, 11), (0.5, 2.0))  # a pixel is 0.5 mm wide and 2 mm high
# LPS, anisotropic, off the origin: 11 columns, 8 deep, 14 rows.
UPRIGHT = Grid((11, 8, 14), from_matvec(np.diag([-1.5, -2.0, 3.0]), [20.0, 30.0, 800.0]))


def painted(plane, *boxes, confidence=None):
    """Box n is structure n, and the structure after the last is absent."""
    data = np.zeros((len(boxes) + 1, *plane.shape), bool)
    for layer, box in zip(data, boxes, strict=False):
        layer[box] = True
    sure = confidence or (*(0.75 for _ in boxes), float("nan"))
    names = tuple(f"s{number}" for number in range(1, len(boxes) + 2))
    return Layers(data, names, sure, plane)


def test_area_is_pixels_times_the_pixel():
    found = measure_layers(painted(FLAT, INSIDE), None)["s1"]
    assert (found.present, found.complete, found.touches, found.pixels) == (True, True, (), 15)
    assert found.area_mm2 == pytest.approx(15 * 0.5 * 2.0)
    assert (found.confidence, found.lower_bound, found.intensity) == (0.75, False, None)


def test_an_absent_structure_has_no_numbers():
    found = measure_layers(painted(FLAT, INSIDE), None, include_incomplete=True)["s2"]
    assert (found.present, found.complete, found.pixels) == (False, None, 0)
    assert (found.area_mm2, found.confidence, found.pieces, found.intensity) == (None,) * 4
    assert (found.top_mm, found.bottom_mm, found.left_mm, found.right_mm) == (None,) * 4
    assert not found.lower_bound


@pytest.mark.parametrize(
    ("plane", "sides"),
    [
        (plane_of(UPRIGHT), ("superior", "inferior", "left", "right")),
        (FLAT, ("top", "bottom", "picture's left", "picture's right")),
    ],
)
@pytest.mark.parametrize(
    ("row", "column", "side"), [(2, 5, 0), (11, 5, 1), (6, 2, 2), (6, 8, 3), (3, 5, None)]
)
def test_within_3_pixels_of_an_edge_it_is_cut_off_on_that_side(plane, sides, row, column, side):
    found = measure_layers(painted(plane, (slice(row, row + 1), column)), None)["s1"]
    assert found.touches == (() if side is None else (sides[side],))
    assert found.complete is (side is None)


def test_what_is_cut_off_has_no_area_unless_it_is_asked_for_as_a_lower_bound():
    layers = painted(FLAT, (slice(0, 4), slice(4, 7)))
    picture = Picture(np.full((1, 14, 11), 40, np.float32), ("mean",), FLAT)
    withheld = measure_layers(layers, picture)["s1"]
    assert (withheld.area_mm2, withheld.intensity, withheld.lower_bound) == (None, None, False)
    bound = measure_layers(layers, picture, include_incomplete=True)["s1"]
    assert (bound.area_mm2, bound.intensity, bound.lower_bound) == (12.0, {"mean": 40.0}, True)
    assert (withheld.top_mm, withheld.bottom_mm) == (0.0, 8.0)


def test_every_channel_has_its_mean_inside():
    data = np.zeros((2, 14, 11), np.float32)
    data[0][INSIDE] = np.arange(15).reshape(5, 3)
    data[1][INSIDE] = 300
    picture = Picture(data, ("mean", "max"), FLAT)
    found = measure_layers(painted(FLAT, INSIDE), picture)["s1"]
    assert found.intensity == {"mean": 7.0, "max": 300.0}


def test_pixels_that_meet_at_a_corner_are_two_pieces():
    layers = painted(FLAT, ([5, 6, 7], [4, 5, 5]))
    assert measure_layers(layers, None)["s1"].pieces == 2


def test_ends_of_a_picture_without_a_place_are_mm_from_its_first_row_and_column():
    found = measure_layers(painted(FLAT, INSIDE), None)["s1"]
    assert (found.top_mm, found.bottom_mm) == (10.0, 20.0)
    assert (found.left_mm, found.right_mm) == (2.0, 3.5)
    assert field_mm(FLAT) == (0.0, 28.0)


def test_ends_of_a_projection_are_the_outer_edges_of_its_voxels_in_the_world():
    """Row 0 is voxel 13 along z, and column 0 is voxel 10: the patient's left."""
    found = measure_layers(painted(plane_of(UPRIGHT), INSIDE), None)["s1"]
    assert (found.top_mm, found.bottom_mm) == (800 + 3 * 8.5, 800 + 3 * 3.5)
    assert (found.left_mm, found.right_mm) == (20 - 1.5 * 6.5, 20 - 1.5 * 3.5)
    assert field_mm(plane_of(UPRIGHT)) == (800 + 3 * 13.5, 800 - 3 * 0.5)


@pytest.mark.parametrize("axes", ["RAS", "LPS", "SAL", "PIR"])
@pytest.mark.parametrize("degrees", [(0, 0, 0), (20, 0, 0), (0, 12, 0), (8, -6, 15)])
def test_ends_on_an_oblique_grid_are_those_of_the_corners_half_way_back(axes, degrees):
    """By brute force: every corner of every pixel, at half the depth of what was projected.

    The depth is known to half a voxel, so that is how far a tilt can move the ends.
    """
    turn = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
    grid = Grid((15, 9, 17), from_matvec(turn @ np.diag([1.5, 2.0, 3.0]), [37.5, -120.25, 804.0]))
    data = np.zeros(grid.shape, np.uint8)
    data[4:9, 2:7, 5:11] = data[6, 4, 4] = 1
    volume = reorient(Volume(data, grid), axes)
    plane = plane_of(volume.grid)
    seen = project(volume, "max") > 0
    found = measure_layers(Layers(seen[None], ("a",), (0.9,), plane), None)["a"]

    i, _, k = np.nonzero(data.max(axis=1, keepdims=True))
    steps = np.array([(a, 0, b) for a in (-0.5, 0.5) for b in (-0.5, 0.5)])
    index = np.stack([i, np.full(len(i), (9 - 1) / 2), k], axis=1)
    corners = (index[:, None] + steps).reshape(-1, 3) @ grid.affine[:3, :3].T + grid.affine[:3, 3]
    (left, _, bottom), (right, _, top) = corners.min(axis=0), corners.max(axis=0)
    x_slip, _, z_slip = np.abs(grid.affine[:3, 1]) / 2 + 1e-6
    assert (found.top_mm, found.bottom_mm) == pytest.approx((top, bottom), abs=z_slip)
    assert (found.left_mm, found.right_mm) == pytest.approx((left, right), abs=x_slip)


def test_a_picture_of_another_size_is_a_mistake():
    picture = Picture(np.zeros((1, 3, 3), np.float32), ("mean",), Plane((3, 3), (1.0, 1.0)))
    with pytest.raises(ValueError, match="but the picture is"):
        measure_layers(painted(FLAT, INSIDE), picture)
