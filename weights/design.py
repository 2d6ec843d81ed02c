"""What a network is like, and the files in which nnU-Net keeps it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

IMPORTED = ("conv_op", "norm_op", "dropout_op", "nonlin")
NETWORK = "dynamic_network_architectures.architectures.unet.PlainConvUNet"
_UNSEEN_MM = 999.0  # nnU-Net's spacing along the axis that a flat image lacks


def unet(
    features: Sequence[int],
    strides: Sequence[Sequence[int]],
    down: Sequence[int],
    up: Sequence[int],
) -> dict[str, Any]:
    """The arguments of a plain U-Net: features per stage, convolutions per stage down and up."""
    dimensions, stages = len(strides[0]), len(features)
    return {
        "n_stages": stages,
        "features_per_stage": list(features),
        "conv_op": f"torch.nn.modules.conv.Conv{dimensions}d",
        "kernel_sizes": [[3] * dimensions] * stages,
        "strides": [list(stride) for stride in strides],
        "n_conv_per_stage": list(down),
        "n_conv_per_stage_decoder": list(up),
        "conv_bias": True,
        "norm_op": f"torch.nn.modules.instancenorm.InstanceNorm{dimensions}d",
        "norm_op_kwargs": {"eps": 1e-05, "affine": True},
        "dropout_op": None,
        "dropout_op_kwargs": None,
        "nonlin": "torch.nn.LeakyReLU",
        "nonlin_kwargs": {"inplace": True},
    }


@dataclass(frozen=True, slots=True)
class Design:
    """A network's shape, the images it takes, and the names nnU-Net has for them."""

    configuration: str
    trainer: str
    reader: str
    patch: tuple[int, ...]  # voxels, in nnU-Net's axis order
    spacing_mm: float
    normalization: tuple[str, ...]  # one per channel
    architecture: Mapping[str, Any]

    @property
    def folder(self) -> str:
        """The name of the model folder."""
        return f"{self.trainer}__nnUNetPlans__{self.configuration}"

    def network(self, outputs: int) -> PlainConvUNet:
        """The network, freshly initialised."""
        channels = len(self.normalization)
        module: PlainConvUNet = get_network_from_plans(
            NETWORK, dict(self.architecture), IMPORTED, channels, outputs, True, False
        )
        return module

    def plans(self, dataset: str, intensities: Sequence[Mapping[str, float]]) -> dict[str, Any]:
        """plans.json, in the format of nnU-Net 2.5 and later; `intensities` in HU, per channel."""
        flat = len(self.patch) == 2
        spacing = [self.spacing_mm] * len(self.patch)
        return {
            "dataset_name": dataset,
            "plans_name": "nnUNetPlans",
            "original_median_spacing_after_transp": [_UNSEEN_MM] * flat + spacing,
            "original_median_shape_after_transp": [1] * flat + list(self.patch),
            "image_reader_writer": self.reader,
            "transpose_forward": [0, 1, 2],
            "transpose_backward": [0, 1, 2],
            "configurations": {self.configuration: self._configuration()},
            "experiment_planner_used": "ExperimentPlanner",
            "label_manager": "LabelManager",
            "foreground_intensity_properties_per_channel": {
                str(n): dict(values) for n, values in enumerate(intensities)
            },
        }

    def _configuration(self) -> dict[str, Any]:
        resampling = {"is_seg": False, "order": 1, "order_z": 0, "force_separate_z": None}
        function = "resample_data_or_seg_to_shape"
        return {
            "data_identifier": f"nnUNetPlans_{self.configuration}",
            "preprocessor_name": "DefaultPreprocessor",
            "batch_size": 2,
            "patch_size": list(self.patch),
            "median_image_size_in_voxels": [float(n) for n in self.patch],
            "spacing": [self.spacing_mm] * len(self.patch),
            "normalization_schemes": list(self.normalization),
            "use_mask_for_norm": [False] * len(self.normalization),
            "batch_dice": False,
            "resampling_fn_data": function,
            "resampling_fn_seg": function,
            "resampling_fn_data_kwargs": {**resampling, "order": 3},
            "resampling_fn_seg_kwargs": {**resampling, "is_seg": True},
            "resampling_fn_probabilities": function,
            "resampling_fn_probabilities_kwargs": resampling,
            "architecture": {
                "network_class_name": NETWORK,
                "arch_kwargs": dict(self.architecture),
                "_kw_requires_import": list(IMPORTED),
            },
        }

    def write_weights(self, weights: Mapping[str, torch.Tensor], folder: Path) -> None:
        """The checkpoint of fold 0: half precision, nothing but tensors and plain values."""
        (folder / "fold_0").mkdir(parents=True, exist_ok=True)
        checkpoint = {
            "network_weights": _shared(weights),
            "trainer_name": self.trainer,
            "init_args": {"configuration": self.configuration},
            "inference_allowed_mirroring_axes": None,
        }
        torch.save(checkpoint, folder / "fold_0" / "checkpoint_final.pth")


def write_texts(texts: Mapping[str, Mapping[str, Any]], folder: Path) -> None:
    """JSON files, by name."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in texts.items():
        (folder / name).write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def _shared(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """In half precision, equal tensors stored once: nnU-Net's modules go by several names."""
    stored: dict[bytes, torch.Tensor] = {}
    halves = {key: value.detach().cpu().half().contiguous() for key, value in weights.items()}
    return {
        key: stored.setdefault(
            bytes(str(tuple(half.shape)), "ascii") + half.numpy().tobytes(), half
        )
        for key, half in halves.items()
    }
