"""From an image to labels, tile by tile.

nnU-Net's arrays are [channel, z, y, x]; a volume's are [i, j, k] in RAS order. The axes are
reversed when an image goes in and when labels come out, nowhere else.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import torch
from acvl_utils.cropping_and_padding.bounding_boxes import bounding_box_to_slice
from acvl_utils.cropping_and_padding.padding import pad_nd_image
from nnunetv2.inference.sliding_window_prediction import (
    compute_gaussian,
    compute_steps_for_sliding_window,
)
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager
from numpy.typing import NDArray

from totalseg_mcp.engine.errors import NotReadyError
from totalseg_mcp.engine.image.logits import class_by_class
from totalseg_mcp.engine.volume import Volume
from totalseg_mcp.engine.watch import track

Module = Callable[[torch.Tensor], torch.Tensor]
GAUSSIAN_PEAK = 10  # keeps the half-precision weights away from zero (nnU-Net)


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """One model on its device: a module for each fold, and how its images are made."""

    folds: tuple[Module, ...]
    plans: PlansManager
    configuration: ConfigurationManager
    dataset: Mapping[str, Any]
    device: torch.device

    def __call__(
        self, image: Volume, tile_step: float, by_class: bool = False
    ) -> NDArray[np.integer]:
        """The label numbers of `image[i, j, k]` (RAS order), on the same grid.

        Tiles overlap by 1 - `tile_step` of their size. `by_class` saves memory where the
        image's grid is not the plans': only the surroundings of a structure are resampled
        for it.
        """
        scan = np.ascontiguousarray(image.data.transpose(2, 1, 0), np.float32)[None]
        spacing = [float(np.float32(mm)) for mm in reversed(image.grid.spacing_mm)]
        made = {"spacing": spacing}
        preprocessor = self.configuration.preprocessor_class(verbose=False)
        data, _, made = preprocessor.run_case_npy(
            scan, None, made, self.plans, self.configuration, self.dataset
        )
        try:
            logits = self.logits(torch.from_numpy(data), tile_step)
        except torch.OutOfMemoryError as error:
            raise NotReadyError(
                f"{self.device} has too little free memory for this image. Use fast, fastest, "
                "roi_subset or device='cpu'."
            ) from error
        return self.restored(logits, made, by_class).transpose(2, 1, 0)

    @torch.inference_mode()
    def logits(self, data: torch.Tensor, tile_step: float) -> torch.Tensor:
        """The mean of the folds' outputs, half precision: [class, z, y, x]."""
        total = None
        for module in track(self.folds, "fold") if len(self.folds) > 1 else self.folds:
            logits = slide(module, data, self.configuration.patch_size, tile_step, self.device)
            total = logits if total is None else total.add_(logits)
        assert total is not None, "a network has at least one fold"
        return total.div_(len(self.folds)) if len(self.folds) > 1 else total

    def restored(
        self, logits: torch.Tensor, made: Mapping[str, Any], by_class: bool
    ) -> NDArray[np.integer]:
        """Label numbers [z, y, x] on the grid of the image, from logits on the plans' grid."""
        cropped = made["shape_after_cropping_and_before_resampling"]
        labels = np.zeros(made["shape_before_cropping"], np.min_scalar_type(len(logits) - 1))
        box = bounding_box_to_slice(made["bbox_used_for_cropping"])
        if tuple(logits.shape[1:]) == tuple(cropped):
            labels[box] = logits.argmax(0).numpy()
        elif by_class:
            stretch = partial(self.stretched, made=made)
            labels[box] = class_by_class(logits.numpy(), tuple(cropped), stretch)
        else:
            labels[box] = self.stretched(logits.numpy(), made).argmax(0)
        restored: NDArray[np.integer] = labels.transpose(self.plans.transpose_backward)
        return restored

    def stretched(
        self, logits: NDArray[np.float16], made: Mapping[str, Any]
    ) -> NDArray[np.float16]:
        """The logits [class, z, y, x] on the grid of the image, resampled as the plans say."""
        spacing = [made["spacing"][axis] for axis in self.plans.transpose_forward]
        cropped = made["shape_after_cropping_and_before_resampling"]
        planned = self.configuration.spacing
        if len(planned) < len(spacing):  # a 2-D network: the stack is one slice thick
            planned = [spacing[0], *planned]
        resample = self.configuration.resampling_fn_probabilities
        there: NDArray[np.float16] = np.asarray(resample(logits, cropped, planned, spacing))
        return there


@torch.inference_mode()
def slide(
    module: Module,
    data: torch.Tensor,
    patch: list[int],
    tile_step: float,
    device: torch.device,
) -> torch.Tensor:
    """The outputs of `module` over `data` [channel, (z,) y, x], one tile after another.

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
            settle(device)
        assert total is not None, "an image has at least one tile"
        total /= weights
    if not torch.isfinite(total).all():
        raise NotReadyError(
            "The network's output is not finite: it overflowed half precision, or the weights are "
            "damaged. Fetch the published weights again."
        )
    return total[(slice(None), *inner[1:])].cpu()


def tiles(shape: tuple[int, ...], patch: list[int], tile_step: float) -> list[tuple[slice, ...]]:
    """Where the tiles lie, x fastest."""
    starts = compute_steps_for_sliding_window(shape, patch, tile_step)
    return [
        tuple(slice(start, start + size) for start, size in zip(corner, patch, strict=True))
        for corner in product(*starts)
    ]


def settle(device: torch.device) -> None:
    """Wait for the device, so that progress is what was done and not what was queued."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


def autocast(device: torch.device) -> AbstractContextManager[Any]:
    """Mixed precision on CUDA, as nnU-Net has it; plain float32 elsewhere."""
    return torch.autocast("cuda") if device.type == "cuda" else nullcontext()
