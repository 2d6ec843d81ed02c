"""The models of the contests in two dimensions: tiny ones, and random ones of the real size.

And one of the real size in three.
"""

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from model_folder import ARCHITECTURE, network, plans, write_model_folder
from nnunetv2.experiment_planning.experiment_planners.network_topology import (
    get_pool_and_conv_props,
)
from parity.models_2d import FlatModel, members
from parity.scans import file_of
from parity.stand_ins_2d import architecture, made_network, make_stand_in_2d, write_model_2d

from benchmarks.sides.job import FIRST_SCAN, FLAT_KEY, VOLUME_MODELS
from totalseg_mcp.engine.tasks import MODELS, task_named

PATCH = (256, 256)
SPACING_MM = (1.5, 1.5)
VOLUME_PATCH = (112, 112, 128)  # of TotalSegmentator's model for 3 mm
# nnU-Net's planner halves the tile until 4 pixels are left, begins with 32 features and doubles
# them up to 512 (in three dimensions 320), with two convolutions a stage.
LEAST_EDGE = 4
FEATURES, MOST_FEATURES = 32, {2: 512, 3: 320}
CONVOLUTIONS = 2
SHIFT = -0.7  # of the structures' logits, so that most pixels belong to few of them


def make_inputs_2d(inputs: Path) -> None:
    """All models below `inputs`, unless they are there, and a scan for the first call."""
    for name, make in {"small": make_small, "true size": make_true_size}.items():
        root = inputs / name / ".ts2d" / "models"
        if not root.exists():
            for model in members(FLAT_KEY):
                make(root, model)
    if not (inputs / VOLUME_MODELS).exists():
        make_volume_model(inputs / VOLUME_MODELS)
    shutil.copyfile(file_of("ct_small"), inputs / FIRST_SCAN)


def make_small(root: Path, model: FlatModel) -> Path:
    """The stand-in of `model`, with tiles of the real size."""
    return make_stand_in_2d(root, replace(model, patch=PATCH))


def make_true_size(root: Path, model: FlatModel) -> Path:
    """`model` with random weights, as large as nnU-Net would plan it."""
    planned = architecture(tuple(stages(PATCH)[1]), CONVOLUTIONS)
    torch.manual_seed(model.number)
    made = made_network(model, planned)
    with torch.no_grad():
        made.decoder.seg_layers[-1].bias[1:] += SHIFT
    weights: Mapping[str, torch.Tensor] = made.state_dict()
    return write_model_2d(root, replace(model, patch=PATCH), planned, {0: weights})


def make_volume_model(root: Path) -> Path:
    """TotalSegmentator's model for 3 mm with random weights, as large as the real one."""
    (dataset,) = task_named("total").models["fast"]
    model = MODELS[dataset]
    strides, features = stages(VOLUME_PATCH)
    planned = {
        **ARCHITECTURE,
        "n_stages": len(features),
        "features_per_stage": features,
        "kernel_sizes": [[3, 3, 3]] * len(features),
        "strides": strides,
        "n_conv_per_stage": [CONVOLUTIONS] * len(features),
        "n_conv_per_stage_decoder": [CONVOLUTIONS] * (len(features) - 1),
    }
    torch.manual_seed(dataset)
    weights = network(model, planned).state_dict()
    return write_model_folder(root, model, plans(model, VOLUME_PATCH, planned), [weights])


def stages(patch: tuple[int, ...]) -> tuple[list[list[int]], list[int]]:
    """The strides and the features of each stage, as nnU-Net plans them for tiles of `patch`."""
    dimensions = len(patch)
    _, strides, _, _, _ = get_pool_and_conv_props([1.0] * dimensions, patch, LEAST_EDGE, 999999)
    most = MOST_FEATURES[dimensions]
    return [list(one) for one in strides], [
        min(most, FEATURES * 2**stage) for stage in range(len(strides))
    ]
