"""Feature maps as layers leave them, and as the next ones read them.

A norm and a rectifier are computed when maps are read, not when they are made: what a layer makes
goes through memory once.
"""

from typing import NamedTuple

import numpy as np

from totalseg_mcp.engine.planar.kernels import Doubles, Singles, compiled


class Maps(NamedTuple):
    """Feature maps of several tiles; a value v is read as max(w, slope * w), w = scale * v + shift.

    `values` are [tile, row, column, channel], `scale` and `shift` [tile, channel].
    """

    values: Singles
    scale: Singles
    shift: Singles
    slope: np.float32 = np.float32(1)


# What a layer is given: maps whose channels follow each other. There are always two, so that there
# is one kind of function to compile; the second may have no channels.
Given = tuple[Maps, Maps]


def plain(values: Singles) -> Maps:
    """Maps that are read as they are."""
    tiles, _, _, channels = values.shape
    ones = np.ones((tiles, channels), np.float32)
    return Maps(values, ones, np.zeros_like(ones))


def alone(maps: Maps) -> Given:
    """`maps`, with nothing after them."""
    none = plain(np.empty((*maps.values.shape[:3], 0), np.float32))
    return maps, none


@compiled
def read_row(maps: Maps, tile: int, y: int, left: int, row: Singles) -> None:
    """Columns from `left` on of row `y` of a tile, into `row` [column, channel].

    Outside of the maps there are zeros.
    """
    values, scale, shift = maps.values[tile], maps.scale[tile], maps.shift[tile]
    height, width, channels = values.shape
    size = row.shape[0]
    first, last = max(0, -left), min(size, width - left)
    if y < 0 or y >= height:
        first, last = size, size
    row[:first] = 0
    row[last:] = 0
    for x in range(first, last):
        for k in range(channels):
            value = values[y, left + x, k] * scale[k] + shift[k]
            row[x, k] = max(value, maps.slope * value)


@compiled
def write_row(values: Singles, bias: Singles, into: Singles, moments: Doubles) -> None:
    """Values [column, channel] and `bias` `into` a row of maps, as many as it has of both.

    To `moments` [2, channel] are added what is written, and its squares.
    """
    size, channels = into.shape
    once, twice = np.zeros(channels, np.float32), np.zeros(channels, np.float32)
    for x in range(size):
        for k in range(channels):
            into[x, k] = values[x, k] + bias[k]
        for k in range(channels):
            once[k] += into[x, k]
        for k in range(channels):
            twice[k] += into[x, k] * into[x, k]
    for k in range(channels):
        moments[0, k] += once[k]
        moments[1, k] += twice[k]
