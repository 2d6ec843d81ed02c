"""Slices that do not make an upright and even grid as they are."""

import nibabel as nib
import numpy as np
import pytest
from dicom_series import COUNT, instance, series, written

from totalseg_mcp.engine.errors import BadImageError
from totalseg_mcp.engine.files import read

HU_PER_MM = np.array([7.0, -9.0, 5.0])  # of the ramp below, along LPS


def tilted(degrees: float, heights=range(20), **elements):
    """A gantry tilted about the x axis, its slices 3 mm apart along the table, in a linear ramp.

    A ramp is what linear interpolation keeps.
    """
    angle = np.radians(degrees)
    directions = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, 0, 1]])
    rows, columns = np.indices((40, 30))
    for height in heights:
        start = np.array([-10.0, -15.0, 20.0 + 3 * height])
        places = start[:, None, None] + np.multiply.outer(directions[0], 0.7 * columns)
        places += np.multiply.outer(directions[1], 0.8 * rows)
        values = np.rint(np.einsum("a,a...->...", HU_PER_MM, places)).astype(np.int16)
        yield instance(
            values, start, directions, PixelRepresentation=1, RescaleIntercept=0, **elements
        )


def off_the_ramp(scan) -> np.ndarray:
    """By how much each voxel that a slice covers differs from the ramp."""
    covered = np.argwhere(scan.volume.data > -1024)
    places = nib.affines.apply_affine(scan.volume.grid.affine, covered) * [-1, -1, 1]
    return scan.volume.data[tuple(covered.T)] - places @ HU_PER_MM


@pytest.mark.parametrize("degrees", [12, -20, 0.5])
def test_a_tilted_gantry_is_put_upright_where_the_slices_were(tmp_path, degrees):
    scan = read(written(tmp_path / "a", list(tilted(degrees))))
    (note,) = scan.notes
    assert f"tilted by {abs(degrees):.1f} degrees" in note
    axes = scan.volume.grid.affine[:3, :3] / nib.affines.voxel_sizes(scan.volume.grid.affine)
    assert np.allclose(axes.T @ axes, np.eye(3), atol=1e-6), "at right angles"
    assert np.allclose(
        scan.volume.grid.spacing_mm, [0.7, 0.8, 3 * np.cos(np.radians(degrees))], atol=1e-5
    )
    # Half a unit from rounding on each side of the interpolation.
    assert np.abs(off_the_ramp(scan)).max() < 1.01
    assert (scan.volume.data > -1024).sum() >= 30 * 38 * 20, "all but a border row of each slice"
    lost = 3 * 19 * abs(np.sin(np.radians(degrees))) / 0.8
    assert scan.volume.data.shape == (30, 40 + np.ceil(lost), 20)


DCM2NIIX = {  # 1.0.20260724, of 24 of these slices: size, affine, and values at two voxels
    12: (
        (30, 58, 24),
        [
            [-0.7, 0, 0, 10],
            [0, 0.782518, -0.610105, -15.518206],
            [0, 0.166329, 2.870318, 13.513156],
            [0, 0, 0, 1],
        ],
        {(15, 20, 12): 195, (15, 40, 3): 273},
    ),
    20: (
        (30, 70, 24),
        [
            [-0.7, 0, 0, 10],
            [0, 0.751754, -0.964181, -14.318411],
            [0, 0.273616, 2.649067, 9.328971],
            [0, 0, 0, 1],
        ],
        {(15, 20, 12): 139, (15, 40, 3): 260},
    ),
}


@pytest.mark.parametrize("degrees", DCM2NIIX)
def test_the_upright_grid_and_its_values_are_those_of_dcm2niix(tmp_path, degrees):
    shape, affine, values = DCM2NIIX[degrees]
    volume = read(written(tmp_path / "a", list(tilted(degrees, range(24))))).volume
    assert volume.data.shape == shape
    assert np.allclose(volume.grid.affine, affine, atol=1e-5)
    assert {index: volume.data[index] for index in values} == values


def test_what_no_tilted_slice_reaches_is_air_or_nothing(tmp_path):
    ct = read(written(tmp_path / "ct", list(tilted(12)))).volume.data
    mr = read(written(tmp_path / "mr", list(tilted(12, Modality="MR")))).volume.data
    assert (ct == -1024).mean() > 0.1
    assert (mr[ct == -1024] == 0).all()


def test_a_stack_that_leans_more_than_a_gantry_does_is_refused(tmp_path):
    with pytest.raises(BadImageError, match=r"leans by 50\.0 degrees"):
        read(written(tmp_path / "a", list(tilted(50))))


def test_slices_that_jump_sideways_are_refused(tmp_path):
    slices = series()
    slices[4].ImagePositionPatient = [-7, -20, 40]
    with pytest.raises(BadImageError, match=r"3\.0 mm off a straight stack"):
        read(written(tmp_path / "a", slices))


GAPS = {
    "one": ([3], r"7 slices are 2\.50 mm apart, but 5\.00 mm between 35\.00 and 40\.00 \(1 miss"),
    "two together": ([3, 4], r"7\.50 mm between 35\.00 and 42\.50 \(2 missing\)"),
    "after the first": ([1], r"5\.00 mm between 30\.00 and 35\.00 \(1 missing\)"),
    "before the last": ([6], r"5\.00 mm between 42\.50 and 47\.50 \(1 missing\)"),
}


@pytest.mark.parametrize("case", GAPS)
def test_missing_slices_are_refused_with_the_place_of_the_gap(tmp_path, case):
    missing, words = GAPS[case]
    with pytest.raises(BadImageError, match=words):
        read(written(tmp_path / "a", [s for n, s in enumerate(series()) if n not in missing]))


def test_positions_rounded_to_a_tenth_are_even_with_a_note(tmp_path):
    heights = np.round(np.arange(40) * 0.625, 1)
    scan = read(written(tmp_path / "a", series(heights=heights)))
    assert scan.volume.data.shape[2] == 40
    assert scan.volume.grid.spacing_mm[2] == pytest.approx(24.4 / 39)
    assert "from 0.60 to 0.70 mm; they were taken as even, 0.63 mm apart" in scan.notes[0]


def test_positions_rounded_to_a_hundredth_are_even(tmp_path):
    heights = np.round(np.arange(COUNT) * 0.625, 2)
    assert read(written(tmp_path / "a", series(heights=heights))).notes == ()


UNEVEN = {
    "2 mm, then 4 mm": ([0, 2, 4, 6, 8, 12, 16, 20, 24], 13, 2),
    "one slice late": ([0, 2, 4, 6.8, 8, 10, 12], 7, 2),
}


@pytest.mark.parametrize("case", UNEVEN)
def test_uneven_slices_are_interpolated_to_the_finer_spacing(tmp_path, case):
    heights, count, step = UNEVEN[case]
    slices = series(heights=heights, RescaleIntercept=0)
    for height, one in zip(heights, slices, strict=True):
        one.PixelData = np.full((6, 5), 1000 + 10 * height, np.uint16).tobytes()
    slices[0].PixelData = np.full((6, 5), 1000, np.uint16).tobytes()
    scan = read(written(tmp_path / "a", slices))
    assert scan.volume.grid.spacing_mm[2] == pytest.approx(step)
    assert scan.volume.data[0, 0].tolist() == [1000 + 10 * step * k for k in range(count)]
    assert f"interpolated linearly to {count} slices" in scan.notes[0]


def test_uneven_slices_of_a_tilted_gantry_are_put_right_too(tmp_path):
    heights = [0, 1, 2, 3, 4, 6, 8, 10, 12]
    scan = read(written(tmp_path / "a", list(tilted(15, heights))))
    assert scan.volume.data.shape[2] == 13
    inside = off_the_ramp(scan)
    assert np.percentile(np.abs(inside), 90) < 1.5
    assert len(scan.notes) == 2
