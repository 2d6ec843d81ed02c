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

from totalseg_mcp.engine.image.bilinear import Places, Stretch, stretch_between
from totalseg_mcp.engine.network import Module, Network
from totalseg_mcp.engine.picture import Layers, Picture

THROUGH = 999  # how much thicker than wide nnU-Net's reader makes the one slice
GATE = 0.5  # of the background's sigmoid
SLACK = 0.1  # an output so far below a threshold is below it however it is rounded
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
        crop = bounding_box_to_slice(made["bbox_used_for_cropping"])
        layers = np.zeros((len(self.names), *made["shape_before_cropping"]), bool)
        inside = layers[(slice(None), *crop)][:, 0]
        open_ = self._open(logits[:1], made)
        confidence = [np.nan] * len(self.names)
        for at, pixels in enumerate(inside):
            places, chances = self._above(logits[at + 1 : at + 2], made, threshold, open_)
            np.put(pixels, places, True)
            confidence[at] = float(chances.mean()) if chances.size else np.nan
        back = [0, *(axis + 1 for axis in self.network.plans.transpose_backward)]
        return layers.transpose(back)[:, 0], tuple(confidence)

    def _open(self, background: NDArray[np.float16], made: Mapping[str, Any]) -> NDArray[np.bool_]:
        """Where the background [1, 1, row, column] is not above one half."""
        outputs, stretch = self._outputs(background, made)
        open_ = stretch.near(outputs <= -below(GATE))  # elsewhere it surely is
        closed, _ = self._above(background, made, GATE, open_)
        np.put(open_, closed, False)
        return open_

    def _above(
        self,
        one: NDArray[np.float16],
        made: Mapping[str, Any],
        threshold: float,
        wanted: NDArray[np.bool_],
    ) -> tuple[Places, NDArray[np.float32]]:
        """The pixels of nnU-Net's crop where one output is above the threshold, and how probable.

        Of those that are `wanted`; the output is [1, 1, row, column].
        """
        outputs, stretch = self._outputs(one, made)
        places, values = stretch.above(outputs, below(threshold), wanted)
        high, chances = above(values, threshold)
        return places[high], chances

    def _outputs(
        self, one: NDArray[np.float16], made: Mapping[str, Any]
    ) -> tuple[NDArray[np.float32], Stretch]:
        """One output [row, column], and how it is stretched to nnU-Net's crop of the picture.

        What is not to be stretched linearly is on its grid already.
        """
        cropped = tuple(made["shape_after_cropping_and_before_resampling"])
        if not (self._linear or tuple(one.shape[1:]) == cropped):
            one = self.network.stretched(one, made)
        outputs = torch.from_numpy(one[0, 0]).float().numpy()  # numpy is slow on half precision
        return outputs, stretch_between(outputs.shape, cropped[1:])

    @property
    def _linear(self) -> bool:
        """Whether outputs are resampled linearly, by nnU-Net's usual function."""
        configuration = self.network.configuration.configuration
        order = configuration["resampling_fn_probabilities_kwargs"].get("order", 3)
        return bool(configuration["resampling_fn_probabilities"] == USUAL and order == 1)


def below(threshold: float) -> float:
    """An output that is surely below a threshold of its sigmoid, however it is rounded."""
    return log(threshold / (1 - threshold)) - SLACK


def above(outputs: NDArray[Any], threshold: float) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    """Where the sigmoid of `outputs` is above `threshold`, and its values there.

    As in ts2d the outputs are rounded to half precision first, and the sigmoid is computed in
    single precision.
    """
    rounded = outputs.astype(np.float16)  # by numpy: torch rounds doubles twice
    chances = torch.sigmoid(torch.from_numpy(rounded).float()).numpy()
    high = chances > threshold
    return high, chances[high]


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
