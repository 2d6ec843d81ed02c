"""The layers of a network in two dimensions.

Kernels are rearranged each time, so that networks need no memory beside their weights: that takes
a tenth of the time of six tiles, and half of that of one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from totalseg_mcp.engine.planar import transforms, usual, winograd
from totalseg_mcp.engine.planar.crew import Crew
from totalseg_mcp.engine.planar.kernels import IN_AT_ONCE, PANEL, Doubles, Singles
from totalseg_mcp.engine.planar.maps import Given, alone, plain
from totalseg_mcp.engine.planar.usual import Stencil

PIECES, PIXELS = 64, 128  # that are computed together, while the processor's cache holds them
FEWEST_CHANNELS, FEWEST_PIECES = 8, 16  # for Winograd's way; below, transforms take longer
SEPARATE = 64  # channels, from which on the places of a kernel are products of their own
SINGLE = np.float32


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """What a layer makes, and of a convolution the sums of its values and of their squares."""

    given: Given
    moments: Doubles | None = None  # [tile, 2, channel]


Layer = Callable[[Sequence[Made], Crew], Made]


@dataclass(frozen=True, slots=True, eq=False)
class Convolution:
    """A convolution, by Winograd's way where that is shorter."""

    weight: Singles  # [channel out, channel in, row, column]
    bias: Singles
    stencil: Stencil

    def __call__(self, sources: Sequence[Made], crew: Crew) -> Made:
        """Its maps, and their moments."""
        (source,) = sources
        tiles, height, width, _ = source.given[0].values.shape
        channels = self.weight.shape[1]
        known = self.stencil == winograd.STENCIL and channels >= FEWEST_CHANNELS
        if known and tiles * winograd.pieces(height) * winograd.pieces(width) >= FEWEST_PIECES:
            return self._by_winograd(source.given, crew)
        return self._usual(source.given, crew)

    def _by_winograd(self, given: Given, crew: Crew) -> Made:
        tiles, height, width, _ = given[0].values.shape
        down, along = winograd.strips(height, width)
        strips = tiles * down * along
        into = np.empty((tiles, height, width, len(self.weight)), SINGLE)
        if winograd.before(strips, height, width) <= len(self.weight):
            return Made(alone(plain(into)), self._by_panels(given, strips, into, crew))
        out, channels = self.weight.shape[:2]
        kernels = empty_panels(transforms.PRODUCTS, out, channels)
        crew.share(
            channels,
            IN_AT_ONCE,
            lambda first, count: transforms.transform_kernels(self.weight, first, count, kernels),
        )
        step = max(1, PIECES // winograd.pieces(width))
        moments = crew.share(
            strips,
            step,
            lambda first, count: winograd.convolve(
                given, kernels, self.bias, (first, count, step), into
            ),
        )
        return Made(alone(plain(into)), np.sum(moments, 0))

    def _by_panels(self, given: Given, strips: int, into: Singles, crew: Crew) -> Doubles:
        """Where there are fewer pieces than channels; the moments of what goes `into`."""
        out, channels = self.weight.shape[:2]
        every = winograd.before(strips, *into.shape[1:3])
        around = np.empty((transforms.PRODUCTS, every, channels), SINGLE)
        crew.share(
            strips,
            1,
            lambda first, count: winograd.transform_given(given, first, first + count, 0, around),
        )
        moments = crew.share(
            -(-out // PANEL),
            1,
            lambda first, count: winograd.convolve_panels(
                around, self.weight, self.bias, (first, count), into
            ),
        )
        total: Doubles = np.sum(moments, 0)
        return total

    def _usual(self, given: Given, crew: Crew) -> Made:
        tiles, height, width, _ = given[0].values.shape
        out, channels = self.weight.shape[:2]
        kernels = arranged(self.weight, crew)
        if channels < SEPARATE:
            kernels = kernels.swapaxes(0, 1).reshape(1, kernels.shape[1], -1, kernels.shape[3])
        down, along = self.stencil.reach(height, width)
        into = np.empty((tiles, down, along, out), SINGLE)
        step = max(1, PIXELS // along)
        moments = crew.share(
            tiles * down,
            step,
            lambda first, count: usual.convolve(
                given, kernels, self.bias, self.stencil, (first, count, step), into
            ),
        )
        return Made(alone(plain(into)), np.sum(moments, 0))


@dataclass(frozen=True, slots=True, eq=False)
class Transposed:
    """A transposed convolution by kernels that are as large as their steps."""

    weight: Singles  # [channel in, channel out, row, column]
    bias: Singles

    def __call__(self, sources: Sequence[Made], crew: Crew) -> Made:
        """Its maps."""
        (source,) = sources
        tiles, height, width, _ = source.given[0].values.shape
        channels, out, rows, columns = self.weight.shape
        weight = np.ascontiguousarray(self.weight.swapaxes(0, 1))
        kernels = arranged(weight, crew).reshape(-1, channels, min(out, PANEL))
        into = np.empty((tiles, height * rows, width * columns, out), SINGLE)
        step = max(1, PIXELS // width)
        crew.share(
            tiles * height,
            step,
            lambda first, count: usual.transpose(
                source.given, kernels, self.bias, (rows, columns), (first, count, step), into
            ),
        )
        return Made(alone(plain(into)))


@dataclass(frozen=True, slots=True, eq=False)
class Norm:
    """An instance norm of what a convolution makes."""

    weight: Singles  # of each channel
    bias: Singles
    epsilon: float

    def __call__(self, sources: Sequence[Made], crew: Crew) -> Made:
        """The same maps, read otherwise."""
        (source,) = sources
        maps, _ = source.given
        assert source.moments is not None, "a convolution comes before a norm"
        pixels = maps.values.shape[1] * maps.values.shape[2]
        mean, square = np.swapaxes(source.moments, 0, 1) / pixels
        scale = self.weight / np.sqrt(np.maximum(square - mean**2, 0) + self.epsilon)
        shift = self.bias - mean * scale
        return Made(alone(maps._replace(scale=scale.astype(SINGLE), shift=shift.astype(SINGLE))))


@dataclass(frozen=True, slots=True, eq=False)
class Rectifier:
    """A rectifier, whose values below zero have this slope."""

    slope: float

    def __call__(self, sources: Sequence[Made], crew: Crew) -> Made:
        """The same maps, read otherwise."""
        (source,) = sources
        maps, _ = source.given
        return Made(alone(maps._replace(slope=SINGLE(self.slope))))


def nothing(sources: Sequence[Made], crew: Crew) -> Made:
    """What only training needs."""
    return sources[0]


def concatenation(sources: Sequence[Made], crew: Crew) -> Made:
    """The channels of one, and then those of the other; nothing is copied."""
    one, other = sources
    return Made((one.given[0], other.given[0]))


def empty_panels(places: int, out: int, channels: int) -> Singles:
    """Room for kernels [place, panel, channel in, channel out of the panel]."""
    wide = min(out, PANEL)
    return np.zeros((places, -(-out // wide), channels, wide), SINGLE)


def arranged(weight: Singles, crew: Crew) -> Singles:
    """Kernels [out, in, row, column] as matrices, as in `empty_panels`."""
    out, channels, rows, columns = weight.shape
    into = empty_panels(rows * columns, out, channels)
    crew.share(channels, IN_AT_ONCE, lambda first, count: usual.arrange(weight, first, count, into))
    return into
