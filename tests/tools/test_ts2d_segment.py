"""The tool ts2d_segment, on stand-in networks and on scans whose answer is arithmetic."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from parity.models_2d import members
from parity.stand_ins_2d import make_stand_in_2d
from PIL import Image
from pydantic import ValidationError

from totalseg_mcp.engine.errors import BadImageError, BadRequestError, MissingWeightsError
from totalseg_mcp.engine.models2d import MODELS_2D
from totalseg_mcp.engine.session import Session
from totalseg_mcp.engine.weights2d import Store2D
from totalseg_mcp.schemas.findings2d import AbsentIn2D, StructureIn2D
from totalseg_mcp.schemas.ts2d_segment import Arguments
from totalseg_mcp.tools.ts2d_segment import run


@pytest.fixture(scope="session")
def models_2d(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stand-ins for the five networks of ts2d-v2, and for those of tsxr-v2."""
    root = tmp_path_factory.mktemp("models2d")
    for name in ("ts2d-v2", "tsxr-v2"):
        for model in members(MODELS_2D[name].key):
            make_stand_in_2d(root, model)
    return root


@pytest.fixture
def session(models_2d: Path) -> Session:
    return Session(store_2d=Store2D((models_2d,)), device="cpu")


@pytest.fixture
def call(scan_file: Path, tmp_path: Path):
    def arguments(**given: object) -> Arguments:
        paths = {"input_path": str(scan_file), "output_dir": str(tmp_path / "out")}
        return Arguments.model_validate({**paths, **given})

    return arguments


def test_every_structure_is_there_or_absent_and_its_area_is_that_of_its_pixels(call, session):
    result = run(call(stats_include_incomplete=True, output_type="nrrd,nifti"), session)
    assert len(result.structures) == 117
    assert set(result.found) | set(result.not_found) == set(result.structures)
    along, down = result.image.spacing_mm or (0, 0)
    for name, seen in result.structures.items():
        mask = nib.load(Path(result.output_dir) / f"{name}.nii.gz")
        pixels = int(np.count_nonzero(np.asarray(mask.dataobj)))
        if isinstance(seen, AbsentIn2D):
            assert pixels == 0
        else:
            assert seen.pixels == pixels > 0
            # The scan is tilted by 9 degrees: from the front, its rows lie nearer together.
            assert seen.area_mm2 == pytest.approx(pixels * along * down, abs=0.06)
    assert (along, down) == pytest.approx((3.1, 5.0 * np.cos(np.radians(9))), rel=1e-6)


def test_a_second_call_reads_no_weights(call, session):
    assert run(call(), session).timings.weight_reads > 0
    again = run(call(), session)
    assert (again.timings.weight_reads, again.timings.loads) == (0, 0)
    assert {
        "read",
        "project",
        "prepare",
        "infer",
        "measure",
        "write",
    } <= again.timings.stages_s.keys()


def test_a_subset_runs_its_networks_only_and_is_what_the_whole_run_found(call, session, tmp_path):
    whole = run(call(), session)
    part = run(call(roi_subset=["rib-left-1", "liver"], output_dir=str(tmp_path / "part")), session)
    assert [group.group for group in part.groups] == ["organs", "ribs"]
    assert list(part.structures) == ["liver", "rib_left_1"]
    assert part.structures == {name: whole.structures[name] for name in part.structures}


def test_the_segmentation_for_slicer_has_a_component_a_structure(call, session):
    result = run(call(groups="ribs"), session)
    (file,) = result.segmentation_files
    image = sitk.ReadImage(file)
    assert image.GetNumberOfComponentsPerPixel() == len(result.structures) == 26
    counts = sitk.GetArrayFromImage(image).reshape(-1, 26).sum(0)
    for at, (name, seen) in enumerate(result.structures.items()):
        assert image.GetMetaData(f"Segment{at}_Name") == name.replace("_", "-")
        assert counts[at] == (seen.pixels if isinstance(seen, StructureIn2D) else 0)


def test_save_all_saves_what_the_networks_saw_and_each_group(call, session, scan_file):
    result = run(call(save_all=True), session)
    names = {Path(file).name for file in result.segmentation_files}
    groups = ("cardiac", "muscles", "organs", "ribs", "vertebrae")
    assert names == {"segmentation.seg.nrrd", *(f"segmentation-{g}.seg.nrrd" for g in groups)}
    assert len(result.projection_files) == 4
    seen = sitk.GetArrayFromImage(sitk.ReadImage(result.output_dir + "/projection_max.nrrd"))
    values = np.asarray(nib.load(scan_file).dataobj).max(axis=1)  # LPS: j runs front to back
    assert sorted(np.unique(seen)) == pytest.approx(sorted(np.unique(values)))


def test_a_projection_that_was_saved_gives_the_same_again(call, session, tmp_path):
    first = run(call(save_all=True, collapse=True, statistics=True), session)
    channels = [
        sitk.ReadImage(f"{first.output_dir}/projection_{how}.nrrd") for how in ("mean", "max")
    ]
    sitk.WriteImage(sitk.Compose(channels), tmp_path / "both.nrrd")
    out = str(tmp_path / "again")
    again = run(call(input_path=str(tmp_path / "both.nrrd"), output_dir=out), session)
    assert again.found == first.found
    assert again.image.kind == "picture"


def test_statistics_are_the_results_own(call, session):
    result = run(call(statistics=True, preview=True), session)
    stored = json.loads(Path(result.statistics_file or "").read_text())
    assert list(stored) == list(result.structures)
    assert {name for name, row in stored.items() if row["present"]} == set(result.found)
    assert Path(result.statistics_csv or "").read_text().count("\n") == 118
    with Image.open(result.preview_file or "") as picture:
        assert max(picture.size) <= 1568


def test_an_x_ray_without_a_scale_is_measured_in_no_mm(call, session, tmp_path):
    waves = np.sin(np.arange(96) / 9)[:, None] + np.cos(np.arange(80) / 7)
    file = tmp_path / "chest.png"
    Image.fromarray(np.uint8(60 * waves + 125)).save(file)
    result = run(call(input_path=str(file), model="tsxr-v2", preview=True), session)
    assert result.image.spacing_mm is None
    assert result.found
    assert all(seen.area_mm2 is None for seen in result.structures.values() if seen.present)
    assert result.body_regions == result.suggestions == []
    assert any("how large its pixels are" in warning for warning in result.warnings)


def test_the_wrong_model_for_the_image_is_refused_with_the_right_one(call, session, tmp_path):
    with pytest.raises(BadRequestError, match="ts2d-v2"):
        run(call(model="tsxr-v2"), session)
    Image.fromarray(np.uint8(np.arange(4096).reshape(64, 64) % 251)).save(tmp_path / "x.png")
    with pytest.raises(BadImageError, match="tsxr-v2"):
        run(call(input_path=str(tmp_path / "x.png")), session)


def test_a_refused_call_leaves_nothing(call, tmp_path):
    with pytest.raises(MissingWeightsError, match="totalseg-mcp weights fetch ts2d-v2"):
        run(call(), Session(store_2d=Store2D((tmp_path / "no",)), device="cpu"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"model": "ts2d-v3"}, "ts2d-v2"),
        ({"threshold": 1}, "threshold"),
        ({"output_type": "dicom"}, "output_type"),
        ({"fast": True}, "fast"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(call, given, word):
    with pytest.raises(ValidationError, match=word):
        call(**given)
