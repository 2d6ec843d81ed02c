import imagecodecs
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 (its own name for itself)
from dicom_series import instance, packed, series, written, zipped
from pydicom import Dataset, uid

from totalseg_mcp.engine.errors import BadImageError
from totalseg_mcp.engine.files.flat import read_seen
from totalseg_mcp.engine.flat import Flat
from totalseg_mcp.engine.reel import Reel

SPACING = {"PixelSpacing": None, "ImagerPixelSpacing": [0.2, 0.15]}


@pytest.fixture
def values() -> np.ndarray:
    return np.random.default_rng(5).integers(0, 4096, (9, 7), np.uint16)


def xray(values, **elements) -> Dataset:
    one = instance(values, (0, 0, 0), Modality="DX", BitsStored=12, HighBit=11)
    one.SOPClassUID = uid.DigitalXRayImageStorageForPresentation
    del one.ImagePositionPatient, one.ImageOrientationPatient
    for name, value in ({"RescaleIntercept": 0, "ViewPosition": "PA"} | elements).items():
        setattr(one, name, value)
        if value is None:
            delattr(one, name)
    return one


def one_file(tmp_path, dataset):
    return next(written(tmp_path / "x", [dataset]).iterdir())


@pytest.mark.parametrize("modality", ["CR", "DX", "RF"])
def test_an_x_ray_is_what_itk_reads(tmp_path, values, modality):
    file = one_file(tmp_path, xray(values, Modality=modality, RescaleSlope=2, RescaleIntercept=-9))
    flat = read_seen(file)
    assert isinstance(flat, Flat)
    assert np.array_equal(flat.picture.data[0], sitk.GetArrayFromImage(sitk.ReadImage(file))[0])
    assert np.array_equal(flat.picture.data[0], 2.0 * values - 9)
    assert (flat.form, flat.modality, flat.picture.channels) == ("dicom", modality, ("ch0",))
    assert flat.picture.plane.spacing_mm == (0.7, 0.8)


def test_an_x_ray_with_dark_bones_is_turned_within_its_bits(tmp_path, values):
    flat = read_seen(one_file(tmp_path, xray(values, PhotometricInterpretation="MONOCHROME1")))
    assert np.array_equal(flat.picture.data[0], 4095.0 - values)
    assert "inverted" in flat.notes[0]


@pytest.mark.parametrize(
    ("elements", "spacing_mm", "at_detector"),
    [
        ({"PixelSpacingCalibrationType": "GEOMETRY"}, (0.7, 0.8), False),
        ({}, (0.7, 0.8), True),
        (SPACING, (0.15, 0.2), True),
        ({"PixelSpacing": None}, None, False),
    ],
)
def test_the_spacing_says_where_it_was_measured(
    tmp_path, values, elements, spacing_mm, at_detector
):
    flat = read_seen(one_file(tmp_path, xray(values, **elements)))
    assert flat.picture.plane.spacing_mm == (spacing_mm or (1.0, 1.0))
    assert (flat.spacing_known, flat.at_detector) == (spacing_mm is not None, at_detector)
    said = " ".join(flat.notes)
    assert ("detector" in said) == at_detector
    assert ("taken as 1 mm" in said) == (spacing_mm is None)


@pytest.mark.parametrize(
    ("orientation", "sides"),
    [(["L", "F"], ("R", "L")), (["R", "F"], ("L", "R")), (["A", "F"], None), (None, None)],
)
def test_the_sides_are_those_that_the_file_names(tmp_path, values, orientation, sides):
    file = one_file(tmp_path, xray(values, PatientOrientation=orientation))
    assert read_seen(file).sides == sides


@pytest.mark.parametrize(
    ("elements", "words"),
    [
        ({"ViewPosition": "LL"}, "front or the back"),
        ({"PatientOrientation": ["L", "H"]}, "head down"),
        ({"PresentationIntentType": "FOR PROCESSING"}, "raw"),
        ({"LossyImageCompression": "01"}, "with loss"),
    ],
)
def test_what_makes_a_poor_result_is_noted(tmp_path, values, elements, words):
    calibrated = {"PixelSpacingCalibrationType": "FIDUCIAL"}
    assert read_seen(one_file(tmp_path, xray(values, **calibrated))).notes == ()
    (tmp_path / "other").mkdir()
    (note,) = read_seen(one_file(tmp_path / "other", xray(values, **calibrated, **elements))).notes
    assert words in note


@pytest.mark.parametrize(
    ("elements", "words"),
    [
        ({"NumberOfFrames": 3}, "film of 3 pictures"),
        ({"PhotometricInterpretation": "RGB", "SamplesPerPixel": 3}, "in colour"),
        ({"ModalityLUTSequence": [Dataset()]}, "ModalityLUTSequence"),
        ({"Rows": 60000, "Columns": 60000}, "3,600,000,000 pixels"),
        ({"PixelSpacing": [90, 90]}, "at most 50 mm"),
        ({"RescaleSlope": 0}, "damaged"),
        ({"Rows": 10}, "damaged"),
    ],
)
def test_what_is_no_single_grey_picture_is_refused(tmp_path, values, elements, words):
    with pytest.raises(BadImageError, match=words):
        read_seen(one_file(tmp_path, xray(values, **elements)))


def test_packed_x_rays_are_unpacked(tmp_path, values):
    frame = imagecodecs.ljpeg_encode(values, bitspersample=16)
    file = one_file(tmp_path, packed(xray(values), uid.JPEGLosslessSV1, frame))
    assert np.array_equal(read_seen(file).picture.data[0], values)


def test_a_folder_or_an_archive_may_hold_one_x_ray_only(tmp_path, values):
    folder = written(tmp_path / "one", [xray(values)])
    assert np.array_equal(read_seen(folder).picture.data[0], values)
    assert np.array_equal(read_seen(zipped(tmp_path / "x.zip", folder)).picture.data[0], values)
    two = written(tmp_path / "two", [xray(values), xray(values)])
    with pytest.raises(BadImageError, match="holds 2 X-rays"):
        read_seen(two)
    assert np.array_equal(read_seen(next(two.iterdir())).picture.data[0], values)


def test_a_series_of_slices_is_a_volume_also_beside_an_x_ray(tmp_path, values):
    assert isinstance(read_seen(written(tmp_path / "ct", series())), Reel)
    assert isinstance(read_seen(written(tmp_path / "both", [*series(), xray(values)])), Reel)


def test_nothing_of_the_patient_is_told(tmp_path, values):
    file = one_file(tmp_path, xray(values, PatientOrientation=["DOE", "JANE"]))
    assert "DOE" not in repr(read_seen(file))
