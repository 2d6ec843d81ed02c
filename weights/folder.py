"""The model folder: dataset.json, plans.json and checkpoint, named as TotalSegmentator has them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

DATASET = "Dataset298_TotalSegmentator_total_6mm_1559subj"
TRAINER = "nnUNetTrainer_4000epochs_NoMirroring"
CONFIGURATION = "3d_fullres"
PATCH = (64, 48, 72)  # z, y, x: the width and depth of a trunk in one tile
SPACING_MM = 6.0
HERE = Path(__file__).parent
DEMO = HERE / "demo"
MODEL = DEMO / DATASET / f"{TRAINER}__nnUNetPlans__{CONFIGURATION}"

ARCHITECTURE: Mapping[str, Any] = {
    "n_stages": 5,
    "features_per_stage": [16, 48, 80, 104, 112],
    "conv_op": "torch.nn.modules.conv.Conv3d",
    "kernel_sizes": [[3, 3, 3]] * 5,
    "strides": [[1, 1, 1], [2, 2, 2], [2, 2, 2], [2, 2, 2], [2, 2, 1]],
    "n_conv_per_stage": [1, 1, 2, 2, 2],
    "n_conv_per_stage_decoder": [1, 1, 1, 1],
    "conv_bias": True,
    "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
    "norm_op_kwargs": {"eps": 1e-05, "affine": True},
    "dropout_op": None,
    "dropout_op_kwargs": None,
    "nonlin": "torch.nn.LeakyReLU",
    "nonlin_kwargs": {"inplace": True},
}
IMPORTED = ("conv_op", "norm_op", "dropout_op", "nonlin")
NETWORK = "dynamic_network_architectures.architectures.unet.PlainConvUNet"


def plans(intensities: Mapping[str, float]) -> dict[str, Any]:
    """plans.json, in the format of nnU-Net 2.5 and later; `intensities` in HU."""
    resampling = {"is_seg": False, "order": 1, "order_z": 0, "force_separate_z": None}
    function = "resample_data_or_seg_to_shape"
    configuration = {
        "data_identifier": f"nnUNetPlans_{CONFIGURATION}",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": 2,
        "patch_size": list(PATCH),
        "median_image_size_in_voxels": [float(n) for n in PATCH],
        "spacing": [SPACING_MM] * 3,
        "normalization_schemes": ["CTNormalization"],
        "use_mask_for_norm": [False],
        "batch_dice": False,
        "resampling_fn_data": function,
        "resampling_fn_seg": function,
        "resampling_fn_data_kwargs": {**resampling, "order": 3},
        "resampling_fn_seg_kwargs": {**resampling, "is_seg": True},
        "resampling_fn_probabilities": function,
        "resampling_fn_probabilities_kwargs": resampling,
        "architecture": {
            "network_class_name": NETWORK,
            "arch_kwargs": dict(ARCHITECTURE),
            "_kw_requires_import": list(IMPORTED),
        },
    }
    return {
        "dataset_name": DATASET,
        "plans_name": "nnUNetPlans",
        "original_median_spacing_after_transp": [SPACING_MM] * 3,
        "original_median_shape_after_transp": list(PATCH),
        "image_reader_writer": "NibabelIOWithReorient",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "configurations": {CONFIGURATION: configuration},
        "experiment_planner_used": "ExperimentPlanner",
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {"0": dict(intensities)},
    }


def dataset(names: tuple[str, ...]) -> dict[str, Any]:
    """dataset.json with every structure of the task, depicted or not."""
    return {
        "name": DATASET,
        "description": "Demonstration weights, trained on synthetic phantoms only.",
        "licence": "Apache-2.0",
        "channel_names": {"0": "CT"},
        "labels": {"background": 0, **{name: n for n, name in enumerate(names, start=1)}},
        "numTraining": 0,
        "file_ending": ".nii.gz",
        "overwrite_image_reader_writer": "NibabelIOWithReorient",
    }


def network(outputs: int) -> PlainConvUNet:
    """The network that the plans describe, freshly initialised."""
    module: PlainConvUNet = get_network_from_plans(
        NETWORK, dict(ARCHITECTURE), IMPORTED, 1, outputs, True, False
    )
    return module


def write(
    weights: Mapping[str, torch.Tensor],
    intensities: Mapping[str, float],
    names: tuple[str, ...],
    folder: Path = MODEL,
) -> None:
    """The whole model folder; weights in half precision, nothing but tensors and plain values."""
    (folder / "fold_0").mkdir(parents=True, exist_ok=True)
    texts = {"plans.json": plans(intensities), "dataset.json": dataset(names)}
    for name, value in texts.items():
        (folder / name).write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
    checkpoint = {
        "network_weights": _shared(weights),
        "trainer_name": TRAINER,
        "init_args": {"configuration": CONFIGURATION},
        "inference_allowed_mirroring_axes": None,
    }
    torch.save(checkpoint, folder / "fold_0" / "checkpoint_final.pth")


def _shared(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """In half precision, equal tensors stored once: nnU-Net's modules go by several names."""
    stored: dict[bytes, torch.Tensor] = {}
    halves = {key: value.detach().half().contiguous() for key, value in weights.items()}
    return {
        key: stored.setdefault(
            bytes(str(tuple(half.shape)), "ascii") + half.numpy().tobytes(), half
        )
        for key, half in halves.items()
    }
