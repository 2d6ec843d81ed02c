import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from model_folder import make_model_folder, weights

from totalseg_mcp.engine.errors import NotReadyError
from totalseg_mcp.engine.loading import load
from totalseg_mcp.engine.tasks import MODELS

CPU = torch.device("cpu")
FASTEST = MODELS[298]


class Explosive:
    """Runs code when it is unpickled."""

    def __init__(self, witness: Path):
        self.witness = witness

    def __reduce__(self):
        return Path.touch, (self.witness,)


def test_a_checkpoint_that_would_run_code_is_refused_and_does_not_run(tmp_path):
    witness = tmp_path / "exploded"
    folder = make_model_folder(tmp_path, 298, extra=Explosive(witness))
    with pytest.raises(NotReadyError, match="cannot be loaded safely"):
        load(folder, FASTEST, CPU)
    assert not witness.exists()
    pickle.loads(pickle.dumps(Explosive(witness)))
    assert witness.exists(), "the trap works where pickle is trusted"


def test_the_numpy_scalars_of_a_training_log_are_no_obstacle(tmp_path):
    log = {"_best_ema": np.float64(0.9), "losses": [np.float32(0.1)]}
    folder = make_model_folder(tmp_path, 298, logging=log)
    assert load(folder, FASTEST, CPU).folds


def test_every_weight_is_that_of_the_checkpoint_and_none_is_drawn(tmp_path):
    folder = make_model_folder(tmp_path, 298, seed=3)
    there = weights(FASTEST, 3)
    before = torch.get_rng_state()
    loaded = load(folder, FASTEST, CPU).folds[0].state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    assert loaded.keys() == there.keys()
    assert all(torch.equal(loaded[name], there[name]) for name in there)


def test_weights_stored_in_half_precision_load_as_single(tmp_path):
    folder = make_model_folder(tmp_path, 298)
    file = folder / "fold_0" / "checkpoint_final.pth"
    stored = torch.load(file, weights_only=True)
    stored["network_weights"] = {k: v.half() for k, v in stored["network_weights"].items()}
    torch.save(stored, file)
    parameters = load(folder, FASTEST, CPU).folds[0].parameters()
    assert {p.dtype for p in parameters} == {torch.float32}


def test_weights_that_give_no_numbers_are_an_error_and_not_a_label_map(tmp_path):
    folder = make_model_folder(tmp_path, 298)
    network = load(folder, FASTEST, CPU)
    with torch.no_grad():
        next(network.folds[0].parameters()).fill_(float("nan"))
    with pytest.raises(NotReadyError, match="not finite"):
        network.logits(torch.zeros(1, 16, 24, 20), 0.5)


def test_a_damaged_checkpoint_is_refused(tmp_path):
    folder = make_model_folder(tmp_path, 298)
    file = folder / "fold_0" / "checkpoint_final.pth"
    file.write_bytes(file.read_bytes()[:2000])
    with pytest.raises(NotReadyError, match="cannot be loaded safely"):
        load(folder, FASTEST, CPU)


def test_weights_of_another_task_are_refused(tmp_path):
    folder = make_model_folder(tmp_path, 315)
    with pytest.raises(NotReadyError, match="do not fit the 117 structures"):
        load(folder, FASTEST.model_copy(update={"configuration": "3d_fullres"}), CPU)


def test_plans_may_name_network_classes_only(tmp_path):
    folder = make_model_folder(tmp_path, 298)
    plans = json.loads((folder / "plans.json").read_text())
    plans["configurations"]["3d_fullres"]["architecture"]["network_class_name"] = "os.system"
    (folder / "plans.json").write_text(json.dumps(plans))
    with pytest.raises(NotReadyError, match=r"os\.system"):
        load(folder, FASTEST, CPU)


def change(folder: Path, name: str, path: tuple[str, ...], value: object) -> None:
    """Set one thing in a JSON file of the model; None removes it."""
    content = json.loads((folder / name).read_text())
    inner = content
    for key in path[:-1]:
        inner = inner[key]
    if value is None:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    (folder / name).write_text(json.dumps(content))


@pytest.mark.parametrize("name", ["dataset.json", "plans.json"])
@pytest.mark.parametrize(
    "content", [b"", b"{", b"<html>", b"[]", b"5", b"null", b"{}", b"\xff", b"[" * 100_000]
)
def test_a_description_that_is_none_is_refused_with_its_file(tmp_path, name, content):
    folder = make_model_folder(tmp_path, 298)
    (folder / name).write_bytes(content)
    with pytest.raises(NotReadyError, match=name):
        load(folder, FASTEST, CPU)


CONFIGURATION = ("configurations", "3d_fullres")
PROPERTIES = "foreground_intensity_properties_per_channel"


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        ("dataset.json", ("channel_names",), None),
        ("dataset.json", ("channel_names",), {}),
        ("dataset.json", ("channel_names",), ["CT"]),
        ("plans.json", ("configurations",), None),
        ("plans.json", ("configurations",), []),
        ("plans.json", ("configurations",), {"2d": {}}),
        ("plans.json", CONFIGURATION, []),
        ("plans.json", (*CONFIGURATION, "inherits_from"), "3d_fullres"),
        ("plans.json", (*CONFIGURATION, "inherits_from"), "2d"),
        ("plans.json", (*CONFIGURATION, "patch_size"), None),
        ("plans.json", (*CONFIGURATION, "patch_size"), [16, 24]),
        ("plans.json", (*CONFIGURATION, "patch_size"), [16, 24, 0]),
        ("plans.json", (*CONFIGURATION, "spacing"), [1.5, 1.5, "x"]),
        ("plans.json", (*CONFIGURATION, "normalization_schemes"), ["Unheard"]),
        ("plans.json", (*CONFIGURATION, "normalization_schemes"), None),
        ("plans.json", (*CONFIGURATION, "preprocessor_name"), "Other"),
        ("plans.json", (*CONFIGURATION, "resampling_fn_data"), None),
        ("plans.json", (*CONFIGURATION, "resampling_fn_data"), "unheard_of"),
        ("plans.json", (*CONFIGURATION, "resampling_fn_probabilities_kwargs"), 5),
        ("plans.json", (*CONFIGURATION, "architecture"), None),
        ("plans.json", (*CONFIGURATION, "architecture"), {}),
        ("plans.json", (*CONFIGURATION, "architecture", "arch_kwargs"), {}),
        ("plans.json", (*CONFIGURATION, "architecture", "_kw_requires_import"), [5]),
        ("plans.json", ("transpose_forward",), [0, 1]),
        ("plans.json", (PROPERTIES,), None),
        ("plans.json", (PROPERTIES, "0"), None),
        ("plans.json", (PROPERTIES, "0", "std"), None),
    ],
)
def test_a_description_that_lacks_something_is_refused_and_no_internal_error(
    tmp_path, name, path, value
):
    folder = make_model_folder(tmp_path, 298)
    change(folder, name, path, value)
    with pytest.raises(NotReadyError):
        load(folder, FASTEST, CPU)
