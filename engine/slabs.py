"""The outputs of a network for a tile a few planes at a time, where its last layer allows that.

The outputs of `total` for a tile are 757 MB, more than all that is before them; those of a plane
stay in the processor's cache. They are the same bit by bit: products are added up as the
convolution does it here, which depends on the processor, the threads and the tile.
"""

from collections.abc import Callable, Iterator
from functools import cache
from math import prod

import torch

from totalseg_mcp.engine.mapped import rest
from totalseg_mcp.engine.sliding import Fold, Way, each

SLAB = 2**14  # voxels, of which 118 outputs in single precision are 8 MB
Head = torch.nn.Conv2d | torch.nn.Conv3d  # of one voxel
# From weights [class, feature], a bias [class] and features [feature, voxel] to [class, voxel].
# The last argument, where it is not None, is written into and returned.
Order = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor | None], torch.Tensor]


def by_slabs(fold: Fold, tile: torch.Tensor) -> Iterator[torch.Tensor]:
    """The outputs of a torch module for `tile` [1, channel, ...], some planes after others."""
    head = head_of(fold)
    given: list[torch.Tensor] = []
    if head is None:
        yield fold(tile)[0]
        return

    def first_plane(layer: torch.nn.Module, inputs: tuple[torch.Tensor]) -> torch.Tensor:
        given.append(inputs[0])
        return inputs[0][:, :, :1]

    with head.register_forward_pre_hook(first_plane):
        fold(tile)
    features = given[0]
    order = order_of(features.shape, head.out_channels, torch.get_num_threads())
    if order is None:
        yield head(features)[0]
    else:
        yield from slabs(features[0], head, order)


SLABS = Way(each(by_slabs), rest)


def slabs(features: torch.Tensor, head: Head, order: Order) -> Iterator[torch.Tensor]:
    """What `head` makes of `features` [feature, plane, ...], in parts; each overwrites the last."""
    weight = head.weight.flatten(1)
    bias = weight.new_zeros(len(weight)) if head.bias is None else head.bias
    kept: torch.Tensor | None = None
    for part in parts(features):
        flat = part.flatten(1)
        if kept is None:
            kept = flat.new_empty((len(weight), flat.shape[1]))
        into = kept if kept.shape[1] == flat.shape[1] else None
        yield order(weight, bias, flat, into).reshape(-1, *part.shape[1:])


def parts(features: torch.Tensor) -> Iterator[torch.Tensor]:
    """`features` [feature, plane, ...], some planes after others; the last may have fewer."""
    _, planes, *across = features.shape
    thick = max(1, SLAB // prod(across))
    for start in range(0, planes, thick):
        yield features[:, start : start + thick]


def head_of(fold: Fold) -> Head | None:
    """The last layer of `fold`, where it is one of nnU-Net's and looks at nothing but a voxel."""
    layers = getattr(getattr(fold, "decoder", None), "seg_layers", None)
    last = layers[-1] if layers else None
    if not isinstance(last, Head):
        return None
    alone = {*last.kernel_size, *last.stride, last.groups} == {1} and {*last.padding} == {0}
    return last if alone else None


def bias_first(
    weight: torch.Tensor, bias: torch.Tensor, features: torch.Tensor, into: torch.Tensor | None
) -> torch.Tensor:
    """The products are added to the bias, as oneDNN does it."""
    ones = features.new_ones((1, features.shape[1]))
    return torch.mm(torch.cat((bias[:, None], weight), 1), torch.cat((ones, features)), out=into)


def bias_last(
    weight: torch.Tensor, bias: torch.Tensor, features: torch.Tensor, into: torch.Tensor | None
) -> torch.Tensor:
    """The bias is added to the products, as torch's own convolution does it."""
    return torch.addmm(bias[:, None], weight, features, out=into)


ORDERS: tuple[Order, ...] = (bias_first, bias_last)


@cache
def order_of(shape: torch.Size, classes: int, threads: int) -> Order | None:
    """The order in which torch adds up for features of `shape`, by trial; None if it is another.

    One voxel is tried along x: torch does not look at that axis when it chooses how to convolve.
    """
    size = [*shape[:4], *(1 for _ in shape[4:])]
    chance = torch.Generator().manual_seed(threads)
    features = torch.randn(size, generator=chance)
    weight = torch.randn((classes, shape[1]), generator=chance)
    bias = torch.randn(classes, generator=chance)
    convolve = torch.conv3d if len(size) == 5 else torch.conv2d
    kernel = weight.reshape(*weight.shape, *(1 for _ in size[2:]))
    expected = convolve(features, kernel, bias)[0].flatten(1)
    flat = features[0].flatten(1)
    return next((o for o in ORDERS if torch.equal(o(weight, bias, flat, None), expected)), None)
