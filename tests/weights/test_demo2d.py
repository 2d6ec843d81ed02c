import json
import math
import pickletools
import zipfile
from functools import cache

import numpy as np
import pytest
import torch
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from totalseg_mcp.engine.models2d import spelt_by_ts2d
from totalseg_mcp.engine.picture import Layers, Plane
from totalseg_mcp.engine.weights2d import Store2D
from totalseg_mcp.phantom import NAMES, oblique, phantom, scan, view
from totalseg_mcp.weights import evaluate2d, folder2d, projections, samples

GROUPS = pytest.mark.parametrize("group", folder2d.GROUPS)
PLAIN = {"collections OrderedDict", "torch HalfStorage", "torch._utils _rebuild_tensor_v2"}


def _text(group, name):
    return json.loads((folder2d.model(group) / name).read_text(encoding="utf-8"))


def _checkpoint(group):
    return folder2d.model(group) / "fold_0" / "checkpoint_final.pth"


def _described(group):
    plans = PlansManager(folder2d.model(group) / "plans.json")
    configuration = plans.get_configuration("2d")
    return get_network_from_plans(
        configuration.network_arch_class_name,
        configuration.network_arch_init_kwargs,
        configuration.network_arch_init_kwargs_req_import,
        2,
        len(_text(group, "dataset.json")["labels"]),
        allow_init=False,
        deep_supervision=False,
    )


# How many structures ts2d 1.2.0's models of the version v2 have.
@pytest.mark.parametrize(
    ("group", "count"),
    {"cardiac": 18, "muscles": 23, "organs": 24, "ribs": 26, "vertebrae": 26}.items(),
)
def test_every_structure_of_a_group_has_its_number_after_the_background(group, count):
    labels = _text(group, "dataset.json")["labels"]
    assert list(labels.values()) == list(range(count + 1))
    assert list(labels) == ["background", *map(spelt_by_ts2d, folder2d.GROUPS[group])]


def test_the_groups_together_hold_every_structure_once():
    assert sorted(name for group in folder2d.GROUPS.values() for name in group) == sorted(NAMES)


@GROUPS
def test_the_folder_says_that_its_weights_are_a_demonstration(group):
    card = json.loads((folder2d.revision(group) / "model.json").read_text(encoding="utf-8"))
    for text in (card, _text(group, "dataset.json")):
        assert "Demonstration weights, trained on synthetic phantoms" in text["description"]


@GROUPS
def test_the_files_are_those_that_the_code_writes(group, tmp_path):
    plans = _text(group, "plans.json")
    stats = plans["foreground_intensity_properties_per_channel"].values()
    folder2d.write(group, {"a": torch.arange(4.0)}, list(stats), tmp_path)
    written = {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()}
    assert len(written) == 4
    for path in written:
        embedded = folder2d.DEMO / path
        assert embedded.suffix == ".pth" or embedded.read_text() == (tmp_path / path).read_text()


@GROUPS
def test_the_checkpoint_holds_tensors_and_plain_values_only(group):
    with zipfile.ZipFile(_checkpoint(group)) as archive:
        name = next(name for name in archive.namelist() if name.endswith("data.pkl"))
        pickled = archive.read(name)
    needed = {arg for op, arg, _ in pickletools.genops(pickled) if op.name == "GLOBAL"}
    assert needed <= PLAIN
    stored = torch.load(_checkpoint(group), weights_only=True)
    assert stored["init_args"] == {"configuration": "2d"}
    assert stored["inference_allowed_mirroring_axes"] is None


@GROUPS
def test_the_weights_fit_the_network_of_the_plans(group):
    module = _described(group)
    weights = torch.load(_checkpoint(group), weights_only=True)["network_weights"]
    module.load_state_dict(weights)
    assert all(weight.dtype == torch.half for weight in weights.values())
    with torch.inference_mode():
        output = module(torch.zeros(1, 2, 64, 32))
    assert tuple(output.shape) == (1, 1 + len(folder2d.GROUPS[group]), 64, 32)


def test_the_five_folders_are_small():
    size = sum(file.stat().st_size for file in folder2d.DEMO.rglob("*") if file.is_file())
    assert size < 10_000_000


def test_evaluation_uses_bodies_that_training_never_sees():
    assert evaluate2d.FIRST_SEED + 10_000 < samples.FIRST_TRAINING_SEED


def test_dice_counts_structures_larger_than_a_square_centimetre():
    truth, masks = np.zeros((2, 117, 10, 10), np.bool_)
    truth[4, :3], truth[5, :1] = True, True  # liver: 30 pixels; stomach: 10
    masks[4, :2], masks[6, 5:] = True, True  # liver: 20; pancreas: 50, which is not there
    plane = Plane((10, 10), (3.0, 3.0))  # a square centimetre is 11.1 pixels
    found = Layers(masks, NAMES, (math.nan,) * 117, plane)
    scores, invented = evaluate2d.compared(found, truth)
    assert scores == {"liver": pytest.approx(2 * 20 / (30 + 20))}
    assert invented == 1


@cache
def _engine():
    return evaluate2d.Engine2D(Store2D.demo())


@pytest.mark.parametrize(("seed", "turn"), [(77, (0, 0, 0)), (78, (3, -3, 4))])
def test_the_demonstration_finds_the_structures_of_a_phantom_it_never_saw(seed, turn):
    anatomy = phantom(seed)
    grid = oblique(view(anatomy, "thorax_abdomen", (4.0, 5.0, 4.0)), turn, "LPS")
    volume, truth = scan(anatomy, grid)
    scores, _ = evaluate2d.compared(_engine()(volume), projections.shadows(truth))
    assert len(scores) > 70
    assert scores["liver"] > 0.85
    assert np.mean(list(scores.values())) > 0.85
