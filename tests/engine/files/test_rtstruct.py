import numpy as np
import pytest
from dicom_scans import (
    DIRECTIONS,
    NAMES,
    PATIENT,
    Series,
    dice,
    filled,
    patient_series,
    some_labels,
)
from pydicom import dcmread

from totalseg_mcp.engine.colours import colour
from totalseg_mcp.engine.files import read
from totalseg_mcp.engine.files.origin import origin
from totalseg_mcp.engine.files.planes import planes
from totalseg_mcp.engine.files.provenance import Provenance
from totalseg_mcp.engine.files.rtstruct import write_rtstruct
from totalseg_mcp.engine.headers import Headers
from totalseg_mcp.engine.volume import Labels
from totalseg_mcp.engine.watch import Watch, watching

MADE = Provenance("total", "fast", demonstration=False)


@pytest.fixture
def write(tmp_path):
    def written(folder, labels=None, shown=NAMES[:4], without=(), provenance=MADE):
        scan = read(folder)
        headers = scan.source.slices
        source = origin(Headers(tuple(h for at, h in enumerate(headers) if at not in without)))
        labels = labels or some_labels(scan)
        file = tmp_path / "rt.dcm"
        write_rtstruct(planes(labels, source), source, shown, provenance, file)
        return dcmread(file), labels

    return written


def structures(rt):
    """By name, the number, the contours, and what was observed."""
    contours = {int(c.ReferencedROINumber): c for c in rt.ROIContourSequence}
    observed = {int(o.ReferencedROINumber): o for o in rt.RTROIObservationsSequence}
    return {
        roi.ROIName: (int(roi.ROINumber), contours[roi.ROINumber], observed[roi.ROINumber])
        for roi in rt.StructureSetROISequence
    }


@pytest.mark.parametrize("way", DIRECTIONS)
def test_filled_contours_are_the_labels_again(tmp_path, write, way):
    folder = patient_series(tmp_path / "series", DIRECTIONS[way])
    rt, labels = write(folder)
    series = Series(folder)
    expected = series.on_it(labels)
    found = structures(rt)
    assert list(found) == list(NAMES[:4])
    for number, contours, _ in found.values():
        assert (expected == number).any()
        assert dice(filled(contours, series), expected == number) == 1


def test_a_gap_in_the_series_is_bridged_without_a_reference(tmp_path, write):
    folder = patient_series(tmp_path / "series")
    rt, labels = write(folder, without=(4,))
    series = Series(folder)
    number, contours, _ = structures(rt)["spleen"]
    assert np.array_equal(filled(contours, series), series.on_it(labels) == number)
    heights = {
        c.ContourData[2] for c in contours.ContourSequence if "ContourImageSequence" not in c
    }
    assert heights == {30 + 4 * 2.5}


def test_a_hole_is_a_keyhole_and_an_island_in_it_a_contour_of_its_own(tmp_path, write):
    """Squares in one another, in one slice; corners are cut off by half a pixel in all."""
    folder = patient_series(tmp_path / "series")
    scan = read(folder)
    data = np.zeros(scan.volume.grid.shape, np.uint8)
    for edge, value in ((3, 1), (7, 0), (11, 1)):
        data[edge : 30 - edge, edge : 30 - edge, 5] = value
    rt, _ = write(folder, Labels(data, scan.volume.grid, NAMES), NAMES[:1])
    (contours,) = rt.ROIContourSequence
    areas = []
    for contour in contours.ContourSequence:
        x, y, _ = np.array(contour.ContourData, float).reshape(-1, 3).T
        areas.append(abs(x @ np.roll(y, 1) - y @ np.roll(x, 1)) / 2)
    pixel_mm2 = 0.8 * 0.7
    expected = [(8**2 - 0.5) * pixel_mm2, (24**2 - 16**2) * pixel_mm2]
    assert sorted(areas) == pytest.approx(expected, abs=0.05)
    assert filled(contours, Series(folder)).sum() == 24**2 - 16**2 + 8**2


def test_a_structure_at_the_border_of_the_image_is_closed(tmp_path, write):
    folder = patient_series(tmp_path / "series")
    scan = read(folder)
    labels = Labels(np.ones(scan.volume.grid.shape, np.uint8), scan.volume.grid, NAMES)
    rt, _ = write(folder, labels, NAMES[:1])
    assert filled(rt.ROIContourSequence[0], Series(folder)).all()


def test_a_structure_without_voxels_has_no_contours(tmp_path, write):
    rt, _ = write(patient_series(tmp_path / "series"), shown=NAMES[4:])
    (contours,) = rt.ROIContourSequence
    assert "ContourSequence" not in contours


def test_a_contour_too_long_for_a_text_of_64_kilobytes_is_written(tmp_path, write):
    """A comb with teeth on its teeth; three numbers of four characters or more for each point."""
    folder = patient_series(tmp_path / "series", shape=(4, 160, 160))
    grid = read(folder).volume.grid
    data = np.zeros(grid.shape, np.uint8)
    data[::4, :, 1] = data[1::4, 1::2, 1] = data[:, 0, 1] = 1
    rt, labels = write(folder, Labels(data, grid, NAMES), NAMES[:1])
    (contours,) = rt.ROIContourSequence
    assert contours.ContourSequence[0].NumberOfContourPoints * 3 * 4 > 65536
    series = Series(folder)
    assert np.array_equal(filled(contours, series), series.on_it(labels) == 1)


def test_each_contour_names_the_slice_in_whose_plane_it_lies(tmp_path, write):
    folder = patient_series(tmp_path / "series", DIRECTIONS["oblique"])
    rt, _ = write(folder)
    slices = {one.SOPInstanceUID: one for one in map(dcmread, folder.iterdir())}
    normal = DIRECTIONS["oblique"][2]
    for roi in rt.ROIContourSequence:
        for contour in roi.ContourSequence:
            (image,) = contour.ContourImageSequence
            position = slices[image.ReferencedSOPInstanceUID].ImagePositionPatient
            points = np.array(contour.ContourData, float).reshape(-1, 3)
            assert np.abs((points - np.array(position, float)) @ normal).max() < 2e-3
    (frame,) = rt.ReferencedFrameOfReferenceSequence
    (study,) = frame.RTReferencedStudySequence
    (series,) = study.RTReferencedSeriesSequence
    assert frame.FrameOfReferenceUID == "1.2.3.55"
    assert study.ReferencedSOPInstanceUID == rt.StudyInstanceUID == PATIENT["StudyInstanceUID"]
    assert series.SeriesInstanceUID == "1.2.3"
    assert {i.ReferencedSOPInstanceUID for i in series.ContourImageSequence} == set(slices)


def test_names_numbers_colours_and_codes_are_those_of_the_structures(tmp_path, write):
    rt, _ = write(patient_series(tmp_path / "series"), shown=("kidney_right", "kidney_left"))
    found = structures(rt)
    assert {name: entry[0] for name, entry in found.items()} == {
        "kidney_right": 2,
        "kidney_left": 3,
    }
    for name, side in (("kidney_right", "Right"), ("kidney_left", "Left")):
        _, contours, observed = found[name]
        assert tuple(contours.ROIDisplayColor) == colour(name)
        (kind,) = observed.RTROIIdentificationCodeSequence
        (modifier,) = kind.SegmentedPropertyTypeModifierCodeSequence
        assert (kind.CodeValue, modifier.CodeMeaning) == ("64033007", side)


@pytest.mark.parametrize("demonstration", [False, True])
def test_it_says_whose_it_is_what_made_it_and_for_what(tmp_path, write, demonstration):
    provenance = Provenance("total", "fast", demonstration)
    rt, _ = write(patient_series(tmp_path / "series"), provenance=provenance)
    assert {name: str(rt[name].value) for name in PATIENT} == PATIENT
    assert rt.Modality == "RTSTRUCT"
    assert rt.SeriesDescription == "TotalSegmentator total (research use only)"
    assert rt.ApprovalStatus == "UNAPPROVED"
    assert {roi.ROIGenerationAlgorithm for roi in rt.StructureSetROISequence} == {"AUTOMATIC"}
    assert ("DEMONSTRATION" in rt.StructureSetDescription) == demonstration


class StopError(Exception):
    pass


def test_writing_can_be_stopped_between_structures(tmp_path, write):
    told = []

    def stop():
        if len(told) == 2:
            raise StopError

    folder = patient_series(tmp_path / "series")
    labels = some_labels(read(folder))
    with pytest.raises(StopError), watching(Watch(told.append, stop)):
        write(folder, labels)
    assert not (tmp_path / "rt.dcm").exists()
