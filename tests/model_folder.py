"""A real nnU-Net model folder with random weights, made in less than a second.

The layout is TotalSegmentator's; the network has two stages and a few features, so that it
runs on a small phantom in no time and still gives many labels.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet

from totalseg_mcp.engine.tasks import MODELS, Model
from totalseg_mcp.weights import design, folder

PATCH = (16, 24, 20)  # z, y, x
ARCHITECTURE: dict[str, Any] = {
    **folder.ARCHITECTURE,
    "n_stages": 2,
    "features_per_stage": [4, 8],
    "kernel_sizes": [[3, 3, 3]] * 2,
    "strides": [[1, 1, 1], [2, 2, 2]],
    "n_conv_per_stage": [1, 1],
    "n_conv_per_stage_decoder": [1],
}
RESAMPLING = {"is_seg": False, "order_z": 0, "force_separate_z": None}
Weights = Mapping[str, torch.Tensor]


def plans(
    model: Model,
    patch: tuple[int, int, int] = PATCH,
    architecture: Mapping[str, Any] = ARCHITECTURE,
    normalization: str = "CTNormalization",
) -> dict[str, Any]:
    """plans.json, in the format of nnU-Net 2.3 and later; `patch` is z, y, x."""
    x, y, z = model.spacing_mm or (1.5, 1.5, 1.5)
    configuration = {
        "data_identifier": "test",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": 2,
        "patch_size": list(patch),
        "spacing": [z, y, x],
        "normalization_schemes": [normalization],
        "use_mask_for_norm": [False],
        "resampling_fn_data": "resample_data_or_seg_to_shape",
        "resampling_fn_data_kwargs": {**RESAMPLING, "order": 3},
        "resampling_fn_seg": "resample_data_or_seg_to_shape",
        "resampling_fn_seg_kwargs": {**RESAMPLING, "is_seg": True, "order": 1},
        "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
        "resampling_fn_probabilities_kwargs": {**RESAMPLING, "order": 1},
        "architecture": {
            "network_class_name": design.NETWORK,
            "arch_kwargs": dict(architecture),
            "_kw_requires_import": list(design.IMPORTED),
        },
    }
    return {
        "dataset_name": model.folder,
        "plans_name": model.plans,
        "image_reader_writer": "NibabelIOWithReorient",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "label_manager": "LabelManager",
        "configurations": {model.configuration: configuration},
        "foreground_intensity_properties_per_channel": {
            "0": {"mean": 20.0, "std": 350.0, "percentile_00_5": -1000.0, "percentile_99_5": 1200.0}
        },
    }


def network(model: Model, architecture: Mapping[str, Any] = ARCHITECTURE) -> PlainConvUNet:
    """The network that `plans` describes, initialised by torch."""
    parts = {
        **architecture,
        "conv_op": torch.nn.Conv3d,
        "norm_op": torch.nn.InstanceNorm3d,
        "nonlin": torch.nn.LeakyReLU,
    }
    return PlainConvUNet(input_channels=1, num_classes=len(model.names) + 1, **parts)


def weights(model: Model, seed: int) -> Weights:
    """Random weights whose last layer has no bias towards any class."""
    torch.manual_seed(seed)
    return network(model).state_dict()


def make_model_folder(root: Path, dataset: int, seed: int = 0, **checkpoint: Any) -> Path:
    """The folder of the model `dataset` below `root`; `checkpoint` adds keys to its checkpoint."""
    model = MODELS[dataset]
    folds = [weights(model, seed + fold) for fold in fold_numbers(model)]
    return write_model_folder(root, model, plans(model), folds, **checkpoint)


def fold_numbers(model: Model) -> Sequence[int]:
    """The folds of a made model: two where the real one has as many as there are."""
    return range(2) if model.folds == "all" else model.folds


def write_model_folder(
    root: Path,
    model: Model,
    described: Mapping[str, Any],
    folds: Sequence[Weights],
    **checkpoint: Any,
) -> Path:
    """The folder of `model` below `root`, with these plans and the weights of each fold."""
    made = root / model.folder / model.subfolder
    for fold, learned in zip(fold_numbers(model), folds, strict=True):
        (made / f"fold_{fold}").mkdir(parents=True)
        stored = {
            "network_weights": learned,
            "trainer_name": model.trainer,
            "init_args": {"configuration": model.configuration},
            "inference_allowed_mirroring_axes": None,
            **checkpoint,
        }
        torch.save(stored, made / f"fold_{fold}" / "checkpoint_final.pth")
    labels = {"background": 0, **{name: v for v, name in enumerate(model.names, start=1)}}
    dataset_json = {"channel_names": {"0": "CT"}, "labels": labels, "file_ending": ".nii.gz"}
    (made / "dataset.json").write_text(json.dumps(dataset_json))
    (made / "plans.json").write_text(json.dumps(described))
    return made
