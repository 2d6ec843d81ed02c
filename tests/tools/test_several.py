"""Several tasks in one call, as the agent sees them."""

import json
from pathlib import Path

import nibabel as nib
import pytest
from model_folder import make_model_folder
from pydantic import ValidationError

from totalseg_mcp.engine.errors import OutOfReachError
from totalseg_mcp.engine.reach import Reach
from totalseg_mcp.engine.session import Session
from totalseg_mcp.engine.tasks import TASKS, labels
from totalseg_mcp.engine.weights import Store
from totalseg_mcp.schemas.totalsegmentator import Arguments, TotalSegmentatorResult
from totalseg_mcp.tools.totalsegmentator import run

BOTH = ("total", "total_v3")


@pytest.fixture(scope="module")
def both_models(models, tmp_path_factory) -> tuple[Path, Path]:
    """Roots that have `total` and `total_v3` at 6 mm."""
    root = tmp_path_factory.mktemp("v3")
    make_model_folder(root, 837, seed=5)
    return models, root


@pytest.fixture
def session(both_models) -> Session:
    return Session(Store(both_models), device="cpu")


@pytest.fixture
def call(scan_file: Path, tmp_path: Path):
    def arguments(**given: object) -> Arguments:
        paths = {"input_path": str(scan_file), "output_dir": str(tmp_path / "out")}
        usual = {"fastest": True, "task": ",".join(BOTH), "multilabel": True}
        return Arguments.model_validate({**paths, **usual, **given})

    return arguments


def test_each_task_has_its_folder_and_its_entry_and_the_lists_hold_all(call, session, tmp_path):
    result = run(call(statistics=True, preview=True), session)
    out = tmp_path / "out"
    files = [str(out / name / "segmentation.nii.gz") for name in BOTH]
    assert result.output_dir == str(out)
    assert result.segmentation_files == files
    assert all(nib.load(file).shape == (44, 40, 30) for file in files)
    assert list(result.results or {}) == list(BOTH)
    for name, file in zip(BOTH, files, strict=True):
        part = (result.results or {})[name]
        assert part.output_dir == str(out / name)
        assert part.segmentation_files == [file]
        assert (part.task_info.task, part.grid.shape) == (name, (44, 40, 30))
        assert list(part.statistics or {}) == list(labels(name))
        stored = json.loads(Path(part.statistics_file or "").read_text())
        voxels = {structure: entry["voxels"] for structure, entry in stored.items()}
        assert voxels == {key: entry.voxels for key, entry in (part.statistics or {}).items()}
        assert sum(voxels.values())
        assert Path(part.preview_file or "").is_file()
        assert [Path(model.folder).name for model in part.models]
    assert result.preview_file == str(out / "total" / "preview.png")
    assert (result.statistics, result.key_file, result.statistics_file) == (None, None, None)
    assert {model.dataset for model in result.models} == {298, 837}


def test_each_entry_is_the_result_of_the_task_alone(call, session, tmp_path):
    together = run(call(statistics=True), session)
    for name in BOTH:
        alone = run(call(task=name, statistics=True, output_dir=str(tmp_path / name)), session)
        part = (together.results or {})[name]
        assert alone.results is None
        for field in (
            "statistics",
            "found",
            "not_found",
            "task_info",
            "grid",
            "warnings",
            "models",
        ):
            assert getattr(part, field) == getattr(alone, field), field


def test_the_top_tells_of_all_tasks(call, session):
    result = run(call(statistics=True), session)
    parts = list((result.results or {}).values())
    assert result.task_info.task == "total,total_v3"
    assert set(result.found) == {name for part in parts for name in part.found}
    assert set(result.found) | set(result.not_found) == set(labels("total")) | set(
        labels("total_v3")
    )
    assert not set(result.found) & set(result.not_found)
    for name, part in (result.results or {}).items():
        assert (
            f"{name} {len(part.found)} of {len(part.found) + len(part.not_found)}" in result.summary
        )
        assert all(w in result.warnings or f"{name}: {w}" in result.warnings for w in part.warnings)
    assert result.summary.startswith("2 tasks in ")
    assert len(result.command_output.splitlines()) == 2 * len({"task", "scan", "files"})


def test_the_result_fits_its_schema_and_comes_back_from_it(call, session):
    result = run(call(), session)
    assert TotalSegmentatorResult.model_validate_json(result.model_dump_json()) == result


@pytest.mark.parametrize(
    "given", ["total,total_v3", " total , total_v3", ["total", "total_v3"], "total,total_v3,total"]
)
def test_tasks_may_be_text_or_a_list_and_count_once(call, given):
    assert call(task=given).task == ["total", "total_v3"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"roi_subset": "liver"}, "roi_subset is for one task"),
        ({"roi_subset_robust": "liver"}, "roi_subset is for one task"),
        ({"task": "total,lung_vesels"}, "lung_vessels"),
        ({"task": "totl,lung_vesels"}, "totl.*lung_vesels"),
        ({"task": ","}, "at least 1"),
    ],
)
def test_what_does_not_go_with_several_tasks_is_said(call, given, said):
    with pytest.raises(ValidationError, match=said):
        call(**given)


def test_a_link_in_place_of_a_tasks_folder_leads_nowhere(call, session, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out" / "total_v3").symlink_to(tmp_path / "elsewhere")
    session.reach = Reach((tmp_path / "out", Path(call().input_path)))
    with pytest.raises(OutOfReachError):
        run(call(), session)
    assert not list((tmp_path / "elsewhere").iterdir())


def test_the_schema_lists_the_tasks_and_lets_several_through():
    one, several, listed = Arguments.model_json_schema()["properties"]["task"]["anyOf"]
    assert one == {"type": "string", "enum": list(TASKS)}
    assert several == {"type": "string", "pattern": ","}
    assert listed["type"] == "array"
