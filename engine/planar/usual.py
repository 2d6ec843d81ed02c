"""Convolutions in the usual way: what a kernel covers, times the kernel."""

from typing import NamedTuple

import numpy as np

from totalseg_mcp.engine.planar.kernels import (
    IN_AT_ONCE,
    Doubles,
    Singles,
    compiled,
    multiply,
    read_kernels,
)
from totalseg_mcp.engine.planar.maps import Given, Maps, read_row, write_row


class Stencil(NamedTuple):
    """How a kernel goes over maps; along rows and along columns."""

    size: tuple[int, int]
    steps: tuple[int, int]
    padding: tuple[int, int]

    def reach(self, height: int, width: int) -> tuple[int, int]:
        """How many rows and columns come out of so many."""
        across = zip((height, width), self.size, self.steps, self.padding, strict=True)
        down, along = ((n + 2 * around - size) // step + 1 for n, size, step, around in across)
        return down, along


@compiled
def convolve(
    given: Given,
    kernels: Singles,
    bias: Singles,
    stencil: Stencil,
    rows: tuple[int, int, int],
    into: Singles,
) -> Doubles:
    """Some rows of outputs, `into` [tile, row, column, channel], and their moments.

    `rows` and what is returned are as Winograd's way has them. `kernels` are [part, panel, depth,
    channel out of the panel]: parts are the places of the kernel, or all of them are one, and the
    depth are the channels in, of one place after another.
    """
    parts, panels, depth, width = kernels.shape
    first, count, step = rows
    along = into.shape[2]
    covered = np.empty((parts, step * along, depth), np.float32)
    sums = np.empty((panels, step * along, width), np.float32)
    part = np.empty_like(sums)
    moments = np.zeros((into.shape[0], 2, into.shape[3]))
    for start in range(first, first + count, step):
        here = min(step, first + count - start)
        gather_given(given, stencil, (start, here, into.shape[1], along), covered)
        multiply(covered[0, : here * along], kernels[0], sums)
        for place in range(1, parts):
            multiply(covered[place, : here * along], kernels[place], part)
            sums += part
        settle(sums, bias, start, here, into, moments)
    return moments


@compiled
def gather_given(
    given: Given, stencil: Stencil, rows: tuple[int, int, int, int], into: Singles
) -> None:
    """What the kernels of some rows of outputs cover, into [part, output, depth].

    `rows` are the first, how many, those of a tile, and the outputs in each.
    """
    at = int(np.int64(0))
    for maps in given:
        if maps.values.shape[3]:
            gather(maps, stencil, rows, into, at)
        at += maps.values.shape[3]


@compiled
def gather(
    maps: Maps, stencil: Stencil, rows: tuple[int, int, int, int], into: Singles, at: int
) -> None:
    """As `gather_given`, for one of the maps, whose first channel is `at`."""
    first, count, down, along = rows
    high, wide = stencil.size
    channels = maps.values.shape[3]
    parts, _, depth = into.shape
    every = depth * parts // (high * wide)  # channels of a place
    row = np.empty((stencil.steps[1] * (along - 1) + wide, channels), np.float32)
    for one in range(count):
        tile, y = divmod(first + one, down)
        for i in range(high):
            above = y * stencil.steps[0] - stencil.padding[0] + i
            read_row(maps, tile, above, -stencil.padding[1], row)
            for j in range(wide):
                part, place = divmod((i * wide + j) * every, depth)
                start = np.uint64(place + at)
                for x in range(along):
                    for k in range(channels):
                        to = start + np.uint64(k)
                        into[part, one * along + x, to] = row[x * stencil.steps[1] + j, k]


@compiled
def settle(
    sums: Singles, bias: Singles, first: int, count: int, into: Singles, moments: Doubles
) -> None:
    """`sums` [panel, output, channel] of `count` rows and `bias` where they belong."""
    _, down, along, _ = into.shape
    row = np.empty((along, sums.shape[0] * sums.shape[2]), np.float32)
    for one in range(count):
        tile, y = divmod(first + one, down)
        for panel in range(sums.shape[0]):
            start = panel * sums.shape[2]
            row[:, start : start + sums.shape[2]] = sums[panel, one * along : (one + 1) * along]
        write_row(row, bias, into[tile, y], moments[tile])


@compiled
def transpose(
    given: Given,
    kernels: Singles,
    bias: Singles,
    size: tuple[int, int],
    rows: tuple[int, int, int],
    into: Singles,
) -> None:
    """A transposed convolution by kernels of a `size` that is their steps, `into` the larger maps.

    `rows` are those of what is given; `kernels` are [place and panel, channel in, channel out].
    """
    panels, depth, width = kernels.shape
    first, count, step = rows
    _, height, along, _ = given[0].values.shape
    covered = np.empty((1, step * along, depth), np.float32)
    sums = np.empty((panels, step * along, width), np.float32)
    alone = Stencil((1, 1), (1, 1), (0, 0))
    for start in range(first, first + count, step):
        here = min(step, first + count - start)
        gather_given(given, alone, (start, here, height, along), covered)
        multiply(covered[0, : here * along], kernels, sums)
        spread(sums, bias, size, (start, here, height, along), into)


@compiled
def spread(
    sums: Singles,
    bias: Singles,
    size: tuple[int, int],
    rows: tuple[int, int, int, int],
    into: Singles,
) -> None:
    """`sums` [place and panel, pixel, channel] and `bias` where they belong."""
    first, count, down, along = rows
    high, wide = size
    channels, width = into.shape[3], sums.shape[2]
    panels = sums.shape[0] // (high * wide)
    for one in range(count):
        tile, y = divmod(first + one, down)
        for i in range(high):
            for x in range(along):
                for j in range(wide):
                    for panel in range(panels):
                        start = np.uint64(panel * width)
                        place = (i * wide + j) * panels + panel
                        for k in range(min(width, channels - panel * width)):
                            to = start + np.uint64(k)
                            value = sums[place, one * along + x, k] + bias[to]
                            into[tile, y * high + i, x * wide + j, to] = value


@compiled
def arrange(kernels: Singles, first: int, count: int, into: Singles) -> None:
    """Kernels [out, in, row, column] into [place, panel, in, out of the panel].

    Of `count` channels in, from `first`.
    """
    places, panels, _, wide = into.shape
    given = np.empty((places, IN_AT_ONCE, wide), np.float32)
    for panel in range(panels):
        for c in range(first, first + count, IN_AT_ONCE):
            here = min(IN_AT_ONCE, first + count - c)
            read_kernels(kernels, panel * wide, c, here, given)
            for place in range(places):
                into[place, panel, c : c + here] = given[place, :here]
