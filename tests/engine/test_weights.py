from pathlib import Path

import pytest

from totalseg_mcp.engine.errors import MissingWeightsError
from totalseg_mcp.engine.tasks import MODELS, TASKS, Model
from totalseg_mcp.engine.weights import Store, checkpoints, standard_root

FASTEST = MODELS[298]


def put(root: Path, model: Model, folds: tuple[int, ...] = (0,)) -> Path:
    folder = root / model.folder / model.subfolder
    for file in ("dataset.json", "plans.json", *(f"fold_{n}/checkpoint_final.pth" for n in folds)):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text("{}")
    return folder


def refusal(store: Store, model: Model) -> str:
    with pytest.raises(MissingWeightsError) as error:
        store.find(model)
    assert not store.has(model)
    return str(error.value)


def test_a_complete_model_is_found(tmp_path):
    folder = put(tmp_path, FASTEST)
    assert Store((tmp_path,)).find(FASTEST) == folder
    assert Store((tmp_path,)).has(FASTEST)
    assert folder.relative_to(tmp_path) == Path(
        "Dataset298_TotalSegmentator_total_6mm_1559subj",
        "nnUNetTrainer_4000epochs_NoMirroring__nnUNetPlans__3d_fullres",
    )


def test_the_first_root_that_has_the_whole_model_wins(tmp_path):
    broken, whole, other = (put(tmp_path / name, FASTEST) for name in "abc")
    (broken / "plans.json").unlink()
    assert Store(tuple(tmp_path / name for name in "abc")).find(FASTEST) == whole
    assert other.exists()


@pytest.mark.parametrize("file", ["dataset.json", "plans.json", "fold_0/checkpoint_final.pth"])
@pytest.mark.parametrize("harm", [Path.unlink, lambda path: path.write_bytes(b"")])
def test_a_model_that_is_incomplete_is_refused_with_the_file_that_it_lacks(tmp_path, file, harm):
    folder = put(tmp_path, FASTEST)
    harm(folder / file)
    text = refusal(Store((tmp_path,)), FASTEST)
    assert f"{file} is missing or empty" in text
    assert "totalseg-mcp weights fetch total --fastest" in text


def test_an_empty_dataset_folder_is_not_believed(tmp_path):
    (tmp_path / FASTEST.folder).mkdir()
    assert "dataset.json is missing" in refusal(Store((tmp_path,)), FASTEST)


@pytest.mark.parametrize(
    ("dataset", "command"),
    [
        (291, "totalseg-mcp weights fetch total"),
        (297, "totalseg-mcp weights fetch total --fast"),
        (298, "totalseg-mcp weights fetch total --fastest"),
        (852, "totalseg-mcp weights fetch total_mr --fast"),
    ],
)
def test_what_is_not_there_comes_with_the_command_that_fetches_it(tmp_path, dataset, command):
    text = refusal(Store((tmp_path,)), MODELS[dataset])
    assert MODELS[dataset].folder in text
    assert str(tmp_path) in text
    assert text.endswith(f"{command} --weights {tmp_path}")


def test_licensed_weights_come_with_the_place_of_the_licence_and_the_command(tmp_path):
    text = refusal(Store((tmp_path,)), MODELS[481])
    assert "https://backend.totalsegmentator.com/license-academic/" in text
    assert "TOTALSEG_MCP_LICENSE" in text
    assert f"totalseg-mcp weights fetch tissue_types --weights {tmp_path}" in text


def test_the_command_has_no_folder_where_that_is_the_usual_one(tmp_path, monkeypatch):
    monkeypatch.setenv("TOTALSEG_WEIGHTS_PATH", str(tmp_path))
    text = refusal(Store.standard(), FASTEST)
    assert text.endswith("totalseg-mcp weights fetch total --fastest")


def test_every_model_has_advice(tmp_path):
    for model in MODELS.values():
        assert refusal(Store((tmp_path,)), model)


def test_the_demonstration_says_what_it_covers():
    store = Store.demo()
    assert store.demonstration
    assert not Store.standard({}).demonstration
    text = refusal(store, MODELS[297])
    assert "only the task 'total' with fastest=true" in text
    assert TASKS["total"].models["fastest"] == (298,)


@pytest.mark.parametrize(
    ("environ", "root"),
    [
        ({"TOTALSEG_WEIGHTS_PATH": "/w", "TOTALSEG_HOME_DIR": "/h"}, Path("/w")),
        ({"TOTALSEG_HOME_DIR": "/h"}, Path("/h/nnunet/results")),
        ({}, Path.home() / ".totalsegmentator/nnunet/results"),
    ],
)
def test_models_are_looked_for_where_totalsegmentator_keeps_them(environ, root):
    assert standard_root(environ) == root
    assert Store.standard(environ).roots == (root,)


def test_all_folds_means_those_that_are_there(tmp_path):
    model = FASTEST.model_copy(update={"folds": "all"})
    folder = put(tmp_path, model, folds=())
    assert "fold_0/checkpoint_final.pth is missing" in refusal(Store((tmp_path,)), model)
    put(tmp_path, model, folds=(3, 1))
    assert [file.parent.name for file in checkpoints(folder, model)] == ["fold_1", "fold_3"]
    assert Store((tmp_path,)).has(model)


def test_the_recorded_reference_weights_are_found(shared):
    store = Store((shared / "parity/weights",))
    assert all(store.has(MODELS[number]) for number in (291, 292, 293, 294, 295, 297, 298, 852))
