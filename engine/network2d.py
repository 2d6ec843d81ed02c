"""From a picture to layers: a 2-D network whose outputs may overlap.

nnU-Net keeps a 2-D image as a stack of one slice, [channel, 1, row, column]; `Network` does the
tiling and the folds. What differs from 3-D is here: every output has a sigmoid of its own, and
where the background's is above one half there is nothing (ts2d 1.2.0).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from math import log
from typing import Any

import numpy as np
import torch
from acvl_utils.cropping_and_padding.bounding_boxes import bounding_box_to_slice
from numpy.typing import NDArray

from totalseg_mcp.engine.network import Module, Network
from totalseg_mcp.engine.picture import Layers, Picture

THROUGH = 999  # how much thicker than wide nnU-Net's reader makes the one slice
GATE = 0.5  # of the background's sigmoid
SURELY = 0.1  # an output so far below a threshold is below it however it is rounded
USUAL = "resample_data_or_seg_to_shape"


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A picture as a network takes it, and how it was made: nnU-Net's properties."""

    data: NDArray[np.float32]  # [channel, 1, row, column]
    made: Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Network2D:
    """One group's network, the names of its channels, and of its structures by output."""

    network: Network
    channels: tuple[str, ...]
    names: tuple[str, ...]
    tile_step: float

    @property
    def nbytes(self) -> int:
        """Bytes of the parameters of all folds."""
        return self.network.nbytes

    @property
    def recipe(self) -> str:
        """What `prepare` depends on: networks with the same one share what they are given."""
        configuration = dict(self.network.configuration.configuration)
        for unlike in ("architecture", "patch_size", "batch_size", "data_identifier"):
            configuration.pop(unlike, None)
        intensities = self.network.plans.foreground_intensity_properties_per_channel
        forward = self.network.plans.transpose_forward
        return json.dumps([self.channels, configuration, intensities, forward], sort_keys=True)

    def prepare(self, picture: Picture) -> Prepared:
        """`picture`, which has this network's channels, normalised and on the plans' grid."""
        along, down = picture.plane.spacing_mm
        made = {"spacing": [THROUGH * max(along, down), down, along]}
        configuration, plans = self.network.configuration, self.network.plans
        data, _, made = configuration.preprocessor_class(verbose=False).run_case_npy(
            np.array(picture.data[:, None]), None, made, plans, configuration, self.network.dataset
        )
        return Prepared(data, made)

    def __call__(
        self, prepared: Prepared, picture: Picture, threshold: float, mirroring: bool = True
    ) -> Layers:
        """The structures in `picture`, from what `prepare` made of it.

        A structure is where its probability is above `threshold` and the background's is not
        above one half.
        """
        network = self.network if mirroring else replace(self.network, folds=self._plain())
        logits = network.logits(torch.from_numpy(prepared.data[:, 0]), self.tile_step)
        layers, confidence = self._layers(logits[:, None].numpy(), prepared.made, threshold)
        return Layers(layers, self.names, confidence, picture.plane)

    def _plain(self) -> tuple[Module, ...]:
        """The folds without their mirror images."""
        folds = self.network.folds
        return tuple(fold.module if isinstance(fold, Mirrored) else fold for fold in folds)

    def _layers(
        self, logits: NDArray[np.float16], made: Mapping[str, Any], threshold: float
    ) -> tuple[NDArray[np.bool_], tuple[float, ...]]:
        """Yes or no for [structure, row, column], and the mean probability where it is yes."""
        box = bounding_box_to_slice(made["bbox_used_for_cropping"])
        layers = np.zeros((len(self.names), *made["shape_before_cropping"]), bool)
        closed, _ = above(self._on_picture(logits[:1], made)[0], GATE)
        confidence = []
        for at in range(len(self.names)):
            mean = np.nan
            if self._may_be_there(logits[at + 1], threshold):
                outputs = self._on_picture(logits[at + 1 : at + 2], made)
                there, chances = above(outputs[0], threshold, closed)
                layers[(at, *box)] = there
                mean = float(chances.mean()) if chances.size else np.nan
            confidence.append(mean)
        back = [0, *(axis + 1 for axis in self.network.plans.transpose_backward)]
        return layers.transpose(back)[:, 0], tuple(confidence)

    def _may_be_there(self, logits: NDArray[np.float16], threshold: float) -> bool:
        """False where no interpolation can reach `threshold`: linear ones stay between values."""
        return not self._linear or threshold < GATE or bool(logits.max() > 0)

    @property
    def _linear(self) -> bool:
        """Whether outputs are resampled linearly, by nnU-Net's usual function."""
        configuration = self.network.configuration.configuration
        order = configuration["resampling_fn_probabilities_kwargs"].get("order", 3)
        return bool(configuration["resampling_fn_probabilities"] == USUAL and order == 1)

    def _on_picture(self, one: NDArray[np.float16], made: Mapping[str, Any]) -> NDArray[np.float16]:
        """One output [1, 1, row, column] on the picture's grid, inside nnU-Net's crop."""
        cropped = tuple(made["shape_after_cropping_and_before_resampling"])
        if tuple(one.shape[1:]) == cropped:
            return one
        return interpolated(one, cropped) if self._linear else self.network.stretched(one, made)


def above(
    outputs: NDArray[np.float16], threshold: float, closed: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    """Where the sigmoid of `outputs` is above `threshold` and nothing is closed, and its values.

    The sigmoid is computed in single precision, as ts2d does, and only where it matters.
    """
    there = outputs > log(threshold / (1 - threshold)) - SURELY
    if closed is not None:
        there &= ~closed
    chances = torch.sigmoid(torch.from_numpy(outputs[there]).float()).numpy()
    high = chances > threshold
    there[there] = high
    return there, chances[high]


def interpolated(one: NDArray[np.float16], shape: tuple[int, ...]) -> NDArray[np.float16]:
    """`one` [1, 1, row, column] stretched to `shape` (1, row, column), linearly.

    What nnU-Net has scikit-image do in ten times the time: in double precision, rounded to half.
    Where that is a tie, 2 in 10,000 times, it may be rounded the other way; signs are the same.
    """
    fine = torch.nn.functional.interpolate(
        torch.from_numpy(one).double(), shape[1:], mode="bilinear", align_corners=False
    )
    rounded: NDArray[np.float16] = fine.numpy().astype(np.float16)  # torch would round it twice
    return rounded


@dataclass(frozen=True, slots=True, eq=False)
class Mirrored:
    """A network's mean answer to an image and its mirror images along `axes`, by nnU-Net."""

    module: Module
    axes: tuple[int, ...]

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        """The mean output for `image` [batch, channel, row, column]."""
        total = self.module(image)
        ways = [
            tuple(axis + 2 for axis in way)
            for count in range(1, len(self.axes) + 1)
            for way in combinations(self.axes, count)
        ]
        for way in ways:
            total += torch.flip(self.module(torch.flip(image, way)), way)
        return total / (len(ways) + 1)


def mirrored(module: Module, axes: tuple[int, ...]) -> Module:
    """`module`, asked for mirror images too if it was trained with them."""
    return Mirrored(module, axes) if axes else module
