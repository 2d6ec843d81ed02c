"""The 3 mm model of `total`, made up in two sizes: tiny, and as large as the real one.

Both have the real tiles and outputs. Their label maps are blobs of many structures, so that saving
and measuring have work to do; both sides read the same files.
"""

import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from model_folder import ARCHITECTURE, network, plans, write_model_folder
from parity.stand_ins import FEATURES, fill_all
from torch import nn

from benchmarks.inputs_2d import CONVOLUTIONS
from totalseg_mcp.engine.tasks import MODELS, Model, task_named

(DATASET,) = task_named("total").models["fast"]
VOLUME_PATCH = (112, 112, 128)  # z, y, x: the tiles of the real 3 mm model
# Features of each stage. The real model has six stages and 31 million parameters (124 MB).
TRUE_SIZE = (32, 64, 128, 256, 320, 320)
TINY = (FEATURES, 2 * FEATURES, 4 * FEATURES)
NETWORKS: Mapping[str, Sequence[int]] = {"tiny": TINY, "true size": TRUE_SIZE}
STRIDES = ([1, 1, 1], *[[2, 2, 2]] * 4, [1, 1, 2])
BACKGROUND = 0.6  # of the voxels
OFFSET = 0.3  # standard deviations by which the structures' outputs differ, so that sizes do
SAMPLE = (64, 64, 64)  # voxels of noise by which the outputs are levelled
COARSE = 8  # voxels from one grain of that noise to the next


def make_networks(folder: Path) -> None:
    """Both below `folder`, by their names in `NETWORKS`, unless they are there."""
    for name, features in NETWORKS.items():
        if not (folder / name).exists():
            make_network(folder / name, MODELS[DATASET], features)


def make_network(root: Path, model: Model, features: Sequence[int]) -> Path:
    """The folder of `model` below `root`: a network with so many features a stage."""
    convolutions = 1 if len(features) < len(TRUE_SIZE) else CONVOLUTIONS
    planned: Mapping[str, Any] = {
        **ARCHITECTURE,
        "n_stages": len(features),
        "features_per_stage": list(features),
        "kernel_sizes": [[3, 3, 3]] * len(features),
        "strides": list(STRIDES[: len(features)]),
        "n_conv_per_stage": [convolutions] * len(features),
        "n_conv_per_stage_decoder": [convolutions] * (len(features) - 1),
    }
    made = network(model, planned)
    with torch.no_grad():
        fill_all(made, model.dataset, 0)
        level(made)
    return write_model_folder(root, model, plans(model, VOLUME_PATCH, planned), [made.state_dict()])


def level(made: nn.Module) -> None:
    """Shift and scale the outputs of `made`, so that the background has its share of the voxels."""
    rng = np.random.Generator(np.random.PCG64(zlib.crc32(b"level")))
    grains = rng.standard_normal([edge // COARSE for edge in SAMPLE], np.float32)
    noise = torch.from_numpy(grains)[None, None]
    image = nn.functional.interpolate(noise, SAMPLE, mode="trilinear")
    last = made.decoder.seg_layers[-1]  # type: ignore[union-attr, index]
    outputs = made(image)[0]
    spread, middle = outputs.std((1, 2, 3)), outputs.mean((1, 2, 3))
    offsets = OFFSET * torch.from_numpy(rng.standard_normal(len(spread), np.float32))
    levelled = (outputs - middle[:, None, None, None]) / spread[:, None, None, None]
    levelled += offsets[:, None, None, None]
    lead = (levelled[1:].amax(0) - levelled[0]).flatten()
    offsets[0] += lead.quantile(BACKGROUND)
    last.weight /= spread[:, None, None, None, None]
    last.bias.copy_((last.bias - middle) / spread + offsets)
