from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from totalseg_mcp.engine.errors import (
    BadImageError,
    BadRequestError,
    MissingWeightsError,
    OutputInTheWayError,
)
from totalseg_mcp.engine.options import Options
from totalseg_mcp.engine.request import Request
from totalseg_mcp.engine.run import run
from totalseg_mcp.engine.session import Session
from totalseg_mcp.engine.tasks import labels
from totalseg_mcp.engine.watch import Progress, Watch, watching
from totalseg_mcp.engine.weights import Store


@pytest.fixture
def request_(scan_file: Path, tmp_path: Path) -> Request:
    return Request(scan_file, tmp_path / "out", Options("total", "fastest"), device="cpu")


def names_in(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()} - {"totalseg-mcp.json"}


def test_every_structure_has_a_mask_on_the_scans_grid(request_, session):
    outcome = run(request_, session)
    assert names_in(request_.folder) == {f"{name}.nii.gz" for name in labels("total")}
    scan = nib.load(request_.input_path)
    total = np.zeros(scan.shape, int)
    for file in outcome.files:
        mask = nib.load(file)
        np.testing.assert_array_equal(mask.affine, scan.affine)
        total += np.asanyarray(mask.dataobj)
    assert total.max() == 1, "structures exclude each other"
    assert len(outcome.found) > 5


def test_the_label_map_holds_the_same_as_the_masks(request_, session, tmp_path):
    run(request_, session)
    run(replace(request_, folder=tmp_path / "ml", multilabel=True), session)
    numbers = np.asanyarray(nib.load(tmp_path / "ml" / "segmentation.nii.gz").dataobj)
    for number, name in enumerate(labels("total"), start=1):
        mask = np.asanyarray(nib.load(request_.folder / f"{name}.nii.gz").dataobj)
        np.testing.assert_array_equal(mask, numbers == number, name)


def test_without_masks_only_what_was_asked_for_is_written(request_, session):
    asked = replace(request_, masks=False, statistics=True, include_incomplete=True, preview=True)
    outcome = run(asked, session)
    assert names_in(request_.folder) == {"statistics.json", "statistics.csv", "preview.png"}
    assert {file.name for file in outcome.files} == {
        "statistics.json",
        "statistics.csv",
        "preview.png",
    }
    volumes = {name: m.volume_mm3 for name, m in outcome.findings.measurements.items()}
    voxel_mm3 = 3.1 * 3.4 * 5.0
    counts = np.bincount(outcome.findings.labels.data.ravel(), minlength=118)
    measured = {name: mm3 for name, mm3 in volumes.items() if mm3 is not None}
    assert measured
    for name, mm3 in measured.items():
        assert mm3 == pytest.approx(counts[labels("total").index(name) + 1] * voxel_mm3, rel=1e-5)
    absent = [n for v, n in enumerate(labels("total"), start=1) if not counts[v]]
    assert all(volumes[name] is None for name in absent), "absent is not zero"


def test_the_second_job_reads_no_weights(request_, session):
    assert run(request_, session).weight_reads == 1
    assert run(request_, session).weight_reads == 0


def test_running_again_replaces_our_files_and_spares_the_users(request_, session):
    run(request_, session)
    theirs = request_.folder / "notes.txt"
    theirs.write_text("mine")
    run(request_, session)
    assert theirs.read_text() == "mine"


def test_a_file_of_the_user_is_never_overwritten_and_no_model_loads(request_, session):
    request_.folder.mkdir()
    (request_.folder / "liver.nii.gz").write_text("mine")
    with pytest.raises(OutputInTheWayError, match=r"liver\.nii\.gz"):
        run(request_, session)
    assert (request_.folder / "liver.nii.gz").read_text() == "mine"
    assert session.weight_reads == 0


class StopError(Exception):
    pass


@pytest.mark.parametrize("at", ["resample", "infer: model 1 of 1: tile 2", "measure", "write"])
def test_a_stopped_job_leaves_nothing_behind_and_the_next_one_works(request_, session, at):
    last: list[Progress] = []

    def check() -> None:
        if last and last[-1].message.startswith(at):
            raise StopError

    with watching(Watch(last.append, check)), pytest.raises(StopError):
        run(request_, session)
    assert not request_.folder.exists()
    assert run(request_, session).files


def test_an_image_that_cannot_be_segmented_is_refused_before_a_model_loads(request_, session):
    flat = request_.input_path.parent / "flat.nii.gz"
    nib.Nifti1Image(np.zeros((10, 10), np.int16), np.eye(4)).to_filename(flat)
    with pytest.raises(BadImageError):
        run(replace(request_, input_path=flat), session)
    assert session.weight_reads == 0
    assert not request_.folder.exists()


def mr_file(folder: Path) -> Path:
    """A block as bright as 250…800 in a dark background."""
    data = np.zeros((24, 24, 16), np.int16)
    data[4:20, 4:20] = np.linspace(250, 800, 16**3).reshape(16, 16, 16)
    file = folder / "mr.nii.gz"
    nib.Nifti1Image(data, np.diag([4.0, 4.0, 4.0, 1.0])).to_filename(file)
    return file


def test_the_other_modality_is_refused_before_weights_are_even_looked_for(request_, tmp_path):
    mr = replace(request_, input_path=mr_file(tmp_path))
    with pytest.raises(BadImageError, match=r"looks like MR.*task='total_mr'"):
        run(mr, Session(Store((tmp_path / "none",))))
    assert not request_.folder.exists()


def test_force_segments_it_nevertheless_and_the_outcome_says_so(request_, session, tmp_path):
    outcome = run(replace(request_, input_path=mr_file(tmp_path), force=True), session)
    assert (outcome.suits.detected, outcome.suits.forced) == ("MR", True)
    assert any("force=true" in warning for warning in outcome.warnings)


def test_a_scan_too_small_to_split_is_segmented_whole_and_the_result_says_so(request_, session):
    asked = replace(request_, options=replace(request_.options, split=True))
    assert any("changed nothing" in warning for warning in run(asked, session).warnings)


def test_a_structure_that_is_not_there_is_refused(request_, session):
    with pytest.raises(BadRequestError, match="liver"):
        run(replace(request_, options=Options("total", "fastest", ("livr",))), session)


def test_missing_weights_name_the_command_that_fetches_them(request_, tmp_path):
    with pytest.raises(MissingWeightsError, match="totalseg-mcp weights fetch total --fastest"):
        run(request_, Session(Store((tmp_path / "none",))))


def test_a_subset_writes_its_masks_only(request_, session):
    options = Options("total", "fastest", ("liver", "spleen"))
    outcome = run(replace(request_, options=options), session)
    assert names_in(request_.folder) == {"liver.nii.gz", "spleen.nii.gz"}
    assert set(outcome.found) <= {"liver", "spleen"}
    assert outcome.weight_reads == 1, "the rough model is the same one"
