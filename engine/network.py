"""From a model folder to labels, tile by tile: the only place that knows torch and nnU-Net.

nnU-Net's arrays are [channel, z, y, x]; a volume's are [i, j, k] in RAS order. The axes are
reversed when an image goes in and when labels come out, nowhere else.
"""

import json
import pickle
import warnings
import zipfile
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from acvl_utils.cropping_and_padding.bounding_boxes import bounding_box_to_slice
from acvl_utils.cropping_and_padding.padding import pad_nd_image
from nnunetv2.inference.sliding_window_prediction import (
    compute_gaussian,
    compute_steps_for_sliding_window,
)
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager
from numpy.typing import NDArray

from totalseg_mcp.engine.errors import NotReadyError
from totalseg_mcp.engine.tasks import Model
from totalseg_mcp.engine.volume import Volume
from totalseg_mcp.engine.watch import track

# What nnU-Net's checkpoints hold besides tensors and plain values: the numpy scalars of its
# training log. Under both names of the module, since numpy 2 renamed it.
SCALAR = np.float64(0).__reduce__()[0]
SAFE_GLOBALS: list[Any] = [
    np.dtype,
    (SCALAR, "numpy.core.multiarray.scalar"),
    (SCALAR, "numpy._core.multiarray.scalar"),
    type(np.dtype(np.float32)),
    type(np.dtype(np.float64)),
]
# Plans name classes as text; only these packages may be imported for them.
NETWORK_PACKAGE = "dynamic_network_architectures.architectures."
PARTS_PACKAGE = "torch.nn."
GAUSSIAN_PEAK = 10  # keeps the half-precision weights away from zero (nnU-Net)


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """One model on its device: a module for each fold, and how its images are made."""

    folds: tuple[torch.nn.Module, ...]
    plans: PlansManager
    configuration: ConfigurationManager
    dataset: Mapping[str, Any]
    device: torch.device

    def __call__(self, image: Volume, tile_step: float) -> NDArray[np.integer]:
        """The label numbers of `image[i, j, k]` (RAS order), on the same grid.

        Tiles overlap by 1 - `tile_step` of their size.
        """
        scan = np.ascontiguousarray(image.data.transpose(2, 1, 0), np.float32)[None]
        spacing = [float(np.float32(mm)) for mm in reversed(image.grid.spacing_mm)]
        made = {"spacing": spacing}
        preprocessor = self.configuration.preprocessor_class(verbose=False)
        data, _, made = preprocessor.run_case_npy(
            scan, None, made, self.plans, self.configuration, self.dataset
        )
        logits = self.logits(torch.from_numpy(data), tile_step)
        return self.restored(logits, made).transpose(2, 1, 0)

    @torch.inference_mode()
    def logits(self, data: torch.Tensor, tile_step: float) -> torch.Tensor:
        """The mean of the folds' outputs, half precision: [class, z, y, x]."""
        total = None
        for module in track(self.folds, "fold") if len(self.folds) > 1 else self.folds:
            logits = slide(module, data, self.configuration.patch_size, tile_step, self.device)
            total = logits if total is None else total.add_(logits)
        assert total is not None, "a network has at least one fold"
        return total.div_(len(self.folds)) if len(self.folds) > 1 else total

    def restored(self, logits: torch.Tensor, made: Mapping[str, Any]) -> NDArray[np.integer]:
        """Label numbers [z, y, x] on the grid of the image, from logits on the plans' grid."""
        spacing = [made["spacing"][axis] for axis in self.plans.transpose_forward]
        cropped = made["shape_after_cropping_and_before_resampling"]
        if tuple(logits.shape[1:]) != tuple(cropped):
            resample = self.configuration.resampling_fn_probabilities
            resampled = resample(logits, cropped, self.configuration.spacing, spacing)
            logits = torch.as_tensor(resampled)
        labels = np.zeros(made["shape_before_cropping"], np.min_scalar_type(len(logits) - 1))
        labels[bounding_box_to_slice(made["bbox_used_for_cropping"])] = logits.argmax(0).numpy()
        restored: NDArray[np.integer] = labels.transpose(self.plans.transpose_backward)
        return restored


@torch.inference_mode()
def slide(
    module: torch.nn.Module,
    data: torch.Tensor,
    patch: list[int],
    tile_step: float,
    device: torch.device,
) -> torch.Tensor:
    """The outputs of `module` over `data` [channel, z, y, x], one tile after another.

    Sums and weights are half precision and the tiles come in nnU-Net's order: the last bit
    decides labels where two classes tie, so both are part of the result.
    """
    padded, inner = pad_nd_image(data, patch, "constant", {"value": 0}, True, None)
    padded = padded.to(device)
    weight = compute_gaussian(
        tuple(patch), sigma_scale=1 / 8, value_scaling_factor=GAUSSIAN_PEAK, device=device
    )
    total = None
    weights = torch.zeros(padded.shape[1:], dtype=torch.half, device=device)
    with autocast(device):
        for tile in track(tiles(tuple(padded.shape[1:]), patch, tile_step), "tile"):
            output = module(padded[(slice(None), *tile)][None].contiguous())[0]
            output *= weight
            if total is None:
                shape = (output.shape[0], *padded.shape[1:])
                total = torch.zeros(shape, dtype=torch.half, device=device)
            total[(slice(None), *tile)] += output
            weights[tile] += weight
        assert total is not None, "an image has at least one tile"
        total /= weights
    if torch.isinf(total).any():
        raise NotReadyError(
            "The network's output overflowed half precision. The weights do not fit this "
            "image; check that they are the ones published for the task."
        )
    return total[(slice(None), *inner[1:])].cpu()


def tiles(
    shape: tuple[int, ...], patch: list[int], tile_step: float
) -> list[tuple[slice, slice, slice]]:
    """Where the tiles lie, x fastest."""
    starts = compute_steps_for_sliding_window(shape, patch, tile_step)
    return [
        (slice(z, z + patch[0]), slice(y, y + patch[1]), slice(x, x + patch[2]))
        for z in starts[0]
        for y in starts[1]
        for x in starts[2]
    ]


def autocast(device: torch.device) -> AbstractContextManager[Any]:
    """Mixed precision on CUDA, as nnU-Net has it; plain float32 elsewhere."""
    return torch.autocast("cuda") if device.type == "cuda" else nullcontext()


def load(folder: Path, model: Model, device: torch.device) -> Network:
    """The network in `folder` (dataset.json, plans.json, fold_N/checkpoint_final.pth)."""
    dataset = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
    plans = PlansManager(json.loads((folder / "plans.json").read_text(encoding="utf-8")))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Detected old nnU-Net plans format")
        configuration = plans.get_configuration(model.configuration)
    folds = tuple(
        module(checkpoint, configuration, dataset, model).to(device).eval()
        for checkpoint in checkpoints(folder, model)
    )
    return Network(folds, plans, configuration, dataset, device)


def checkpoints(folder: Path, model: Model) -> list[Path]:
    """The checkpoints of the model's folds, in order; every one there is for "all"."""
    name = "checkpoint_final.pth"
    if model.folds == "all":
        return sorted(folder.glob(f"fold_*/{name}"))
    return [folder / f"fold_{fold}" / name for fold in model.folds]


def module(
    checkpoint: Path, configuration: ConfigurationManager, dataset: Mapping[str, Any], model: Model
) -> torch.nn.Module:
    """The network that the plans describe, with the weights of `checkpoint`."""
    heads = len(model.names) + 1
    try:
        network: torch.nn.Module = get_network_from_plans(
            *trusted(configuration),
            len(dataset["channel_names"]),
            heads,
            allow_init=False,
            deep_supervision=False,
        )
        network.load_state_dict(read_weights(checkpoint))
    except (KeyError, TypeError, RuntimeError) as error:
        raise NotReadyError(
            f"The weights in {checkpoint} do not fit the {heads - 1} structures of model "
            f"{model.dataset} ({str(error).splitlines()[0]}). Fetch the published ones again."
        ) from error
    return network


def trusted(configuration: ConfigurationManager) -> tuple[str, dict[str, Any], list[str]]:
    """The architecture that the plans name, if they name nothing but network classes."""
    kind = configuration.network_arch_class_name
    arguments = configuration.network_arch_init_kwargs
    imported = list(configuration.network_arch_init_kwargs_req_import)
    parts = [arguments[key] for key in imported if arguments[key] is not None]
    if not kind.startswith(NETWORK_PACKAGE) or not all(p.startswith(PARTS_PACKAGE) for p in parts):
        raise NotReadyError(
            f"The plans name classes that are not network parts ({kind}, {', '.join(parts)}); "
            "they are not imported. Fetch the published weights again."
        )
    return kind, arguments, imported


def read_weights(checkpoint: Path) -> dict[str, torch.Tensor]:
    """The tensors of a checkpoint; nothing in it is ever executed.

    Raises:
        NotReadyError: it holds anything but tensors and plain values, or is damaged.
    """
    try:
        with torch.serialization.safe_globals(SAFE_GLOBALS):
            stored = torch.load(
                checkpoint,
                map_location="cpu",
                weights_only=True,
                mmap=zipfile.is_zipfile(checkpoint),
            )
        weights: dict[str, torch.Tensor] = stored["network_weights"]
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, ValueError, OSError) as error:
        raise NotReadyError(
            f"The checkpoint {checkpoint} cannot be loaded safely "
            f"({type(error).__name__}: {str(error).splitlines()[0]}). Fetch the weights again."
        ) from error
    return weights


def choose_device(asked: str) -> tuple[torch.device, str | None]:
    """The device to run on, and why it is not the one `asked` for where it is not.

    `asked` is cpu, mps, gpu or gpu:N. Only gpu, the default, may become another device.

    Raises:
        NotReadyError: the device was named and is not there.
    """
    if asked == "cpu":
        return torch.device("cpu"), None
    if asked == "mps":
        if torch.backends.mps.is_available():
            return torch.device("mps"), None
        raise NotReadyError("There is no Apple GPU here (device 'mps'). Use device='cpu'.")
    if asked == "gpu" and not torch.cuda.is_available():
        if torch.backends.mps.is_available():
            return torch.device("mps"), "There is no CUDA GPU here: ran on the Apple GPU."
        return torch.device("cpu"), "There is no GPU here: ran on the CPU, which is slower."
    number = int(asked.partition(":")[2] or 0)
    if number >= torch.cuda.device_count():
        raise NotReadyError(
            f"There is no CUDA GPU number {number} here (device {asked!r}); "
            f"there are {torch.cuda.device_count()}. Use device='cpu'."
        )
    return torch.device("cuda", number), None
