import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from totalseg_mcp.engine.errors import MissingWeightsError, NotReadyError, OutOfReachError
from totalseg_mcp.engine.reach import Reach
from totalseg_mcp.engine.tasks import labels
from totalseg_mcp.schemas.totalsegmentator import Arguments, TotalSegmentatorResult
from totalseg_mcp.tools.totalsegmentator import NOT_BUILT, run


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
    }
    assert list(result.statistics or {}) == list(labels("total"))
    assert set(result.found) | set(result.not_found) == set(labels("total"))
    stored = json.loads(Path(result.statistics_file or "").read_text())
    assert stored == {name: s.model_dump() for name, s in (result.statistics or {}).items()}


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


NOT_DEFAULT = {
    "output_type": "dicom",
    "nr_threads_resampling": 2,
    "nr_threads_saving": 2,
    "radiomics": True,
    "crop_path": "/masks",
    "nora_tag": "x",
}


@pytest.mark.parametrize("name", NOT_BUILT)
def test_a_parameter_that_is_not_built_is_refused_by_name(call, session, name, tmp_path):
    with pytest.raises(NotReadyError, match=f": {name}\\."):
        run(call(**{name: NOT_DEFAULT[name]}), session)
    assert not (tmp_path / "out").exists()


def test_quiet_and_verbose_decide_how_much_is_logged(call, session):
    quiet, plain, verbose = (
        run(call(**given), session).command_output
        for given in ({"quiet": True}, {}, {"verbose": True})
    )
    assert quiet == ""
    assert plain
    assert plain.splitlines()[0] in verbose
    assert len(verbose) > len(plain)


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
        ({"preveiw": True}, "Extra inputs"),
        ({"roi_subset": "[liver"}, "Say 'liver,spleen'"),
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
    }
    assert TotalSegmentatorResult.model_json_schema()["properties"].keys() >= {"warnings", "grid"}
