"""Projections, held to ITK's own filters, which ts2d uses."""

import itertools

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from nibabel.orientations import axcodes2ornt

from totalseg_mcp.engine.image.project import PROJECTIONS, plane_of, project
from totalseg_mcp.engine.volume import Grid, Volume

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
SPACING = (1.5, 2.25, 3.5)
ORIENTATIONS = [
    "".join(codes)
    for order in itertools.permutations(("RL", "AP", "IS"))
    for codes in itertools.product(*order)
]
ITK = {
    "max": sitk.MaximumProjectionImageFilter,
    "min": sitk.MinimumProjectionImageFilter,
    "mean": sitk.MeanProjectionImageFilter,
    "median": sitk.MedianProjectionImageFilter,
    "std": sitk.StandardDeviationProjectionImageFilter,
}


def tilted(axcodes: str, degrees: float = 0.0, about: int = 2) -> Grid:
    """A small grid with these axes, off the origin, turned about a world axis."""
    affine = np.eye(4)
    for voxel_axis, (world_axis, sign) in enumerate(axcodes2ornt(axcodes)):
        affine[:3, voxel_axis] = 0
        affine[int(world_axis), voxel_axis] = sign * SPACING[voxel_axis]
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn = np.eye(3)
    one, other = (axis for axis in range(3) if axis != about)
    turn[[one, one, other, other], [one, other, one, other]] = [c, -s, s, c]
    affine[:3, :3] = turn @ affine[:3, :3]
    affine[:3, 3] = [-41.5, 120.25, -903.0]
    return Grid((5, 6, 7), affine)


def image(volume: Volume) -> sitk.Image:
    made = sitk.GetImageFromArray(volume.data.transpose(2, 1, 0))
    affine = LPS @ volume.grid.affine
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    made.SetSpacing(spacing.tolist())
    made.SetOrigin(affine[:3, 3].tolist())
    made.SetDirection((affine[:3, :3] / spacing).ravel().tolist())
    return made


@pytest.mark.parametrize("axcodes", ORIENTATIONS)
@pytest.mark.parametrize("how", ["max", "mean"])
def test_a_projection_is_itks_in_every_orientation(axcodes, how):
    grid = tilted(axcodes, 6.0)
    data = np.random.default_rng(3).integers(-1024, 3000, grid.shape).astype(np.int16)
    facing = sitk.DICOMOrient(image(Volume(data, grid)), "RAI")
    flat = ITK[how]()
    flat.SetProjectionDimension(1)
    expected = sitk.GetArrayFromImage(flat.Execute(facing))[:, 0].astype(np.float32)
    np.testing.assert_array_equal(project(Volume(data, grid), how), expected)


@pytest.mark.parametrize("how", sorted(ITK))
def test_every_kind_of_projection_is_itks(how):
    grid = tilted("LPS")
    data = np.random.default_rng(4).normal(0, 300, grid.shape)
    flat = ITK[how]()
    flat.SetProjectionDimension(1)
    seen = flat.Execute(sitk.DICOMOrient(image(Volume(data, grid)), "RAI"))
    expected = sitk.GetArrayFromImage(seen)[:, 0].astype(np.float32)
    np.testing.assert_allclose(project(Volume(data, grid), how), expected, rtol=1e-6)


def test_the_first_projection_is_what_an_eye_in_front_of_the_patient_would_not_see():
    """Its index grows forwards (RAI), so that the first value is the hindmost."""
    data = np.zeros((1, 4, 1), np.int16)
    data[0, 1, 0], data[0, 3, 0] = 5, 9
    assert project(Volume(data, Grid((1, 4, 1), np.eye(4))), "first")[0, 0] == 5
    assert PROJECTIONS["depth"] is PROJECTIONS["first"]


def test_a_mean_of_integers_is_exact():
    data = np.full((1, 3, 1), 32767, np.int16)
    assert project(Volume(data, Grid((1, 3, 1), np.eye(4))), "mean")[0, 0] == 32767


def test_the_first_row_is_the_head_and_the_first_column_the_patients_left():
    data = np.zeros((4, 3, 5), np.int16)
    data[0, :, 4] = 7  # RAS: the leftmost column, the topmost slice
    assert np.argwhere(project(Volume(data, Grid((4, 3, 5), np.eye(4))), "max")).tolist() == [
        [0, 0]
    ]


@pytest.mark.parametrize("about", [0, 1, 2])
@pytest.mark.parametrize("axcodes", ["RAS", "LPS", "SRP"])
def test_the_plane_is_where_itk_puts_a_flattened_image(tmp_path, about, axcodes):
    grid = tilted(axcodes, 8.0, about)
    volume = Volume(np.zeros(grid.shape, np.int16), grid)
    flat = sitk.MaximumProjectionImageFilter()
    flat.SetProjectionDimension(1)
    facing = sitk.DICOMOrient(image(volume), "RAI")
    seen = flat.Execute(facing)
    seen.SetOrigin(facing.GetOrigin())
    size = [n if n > 1 else 0 for n in seen.GetSize()]
    collapse = sitk.ExtractImageFilter.DIRECTIONCOLLAPSETOGUESS
    sitk.WriteImage(sitk.Extract(seen, size, [0, 0, 0], collapse), tmp_path / "flat.nrrd")
    expected = sitk.ReadImage(tmp_path / "flat.nrrd")
    plane = plane_of(grid)
    assert plane.shape == expected.GetSize()[::-1]
    np.testing.assert_allclose(plane.spacing_mm, expected.GetSpacing(), rtol=1e-12)
    np.testing.assert_allclose(plane.origin_mm, expected.GetOrigin(), rtol=1e-12)
    np.testing.assert_allclose(plane.direction, expected.GetDirection(), atol=1e-12)
    assert plane.grid is not None
    np.testing.assert_allclose(image_affine(seen), LPS @ plane.grid.affine, atol=1e-9)


def image_affine(seen: sitk.Image) -> np.ndarray:
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(seen.GetDirection(), (3, 3)) * seen.GetSpacing()
    affine[:3, 3] = seen.GetOrigin()
    return affine


def test_a_pixel_seen_from_the_side_is_smaller_by_the_cosine():
    upright, turned = plane_of(tilted("LPS")), plane_of(tilted("LPS", 30.0))
    assert upright.pixel_mm2 == pytest.approx(1.5 * 3.5)
    assert turned.pixel_mm2 == pytest.approx(1.5 * 3.5 * np.cos(np.radians(30)))


@pytest.mark.parametrize("depth", [2**15 - 1, 2**15])
@pytest.mark.parametrize("kind", [np.int16, np.uint16, np.int32])
def test_the_mean_of_the_highest_whole_numbers_is_that_number(kind, depth):
    highest = np.iinfo(kind).max
    volume = Volume(np.full((1, depth, 1), highest, kind), Grid((1, depth, 1), np.eye(4)))
    assert project(volume, "mean").tolist() == [[np.float32(highest)]]
