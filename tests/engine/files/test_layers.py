"""Layers on disk, as 3D Slicer, ITK and ts2d read them."""

import gzip

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 (its own name for itself)
from nibabel.affines import apply_affine
from PIL import Image

from totalseg_mcp.engine.colours import colour
from totalseg_mcp.engine.files.flat import read_seen
from totalseg_mcp.engine.files.layers import (
    write_layers_nifti,
    write_layers_nrrd,
    write_layers_png,
)
from totalseg_mcp.engine.files.projection import write_projection
from totalseg_mcp.engine.image.project import plane_of
from totalseg_mcp.engine.picture import Layers, Picture, Plane

NAMES = ("heart", "vertebrae_C1", "kidney_left", "liver")
CALLED = {"heart": "heart", "vertebrae_C1": "vertebrae-c1", "kidney_left": "kidney-left"}
LPS = np.array([-1.0, -1.0, 1.0])
PHOTO = Plane((9, 12), (0.5, 0.75), (3.5, -8.0), (0.6, -0.8, 0.8, 0.6))


@pytest.fixture
def projected(tilted) -> Plane:
    """9 rows, 12 columns, of an oblique CT."""
    return plane_of(tilted)


def layers_on(plane) -> Layers:
    """Two overlapping structures, one that is absent, and one that is not asked for."""
    data = np.zeros((4, *plane.shape), bool)
    data[0, 2:6, 3:9] = True
    data[1, 4:5, 8:12] = True
    data[3, 0] = True
    return Layers(data, NAMES, (0.9, 0.8, np.nan, 0.7), plane)


def texts_of(file) -> tuple[dict[str, str], dict[str, str]]:
    """The fields and the key-value pairs of an NRRD header."""
    head = file.read_bytes().split(b"\n\n", 1)[0].decode().splitlines()[1:]
    fields = dict(line.split(": ", 1) for line in head if ":=" not in line)
    return fields, dict(line.split(":=", 1) for line in head if ":=" in line)


def test_every_structure_is_a_component_in_a_fixed_order(projected, tmp_path):
    layers = layers_on(projected)
    write_layers_nrrd(layers, CALLED, tmp_path / "s.seg.nrrd")
    image = sitk.ReadImage(str(tmp_path / "s.seg.nrrd"))
    components = sitk.GetArrayFromImage(image)  # [depth, row] are z, y; the last are components
    assert components.shape == (9, 1, 12, 3)
    assert components.dtype == np.uint8
    assert np.array_equal(np.moveaxis(components[:, 0], -1, 0), layers.data[:3])
    said = [(image.GetMetaData(f"Segment{n}_Name"), image.GetMetaData(f"Segment{n}_Layer"))
            for n in range(3)]  # fmt: skip
    assert said == [("heart", "0"), ("vertebrae-c1", "1"), ("kidney-left", "2")]


def test_a_projection_lies_in_its_place_in_the_patient(projected, tmp_path):
    write_layers_nrrd(layers_on(projected), CALLED, tmp_path / "s.seg.nrrd")
    image = sitk.ReadImage(str(tmp_path / "s.seg.nrrd"))
    corners = [(0, 0, 0), (11, 0, 0), (0, 0, 8)]
    world = [image.TransformIndexToPhysicalPoint(corner) for corner in corners]
    assert image.GetSize() == projected.grid.shape
    np.testing.assert_allclose(world * LPS, apply_affine(projected.grid.affine, corners), atol=1e-9)
    np.testing.assert_allclose(image.GetSpacing(), projected.grid.spacing_mm)


def test_slicer_is_told_of_overlapping_segments(projected, tmp_path):
    write_layers_nrrd(layers_on(projected), CALLED, tmp_path / "s.seg.nrrd")
    fields, texts = texts_of(tmp_path / "s.seg.nrrd")
    assert fields["kinds"] == "list domain domain domain"
    assert fields["sizes"] == "3 12 1 9"
    assert fields["space"] == "left-posterior-superior"
    assert fields["space directions"].startswith("none (")
    assert texts["Segmentation_MasterRepresentation"] == "Binary labelmap"
    assert texts["Segment0_Extent"] == "3 8 0 0 2 5"
    assert texts["Segment1_Extent"] == "8 11 0 0 4 4"
    assert texts["Segment2_Extent"] == "0 -1 0 -1 0 -1"
    assert {texts[f"Segment{n}_LabelValue"] for n in range(3)} == {"1"}
    assert texts["Segment1_ID"] == "vertebrae_C1"
    assert "Kidney^" not in texts["Segment0_Tags"]
    assert texts["Segment2_Tags"].split("~")[2:4] == ["SCT^64033007^Kidney", "SCT^7771000^Left"]
    shades = [float(value) * 255 for value in texts["Segment2_Color"].split()]
    np.testing.assert_allclose(shades, colour("kidney_left"), atol=0.01)


@pytest.mark.parametrize("flat", [False, True])
def test_collapsed_layers_are_a_2_d_image(projected, tmp_path, flat):
    plane = PHOTO if flat else projected
    layers = layers_on(plane)
    write_layers_nrrd(layers, CALLED, tmp_path / "s.seg.nrrd", collapse=True)
    image = sitk.ReadImage(str(tmp_path / "s.seg.nrrd"))
    assert image.GetDimension() == 2
    assert np.array_equal(np.moveaxis(sitk.GetArrayFromImage(image), -1, 0), layers.data[:3])
    np.testing.assert_allclose(image.GetSpacing(), plane.spacing_mm)
    np.testing.assert_allclose(image.GetOrigin(), plane.origin_mm)
    np.testing.assert_allclose(image.GetDirection(), plane.direction, atol=1e-12)


def test_a_picture_that_came_as_one_is_an_axial_slice_to_slicer(tmp_path):
    write_layers_nrrd(layers_on(PHOTO), CALLED, tmp_path / "s.seg.nrrd")
    image = sitk.ReadImage(str(tmp_path / "s.seg.nrrd"))
    assert image.GetSize() == (12, 9, 1)
    np.testing.assert_allclose(image.GetSpacing(), (0.5, 0.75, 1))
    np.testing.assert_allclose(image.GetOrigin(), (3.5, -8, 0))
    np.testing.assert_allclose(image.GetDirection(), (0.6, -0.8, 0, 0.8, 0.6, 0, 0, 0, 1))


def test_masks_lie_over_the_ct(projected, tmp_path):
    layers = layers_on(projected)
    write_layers_nifti(layers, NAMES[:3], tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "heart.nii.gz",
        "kidney_left.nii.gz",
        "vertebrae_C1.nii.gz",
    ]
    for name in NAMES[:3]:
        image = nib.load(tmp_path / f"{name}.nii.gz")
        assert image.get_data_dtype() == np.uint8
        assert np.array_equal(np.asarray(image.dataobj)[:, 0].T, layers.named(name))
        np.testing.assert_allclose(image.affine, projected.grid.affine, rtol=1e-6)
        assert image.header.get_xyzt_units()[0] == "mm"


@pytest.mark.parametrize("flat", [False, True])
def test_collapsed_masks_are_2_d_with_the_same_edges(projected, tmp_path, flat):
    plane = PHOTO if flat else projected
    layers = layers_on(plane)
    write_layers_nifti(layers, ("heart",), tmp_path, collapse=True)
    image = sitk.ReadImage(str(tmp_path / "heart.nii.gz"))
    assert image.GetDimension() == 2
    assert np.array_equal(sitk.GetArrayFromImage(image), layers.named("heart"))
    np.testing.assert_allclose(image.GetSpacing(), plane.spacing_mm, rtol=1e-6)
    np.testing.assert_allclose(image.GetOrigin(), plane.origin_mm, rtol=1e-5)
    np.testing.assert_allclose(image.GetDirection(), plane.direction, atol=1e-5)


def test_in_the_picture_the_last_structure_is_on_top_and_pixels_are_square(tmp_path):
    layers = layers_on(Plane((9, 12), (0.5, 1.0)))
    write_layers_png(layers, tmp_path / "s.png")
    with Image.open(tmp_path / "s.png") as picture:
        assert picture.mode == "P"
        seen = np.asarray(picture.convert("RGB"))
    assert seen.shape == (18, 12, 3)
    assert tuple(seen[5, 4]) == colour("heart")
    assert tuple(seen[8, 8]) == colour("vertebrae_C1")
    assert tuple(seen[0, 0]) == colour("liver")
    assert tuple(seen[16, 6]) == (0, 0, 0)


@pytest.mark.parametrize("flat", [False, True])
def test_a_saved_projection_is_read_again_as_it_was(projected, tmp_path, flat):
    plane = PHOTO if flat else projected
    data = np.random.default_rng(2).normal(0, 300, (2, *plane.shape)).astype(np.float32)
    files = write_projection(Picture(data, ("mean", "max"), plane), tmp_path)
    assert [file.name for file in files] == [
        *("projection_mean.nrrd", "projection_mean.png"),
        *("projection_max.nrrd", "projection_max.png"),
    ]
    for values, file in zip(data, files[::2], strict=True):
        again = read_seen(file).picture
        assert np.array_equal(again.data[0], values)
        np.testing.assert_allclose(again.plane.spacing_mm, plane.spacing_mm, rtol=1e-12)
        np.testing.assert_allclose(again.plane.direction, plane.direction, atol=1e-12)
        np.testing.assert_allclose(again.plane.origin_mm, plane.origin_mm, rtol=1e-12)


def test_the_grey_picture_of_a_projection_goes_from_black_to_white(tmp_path):
    ramp = np.linspace(-1000, 500, 108, dtype=np.float32).reshape(9, 12)
    write_projection(Picture(ramp[None], ("first",), Plane((9, 12), (1.0, 1.0))), tmp_path)
    with Image.open(tmp_path / "projection_first.png") as picture:
        grey = np.asarray(picture)
    assert (grey[0, 0], grey[-1, -1]) == (0, 255)
    np.testing.assert_allclose(grey, (ramp + 1000) / 1500 * 255, atol=0.51)


def test_numbers_are_kept_to_the_last_digit(projected, tmp_path):
    write_layers_nrrd(layers_on(projected), CALLED, tmp_path / "s.seg.nrrd")
    fields, _ = texts_of(tmp_path / "s.seg.nrrd")
    origin = [float(text) for text in fields["space origin"].strip("()").split(",")]
    assert origin == (LPS * projected.grid.affine[:3, 3]).tolist()
    packed = (tmp_path / "s.seg.nrrd").read_bytes().split(b"\n\n", 1)[1]
    assert len(gzip.decompress(packed)) == 3 * 12 * 9
