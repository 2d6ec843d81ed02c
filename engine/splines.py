"""Stretching an array on a device, bit by bit what `scipy.ndimage.zoom` makes of it on a CPU.

The reference cuts the result off to whole numbers: with another last bit, air of exactly -1024 HU
is -1023. The sums are therefore scipy's own (ni_splines.c and ni_interpolation.c): its products, in
its order, in double precision, and never a multiplication and an addition in one step, which would
be rounded once and not twice.
"""

from itertools import product
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from totalseg_mcp.engine.volume import Shape

EDGE = 12  # voxels by which scipy repeats the edge before it fits splines of order 2 and higher
# The poles of the filters that fit them, as scipy writes them.
POLES = {
    2: (-0.171572875253809902396622551580603843,),
    3: (-0.267949192431122706472553658494127633,),
    4: (-0.361341225900220177092212841325675255, -0.013725429297339121360331226939128204),
    5: (-0.430575347099973791851434783493520110, -0.043096288203264653822712376822550182),
}


def stretched(
    data: NDArray[Any], shape: Shape, order: int, device: torch.device
) -> NDArray[np.float64]:
    """`data[i, j, k]` on `shape` voxels, with its corners fixed, by splines of `order` (1 to 5)."""
    if data.shape == tuple(shape):
        return data.astype(np.float64)
    edge = EDGE if order in POLES else 0
    there = (
        torch.from_numpy(np.ascontiguousarray(data, data.dtype.newbyteorder("=")))
        .to(device)
        .double()
    )
    if edge:
        there = fitted(repeated(there, edge), order)
    axes = [
        (taps.to(device), weights.to(device))
        for taps, weights in (
            _samples(before, after, order, edge)
            for before, after in zip(data.shape, shape, strict=True)
        )
    ]
    total = there.new_zeros(shape)
    for which in product(range(order + 1), repeat=3):
        total += _term(there, axes, which)
    return total.cpu().numpy()


def repeated(data: torch.Tensor, edge: int) -> torch.Tensor:
    """`data` with its outermost voxels `edge` times more on every side."""
    for axis, count in enumerate(data.shape):
        places = torch.arange(-edge, count + edge, device=data.device).clamp_(0, count - 1)
        data = data.index_select(axis, places)
    return data


def fitted(data: torch.Tensor, order: int) -> torch.Tensor:
    """The coefficients of the splines through `data`, which are put in its place."""
    poles = POLES[order]
    gain = 1.0
    for pole in poles:
        gain *= (1.0 - pole) * (1.0 - 1.0 / pole)
    for axis in range(data.ndim):
        lines = data.movedim(axis, 0)
        lines *= gain
        for pole in poles:
            _causal(lines, pole)
            _anticausal(lines, pole)
    return data


def _causal(lines: torch.Tensor, pole: float) -> None:
    """The filter's way up `lines`, before which their mirror images lie."""
    count = len(lines)
    across, power = pole**count, pole
    first, before = lines[0], lines[0].clone()
    first += lines[-1] * across
    for at in range(1, count):
        first += (lines[at] + lines[-1 - at] * across) * power
        power *= pole
    first *= pole / (1 - across * across)
    first += before
    for at in range(1, count):
        lines[at] += lines[at - 1] * pole


def _anticausal(lines: torch.Tensor, pole: float) -> None:
    """The filter's way down."""
    lines[-1] *= pole / (pole - 1)
    for at in range(len(lines) - 2, -1, -1):
        torch.sub(lines[at + 1], lines[at], out=lines[at])
        lines[at] *= pole


def _samples(before: int, after: int, order: int, edge: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The voxels [tap, sample] that each of `after` samples sums, and their weights.

    The weights are scipy's: what it makes of an array that is 1 at one of the taps and 0 at others.
    """
    step = (before - 1) / (after - 1) if after > 1 else 1.0
    places = np.clip(np.arange(after) * step + edge, 0, before - 1 + 2 * edge)
    taps = np.floor(places if order % 2 else places + 0.5).astype(np.int64) - order // 2
    taps = taps + np.arange(order + 1)[:, None]
    count = before + 2 * edge
    ones = (np.arange(count) % (order + 1) == np.arange(order + 1)[:, None]).astype(np.float64)
    options = {"order": order, "mode": "nearest", "prefilter": False}
    found = np.stack([map_coordinates(line, places[None], **options) for line in ones])
    weights = np.take_along_axis(found, taps % (order + 1), axis=0)
    return torch.from_numpy(taps.clip(0, count - 1)), torch.from_numpy(weights)


def _term(
    data: torch.Tensor, axes: list[tuple[torch.Tensor, torch.Tensor]], which: tuple[int, ...]
) -> torch.Tensor:
    """What the taps `which`, one of each axis, add to every sample."""
    (i, along_i), (j, along_j), (k, along_k) = (
        (taps[at], weights[at]) for (taps, weights), at in zip(axes, which, strict=True)
    )
    term = data[i[:, None, None], j[None, :, None], k[None, None, :]]
    term *= along_i[:, None, None]
    term *= along_j[None, :, None]
    term *= along_k[None, None, :]
    return term
