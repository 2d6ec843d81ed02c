"""The stand-in models of the recorded runs: tiny U-Nets in the folders of the real models.

Every weight but the last layer's comes from a recipe of whole numbers and single
multiplications, so that it has the same bits on every machine. The last layers are stored
(`heads.npz`): `heads.py` chose them once, so that all structures show in the recorded scans and
those that are cropped to are small. Both sides read the same folders.
"""

import hashlib
import zlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from model_folder import ARCHITECTURE, Weights, fold_numbers, network, plans, write_model_folder
from numpy.typing import NDArray
from torch import nn

from totalseg_mcp.engine.tasks import MODELS, TASKS, Model

HEADS = Path(__file__).parent / "recordings" / "heads.npz"
Head = NDArray[np.float32]  # (class, feature and then bias): the last layer
FEATURES = 8
STAND_IN: Mapping[str, Any] = {
    **ARCHITECTURE,
    "n_stages": 3,
    "features_per_stage": [FEATURES, 2 * FEATURES, 4 * FEATURES],
    "kernel_sizes": [[3, 3, 3]] * 3,
    "strides": [[1, 1, 1], [2, 2, 2], [2, 2, 2]],
    "n_conv_per_stage": [1, 1, 1],
    "n_conv_per_stage_decoder": [1, 1],
}
# Voxels of a tile (z, y, x) on grids whose finest edge is at most so many millimetres. Small, so
# that every run has several; where the recorded scan is smaller still, it is padded.
PATCHES: Mapping[float, tuple[int, int, int]] = {
    0.6: (56, 80, 80),
    1.2: (48, 40, 48),
    2.0: (40, 48, 44),
    4.0: (24, 28, 20),
    9.0: (16, 16, 12),
}
# Only the real plans say on which grid these models work. These grids (x, y, z) are stand-ins,
# chosen so that nnU-Net resamples: 150 and 8 coarse in one direction, which it treats apart.
PLANS_SPACING_MM: Mapping[int, tuple[float, float, float]] = {
    8: (1.1, 1.1, 4.5),
    150: (0.9, 0.9, 4.0),
    258: (1.2, 1.2, 1.6),
    260: (1.5, 1.5, 1.5),
    301: (1.4, 1.4, 1.4),
    315: (1.5, 1.5, 3.0),
}
OLD_RELEASE = "v2.0.0-weights"  # of 2023, with plans in nnU-Net's format of that year
DRAWS = 2**23  # steps of a random number: exact in single precision
KEPT, VARIED = 0.8, 0.4  # of a kernel: the same in all taps, and different in each
FOLD_SHARE = 0.15  # by how much one fold differs from another
CONVOLUTIONS, UP = (nn.Conv2d, nn.Conv3d), (nn.ConvTranspose2d, nn.ConvTranspose3d)
NORMS = (nn.InstanceNorm2d, nn.InstanceNorm3d)


def make_stand_in(root: Path, dataset: int, head: Head | None = None) -> Path:
    """The folder of the stand-in for model `dataset` below `root`, with the stored last layer."""
    model = MODELS[dataset]
    last = stored_heads()[str(dataset)] if head is None else head
    folds = [weights(model, fold, last) for fold in fold_numbers(model)]
    mirrored = None if "NoMirroring" in model.trainer else (0, 1, 2)
    described = described_as_of_its_year(model)
    return write_model_folder(
        root, model, described, folds, inference_allowed_mirroring_axes=mirrored
    )


def on_its_grid(model: Model) -> Model:
    """`model` with a spacing, where only the real plans know it."""
    spacing = model.spacing_mm or PLANS_SPACING_MM[model.dataset]
    return model.model_copy(update={"spacing_mm": spacing})


def described_as_of_its_year(model: Model) -> dict[str, Any]:
    """plans.json, in the format of 2023 for a model of 2023."""
    placed = on_its_grid(model)
    assert placed.spacing_mm is not None
    finest = min(placed.spacing_mm)
    patch = next(patch for most, patch in PATCHES.items() if finest <= most)
    described = plans(placed, patch, STAND_IN, normalization(model))
    if model.release == OLD_RELEASE:
        (configuration,) = described["configurations"].values()
        del configuration["architecture"]
        configuration.update(
            UNet_class_name="PlainConvUNet",
            UNet_base_num_features=FEATURES,
            unet_max_num_features=4 * FEATURES,
            n_conv_per_stage_encoder=STAND_IN["n_conv_per_stage"],
            n_conv_per_stage_decoder=STAND_IN["n_conv_per_stage_decoder"],
            num_pool_per_axis=[2, 2, 2],
            pool_op_kernel_sizes=STAND_IN["strides"],
            conv_kernel_sizes=STAND_IN["kernel_sizes"],
        )
    return described


def normalization(model: Model) -> str:
    """How nnU-Net prepares the images of `model`."""
    seen = {
        task.modality
        for task in TASKS.values()
        if model.dataset in {dataset for run in task.models.values() for dataset in run}
    }
    return "ZScoreNormalization" if "MR" in seen else "CTNormalization"


def weights(model: Model, fold: int, head: Head) -> Weights:
    """All weights of one fold, with `head` for its last layer."""
    made = network(model, STAND_IN)
    with torch.no_grad():
        fill_all(made, model.dataset, fold)
        last = made.decoder.seg_layers[-1]
        last.weight.copy_(torch.from_numpy(head[:, :-1, None, None, None]))
        last.bias.copy_(torch.from_numpy(head[:, -1]))
    return made.state_dict()


def fill_all(network: nn.Module, dataset: int, fold: int) -> None:
    """Random weights for every layer of `network`, by its name."""
    for name, layer in network.named_modules():
        if isinstance(layer, (*CONVOLUTIONS, *UP, *NORMS)):
            fill(layer, (dataset, fold, zlib.crc32(name.encode())))


def fill(layer: nn.Module, key: tuple[int, int, int]) -> None:
    """Random weights for smooth features; a later fold is a variation of the first."""
    dataset, fold, name = key
    values = drawn(layer, (dataset, 0, name))
    for parameter, value in values.items():
        if fold:
            value += np.float32(FOLD_SHARE) * drawn(layer, key)[parameter]
        getattr(layer, parameter).copy_(torch.from_numpy(value))


def drawn(layer: nn.Module, key: tuple[int, int, int]) -> dict[str, NDArray[np.float32]]:
    """Weight and bias from the seed `key`."""
    rng = np.random.Generator(np.random.PCG64(key))
    shape = tuple(layer.weight.shape)
    bias = np.float32(0.2) * uniform(rng, tuple(layer.bias.shape))
    if isinstance(layer, NORMS):
        return {"weight": np.float32(1) + np.float32(0.2) * uniform(rng, shape), "bias": bias}
    taps = np.float32(KEPT) * uniform(rng, shape[:2] + (1,) * len(shape[2:]))
    if isinstance(layer, UP):  # the same in all taps: no chequers
        return {"weight": np.broadcast_to(taps, shape).copy(), "bias": bias}
    return {"weight": taps + np.float32(VARIED) * uniform(rng, shape), "bias": bias}


def uniform(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Random numbers in -1 … 1, exact in single precision."""
    whole = rng.integers(-DRAWS, DRAWS, shape, endpoint=True)
    return whole.astype(np.float32) / np.float32(DRAWS)


@cache
def stored_heads() -> dict[str, Head]:
    """The stored last layers, by dataset."""
    with np.load(HEADS) as stored:
        return dict(stored)


def digest(dataset: int) -> str:
    """SHA-256 over the weights of all folds."""
    model, head, summed = MODELS[dataset], stored_heads()[str(dataset)], hashlib.sha256()
    for fold in fold_numbers(model):
        for name, tensor in sorted(weights(model, fold, head).items()):
            summed.update(name.encode() + tensor.numpy().tobytes())
    return summed.hexdigest()
