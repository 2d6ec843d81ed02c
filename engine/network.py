"""From an image to labels, tile by tile.

nnU-Net's arrays are [channel, z, y, x]; a volume's are [i, j, k] in RAS order. The axes are
reversed when an image goes in and when labels come out, nowhere else.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from acvl_utils.cropping_and_padding.bounding_boxes import bounding_box_to_slice
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager
from numpy.typing import NDArray

from totalseg_mcp.engine.image.logits import class_by_class
from totalseg_mcp.engine.image.winners import winners
from totalseg_mcp.engine.sliding import TORCH, Finished, Slider, Way, Window
from totalseg_mcp.engine.volume import Volume

Module = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """One model on its device: a module for each fold, and how its images are made.

    `nbytes` are those of the parameters of all folds. `way` is how the folds are asked; `engine`
    is what computes them, with its version, and `degraded` why that is not what was chosen,
    where it is not. With `host`, what is not a tile stays in main memory.
    """

    folds: tuple[Any, ...]  # each from a tile [1, channel, ...] to outputs [1, class, ...]
    plans: PlansManager
    configuration: ConfigurationManager
    dataset: Mapping[str, Any]
    device: torch.device
    nbytes: int = 0
    way: Way = TORCH
    engine: str = f"torch {torch.__version__}"
    degraded: str | None = None
    host: bool = False

    def __call__(
        self, image: Volume, tile_step: float, by_class: bool = False
    ) -> NDArray[np.integer]:
        """The label numbers of `image[i, j, k]` (RAS order), on the same grid.

        Tiles overlap by 1 - `tile_step` of their size. `by_class` saves memory where the
        image's grid is not the plans': only the surroundings of a structure are resampled
        for it.
        """
        data, made = self.prepared(image)
        if data.shape[1:] == tuple(made["shape_after_cropping_and_before_resampling"]):
            labels = self.numbered(self.slide(data, tile_step), made)
        else:
            labels = self.restored(self.logits(data, tile_step), made, by_class)
        return labels.transpose(self.plans.transpose_backward).transpose(2, 1, 0)

    def prepared(self, image: Volume) -> tuple[torch.Tensor, Mapping[str, Any]]:
        """`image` as the folds take it, [channel, z, y, x], and how it was made."""
        scan = np.ascontiguousarray(image.data.transpose(2, 1, 0), np.float32)[None]
        spacing = [float(np.float32(mm)) for mm in reversed(image.grid.spacing_mm)]
        preprocessor = self.configuration.preprocessor_class(verbose=False)
        data, _, made = preprocessor.run_case_npy(
            scan, None, {"spacing": spacing}, self.plans, self.configuration, self.dataset
        )
        return torch.from_numpy(data), made

    def rehearse(self) -> None:
        """Run one tile of zeros, so that the first image is not the one that sets things up."""
        patch = self.configuration.patch_size
        self.logits(torch.zeros(len(self.dataset["channel_names"]), *patch), 1.0)

    def slide(self, data: torch.Tensor, tile_step: float) -> Iterator[Finished]:
        """The mean of the folds' outputs for `data`, in parts, as a `Slider` gives them."""
        window = Window(tuple(self.configuration.patch_size), tile_step)
        return Slider(window, self.device, self.way, self.host)(self.folds, data)

    def logits(self, data: torch.Tensor, tile_step: float) -> torch.Tensor:
        """The mean of the folds' outputs for all of `data`, half precision: [class, z, y, x]."""
        logits = None
        for planes, outputs in self.slide(data, tile_step):
            if logits is None:
                logits = torch.empty((len(outputs), *data.shape[1:]), dtype=torch.half)
            logits[:, planes] = outputs
        assert logits is not None, "an image has at least one plane"
        return logits

    def numbered(
        self, finished: Iterator[Finished], made: Mapping[str, Any]
    ) -> NDArray[np.integer]:
        """Label numbers [z, y, x] on the grid of the image, from logits on the same grid."""
        box = bounding_box_to_slice(made["bbox_used_for_cropping"])
        labels = None
        for planes, logits in finished:
            if labels is None:
                most = np.min_scalar_type(len(logits) - 1)
                labels = np.zeros(made["shape_before_cropping"], most)
            labels[box][planes] = winners(logits.numpy())
        assert labels is not None, "an image has at least one plane"
        return labels

    def restored(
        self, logits: torch.Tensor, made: Mapping[str, Any], by_class: bool
    ) -> NDArray[np.integer]:
        """Label numbers [z, y, x] on the grid of the image, from logits on the plans' grid."""
        cropped = made["shape_after_cropping_and_before_resampling"]
        labels = np.zeros(made["shape_before_cropping"], np.min_scalar_type(len(logits) - 1))
        box = bounding_box_to_slice(made["bbox_used_for_cropping"])
        if by_class:
            stretch = partial(self.stretched, made=made)
            labels[box] = class_by_class(logits.numpy(), tuple(cropped), stretch)
        else:
            labels[box] = winners(self.stretched(logits.numpy(), made))
        return labels

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
