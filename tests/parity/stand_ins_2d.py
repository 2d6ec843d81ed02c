"""The stand-in models in two dimensions: tiny U-Nets in the folders that ts2d reads.

The weights are made as those of `stand_ins.py`; the last layers are stored (`heads_2d.npz`),
chosen once by `heads_2d.py`. Both sides read the same folders.
"""

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet
from model_folder import ARCHITECTURE, Weights
from parity.models_2d import PLAIN, FlatModel, models_2d
from parity.stand_ins import FEATURES, Head, fill_all
from torch import nn

HEADS = Path(__file__).parent / "recordings" / "heads_2d.npz"
REVISION = "r001"
NETWORK = f"{PlainConvUNet.__module__}.{PlainConvUNet.__name__}"
IMPORTED = ("conv_op", "norm_op", "dropout_op", "nonlin")  # by name, in the plans
RESAMPLING = {"order_z": 0, "force_separate_z": None}
# Of the voxels in the training images; made up.
INTENSITIES = {
    "mean": 40.0,
    "std": 420.0,
    "percentile_00_5": -950.0,
    "percentile_99_5": 1100.0,
}


def architecture(features: tuple[int, ...], convolutions: int) -> dict[str, Any]:
    """Of a plain U-Net with a stage for each of `features`, halving the image in between."""
    stages = len(features)
    return {
        **ARCHITECTURE,
        "n_stages": stages,
        "features_per_stage": list(features),
        "conv_op": "torch.nn.modules.conv.Conv2d",
        "norm_op": "torch.nn.modules.instancenorm.InstanceNorm2d",
        "kernel_sizes": [[3, 3]] * stages,
        "strides": [[1, 1], *[[2, 2]] * (stages - 1)],
        "n_conv_per_stage": [convolutions] * stages,
        "n_conv_per_stage_decoder": [convolutions] * (stages - 1),
    }


STAND_IN = architecture((FEATURES, 2 * FEATURES, 4 * FEATURES), 1)


def make_stand_in_2d(root: Path, model: FlatModel, head: Head | None = None) -> Path:
    """The folder of the stand-in for `model` below `root`, with the stored last layer."""
    last = stored_heads_2d()[model.key] if head is None else head
    folds = {fold: weights(model, fold, last) for fold in model.folds or (0, 1)}
    return write_model_2d(root, model, STAND_IN, folds)


def write_model_2d(
    root: Path, model: FlatModel, network: Mapping[str, Any], folds: Mapping[int, Weights]
) -> Path:
    """The folder of `model` below `root`; `network` is its architecture."""
    top = root / model.key / REVISION
    folder = top / model.dataset / f"{model.trainer}__nnUNetPlans__2d"
    plans, dataset = plans_2d(model, network), dataset_2d(model)
    for fold, learned in folds.items():
        (folder / f"fold_{fold}").mkdir(parents=True)
        stored = {
            "network_weights": learned,
            "trainer_name": model.trainer,
            "init_args": {"plans": plans, "configuration": "2d", "dataset_json": dataset},
            "inference_allowed_mirroring_axes": model.mirrored,
        }
        torch.save(stored, folder / f"fold_{fold}" / f"checkpoint_{model.checkpoint}.pth")
    (folder / "plans.json").write_text(json.dumps(plans))
    (folder / "dataset.json").write_text(json.dumps(dataset))
    (top / "model.json").write_text(json.dumps(described(model)))
    return folder


def described(model: FlatModel) -> dict[str, Any]:
    """model.json; without folds ts2d takes those that there are."""
    settings = {**PLAIN, "nnu.task": model.number, "nnu.trainer": model.trainer}
    about = {"model": model.name, "group": model.group, "revision": REVISION}
    folds = {"folds": list(model.folds)} if model.folds else {}
    return {**about, **folds, "param": {**settings, **model.parameters}}


def dataset_2d(model: FlatModel) -> dict[str, Any]:
    """dataset.json."""
    return {
        "channel_names": {str(n): name for n, name in enumerate(model.channels)},
        "labels": {"background": 0, **{name: n for n, name in enumerate(model.structures, 1)}},
        "multilabel": True,
        "numTraining": 1,
        "file_ending": ".nrrd",
        "overwrite_image_reader_writer": "SimpleITKIO",
    }


def plans_2d(model: FlatModel, network: Mapping[str, Any]) -> dict[str, Any]:
    """plans.json."""
    count = len(model.channels)
    function = "resample_data_or_seg_to_shape"
    configuration = {
        "data_identifier": "nnUNetPlans_2d",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": 2,
        "patch_size": list(model.patch),
        "median_image_size_in_voxels": [float(n) for n in model.patch],
        "spacing": list(model.spacing_mm),
        "normalization_schemes": [model.normalization] * count,
        "use_mask_for_norm": [model.in_mask] * count,
        "batch_dice": True,
        "resampling_fn_data": function,
        "resampling_fn_data_kwargs": {**RESAMPLING, "is_seg": False, "order": 3},
        "resampling_fn_seg": function,
        "resampling_fn_seg_kwargs": {**RESAMPLING, "is_seg": True, "order": 1},
        "resampling_fn_probabilities": function,
        "resampling_fn_probabilities_kwargs": {**RESAMPLING, "is_seg": False, "order": 1},
        **(_old_network(network) if model.old_plans else _network(network)),
    }
    return {
        "dataset_name": model.dataset,
        "plans_name": "nnUNetPlans",
        "original_median_spacing_after_transp": [999.0, *model.spacing_mm],
        "original_median_shape_after_transp": [1, *model.patch],
        "image_reader_writer": "SimpleITKIO",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "experiment_planner_used": "ExperimentPlanner",
        "label_manager": "LabelManager",
        "configurations": {"2d": configuration},
        "foreground_intensity_properties_per_channel": {
            str(n): {**INTENSITIES, "mean": INTENSITIES["mean"] + 200 * n} for n in range(count)
        },
    }


def _network(network: Mapping[str, Any]) -> dict[str, Any]:
    described = {"network_class_name": NETWORK, "arch_kwargs": dict(network)}
    return {"architecture": {**described, "_kw_requires_import": list(IMPORTED)}}


def _old_network(network: Mapping[str, Any]) -> dict[str, Any]:
    """In the format of 2023."""
    features = network["features_per_stage"]
    return {
        "UNet_class_name": "PlainConvUNet",
        "UNet_base_num_features": features[0],
        "unet_max_num_features": max(features),
        "n_conv_per_stage_encoder": network["n_conv_per_stage"],
        "n_conv_per_stage_decoder": network["n_conv_per_stage_decoder"],
        "num_pool_per_axis": [len(features) - 1] * 2,
        "pool_op_kernel_sizes": network["strides"],
        "conv_kernel_sizes": network["kernel_sizes"],
    }


def made_network(model: FlatModel, network: Mapping[str, Any]) -> PlainConvUNet:
    """The network of `model`, initialised by torch."""
    parts = {"conv_op": nn.Conv2d, "norm_op": nn.InstanceNorm2d, "nonlin": nn.LeakyReLU}
    outputs = len(model.structures) + 1
    return PlainConvUNet(
        input_channels=len(model.channels), num_classes=outputs, **{**network, **parts}
    )


def weights(model: FlatModel, fold: int, head: Head) -> Weights:
    """All weights of one fold, with `head` for its last layer."""
    made = made_network(model, STAND_IN)
    with torch.no_grad():
        fill_all(made, model.number, fold)
        last = made.decoder.seg_layers[-1]
        last.weight.copy_(torch.from_numpy(head[:, :-1, None, None]))
        last.bias.copy_(torch.from_numpy(head[:, -1]))
    return made.state_dict()


@cache
def stored_heads_2d() -> dict[str, Head]:
    """The stored last layers, by the key of the model."""
    with np.load(HEADS) as stored:
        return dict(stored)


def digest_2d(key: str) -> str:
    """SHA-256 over the weights of all folds."""
    model, head, summed = models_2d()[key], stored_heads_2d()[key], hashlib.sha256()
    for fold in model.folds or (0, 1):
        for name, tensor in sorted(weights(model, fold, head).items()):
            summed.update(name.encode() + tensor.numpy().tobytes())
    return summed.hexdigest()
