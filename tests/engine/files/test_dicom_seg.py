import numpy as np
import pytest
from dicom_scans import (
    DIRECTIONS,
    NAMES,
    PATIENT,
    Series,
    patient_series,
    segmented,
    some_labels,
)
from pydicom import dcmread
from skimage.color import rgb2lab

from totalseg_mcp.engine.colours import colour
from totalseg_mcp.engine.files import read
from totalseg_mcp.engine.files.dicom_seg import write_seg
from totalseg_mcp.engine.files.origin import origin
from totalseg_mcp.engine.files.planes import planes
from totalseg_mcp.engine.files.provenance import Provenance
from totalseg_mcp.engine.headers import Headers
from totalseg_mcp.engine.tasks import TASKS
from totalseg_mcp.engine.watch import Watch, watching

KINDS = ("LABELMAP", "BINARY")
LABELMAP_STORAGE, BINARY_STORAGE = (f"1.2.840.10008.5.1.4.1.1.66.{number}" for number in (7, 4))
MADE = Provenance("total", "fast", demonstration=False)


@pytest.fixture
def write(tmp_path):
    """The file with some labels on a series; `shown` are the names that it is to have."""

    def written(folder, kind="LABELMAP", shown=NAMES[:4], provenance=MADE, without=()):
        scan = read(folder)
        headers = scan.source.slices
        source = origin(Headers(tuple(h for at, h in enumerate(headers) if at not in without)))
        labels = some_labels(scan)
        file = tmp_path / "seg.dcm"
        write_seg(planes(labels, source), source, shown, provenance, kind, file)
        return file, labels

    return written


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", DIRECTIONS)
def test_the_labels_come_back_where_they_were(tmp_path, write, way, kind):
    folder = patient_series(tmp_path / "series", DIRECTIONS[way])
    file, labels = write(folder, kind)
    series = Series(folder)
    expected = series.on_it(labels)
    assert set(np.unique(expected)) == {0, 1, 2, 3, 4}
    assert np.array_equal(segmented(file, series), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_slices_that_the_series_lacks_have_labels_too(tmp_path, write, kind):
    folder = patient_series(tmp_path / "series")
    file, labels = write(folder, kind, without=(4, 7))
    series = Series(folder)
    assert np.array_equal(segmented(file, series), series.on_it(labels))
    (of_series,) = dcmread(file).ReferencedSeriesSequence
    assert len(of_series.ReferencedInstanceSequence) == series.shape[0] - 2


def test_the_structures_that_are_not_shown_are_left_out(tmp_path, write):
    folder = patient_series(tmp_path / "series")
    series = Series(folder)
    file, labels = write(folder, shown=(NAMES[0], NAMES[2]))
    expected = series.on_it(labels)
    expected[(expected == 2) | (expected == 4)] = 0
    assert np.array_equal(segmented(file, series), expected)
    assert [int(s.SegmentNumber) for s in dcmread(file).SegmentSequence] == [0, 1, 3]


def test_a_binary_one_counts_its_segments_from_one(tmp_path, write):
    file, _ = write(patient_series(tmp_path / "series"), "BINARY", shown=(NAMES[1], NAMES[2]))
    seg = dcmread(file)
    assert (seg.SOPClassUID, seg.SegmentationType) == (BINARY_STORAGE, "BINARY")
    assert [(int(s.SegmentNumber), s.SegmentLabel) for s in seg.SegmentSequence] == [
        (1, "kidney_right"),
        (2, "kidney_left"),
    ]


def test_numbers_beyond_255_are_kept(tmp_path):
    folder = patient_series(tmp_path / "series")
    scan = read(folder)
    names = tuple(f"structure_{number}" for number in range(1, 401))
    labels = some_labels(scan, names)
    data = np.where(labels.data > 0, labels.data.astype(np.uint16) + 300, 0)
    labels = type(labels)(data, labels.grid, names)
    source = origin(scan.source)
    shown = names[300:304]
    write_seg(planes(labels, source), source, shown, MADE, "LABELMAP", tmp_path / "seg.dcm")
    series = Series(folder)
    assert np.array_equal(segmented(tmp_path / "seg.dcm", series), series.on_it(labels))


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_label_map_is_a_file_that_says_what_was_looked_for(tmp_path, write, kind):
    folder = patient_series(tmp_path / "series")
    file, _ = write(folder, kind, shown=NAMES[4:])
    assert not segmented(file, Series(folder)).any()
    assert [s.SegmentLabel for s in dcmread(file).SegmentSequence][-1] == NAMES[4]


def test_each_frame_names_the_slice_that_it_lies_on(tmp_path, write):
    folder = patient_series(tmp_path / "series", DIRECTIONS["oblique"])
    seg = dcmread(write(folder)[0])
    slices = {one.SOPInstanceUID: one for one in map(dcmread, folder.iterdir())}
    for groups in seg.PerFrameFunctionalGroupsSequence:
        (image,) = groups.DerivationImageSequence[0].SourceImageSequence
        one = slices[image.ReferencedSOPInstanceUID]
        assert image.ReferencedSOPClassUID == one.SOPClassUID
        position = groups.PlanePositionSequence[0].ImagePositionPatient
        assert [float(x) for x in position] == [float(x) for x in one.ImagePositionPatient]
    (series,) = seg.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == "1.2.3"
    assert {i.ReferencedSOPInstanceUID for i in series.ReferencedInstanceSequence} == set(slices)
    assert seg.FrameOfReferenceUID == "1.2.3.55"
    assert seg.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].SliceThickness == 1


def test_it_names_the_patient_and_the_study_and_is_a_series_of_its_own(tmp_path, write):
    folder = patient_series(tmp_path / "series", SpecificCharacterSet="ISO_IR 100")
    for file in folder.iterdir():
        one = dcmread(file)
        one.PatientName, one.ReferringPhysicianName = "Müller^Jürgen", "Groß^Anna"
        one.save_as(file)
    seg = dcmread(write(folder)[0])
    expected = PATIENT | {"PatientName": "Müller^Jürgen", "ReferringPhysicianName": "Groß^Anna"}
    assert {name: str(seg[name].value) for name in expected} == expected
    assert seg.SeriesInstanceUID != "1.2.3"
    assert "secret words" not in str(seg)


def test_codes_say_the_side_and_the_region(tmp_path, write):
    file, _ = write(patient_series(tmp_path / "series"))
    segments = {s.SegmentLabel: s for s in dcmread(file).SegmentSequence}
    for name, code, side in (
        ("kidney_right", "64033007", "24028007"),
        ("kidney_left", "64033007", "7771000"),
        ("autochthon_left", "244849004", "7771000"),
    ):
        (kind,) = segments[name].SegmentedPropertyTypeCodeSequence
        (modifier,) = kind.SegmentedPropertyTypeModifierCodeSequence
        assert (kind.CodeValue, modifier.CodeValue) == (code, side)
        assert (kind.CodingSchemeDesignator, modifier.CodingSchemeDesignator) == ("SCT", "SCT")
    (spleen,) = segments["spleen"].SegmentedPropertyTypeCodeSequence
    assert "SegmentedPropertyTypeModifierCodeSequence" not in spleen


def test_a_lesion_lies_in_a_region_on_a_side(tmp_path):
    scan = read(patient_series(tmp_path / "series"))
    labels, source = some_labels(scan, ("kidney_cyst_left",)), origin(scan.source)
    shown, file = labels.names, tmp_path / "seg.dcm"
    write_seg(planes(labels, source), source, shown, MADE, "LABELMAP", file)
    segment = dcmread(file).SegmentSequence[1]
    assert segment.SegmentedPropertyCategoryCodeSequence[0].CodeValue == "49755003"
    assert segment.SegmentedPropertyTypeCodeSequence[0].CodeMeaning == "Cyst"
    (region,) = segment.AnatomicRegionSequence
    assert region.CodeMeaning == "Kidney"
    assert region.AnatomicRegionModifierSequence[0].CodeMeaning == "Left"


@pytest.mark.parametrize("kind", KINDS)
def test_colours_are_those_of_the_structures(tmp_path, write, kind):
    file, _ = write(patient_series(tmp_path / "series"), kind)
    for segment in dcmread(file).SegmentSequence:
        if segment.SegmentLabel == "Background":
            continue
        lightness, a, b = rgb2lab(np.array(colour(segment.SegmentLabel)) / 255)
        scaled = (lightness * 65535 / 100, (a + 128) * 257, (b + 128) * 257)
        given = [int(value) for value in segment.RecommendedDisplayCIELabValue]
        assert given == pytest.approx(scaled, abs=150), "0.6 of 256 units: below what is seen"


@pytest.mark.parametrize("demonstration", [False, True])
def test_it_says_what_made_it_and_for_what(tmp_path, write, demonstration):
    provenance = Provenance("total", "fast", demonstration)
    seg = dcmread(write(patient_series(tmp_path / "series"), provenance=provenance)[0])
    (algorithm,) = seg.SegmentSequence[1].SegmentationAlgorithmIdentificationSequence
    assert algorithm.AlgorithmName == "TotalSegmentator total"
    assert ("2.18.0 weights, totalseg-mcp" in algorithm.AlgorithmVersion) != demonstration
    assert algorithm.AlgorithmParameters == "resolution=fast"
    assert seg.SegmentSequence[1].SegmentAlgorithmType == "AUTOMATIC"
    assert seg.SeriesDescription == "TotalSegmentator total (research use only)"
    assert seg.ContentQualification == "RESEARCH"
    assert ("DEMONSTRATION" in seg.ContentDescription) == demonstration
    assert (seg.SOPClassUID, seg.SegmentationType) == (LABELMAP_STORAGE, "LABELMAP")


class StopError(Exception):
    pass


def test_writing_can_be_stopped_between_slices(tmp_path):
    scan = read(patient_series(tmp_path / "series"))
    source = origin(scan.source)
    back, file, checks = planes(some_labels(scan), source), tmp_path / "seg.dcm", []

    def check():
        checks.append("a slice")
        if len(checks) == 3:
            raise StopError

    with pytest.raises(StopError), watching(Watch(lambda _: None, check)):
        write_seg(back, source, NAMES[:4], MADE, "LABELMAP", file)
    assert not file.exists()


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("demonstration", [False, True])
def test_every_text_fits_its_64_characters(task, demonstration):
    made = Provenance(task, "fastest", demonstration)
    texts = (made.algorithm, made.version, made.series, made.content)
    assert [text for text in texts if len(text) > 64] == []
