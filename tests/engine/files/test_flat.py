"""Pictures for TotalSegmentator 2D, beside what ITK reads of the same files."""

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 (its own name for itself)

from totalseg_mcp.engine.errors import BadImageError
from totalseg_mcp.engine.files import read
from totalseg_mcp.engine.files.flat import read_seen
from totalseg_mcp.engine.flat import Flat
from totalseg_mcp.engine.image.project import plane_of, project
from totalseg_mcp.engine.reel import Reel

LPS_FRONT = (-1.0, 0, 0, 0, -1.0, 0, 0, 0, -1.0)  # RAI, as projections lie
COS, SIN = np.cos(0.1), np.sin(0.1)


@pytest.fixture
def noise() -> np.ndarray:
    """`[row, column]`."""
    return np.random.default_rng(3).normal(40, 200, (7, 5)).astype(np.float32)


def saved(path, array, spacing, direction=None, origin=None, vector=False):
    image = sitk.GetImageFromArray(array, isVector=vector)
    image.SetSpacing(spacing)
    if direction is not None:
        image.SetDirection(direction)
    if origin is not None:
        image.SetOrigin(origin)
    sitk.WriteImage(image, str(path), useCompression=True)
    return path


@pytest.mark.parametrize("name", ["a.nrrd", "a.mha", "a.nii.gz", "a.mhd", "a.nhdr"])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_2_d_image_is_a_picture_with_its_components_as_channels(tmp_path, noise, name, channels):
    array = noise if channels == 1 else np.stack([noise, noise**2], axis=-1)
    file = saved(tmp_path / name, array, (0.5, 0.75), origin=(3.5, -8), vector=channels > 1)
    flat = read_seen(file)
    assert isinstance(flat, Flat)
    image = sitk.ReadImage(str(file))
    assert image.GetDimension() == 2
    seen = sitk.GetArrayFromImage(image).reshape(7, 5, channels)
    assert np.array_equal(flat.picture.data, np.moveaxis(seen, -1, 0))
    assert flat.picture.data.dtype == np.float32
    assert flat.picture.channels == ("ch0", "ch1")[:channels]
    assert flat.picture.plane.spacing_mm == image.GetSpacing()
    assert flat.picture.plane.origin_mm == image.GetOrigin()
    np.testing.assert_allclose(flat.picture.plane.direction, image.GetDirection(), atol=1e-7)
    assert (flat.spacing_known, flat.sides, flat.picture.plane.grid) == (True, None, None)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("name", ["a.nrrd", "a.mha", "a.nii.gz"])
def test_one_slice_is_a_picture_whatever_its_axis(tmp_path, noise, axis, name):
    array = np.expand_dims(noise, axis)
    file = saved(tmp_path / name, array, (0.5, 0.75, 2.0))
    flat = read_seen(file)
    assert np.array_equal(flat.picture.data[0], noise)
    image = sitk.ReadImage(str(file))
    collapsed = sitk.Extract(image, [n if n > 1 else 0 for n in image.GetSize()])
    np.testing.assert_allclose(flat.picture.plane.spacing_mm, collapsed.GetSpacing())
    np.testing.assert_allclose(flat.picture.plane.origin_mm, collapsed.GetOrigin())


@pytest.mark.parametrize(
    "direction",
    [
        (COS, SIN, 0, -SIN, COS, 0, 0, 0, 1),
        (COS, 0, SIN, 0, 1, 0, -SIN, 0, COS),
        (1, 0, 0, 0, 0, 1, 0, -1, 0),
        (0, 1, 0, 1, 0, 0, 0, 0, -1),
    ],
)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_an_oblique_slice_has_the_edges_that_nrrd_gives_it(tmp_path, noise, direction, axis):
    file = saved(tmp_path / "a.nrrd", np.expand_dims(noise, axis), (0.5, 0.75, 2.0), direction)
    flat = read_seen(file).picture.plane
    image = sitk.ReadImage(str(file))
    extract = sitk.ExtractImageFilter()
    extract.SetSize([n if n > 1 else 0 for n in image.GetSize()])
    extract.SetDirectionCollapseToStrategy(sitk.ExtractImageFilter.DIRECTIONCOLLAPSETOGUESS)
    sitk.WriteImage(extract.Execute(image), str(tmp_path / "collapsed.nrrd"))
    again = sitk.ReadImage(str(tmp_path / "collapsed.nrrd"))
    np.testing.assert_allclose(flat.spacing_mm, again.GetSpacing(), rtol=1e-12)
    np.testing.assert_allclose(flat.direction, again.GetDirection(), atol=1e-12)
    np.testing.assert_allclose(flat.origin_mm, again.GetOrigin(), atol=1e-12)


def test_a_saved_projection_lies_where_it_was_made(tmp_path, tilted):
    turned = tilted.affine.copy()
    turned[:3, :3] = np.diag(np.linalg.norm(turned[:3, :3], axis=0) * [-1, -1, 1])
    voxels = np.random.default_rng(0).normal(0, 300, tilted.shape)
    nib.Nifti1Image(voxels, turned).to_filename(tmp_path / "ct.nii.gz")
    scan = read(tmp_path / "ct.nii.gz")
    plane, mean = plane_of(scan.volume.grid), project(scan.volume, "mean")
    lps = np.diag([-1, -1, 1, 1]) @ plane.grid.affine
    array = np.stack([mean, mean * 2], -1)[:, None]
    file = saved(
        tmp_path / "p.nrrd", array, np.linalg.norm(lps[:3, :3], axis=0).tolist(), LPS_FRONT,
        lps[:3, 3].tolist(), vector=True,
    )  # fmt: skip
    flat = read_seen(file)
    assert np.array_equal(flat.picture.data[0], mean)
    assert flat.sides == ("L", "R")
    assert flat.notes == ()
    np.testing.assert_allclose(flat.picture.plane.grid.affine, plane.grid.affine)
    np.testing.assert_allclose(flat.picture.plane.spacing_mm, plane.spacing_mm)
    np.testing.assert_allclose(flat.picture.plane.direction, plane.direction, atol=1e-12)


def test_a_coronal_slice_that_stands_otherwise_is_noted(tmp_path, noise):
    flat = read_seen(saved(tmp_path / "a.nii", noise[:, None], (1, 1, 1)))
    assert "axes run LPS" in flat.notes[0]
    assert (flat.sides, flat.picture.plane.grid) == (None, None)


def test_a_volume_is_read_as_a_volume(tmp_path, noise):
    volume = np.stack([noise, noise + 1])
    for name in ("a.nrrd", "a.mha", "a.nii"):
        assert isinstance(read_seen(saved(tmp_path / name, volume, (1, 1, 1))), Reel)


@pytest.mark.parametrize(
    ("array", "spacing", "words"),
    [
        (np.full((7, 5), np.nan, np.float32), (1, 1), "35 of the picture's 35 values"),
        (np.full((7, 5), 1e300), (1, 1), "beyond single precision"),
        (np.full((7, 5), 12, np.int16), (1, 1), "channel 0 are 12"),
        (np.arange(7)[None].astype("i2"), (1, 1), "a line or a point"),
        (np.arange(7)[None, None].astype("i2"), (1, 1, 1), "a line or a point"),
        (np.arange(35).reshape(7, 5).astype("i2"), (1, 60), "at most 50 mm"),
    ],
)
@pytest.mark.parametrize("name", ["a.nrrd", "a.mha"])
def test_what_is_no_picture_is_refused(tmp_path, array, spacing, words, name):
    with np.errstate(over="ignore"), pytest.raises(BadImageError, match=words):
        read_seen(saved(tmp_path / name, array, spacing))


def test_a_channel_without_contrast_is_named(tmp_path, noise):
    array = np.stack([noise, np.zeros_like(noise)], -1)
    with pytest.raises(BadImageError, match="channel 1 are 0"):
        read_seen(saved(tmp_path / "a.nrrd", array, (1, 1), vector=True))


def test_a_picture_that_promises_too_much_is_refused(tmp_path):
    head = "NRRD0004\ntype: float\ndimension: 2\nsizes: 90000 90000\nencoding: gzip\nendian: little"
    (tmp_path / "a.nrrd").write_bytes(f"{head}\n\n".encode())
    with pytest.raises(BadImageError, match="90000"):
        read_seen(tmp_path / "a.nrrd")


def test_a_header_without_edges_leaves_the_spacing_unknown(tmp_path):
    head = "NRRD0004\ntype: uchar\ndimension: 2\nsizes: 2 3\nencoding: raw"
    (tmp_path / "a.nrrd").write_bytes(f"{head}\n\nabcdef".encode())
    flat = read_seen(tmp_path / "a.nrrd")
    assert (flat.spacing_known, flat.picture.plane.spacing_mm) == (False, (1.0, 1.0))
    assert flat.picture.data.tolist() == [[[97, 98], [99, 100], [101, 102]]]


def test_what_is_not_there_is_told_as_for_volumes(tmp_path):
    with pytest.raises(BadImageError, match="There is no"):
        read_seen(tmp_path / "gone.png")
