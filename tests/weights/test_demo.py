import json
import pickletools
import zipfile
from functools import cache

import numpy as np
import pytest
import torch
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from totalseg_mcp.engine.image.orientation import reorient
from totalseg_mcp.engine.volume import Grid
from totalseg_mcp.phantom import NAMES, oblique, phantom, scan, view
from totalseg_mcp.weights import evaluate, folder, groups, learning, samples

CHECKPOINT = folder.MODEL / "fold_0" / "checkpoint_final.pth"
PLAIN = {"collections OrderedDict", "torch HalfStorage", "torch._utils _rebuild_tensor_v2"}


def _text(name):
    return json.loads((folder.MODEL / name).read_text(encoding="utf-8"))


@cache
def _checkpoint():
    return torch.load(CHECKPOINT, weights_only=True)


def _network():
    plans = PlansManager(folder.MODEL / "plans.json")
    configuration = plans.get_configuration(folder.DESIGN.configuration)
    return get_network_from_plans(
        configuration.network_arch_class_name,
        configuration.network_arch_init_kwargs,
        configuration.network_arch_init_kwargs_req_import,
        1,
        len(_text("dataset.json")["labels"]),
        allow_init=False,
        deep_supervision=False,
    )


def test_the_checkpoint_holds_tensors_and_plain_values_only():
    with zipfile.ZipFile(CHECKPOINT) as archive:
        name = next(name for name in archive.namelist() if name.endswith("data.pkl"))
        pickled = archive.read(name)
    needed = {arg for op, arg, _ in pickletools.genops(pickled) if op.name == "GLOBAL"}
    assert needed <= PLAIN
    assert _checkpoint()["init_args"] == {"configuration": folder.DESIGN.configuration}
    assert _checkpoint()["inference_allowed_mirroring_axes"] is None


def test_the_weights_fit_the_network_of_the_plans():
    module = _network()
    module.load_state_dict(_checkpoint()["network_weights"])
    assert all(weight.dtype == torch.half for weight in _checkpoint()["network_weights"].values())
    with torch.inference_mode():
        output = module(torch.zeros(1, 1, 32, 16, 24))
    assert tuple(output.shape) == (1, 118, 32, 16, 24)


def test_the_folder_is_small():
    size = sum(file.stat().st_size for file in folder.DEMO.rglob("*") if file.is_file())
    assert size < 8_000_000


def test_every_structure_of_the_task_has_its_number():
    labels = _text("dataset.json")["labels"]
    assert labels == {"background": 0, **{name: n for n, name in enumerate(NAMES, start=1)}}


def test_the_plans_are_those_that_the_code_writes():
    plans = _text("plans.json")
    assert folder.plans(plans["foreground_intensity_properties_per_channel"]["0"]) == plans


def test_writing_a_folder_and_reading_it_gives_the_weights_back(tmp_path):
    weights = {"a": torch.arange(4.0)}
    stats = {"mean": 0.0, "std": 1.0}
    folder.write(weights, stats, NAMES, tmp_path)
    read = torch.load(tmp_path / "fold_0" / "checkpoint_final.pth", weights_only=True)
    assert torch.equal(read["network_weights"]["a"], weights["a"].half())


def test_evaluation_uses_bodies_that_training_never_sees():
    assert evaluate.FIRST_SEED + 10_000 < samples.FIRST_TRAINING_SEED


def test_the_groups_hold_every_structure_that_is_depicted_once():
    members = [name for group in groups.GROUPS.values() for name in group]
    assert len(members) == len(set(members))
    shown = {NAMES[part - 1] for part in np.unique(_sample()[1]) if part}
    assert shown <= set(members)


@cache
def _sample():
    anatomy = phantom(12)
    volume, truth = scan(anatomy, view(anatomy, "upper_abdomen", (12.0, 12.0, 12.0)))
    return volume.data.transpose(2, 1, 0), truth.data.transpose(2, 1, 0)


@pytest.mark.parametrize("seed", range(4))
def test_a_patch_has_the_size_of_the_plans_and_marks_its_padding(seed):
    image, truth = samples.patch(_sample(), np.random.default_rng(seed))
    assert image.shape == truth.shape == folder.DESIGN.patch
    assert not truth[np.isnan(image)].any()
    assert np.nanmin(image) >= -1024


def test_the_learning_rate_rises_and_falls():
    rates = [learning.rate(done) for done in (0.0, learning.WARM_UP, 0.5, 1.0)]
    assert rates[0] < rates[2] < rates[1] == pytest.approx(learning.PEAK_RATE, rel=0.02)
    assert rates[3] < 0.01 * learning.PEAK_RATE


def test_dice_counts_structures_of_twenty_voxels_and_more():
    truth = np.zeros(100, np.uint8)
    truth[:30], truth[30:45] = 5, 6
    found = np.where(np.arange(100) < 20, 5, 0)
    assert evaluate.dice(found, truth) == {"liver": pytest.approx(0.8)}


def test_the_models_voxels_lie_where_the_engine_samples_the_scan():
    grid = Grid((11, 21, 31), np.diag([3.0, 3, 3, 1]))
    model = evaluate.model_grid(grid, (6, 11, 16))
    np.testing.assert_allclose(np.diag(model.affine)[:3], [6, 6, 6])


def test_the_demonstration_finds_the_large_organs_of_a_phantom_it_never_saw():
    anatomy = phantom(77)
    grid = oblique(view(anatomy, "abdomen", (6.0, 6.0, 6.0)), (0, 0, 0), "LPS")
    volume, truth = scan(anatomy, grid)
    found = evaluate.Engine(evaluate.Store.demo())(volume).labels
    scores = evaluate.dice(reorient(found, "RAS").data, reorient(truth, "RAS").data)
    assert scores["liver"] > 0.85
    assert scores["spleen"] > 0.75
    assert np.mean(list(scores.values())) > 0.75
