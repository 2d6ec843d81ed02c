import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from pydantic import ValidationError

from totalseg_mcp.engine import loading
from totalseg_mcp.engine.engines import OPENVINO
from totalseg_mcp.engine.errors import MissingWeightsError, NotReadyError, OutOfReachError
from totalseg_mcp.engine.likeness import UncompiledError
from totalseg_mcp.engine.reach import Reach
from totalseg_mcp.engine.results import Results
from totalseg_mcp.engine.tasks import labels
from totalseg_mcp.schemas.totalsegmentator import Arguments, TotalSegmentatorResult
from totalseg_mcp.tools.totalsegmentator import run


@pytest.fixture
def call(scan_file: Path, tmp_path: Path):
    """The arguments of a call: the scan, and what is given on top."""

    def arguments(**given: object) -> Arguments:
        paths = {"input_path": str(scan_file), "output_dir": str(tmp_path / "out")}
        return Arguments.model_validate({**paths, "fastest": True, **given})

    return arguments


def test_the_result_is_the_documented_dictionary(call, session):
    result = run(call(statistics=True, preview=True), session)
    documented = {
        "status",
        "output_dir",
        "command_output",
        "segmentation_files",
        "statistics",
        "radiomics",
        "preview_file",
        "task_info",
    }
    assert documented <= json.loads(result.model_dump_json()).keys()
    assert result.status == "success"
    assert len(result.segmentation_files) == 117
    assert all(Path(file).is_file() for file in result.segmentation_files)
    assert Path(result.preview_file or "").read_bytes().startswith(b"\x89PNG")
    assert result.task_info.model_dump() == {
        "task": "total",
        "is_mr_task": False,
        "image_type": "CT",
        "resolution": "fastest",
        "detected_modality": None,
        "forced": False,
    }
    assert list(result.statistics or {}) == list(labels("total"))
    assert set(result.found) | set(result.not_found) == set(labels("total"))
    stored = json.loads(Path(result.statistics_file or "").read_text())
    assert stored == {name: s.model_dump() for name, s in (result.statistics or {}).items()}


def test_a_forced_run_on_an_mr_says_what_the_image_is(call, session, tmp_path):
    data = np.zeros((24, 24, 16), np.int16)
    data[4:20, 4:20] = np.linspace(250, 800, 16**3).reshape(16, 16, 16)
    nib.Nifti1Image(data, np.diag([4.0, 4.0, 4.0, 1.0])).to_filename(tmp_path / "mr.nii")
    result = run(call(input_path=str(tmp_path / "mr.nii"), force=True), session)
    assert result.task_info.model_dump() == {
        "task": "total",
        "is_mr_task": False,
        "image_type": "MR",
        "resolution": "fastest",
        "detected_modality": "MR",
        "forced": True,
    }
    assert "force=true" in result.warnings[0]
    assert "looks like MR" in result.summary


def test_nothing_is_reported_that_was_not_asked_for(call, session):
    result = run(call(), session)
    assert (result.statistics, result.preview_file, result.statistics_file) == (None, None, None)


def test_cut_off_structures_are_named_and_their_numbers_withheld(call, session):
    result = run(call(statistics=True), session)
    cut = {name for name, s in (result.statistics or {}).items() if s.complete is False}
    assert cut
    assert any(all(name in warning for name in cut) for warning in result.warnings)
    assert all((result.statistics or {})[name].volume_mm3 is None for name in cut)
    whole = run(call(statistics=True, stats_include_incomplete=True), session)
    for name in cut:
        entry = (whole.statistics or {})[name]
        assert entry.lower_bound
        assert entry.volume_mm3 is not None
        assert entry.volume_mm3 > 0


def test_quiet_and_verbose_decide_how_much_is_logged(call, session):
    quiet, plain, verbose = (
        run(call(**given), session).command_output
        for given in ({"quiet": True}, {}, {"verbose": True})
    )
    assert quiet == ""
    assert plain
    assert plain.splitlines()[0] in verbose
    assert "total sees 23 x 23 x 25 voxels of 6 x 6 x 6 mm" in verbose.splitlines()


def test_paths_outside_the_allowed_folders_are_refused(call, session, tmp_path):
    session.reach = Reach((tmp_path / "elsewhere",))
    with pytest.raises(OutOfReachError, match="elsewhere"):
        run(call(), session)


def test_the_device_of_the_server_is_used_unless_the_call_names_one(call, session):
    assert run(call(), session).device.asked == "cpu"
    session.device = "gpu"
    assert run(call(device="cpu"), session).device.asked == "cpu"


def test_demonstration_weights_are_said_to_be_so(call, session, models):
    from totalseg_mcp.engine.weights import Store

    session.store = Store((models,), demonstration=True)
    result = run(call(), session)
    assert result.weights == "demonstration"
    assert "synthetic" in result.warnings[0]
    assert "synthetic" in result.summary


@pytest.mark.parametrize(
    "given", ["liver,spleen", "liver, spleen", ["liver", "spleen"], '["liver", "spleen"]']
)
def test_a_subset_may_be_text_or_a_list(call, given):
    assert call(roi_subset=given).roi_subset == ["liver", "spleen"]


@pytest.mark.parametrize(
    ("given", "formats"),
    [
        ("nifti", ["nifti"]),
        ("dicom", ["dicom_rtstruct"]),
        ("nifti, dicom_seg", ["nifti", "dicom_seg"]),
        (["nrrd", "dicom", "dicom_rtstruct"], ["nrrd", "dicom_rtstruct"]),
    ],
)
def test_formats_may_be_one_text_or_a_list_and_dicom_is_a_structure_set(call, given, formats):
    assert call(output_type=given).output_type == formats


def test_the_key_of_a_label_map_is_no_segmentation(call, session):
    result = run(call(multilabel=True), session)
    assert [Path(file).name for file in result.segmentation_files] == ["segmentation.nii.gz"]
    key = json.loads(Path(result.key_file or "").read_text())
    assert list(key["structures"]) == list(labels("total"))
    assert run(call(), session).key_file is None


@pytest.mark.parametrize(("given", "mm3"), [(True, 200.0), (False, None), (350, 350.0)])
def test_small_blobs_may_be_a_size_or_yes_or_no(call, given, mm3):
    assert call(remove_small_blobs=given).remove_small_blobs == mm3


def test_a_nora_tag_is_recorded(call, session):
    assert run(call(nora_tag="project; rm -rf x"), session).nora_tag == "project; rm -rf x"


def test_the_median_and_the_extra_statistics_come_as_detail(call, session):
    plain, median, extra = (
        run(call(statistics=True, stats_include_incomplete=True, **given), session).statistics
        for given in ({}, {"stats_aggregation": "median"}, {"statistics_extra": True})
    )
    assert median == extra
    present = [name for name, entry in plain.items() if entry.present]
    assert present
    assert all(plain[name].detail is None for name in present)
    assert all(extra[name].detail.min_intensity <= extra[name].mean_intensity for name in present)


def test_results_may_stay_on_the_models_grid(call, session):
    """6 mm voxels in the scan's own axes, with the same corner at the first voxel."""
    result = run(call(save_lowres=True, multilabel=True, statistics=True), session)
    assert result.grid.spacing_mm == pytest.approx((6, 6, 6), abs=1e-4)
    assert result.grid.orientation == "LPS"
    assert result.statistics_grid == "model"
    image = nib.load(result.segmentation_files[0])
    assert image.shape == result.grid.shape == (23, 23, 25), "44 * 3.1, 40 * 3.4, 30 * 5 mm"
    np.testing.assert_allclose(image.affine[:3, 3], (60.5, 200.25, -740.0), atol=6.0)
    assert sum(entry.voxels for entry in result.statistics.values()) == np.count_nonzero(
        image.get_fdata()
    )


def test_a_mask_of_the_callers_own_limits_the_work_to_its_surroundings(call, session, tmp_path):
    """The mask is one voxel; its 20 mm reach 6, 5 and 4 voxels of 3.1, 3.4 and 5 mm far."""
    scan = nib.load(call().input_path)
    data = np.zeros(scan.shape, np.uint8)
    data[22, 20, 15] = 1
    mask = tmp_path / "mask.nii.gz"
    nib.Nifti1Image(data, scan.affine).to_filename(mask)
    result = run(call(crop_path=str(mask), multilabel=True), session)
    found = np.argwhere(nib.load(result.segmentation_files[0]).get_fdata())
    assert len(found)
    assert (found.min(0) >= [16, 15, 11]).all()
    assert (found.max(0) <= [28, 25, 19]).all()


def test_the_result_says_what_computed_the_networks(call, session):
    assert run(call(), session).device.engine == f"torch {torch.__version__}"


def test_a_network_that_torch_had_to_run_is_a_warning(call, session, monkeypatch):
    def refuse(*_):
        raise UncompiledError("no such operation")

    monkeypatch.setattr(loading, "chosen", lambda *_: OPENVINO)
    monkeypatch.setitem(loading.MAKERS, OPENVINO.package, (refuse, loading.BY_SLABS))
    result = run(call(), session)
    assert result.device.engine.startswith("torch")
    assert any("no such operation" in warning for warning in result.warnings)


@pytest.mark.parametrize("device", ["gpu", "gpu:1", "cpu", "mps"])
def test_known_devices_are_accepted(call, device):
    assert call(device=device).device == device


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"device": "cuda"}, "gpu:N"),
        ({"task": "lung_vesels"}, "lung_vessels"),
        ({"fast": True}, "exclude each other"),
        ({"roi_subset": "liver", "roi_subset_robust": "liver"}, "exclude each other"),
        ({"output_type": "dicom_sge"}, "dicom_seg"),
        ({"output_type": ""}, "at least 1"),
        ({"output_type": None}, "list"),
        ({"preveiw": True}, "Extra inputs"),
        ({"roi_subset": "[liver"}, "Say 'liver,spleen'"),
        (
            {"higher_order_resampling": True, "higher_order_resampling_LEGACY": True},
            "exclude each other",
        ),
        ({"remove_small_blobs": -1}, "greater than 0"),
        ({"resampling_order": 6}, "less than or equal to 5"),
        ({"nr_threads_saving": 0}, "greater than or equal to 1"),
    ],
)
def test_what_is_wrong_is_said(call, given, said):
    with pytest.raises(ValidationError, match=said):
        call(**given)


NUMBER = "aca_98765432101234"


@pytest.mark.parametrize("given", [None, "", " "])
def test_no_licence_number_is_none(call, given):
    assert call(license_number=given).license_number is None


@pytest.mark.parametrize(
    "given",
    [
        {"license_number": f"{NUMBER}5"},
        {"license_number": [NUMBER]},
        {"license_number": NUMBER, "fast": True},
        {"license_number": NUMBER, "task": "totl"},
    ],
)
def test_a_wrong_call_does_not_show_its_licence_number(call, given):
    with pytest.raises(ValidationError) as error:
        call(**given)
    assert NUMBER not in str(error.value)


def test_a_licence_number_reaches_the_gate_and_no_text(call, session):
    with pytest.raises(MissingWeightsError) as error:
        run(call(task="tissue_types", fastest=False, license_number=NUMBER), session)
    assert NUMBER not in str(error.value)
    with pytest.raises(NotReadyError, match="needs a licence number"):
        run(call(task="tissue_types", fastest=False), session)
    arguments = call(license_number=NUMBER, verbose=True)
    result = run(arguments, session)
    assert NUMBER not in repr(arguments) + repr(result) + result.model_dump_json()


def test_the_schemas_describe_every_argument_and_default_as_documented():
    properties = Arguments.model_json_schema()["properties"]
    assert all(entry.get("description") for entry in properties.values())
    defaults = {name: entry["default"] for name, entry in properties.items() if "default" in entry}
    assert set(properties) - set(defaults) == {"input_path", "output_dir"}
    off = {name for name, default in defaults.items() if default is False}
    assert {name: d for name, d in defaults.items() if name not in off and d is not None} == {
        "output_type": "nifti",
        "task": "total",
        "device": "gpu",
        "resampling_order": 1,
        "stats_aggregation": "mean",
        "cache": True,
    }
    assert TotalSegmentatorResult.model_json_schema()["properties"].keys() >= {"warnings", "grid"}


def test_labels_of_an_earlier_call_are_reused_unless_the_call_says_no(call, session, tmp_path):
    session.results = Results(tmp_path / "results")
    first = run(call(), session)
    again = run(call(multilabel=True, statistics=True), session)
    anew = run(call(cache=False), session)
    assert [result.reused for result in (first, again, anew)] == [False, True, False]
    assert again.found == first.found
    assert again.timings.saved_s > 0
    assert {"recall"} <= again.timings.stages_s.keys()
    assert not {"infer", "remember"} & again.timings.stages_s.keys()
    assert "earlier call" not in first.summary + anew.summary
