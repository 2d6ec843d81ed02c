"""Every entry of the engine's tables against what TotalSegmentator 2.18.0 says of itself."""

import json
from pathlib import Path
from typing import Any

import pytest

from totalseg_mcp.engine.tasks import MODELS, TASKS, Model, labels

RECORDED = json.loads((Path(__file__).parent / "recordings" / "tasks.json").read_text("utf-8"))
RESOLUTIONS = [(name, resolution) for name, task in TASKS.items() for resolution in task.models]


def test_there_is_an_entry_for_every_task():
    assert TASKS.keys() == RECORDED["tasks"].keys()


@pytest.mark.parametrize("name", list(TASKS))
def test_a_task_is_the_references(name):
    task, recorded = TASKS[name], RECORDED["tasks"][name]
    assert task.modality == recorded["modality"]
    assert list(task.names) == recorded["structures"]
    assert (task.licence == "commercial") == recorded["licence"]
    settings = recorded["default"]
    crop = task.crop
    assert (list(crop.to) if crop else None) == settings["crop"]
    assert (crop.task if crop else None) == settings["crop_model"]
    assert (crop.robust if crop else False) == settings["robust_crop"]
    keep = task.keep_near
    assert (list(keep.to) if keep else None) == settings["remove_outside"]
    assert (keep.margin_mm if keep else None) == settings["remove_outside_dilation"]


@pytest.mark.parametrize("name", [name for name, task in TASKS.items() if task.crop])
def test_the_margin_is_the_references_and_so_is_the_one_without_effect(name):
    """PARITY: 20 mm whatever is configured, unless a task of its own finds the region."""
    crop, (configured, *_) = TASKS[name].crop, RECORDED["tasks"][name]["default"]["crop_addon"]
    assert crop.margin_mm == (configured if crop.task else 20)
    assert (crop.margin_mm if crop.configured_mm is None else crop.configured_mm) == configured


@pytest.mark.parametrize(("name", "resolution"), RESOLUTIONS)
def test_the_models_of_a_task_are_the_references(name, resolution):
    settings = RECORDED["tasks"][name][resolution]
    numbers = (
        settings["task_id"] if isinstance(settings["task_id"], list) else [settings["task_id"]]
    )
    assert list(TASKS[name].models[resolution]) == numbers
    for number in numbers:
        model = MODELS[number]
        assert expected(settings) == {
            "trainer": model.trainer,
            "configuration": model.configuration,
            "plans": model.plans,
            "folds": None if model.folds == "all" else list(model.folds),
            "spacing": list(model.spacing_mm) if model.spacing_mm else None,
        }
        assert list(model.names) == structures(name, model)


def expected(settings: dict[str, Any]) -> dict[str, Any]:
    """The reference's settings of a model, in our words."""
    spacing = settings["resample"]
    return {
        "trainer": settings["trainer"],
        "configuration": settings["model"],
        "plans": settings["plans"],
        "folds": settings["folds"],
        "spacing": [spacing] * 3 if isinstance(spacing, float) else spacing,
    }


def structures(task: str, model: Model) -> list[str]:
    """What the outputs of the model are, by the reference."""
    recorded = RECORDED["tasks"][task]
    part = RECORDED["parts"].get(str(model.dataset))
    return part or recorded["structures"] + recorded["auxiliary"]


@pytest.mark.parametrize("name", list(TASKS))
def test_a_task_has_a_coarser_model_where_the_reference_has_one(name):
    """The reference takes fastest for fast where there is no 6 mm model; we refuse it."""
    recorded = RECORDED["tasks"][name]
    for resolution in ("fast", "fastest"):
        own = recorded[resolution] not in (None, recorded["default"])
        if resolution == "fastest":
            own = own and recorded["fastest"] != recorded["fast"]
        assert (resolution in TASKS[name].models) == own


@pytest.mark.parametrize("number", list(MODELS))
def test_a_model_lies_where_the_reference_keeps_it(number):
    recorded, model = RECORDED["models"][str(number)], MODELS[number]
    assert model.folder == recorded["foldername"]
    assert model.release == recorded.get("version")


def test_the_order_of_version_1_is_the_references():
    assert list(labels("total_v1")) == RECORDED["former"]


@pytest.mark.parametrize(
    ("name", "step"),
    [(name, 0.8 if name in {"total", "total_v3", "total_mr"} else 0.5) for name in TASKS],
)
def test_tiles_move_on_as_the_references(name, step):
    """nnunet.py of TotalSegmentator 2.18.0 names those three."""
    assert TASKS[name].tile_step == step
