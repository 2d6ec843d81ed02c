"""Convolutions of 3 x 3 pixels by Winograd's way: pieces of 4 x 4 pixels, from strips of them."""

import numpy as np

from totalseg_mcp.engine.planar.kernels import PANEL, Doubles, Singles, compiled, multiply
from totalseg_mcp.engine.planar.maps import Given, Maps, read_row, write_row
from totalseg_mcp.engine.planar.transforms import (
    AROUND,
    KERNEL,
    PIECE,
    PRODUCTS,
    columns_in,
    columns_out,
    rows_in,
    rows_out,
    transform_kernels,
)
from totalseg_mcp.engine.planar.usual import Stencil

STRIP = 32  # pieces side by side, whose transform the cache holds
STENCIL = Stencil((KERNEL, KERNEL), (1, 1), (1, 1))


@compiled
def pieces(size: int) -> int:
    """How many pieces a map has along a side of so many pixels."""
    return (size + PIECE - 1) // PIECE


@compiled
def strips(height: int, width: int) -> tuple[int, int]:
    """Into how many strips a map is cut, along its height and along its width."""
    return pieces(height), (pieces(width) + STRIP - 1) // STRIP


@compiled
def strip(number: int, height: int, width: int) -> tuple[int, int, int, int]:
    """The tile that a strip lies in, its first row and column, and how many pieces it has."""
    down, along = strips(height, width)
    row, part = divmod(number, along)
    tile, y = divmod(row, down)
    x = part * STRIP
    return tile, PIECE * y, PIECE * x, min(STRIP, pieces(width) - x)


@compiled
def before(number: int, height: int, width: int) -> int:
    """How many pieces come before a strip; strips are numbered from left to right, then down."""
    row, part = divmod(number, strips(height, width)[1])
    return int(row * pieces(width) + part * STRIP)


@compiled
def convolve(
    given: Given, kernels: Singles, bias: Singles, asked: tuple[int, int, int], into: Singles
) -> Doubles:
    """Convolve some strips; they go `into` [tile, row, column, channel].

    `asked` are the number of the first strip, how many, and how many at a time. `kernels` are
    [product, panel, channel in, channel out of the panel]. Returns the sums of the values
    [tile, 0, channel], and of their squares [tile, 1, channel].
    """
    products, panels, depth, width = kernels.shape
    first, count, step = asked
    height, wide = into.shape[1:3]
    most = step * min(STRIP, pieces(wide))
    around = np.empty((products, most, depth), np.float32)
    sums = np.empty((products, panels, most, width), np.float32)
    moments = np.zeros((into.shape[0], 2, into.shape[3]))
    for start in range(first, first + count, step):
        end = min(start + step, first + count)
        base = before(start, height, wide)
        here = before(end, height, wide) - base
        transform_given(given, start, end, base, around)
        for product in range(products):
            multiply(around[product, :here], kernels[product], sums[product])
        transform_output(sums, bias, start, end, into, moments)
    return moments


@compiled
def convolve_panels(
    around: Singles, kernels: Singles, bias: Singles, asked: tuple[int, int], into: Singles
) -> Doubles:
    """Convolve all pieces with the kernels of some panels of channels, as `convolve` does.

    `around` are all pieces [product, piece, channel], transformed; `kernels` are [out, in, row,
    column] and are transformed a panel at a time, so that the processor's cache holds them.
    `asked` are the first panel and how many.
    """
    tiles, height, width, out = into.shape
    down, along = strips(height, width)
    _, every, depth = around.shape
    wide = min(PANEL, out)
    ready = np.empty((PRODUCTS, 1, depth, wide), np.float32)
    sums = np.empty((PRODUCTS, 1, every, wide), np.float32)
    moments = np.zeros((tiles, 2, out))
    for panel in range(asked[0], asked[0] + asked[1]):
        start, end = panel * wide, min(out, (panel + 1) * wide)
        transform_kernels(kernels[start:end], 0, depth, ready)
        for product in range(PRODUCTS):
            multiply(around[product], ready[product], sums[product])
        part = np.empty((tiles, height, width, end - start), np.float32)
        noted = np.zeros((tiles, 2, end - start))
        transform_output(sums, bias[start:end], 0, tiles * down * along, part, noted)
        into[:, :, :, start:end] = part
        moments[:, :, start:end] = noted
    return moments


@compiled
def transform_given(given: Given, first: int, end: int, base: int, into: Singles) -> None:
    """B^T d B for strips from `first` to `end`, into [product, piece, channel].

    The piece of the number `base` is the first there.
    """
    at = int(np.int64(0))
    for maps in given:
        if maps.values.shape[3]:
            transform_input(maps, first, end, base, into, at)
        at += maps.values.shape[3]


@compiled
def transform_input(maps: Maps, first: int, end: int, base: int, into: Singles, at: int) -> None:
    """As `transform_given`, for one of the maps, whose first channel is `at`."""
    _, height, width, channels = maps.values.shape
    wide = PIECE * STRIP + 2
    given = np.empty((AROUND, wide, channels), np.float32)
    half = np.empty((AROUND, wide, channels), np.float32)
    for number in range(first, end):
        tile, y, x, long = strip(number, height, width)
        size = PIECE * long + 2
        for i in range(AROUND):
            read_row(maps, tile, y - 1 + i, x - 1, given[i, :size])
        columns_in(given.reshape(AROUND, -1), half.reshape(AROUND, -1), size * channels)
        rows_in(half, into, before(number, height, width) - base, long, at)


@compiled
def transform_output(
    sums: Singles, bias: Singles, first: int, end: int, into: Singles, moments: Doubles
) -> None:
    """A^T m A and `bias` for strips from `first` to `end`, into [tile, row, column, channel].

    `sums` are [product, panel, piece, channel]; `moments` are added to.
    """
    _, height, width, _ = into.shape
    _, panels, _, wide = sums.shape
    half = np.empty((PIECE, AROUND, STRIP, panels, wide), np.float32)
    rows = np.empty((PIECE, STRIP * PIECE, panels * wide), np.float32)
    done = int(np.int64(0))
    for number in range(first, end):
        tile, y, x, long = strip(number, height, width)
        columns_out(sums, done, long, half)
        rows_out(half.reshape(PIECE, AROUND, STRIP, -1), long, rows)
        done += long
        for i in range(min(PIECE, height - y)):
            size = min(PIECE * long, width - x)
            write_row(rows[i], bias, into[tile, y + i, x : x + size], moments[tile])
