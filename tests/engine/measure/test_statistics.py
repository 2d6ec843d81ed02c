import csv
import json

import nibabel as nib
import numpy as np
import pytest

from totalseg_mcp.engine.files import read
from totalseg_mcp.engine.files.statistics import write_statistics, write_table
from totalseg_mcp.engine.measure.statistics import statistics
from totalseg_mcp.engine.volume import Grid, Labels, Volume


def painted(grid: Grid, *boxes: tuple[slice, slice, slice]) -> Labels:
    """Box n is structure n, and the structure after the last is absent."""
    data = np.zeros(grid.shape, np.uint8)
    for number, box in enumerate(boxes, start=1):
        data[box] = number
    return Labels(data, grid, tuple(f"s{number}" for number in range(1, len(boxes) + 2)))


INSIDE = (slice(3, 7), slice(4, 7), slice(3, 6))  # 4 x 3 x 3 voxels, 3 or more from any face


def test_volume_is_voxels_times_the_voxel_on_a_tilted_grid(tilted):
    image = Volume(np.full(tilted.shape, 40, np.int16), tilted)
    found = statistics(painted(tilted, INSIDE), image, include_incomplete=False)["s1"]
    assert (found.voxels, found.complete, found.touches) == (36, True, ())
    assert found.volume_mm3 == pytest.approx(36 * 0.7 * 0.8 * 2.5)
    assert found.mean_intensity == 40


def test_an_absent_structure_has_no_numbers(tilted):
    image = Volume(np.zeros(tilted.shape, np.int16), tilted)
    found = statistics(painted(tilted, INSIDE), image, include_incomplete=True)["s2"]
    assert not found.present
    assert found.voxels == 0
    assert (found.complete, found.volume_mm3, found.mean_intensity) == (None, None, None)
    assert not found.lower_bound


@pytest.mark.parametrize(
    ("axis", "at", "side"),
    [
        (0, 2, "right"),  # L: the first index lies on the patient's right
        (0, -3, "left"),
        (1, 2, "anterior"),
        (1, -3, "posterior"),
        (2, 2, "inferior"),
        (2, -3, "superior"),
    ],
)
def test_a_structure_within_3_voxels_of_a_face_is_cut_off_on_that_side_of_the_patient(
    tilted, axis, at, side
):
    data = np.zeros(tilted.shape, np.uint8)
    data[INSIDE] = 1
    edge = [5, 5, 4]
    edge[axis] = at
    data[tuple(edge)] = 1
    image = Volume(np.zeros(tilted.shape, np.int16), tilted)
    found = statistics(Labels(data, tilted, ("s1",)), image, include_incomplete=False)["s1"]
    assert (found.present, found.complete, found.touches) == (True, False, (side,))
    assert (found.volume_mm3, found.mean_intensity, found.lower_bound) == (None, None, False)


def test_a_structure_that_is_cut_off_can_be_measured_and_is_marked(tilted):
    box = (slice(0, 4), slice(4, 7), slice(3, 6))
    image = Volume(np.full(tilted.shape, 7, np.int16), tilted)
    found = statistics(painted(tilted, box), image, include_incomplete=True)["s1"]
    assert found.volume_mm3 == pytest.approx(36 * 0.7 * 0.8 * 2.5)
    assert (found.mean_intensity, found.complete, found.lower_bound) == (7, False, True)


def mean(grid: Grid, values: np.ndarray) -> float | None:
    data = np.full(grid.shape, -500, values.dtype)
    data[INSIDE] = values.reshape(4, 3, 3)
    found = statistics(painted(grid, INSIDE), Volume(data, grid), include_incomplete=False)
    return found["s1"].mean_intensity


def test_means_are_of_whole_numbers_truncated_toward_zero(tilted):
    assert mean(tilted, np.tile([-1.9, 1.9, 3.5, 0.2], 9)) == 0.75  # -1, 1, 3, 0


def test_means_have_5_decimals(tilted):
    assert mean(tilted, np.array([1] + 35 * [0], np.int16)) == 0.02778


def test_values_beyond_16_bits_do_not_wrap(tilted):
    assert mean(tilted, np.full(36, 40_000.0)) == 40_000
    assert mean(tilted, np.full(36, 2**31, np.int64)) == 2**31


def test_an_image_scaled_to_a_narrow_range_is_not_truncated_to_nothing(tilted):
    image = Volume(np.linspace(0, 1, np.prod(tilted.shape)).reshape(tilted.shape), tilted)
    found = statistics(painted(tilted, INSIDE), image, include_incomplete=False)["s1"]
    assert found.mean_intensity == round(float(image.data[INSIDE].mean()), 5)


@pytest.mark.parametrize("order", ["C", "F"])
def test_every_order_in_memory_gives_the_same(order):
    grid = Grid((9, 8, 40), np.diag([1.0, 1, 1, 1]))
    random = np.random.default_rng(0)
    labels = Labels(random.integers(0, 4, grid.shape).astype(np.uint8), grid, ("a", "b", "c"))
    values = random.integers(-1000, 1000, grid.shape).astype(np.int16)
    found = statistics(labels, Volume(np.array(values, order=order), grid), include_incomplete=True)
    for number, one in enumerate(found.values(), start=1):
        inside = labels.data == number
        assert one.voxels == inside.sum()
        assert one.mean_intensity == round(float(values[inside].mean()), 5)


def test_labels_of_another_size_are_a_mistake(tilted):
    image = Volume(np.zeros((3, 3, 3)), Grid((3, 3, 3), np.eye(4)))
    with pytest.raises(ValueError, match="but the image is"):
        statistics(painted(tilted, INSIDE), image, include_incomplete=False)


@pytest.mark.parametrize(
    ("segmentation", "reference", "scan", "include_incomplete"),
    [
        (
            "parity/goldens/total_default_ml_stats/seg.nii.gz",
            "parity/goldens/total_default_ml_stats/statistics.json",
            "parity/inputs/ct_sm.nii.gz",
            False,
        ),
        (
            "parity/goldens/total_fastest_odd_ml_stats/seg.nii.gz",
            "parity/goldens/total_fastest_odd_ml_stats/statistics.json",
            "parity/inputs/ct_odd.nii.gz",
            False,
        ),
        (
            "data/reference/ct_thorax_3mm.total_fast.nii.gz",
            "data/reference/ct_thorax_3mm.total_fast.statistics.json",
            "data/ct_thorax_3mm.nii.gz",
            True,
        ),
    ],
)
def test_totalsegmentators_numbers_come_out_to_the_last_digit(
    shared, segmentation, reference, scan, include_incomplete
):
    expected = json.loads((shared / reference).read_text())
    image = read(shared / scan).volume
    data = np.asarray(nib.load(shared / segmentation).dataobj)
    found = statistics(Labels(data, image.grid, tuple(expected)), image, include_incomplete)
    assert list(found) == list(expected)
    for name, numbers in expected.items():  # there, absent and not measured are both 0
        assert (found[name].volume_mm3 or 0) == pytest.approx(numbers["volume"], rel=1e-6)
        assert (found[name].mean_intensity or 0) == numbers["intensity"]


def test_the_file_says_null_where_nothing_was_measured(tilted, tmp_path):
    image = Volume(np.full(tilted.shape, 40, np.int16), tilted)
    found = statistics(painted(tilted, INSIDE), image, include_incomplete=False)
    write_statistics(found, tmp_path / "statistics.json")
    table = json.loads((tmp_path / "statistics.json").read_text("utf-8"))
    assert list(table) == ["s1", "s2"]
    assert table["s2"] == {
        "present": False,
        "complete": None,
        "touches": [],
        "voxels": 0,
        "volume_mm3": None,
        "mean_intensity": None,
        "lower_bound": False,
        "detail": None,
    }


def test_the_table_has_a_row_for_every_structure_and_an_empty_cell_where_nothing_was_measured(
    tilted, tmp_path
):
    image = Volume(np.full(tilted.shape, 40, np.int16), tilted)
    found = statistics(painted(tilted, INSIDE), image, include_incomplete=False)
    write_table(found, tmp_path / "statistics.csv")
    with (tmp_path / "statistics.csv").open(encoding="utf-8", newline="") as file:
        first, second = csv.DictReader(file)
    assert (first["structure"], first["voxels"], first["mean_intensity"]) == ("s1", "36", "40.0")
    assert (first["first_i"], first["last_k"], first["components"]) == ("3", "5", "1")
    assert float(first["greatest_z_mm"]) > float(first["centroid_z_mm"])
    assert second["present"] == "False"
    assert {key for key, cell in second.items() if cell} == {
        "structure",
        "present",
        "voxels",
        "lower_bound",
    }
