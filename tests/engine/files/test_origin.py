import numpy as np
import pytest
from dicom_scans import DIRECTIONS, WORDS, patient_series, some_labels
from pydicom import dcmread
from pydicom.config import disable_value_validation
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag

from totalseg_mcp.engine.errors import BadImageError
from totalseg_mcp.engine.files import read
from totalseg_mcp.engine.files.origin import identify, made_up, origin
from totalseg_mcp.engine.files.planes import fitting, planes
from totalseg_mcp.engine.headers import Headers
from totalseg_mcp.engine.volume import Grid, Volume


@pytest.mark.parametrize("way", DIRECTIONS)
def test_labels_by_slice_lie_where_they_lay(tmp_path, way):
    scan = read(patient_series(tmp_path / "series", DIRECTIONS[way]))
    labels = some_labels(scan)
    back = planes(labels, origin(scan.source))
    assert back.labels.data.shape == (12, 40, 36)
    for number in (1, 2, 3, 4):
        there, here = (
            np.sort(
                np.argwhere(one.data == number) @ one.grid.affine[:3, :3].T
                + one.grid.affine[:3, 3],
                axis=0,
            )
            for one in (labels, back.labels)
        )
        np.testing.assert_allclose(there, here, atol=1e-3)


def test_every_slice_has_its_image(tmp_path):
    scan = read(patient_series(tmp_path / "series", DIRECTIONS["rows flipped"]))
    back = planes(some_labels(scan), origin(scan.source))
    heights = [float(image.ImagePositionPatient[2]) for image in back.images]
    assert sorted(heights) == heights or sorted(heights) == heights[::-1]
    assert len(back.present) == 12


TURN = np.array([[0, -0.8, 0, 0], [0.8, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]])  # the sine of 53°


def test_slices_that_were_put_in_between_have_no_image(tmp_path):
    """Five slices 2.5 mm apart and then seven at half of that."""
    heights = [0, 2.5, 5, 7.5, 10, 11.25, 12.5, 13.75, 15, 16.25, 17.5, 18.75]
    scan = read(patient_series(tmp_path / "series", heights=heights))
    back = planes(some_labels(scan), origin(scan.source))
    there = [float(image.ImagePositionPatient[2]) - 30 if image else None for image in back.images]
    assert there[:8] == [0, None, 2.5, None, 5, None, 7.5, None]
    assert there[8:] == heights[4:]
    assert back.position(1) == pytest.approx([-10, -20, 31.25])


RESAMPLED = {
    "fewer slices": lambda g: Grid((*g.shape[:2], g.shape[2] - 1), g.affine),
    "other spacing": lambda g: Grid(g.shape, g.affine @ np.diag([1, 1, 1.1, 1])),
    "sheared": lambda g: Grid(g.shape, g.affine + 0.2 * np.eye(4)[:, [1]] @ np.eye(4)[[2]]),
    "turned": lambda g: Grid(g.shape, np.diag([0.6, 0.6, 1, 1]) @ g.affine + TURN @ g.affine),
    "moved": lambda g: Grid(g.shape, g.affine + 0.3 * np.eye(4)[:, [0]] @ np.eye(4)[[3]]),
}


@pytest.mark.parametrize("case", RESAMPLED)
def test_a_grid_that_is_not_that_of_the_slices_is_refused(tmp_path, case):
    scan = read(patient_series(tmp_path / "series"))
    fitting(scan.volume, origin(scan.source))
    grid = RESAMPLED[case](scan.volume.grid)
    with pytest.raises(BadImageError, match="resampled when it was read"):
        fitting(Volume(np.zeros(grid.shape), grid), origin(scan.source))


def test_uids_that_an_anonymised_series_lacks_are_made_up_and_said_to_be(tmp_path):
    blank = {"StudyInstanceUID": "", "SeriesInstanceUID": ""}
    folder = patient_series(tmp_path / "series", **blank)
    source = read(folder).source
    one, again = origin(source), origin(Headers(source.slices[::-1]))
    for keyword in blank:
        uids = {str(image[keyword].value) for image in (*one.images, *again.images)}
        assert len(uids) == 1
        assert len(uids.pop()) > 10
    assert one.images[0].StudyInstanceUID != one.images[0].SeriesInstanceUID
    (note,) = made_up(source)
    assert "no StudyInstanceUID, SeriesInstanceUID (anonymised?)" in note
    assert made_up(read(patient_series(tmp_path / "whole")).source) == ()


def test_a_slice_whose_uid_was_blanked_is_named_by_its_file(tmp_path):
    folder = patient_series(tmp_path / "series")
    uids = set()
    for file in folder.iterdir():
        one = dcmread(file)
        one.SOPInstanceUID = ""
        one.save_as(file)
        uids.add(one.file_meta.MediaStorageSOPInstanceUID)
    assert {image.SOPInstanceUID for image in origin(read(folder).source).images} == uids


def test_frames_of_one_file_are_refused(tmp_path):
    (header, *_) = read(patient_series(tmp_path / "series")).source.slices
    with pytest.raises(BadImageError, match="frames of one file"):
        origin(Headers((header, header)))


def test_slices_of_a_private_kind_are_refused(tmp_path):
    folder = patient_series(tmp_path / "series", SOPClassUID="1.3.12.2.1107.5.9.1")
    with pytest.raises(BadImageError, match="standard SOPClassUID"):
        origin(read(folder).source)


def test_a_damaged_identity_is_refused_without_a_word_of_it(tmp_path):
    scan = read(patient_series(tmp_path / "series"))
    for header in scan.source.slices:
        tag = Tag("PatientSize")
        header[tag] = RawDataElement(tag, "DS", 4, b"Doe ", 0, False, True)
    with pytest.raises(BadImageError, match="cannot be carried over") as refusal:
        origin(scan.source)
    assert "Doe" not in str(refusal.value)


def test_an_odd_identity_is_carried_as_it_is(tmp_path):
    """What validators complain about: a sex of X, a name without ^, an id that is too long."""
    odd = {"PatientSex": "X", "PatientName": "JANE DOE", "PatientID": "4" * 80, "PatientAge": "9"}
    folder = patient_series(tmp_path / "series")
    for file in folder.iterdir():
        one = dcmread(file)
        with disable_value_validation():
            for name, value in odd.items():
                one.add_new(name, "LO", value)
            one.save_as(file)
    made_from = origin(read(folder).source)
    result = type(made_from.identity)()
    identify(result, made_from)
    assert {name: str(result[name].value) for name in odd} == odd


def test_the_patient_is_in_no_representation(tmp_path):
    scan = read(patient_series(tmp_path / "series"))
    made_from = origin(scan.source)
    back = planes(some_labels(scan), made_from)
    shown = "".join(map(repr, (scan, scan.source, made_from, back)))
    assert not any(word in shown for word in WORDS)


def test_what_highdicom_sees_of_a_slice_is_not_the_patient(tmp_path):
    made_from = origin(read(patient_series(tmp_path / "series")).source)
    assert not any(word in str(made_from.images[0]) for word in WORDS)
