"""A job from a DICOM series to files in several formats."""

import gzip
import json
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from dicom_scans import PATIENT, WORDS, Series, dice, filled, patient_series, segmented
from dicom_series import enhanced, written, zipped
from pydicom import dcmread

from totalseg_mcp.engine.errors import BadImageError, BadRequestError
from totalseg_mcp.engine.options import Options
from totalseg_mcp.engine.request import Request
from totalseg_mcp.engine.run import run
from totalseg_mcp.engine.tasks import labels
from totalseg_mcp.engine.volume import Labels
from totalseg_mcp.engine.weights import Store

ALL = ("nifti", "nrrd", "dicom_seg", "dicom_seg_binary", "dicom_rtstruct")
DICOM = ALL[2:]
FILES = {
    "segmentation.nii.gz",
    "segmentation.json",
    "segmentation.seg.nrrd",
    "segmentation_seg.dcm",
    "segmentation_seg_binary.dcm",
    "segmentation_rtstruct.dcm",
}


@pytest.fixture
def asked(tmp_path: Path) -> Request:
    folder = patient_series(tmp_path / "series", PixelSpacing=[3, 4], SeriesDescription="Doe")
    options = Options("total", "fastest")
    return Request(folder, tmp_path / "out", options, "cpu", formats=ALL, multilabel=True)


def test_all_formats_at_once_hold_the_same_labels(asked, session):
    outcome = run(asked, session)
    assert {file.name for file in outcome.files} == FILES
    image = nib.load(asked.folder / "segmentation.nii.gz")
    series = Series(asked.input_path)
    numbers = Labels(np.asarray(image.dataobj), outcome.findings.labels.grid, labels("total"))
    np.testing.assert_allclose(image.affine, numbers.grid.affine)
    expected = series.on_it(numbers)
    there = sorted(set(np.unique(expected)) - {0})
    assert len(there) > 5
    assert np.array_equal(segmented(asked.folder / "segmentation_seg.dcm", series), expected)
    counted = segmented(asked.folder / "segmentation_seg_binary.dcm", series)
    assert np.array_equal(np.array([0, *there])[counted], expected)
    rt = dcmread(asked.folder / "segmentation_rtstruct.dcm")
    for contours in rt.ROIContourSequence:
        structure = expected == contours.ReferencedROINumber
        assert dice(filled(contours, series), structure) == 1
    key = json.loads((asked.folder / "segmentation.json").read_text())["structures"]
    assert [key[roi.ROIName]["number"] for roi in rt.StructureSetROISequence] == there


def test_the_patient_is_named_in_dicom_files_and_nowhere_else(asked, session):
    outcome = run(replace(asked, statistics=True, preview=True), session)
    said = " ".join(map(str, (outcome, outcome.warnings, outcome.notes)))
    assert not any(word in said for word in WORDS)
    for file in outcome.files:
        content = file.read_bytes()
        if file.suffix == ".gz":
            content = gzip.decompress(content)
        named = {word for word in WORDS if word.encode() in content}
        assert named == (set(WORDS) if file.suffix == ".dcm" else set()), file.name
    for file in asked.folder.glob("*.dcm"):
        assert dcmread(file).PatientID == PATIENT["PatientID"]


def test_masks_and_dicom_go_together(asked, session):
    options = Options("total", "fastest", ("liver", "spleen"))
    some = replace(asked, options=options, formats=("nifti", "dicom_seg"), multilabel=False)
    assert {file.name for file in run(some, session).files} == {
        "liver.nii.gz",
        "spleen.nii.gz",
        "segmentation_seg.dcm",
    }


def test_without_masks_no_format_is_written(asked, session):
    outcome = run(replace(asked, masks=False, statistics=True), session)
    assert {file.name for file in outcome.files} == {"statistics.json", "statistics.csv"}


@pytest.mark.parametrize("kind", DICOM)
def test_dicom_results_of_a_nifti_file_are_refused_before_a_model_loads(
    asked, session, scan_file, kind
):
    with pytest.raises(BadRequestError, match=r"original DICOM series.*'nifti' or 'nrrd'"):
        run(replace(asked, input_path=scan_file, formats=("nifti", kind)), session)
    assert session.weight_reads == 0
    assert not asked.folder.exists()


def test_dicom_results_of_tilted_slices_are_refused_before_a_model_loads(asked, session, tmp_path):
    tilted = np.array([[1, 0, 0], [0, 1, 0], [0, np.tan(np.radians(12)), 1]])
    folder = patient_series(tmp_path / "tilted", tilted)
    with pytest.raises(BadImageError, match=r"tilted gantry.*'nifti' or 'nrrd'"):
        run(replace(asked, input_path=folder), session)
    assert session.weight_reads == 0
    assert run(replace(asked, input_path=folder, formats=("nifti", "nrrd")), session).files


def test_dicom_results_of_frames_in_one_file_are_refused(asked, session, tmp_path):
    many = enhanced(
        sorted(
            map(dcmread, asked.input_path.iterdir()), key=lambda one: one.ImagePositionPatient[2]
        )
    )
    folder = written(tmp_path / "enhanced", [many])
    with pytest.raises(BadImageError, match="frames of one file"):
        run(replace(asked, input_path=folder, formats=("dicom_seg",)), session)


def test_a_zip_archive_gives_the_same_as_its_folder(asked, session, tmp_path):
    archive = zipped(tmp_path / "series.zip", asked.input_path)
    series, some = Series(asked.input_path), replace(asked, formats=("dicom_seg",))
    found = []
    for number, path in enumerate((asked.input_path, archive)):
        outcome = run(replace(some, input_path=path, folder=tmp_path / str(number)), session)
        found.append(segmented(outcome.files[0], series))
    assert found[0].any()
    assert np.array_equal(*found)


def test_dicom_results_on_the_models_grid_are_refused(asked, session):
    options = replace(asked.options, save_lowres=True)
    with pytest.raises(BadRequestError, match="save_lowres"):
        run(replace(asked, options=options), session)
    assert session.weight_reads == 0


def test_a_made_up_study_is_told(asked, session, tmp_path):
    folder = patient_series(tmp_path / "blank", StudyInstanceUID="")
    told = run(replace(asked, input_path=folder, formats=("dicom_seg",)), session).warnings
    assert any("no StudyInstanceUID (anonymised?)" in warning for warning in told)
    untold = run(replace(asked, input_path=folder, formats=("nifti",)), session).warnings
    assert not any("StudyInstanceUID" in warning for warning in untold)


def test_demonstration_weights_are_named_in_every_dicom_file(asked, session, models):
    session.store = Store((models,), demonstration=True)
    run(asked, session)
    for name, keyword in (
        ("segmentation_seg.dcm", "ContentDescription"),
        ("segmentation_seg_binary.dcm", "ContentDescription"),
        ("segmentation_rtstruct.dcm", "StructureSetDescription"),
    ):
        assert "DEMONSTRATION WEIGHTS" in dcmread(asked.folder / name)[keyword].value
    assert json.loads((asked.folder / "segmentation.json").read_text())["demonstration"]
