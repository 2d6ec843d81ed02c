"""The models of the contests in two dimensions: tiny ones, and random ones of the real size."""

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from nnunetv2.experiment_planning.experiment_planners.network_topology import (
    get_pool_and_conv_props,
)
from parity.models_2d import FlatModel, members
from parity.scans import file_of
from parity.stand_ins_2d import architecture, made_network, make_stand_in_2d, write_model_2d

from benchmarks.sides.job import FIRST_SCAN, FLAT_KEY

PATCH = (256, 256)
SPACING_MM = (1.5, 1.5)
# nnU-Net's planner halves the tile until 4 pixels are left, begins with 32 features and doubles
# them up to 512, with two convolutions a stage.
LEAST_EDGE = 4
FEATURES, MOST_FEATURES = 32, 512
CONVOLUTIONS = 2
SHIFT = -0.7  # of the structures' logits, so that most pixels belong to few of them


def make_inputs_2d(inputs: Path) -> None:
    """All models below `inputs`, unless they are there, and a scan for the first call."""
    for name, make in {"small": make_small, "true size": make_true_size}.items():
        root = inputs / name / ".ts2d" / "models"
        if not root.exists():
            for model in members(FLAT_KEY):
                make(root, model)
    shutil.copyfile(file_of("ct_small"), inputs / FIRST_SCAN)


def make_small(root: Path, model: FlatModel) -> Path:
    """The stand-in of `model`, with tiles of the real size."""
    return make_stand_in_2d(root, replace(model, patch=PATCH))


def make_true_size(root: Path, model: FlatModel) -> Path:
    """`model` with random weights, as large as nnU-Net would plan it."""
    planned = architecture(stages(), CONVOLUTIONS)
    torch.manual_seed(model.number)
    made = made_network(model, planned)
    with torch.no_grad():
        made.decoder.seg_layers[-1].bias[1:] += SHIFT
    weights: Mapping[str, torch.Tensor] = made.state_dict()
    return write_model_2d(root, replace(model, patch=PATCH), planned, {0: weights})


def stages() -> tuple[int, ...]:
    """The features of each stage, as nnU-Net plans them for tiles of `PATCH`."""
    _, strides, _, _, _ = get_pool_and_conv_props(SPACING_MM, PATCH, LEAST_EDGE, 999999)
    return tuple(min(MOST_FEATURES, FEATURES * 2**stage) for stage in range(len(strides)))
