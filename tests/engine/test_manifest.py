"""model.json, as ts2d writes it and as it could have been damaged."""

import json
from pathlib import Path

import pytest

from totalseg_mcp.engine.errors import NotReadyError
from totalseg_mcp.engine.manifest import manifest, newest

PARAMETERS = {"nnu.task": 301, "nnu.trainer": "nnUNetTrainer", "nnu.configuration": "2d"}


def revision(root: Path, there: tuple[int, ...] = (0,), **content: object) -> Path:
    folder = root / "r001" / "Dataset301_X" / "nnUNetTrainer__nnUNetPlans__2d"
    for fold in there:
        (folder / f"fold_{fold}").mkdir(parents=True)
        (folder / f"fold_{fold}" / "checkpoint_final.pth").write_bytes(b"x")
    (root / "r001" / "model.json").write_text(json.dumps({"param": PARAMETERS, **content}))
    return root / "r001"


def test_it_says_where_the_network_is_and_how_it_is_run(tmp_path):
    said = manifest(revision(tmp_path))
    assert said.folder.parent.name == "Dataset301_X"
    assert (said.configuration, said.tile_step, said.mirroring) == ("2d", 0.5, True)
    assert [file.parent.name for file in said.checkpoints] == ["fold_0"]


def test_names_may_be_nested(tmp_path):
    nested = {"nnu": {"task": 301, "trainer": "nnUNetTrainer", "configuration": "2d"}}
    nested["nnu"]["predict"] = {"augment": False, "stepsize": 1.0}  # type: ignore[assignment]
    said = manifest(revision(tmp_path, param=nested))
    assert (said.tile_step, said.mirroring) == (1.0, False)


def test_every_fold_runs_where_none_is_named_and_in_the_order_of_numbers(tmp_path):
    said = manifest(revision(tmp_path, there=(0, 2, 10)))
    assert [file.parent.name for file in said.checkpoints] == ["fold_0", "fold_2", "fold_10"]


def test_only_the_folds_that_are_named_run(tmp_path):
    said = manifest(revision(tmp_path, there=(0, 1), folds=[1]))
    assert [file.parent.name for file in said.checkpoints] == ["fold_1"]


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ({"param": {}}, "nnu.task"),
        ({"param": {**PARAMETERS, "nnu.task": 7}}, "Dataset007"),
        ({"param": {**PARAMETERS, "nnu.trainer": "../../x"}}, "nnu.trainer"),
        ({"param": {**PARAMETERS, "nnu.predict.stepsize": 0}}, "stepsize"),
        ({"folds": [3]}, "fold_3"),
    ],
)
def test_what_cannot_run_is_refused_by_name(tmp_path, content, word):
    with pytest.raises(NotReadyError, match=word):
        manifest(revision(tmp_path, **content))


@pytest.mark.parametrize("text", ["", "[]", "{", '{"param": 3}'])
def test_what_is_no_manifest_is_refused(tmp_path, text):
    folder = revision(tmp_path)
    (folder / "model.json").write_text(text)
    with pytest.raises(NotReadyError, match=r"model\.json"):
        manifest(folder)


def test_the_newest_revision_is_the_one_with_the_highest_number(tmp_path):
    for name in ("r001", "r010", "r9", "rest", "x"):
        (tmp_path / name).mkdir()
    assert newest(tmp_path) == tmp_path / "r010"
    assert newest(tmp_path / "nowhere") is None
