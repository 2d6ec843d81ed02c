import numpy as np
import pytest

from totalseg_mcp.engine.measure.statistics import statistics
from totalseg_mcp.engine.volume import Labels, Volume

INSIDE = (slice(3, 7), slice(4, 7), slice(3, 6))  # 36 voxels, 3 or more from any face


def measured(tilted, values):
    data = np.zeros(tilted.shape, np.uint8)
    data[INSIDE] = 1
    image = np.zeros(tilted.shape)
    image[INSIDE] = values
    labels = Labels(data, tilted, ("a", "absent"))
    return statistics(labels, Volume(image, tilted), False)


def test_the_spread_is_that_of_the_values_cut_off_to_whole_numbers(tilted):
    """35 voxels of 10 and one of 1000: the mean is 37.5, the variance 35 * 990² / 36²."""
    values = np.full((4, 3, 3), 10.9)
    values[0, 0, 0] = 1000.9
    detail = measured(tilted, values)["a"].detail
    assert (detail.median_intensity, detail.min_intensity, detail.max_intensity) == (10, 10, 1000)
    assert detail.std_intensity == pytest.approx(np.sqrt(35) * 990 / 36, abs=1e-5)


def test_the_centroid_is_in_voxels_and_in_the_world(tilted):
    detail = measured(tilted, 500.0)["a"].detail
    assert detail.centroid_voxel == (4.5, 5.0, 4.0)
    world = tilted.affine @ [4.5, 5.0, 4.0, 1.0]
    assert detail.centroid_mm == pytest.approx(world[:3], abs=0.005)
    assert (detail.first_voxel, detail.last_voxel) == ((3, 4, 3), (6, 6, 5))


def test_the_box_in_mm_holds_the_outer_corners_of_the_voxels(tilted):
    """By brute force: every corner of every voxel inside."""
    index = np.argwhere(np.ones((4, 3, 3))) + np.array([3, 4, 3])
    steps = np.array(np.meshgrid([-0.5, 0.5], [-0.5, 0.5], [-0.5, 0.5])).reshape(3, -1).T
    corners = (index[:, None] + steps).reshape(-1, 3) @ tilted.affine[:3, :3].T
    corners += tilted.affine[:3, 3]
    low, high = measured(tilted, 500.0)["a"].detail.bbox_mm
    assert low == pytest.approx(corners.min(0), abs=0.005)
    assert high == pytest.approx(corners.max(0), abs=0.005)


def test_pieces_that_touch_at_an_edge_only_are_two(tilted):
    data = np.zeros(tilted.shape, np.uint8)
    data[4, 4, 4] = data[5, 5, 4] = data[5, 5, 5] = 1
    image = Volume(np.arange(data.size, dtype=np.int32).reshape(tilted.shape), tilted)
    found = statistics(Labels(data, tilted, ("a",)), image, False)
    assert found["a"].detail.components == 2


def test_percentiles_are_interpolated(tilted):
    """Of 0 to 350 in steps of 10, the tenth percentile is 3.5 steps up, the ninetieth 31.5."""
    detail = measured(tilted, 10.0 * np.arange(36).reshape(4, 3, 3))["a"].detail
    assert (detail.p10_intensity, detail.median_intensity, detail.p90_intensity) == (35, 175, 315)


def test_what_is_absent_has_no_detail(tilted):
    assert measured(tilted, 500.0)["absent"].detail is None


def test_what_is_cut_off_has_none_unless_it_is_asked_for(tilted):
    data = np.ones(tilted.shape, np.uint8)
    image = Volume(np.arange(data.size, dtype=np.int32).reshape(tilted.shape), tilted)
    labels = Labels(data, tilted, ("a",))
    assert statistics(labels, image, False)["a"].detail is None
    whole = statistics(labels, image, True)["a"].detail
    assert whole.median_intensity == (data.size - 1) / 2
