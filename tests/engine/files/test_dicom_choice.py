"""Which of the slices that lie together are taken."""

import numpy as np
import pytest
from dicom_series import COUNT, instance, pixels, series, written, zipped
from pydicom.uid import MediaStorageDirectoryStorage

from totalseg_mcp.engine.errors import BadImageError
from totalseg_mcp.engine.files import read


def another(count=COUNT, **elements):
    """A second series, number 6, whose lowest value is 0."""
    given = {"SeriesInstanceUID": "1.2.4", "SeriesNumber": 6, "RescaleIntercept": 0, **elements}
    return series(heights=2.5 * np.arange(count), **given)


def test_of_equal_series_one_must_be_chosen_by_one_of_its_files(tmp_path):
    folder = written(written(tmp_path / "a", series()), another(ConvolutionKernel="B30f"))
    with pytest.raises(BadImageError, match="several series, and no rule") as refusal:
        read(folder)
    assert "Give the path of one file of the right one as input_path" in str(refusal.value)
    assert "series 5, CT, 8 slices of 5 x 6 over 18 mm (" in str(refusal.value)
    assert "series 6, CT, 8 slices of 5 x 6 over 18 mm, kernel B30f (" in str(refusal.value)
    chosen = read(folder / "IM0009")
    assert chosen.volume.data.min() == 0
    assert "8 x" not in "".join(chosen.notes)


CHOSEN = {
    "the largest": another(12),
    "the largest, even of an earlier series": another(20, SeriesNumber=1),
    "original before derived": another(20, ImageType=["DERIVED", "SECONDARY", "MPR"]),
    "original before derived of the same size": another(ImageType=["DERIVED", "SECONDARY"]),
}


@pytest.mark.parametrize("case", CHOSEN)
def test_of_several_series_one_is_chosen_by_rule_and_the_others_are_named(tmp_path, case):
    folder = written(written(tmp_path / "a", series()), CHOSEN[case])
    scan = read(folder)
    assert (scan.volume.data.min() == 0) == ("largest" in case)
    (note,) = scan.notes
    assert note.startswith("Of 2 series the one that is one volume, of original images, and the")
    other = f"series {5 if 'largest' in case else 6}, CT"
    assert other in note.split("Give the path of one file")[1]


def test_the_next_in_size_must_be_clearly_smaller(tmp_path):
    folder = written(written(tmp_path / "a", series()), another(9))
    with pytest.raises(BadImageError, match="no rule to choose"):
        read(folder)


def test_ct_and_mr_together_are_refused_whatever_their_size(tmp_path):
    folder = written(written(tmp_path / "a", series()), another(30, Modality="MR"))
    with pytest.raises(BadImageError, match="series 6, MR, 30 slices"):
        read(folder)


def test_a_series_that_is_several_volumes_is_passed_over_for_one_that_is_one(tmp_path):
    perfusion = [*another(), *another(RescaleIntercept=7), *another(RescaleIntercept=9)]
    scan = read(written(written(tmp_path / "a", series()), perfusion))
    assert scan.volume.data.min() == -1024
    assert "series 6, CT, 24 slices" in scan.notes[0]
    assert "several volumes that cannot be told apart" in scan.notes[0]


def test_volumes_in_one_series_that_nothing_tells_apart_are_refused(tmp_path):
    with pytest.raises(BadImageError, match="8 of 16 slices lie at the same place"):
        read(written(tmp_path / "a", [*series(), *series(RescaleIntercept=7)]))


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("AcquisitionNumber", (1, 2), "acquisition 2"),
        ("EchoTime", ("2.3", "4.6"), "echo time 4.6"),
        ("TemporalPositionIdentifier", (1, 2), "time point 2"),
    ],
)
def test_volumes_in_one_series_are_told_apart_and_chosen_by_a_file(tmp_path, name, values, words):
    first, second = (
        series(RescaleIntercept=intercept, **{name: value})
        for intercept, value in zip((0, 7), values, strict=True)
    )
    folder = written(written(tmp_path / "a", first), second)
    with pytest.raises(BadImageError, match=words):
        read(folder)
    assert read(folder / "IM0008").volume.data.min() == 7


def test_copies_under_new_identifiers_are_left_out_with_a_note(tmp_path):
    scan = read(written(tmp_path / "a", [*series(), *series()]))
    assert scan.volume.data.shape[2] == COUNT
    assert scan.notes == ("Left out: 8 x copy of a CT slice.",)


@pytest.mark.parametrize("name", ["IM0000", "IM0008"])
def test_a_copy_may_be_given_as_the_file_of_the_series(tmp_path, name):
    slices = series()
    folder = written(written(tmp_path / "a", slices), slices)
    scan = read(written(folder, another()) / name)
    assert (scan.volume.data.min(), scan.volume.data.shape[2]) == (-1024, COUNT)


def test_slices_that_share_an_identifier_are_told_apart_by_their_places(tmp_path):
    scan = read(written(tmp_path / "a", series(SOPInstanceUID="1.2.3.4")))
    assert (scan.volume.data.shape[2], scan.notes) == (COUNT, ())


def test_a_long_localizer_is_left_out_by_its_type(tmp_path):
    scouts = another(30, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    scan = read(written(written(tmp_path / "a", series()), scouts))
    assert scan.volume.data.min() == -1024
    assert scan.notes == ("Left out: 30 x CT localizer.",)


def test_a_file_that_is_no_slice_is_refused_though_slices_lie_beside_it(tmp_path):
    folder = written(tmp_path / "a", series())
    report = instance(pixels(1)[0], (0, 0, 0), Modality="SR")
    report.save_as(folder / "report", enforce_file_format=True)
    with pytest.raises(BadImageError, match="report holds no slice: it is a SR file"):
        read(folder / "report")


def test_a_dicomdir_is_told_for_what_it_is(tmp_path):
    folder = written(tmp_path / "a", series())
    listing = instance(pixels(1)[0], (0, 0, 0))
    listing.file_meta.MediaStorageSOPClassUID = MediaStorageDirectoryStorage
    listing.SOPClassUID = MediaStorageDirectoryStorage
    listing.save_as(folder / "DICOMDIR", enforce_file_format=True)
    assert "1 x DICOMDIR" in read(folder).notes[0]
    with pytest.raises(BadImageError, match="only lists other files"):
        read(folder / "DICOMDIR")


def test_slices_that_each_have_their_own_mark_are_not_taken_for_volumes(tmp_path):
    phases = [*series(), *series(RescaleIntercept=7)]
    for time, one in enumerate(phases):
        one.TriggerTime = time
    with pytest.raises(BadImageError, match="8 of 16 slices lie at the same place"):
        read(written(tmp_path / "a", phases))


def test_directions_that_differ_in_the_last_digit_are_one_stack(tmp_path):
    slices = series()
    for one, last in zip(slices, "49" * 4, strict=True):
        one.ImageOrientationPatient = [1, 0, 0, 0, 1, f"0.000{last}"]
    assert read(written(tmp_path / "a", slices)).volume.data.shape[2] == COUNT


def test_a_damaged_file_is_passed_over_only_if_it_is_of_another_series(tmp_path):
    torn = another(1, PixelSpacing=[0, 0])
    scan = read(written(written(tmp_path / "a", series()), torn))
    assert scan.notes == ("Left out: 1 x damaged file.",)
    torn = series(heights=[20], PixelSpacing=[0, 0])
    with pytest.raises(BadImageError, match="spacing is 0, 0"):
        read(written(tmp_path / "a", torn))


def test_an_empty_file_is_mentioned(tmp_path):
    folder = written(tmp_path / "a", series())
    (folder / "IM9999").touch()
    assert read(folder).notes == ("Left out: 1 x empty file.",)


@pytest.mark.parametrize("packing", [lambda folder: folder, lambda f: zipped(f.parent / "z", f)])
def test_no_word_of_the_patient_is_in_any_message(tmp_path, packing, caplog):
    strange = {"ConvolutionKernel": "Doe^Jane", "StudyDate": "19700101"}
    others = [*another(1, Modality="DOE JANE"), *another(1, SeriesInstanceUID="1.2.5")]
    del others[-1]["SeriesInstanceUID"]
    others[-1].add_new("Rows", "LO", "Doe^Jane")
    folder = written(written(tmp_path / "a", series(**strange)), [*another(**strange), *others])
    with pytest.raises(BadImageError) as refusal:
        read(packing(folder))
    for word in ("Doe", "4711", "secret", "1.2.3", "1970"):
        assert word not in str(refusal.value).replace(str(tmp_path), "")
        assert word not in caplog.text
