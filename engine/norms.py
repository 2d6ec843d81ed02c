"""Instance normalisation that OpenVINO computes as exactly as torch does.

OpenVINO's own adds a million values up one by one: it is off by 2e-4 where torch is by 6e-7 (a
layer of 96 x 96 x 96), and ten layers on, labels differ. Means of means do not have that.
"""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

InstanceNorm = nn.InstanceNorm2d | nn.InstanceNorm3d
POOLS = {2: functional.avg_pool2d, 3: functional.avg_pool3d}
LONGEST = 8  # voxels of an axis that are added up one by one


class PooledNorm(nn.Module):
    """`norm`, for inputs whose axes are multiples of `shape`: means of blocks, then of these."""

    def __init__(self, norm: InstanceNorm, shape: Sequence[int]) -> None:
        super().__init__()
        ones = [1] * len(shape)
        self.weight = norm.weight.detach().reshape(-1, *ones)
        self.bias = norm.bias.detach().reshape(-1, *ones)
        self.eps = norm.eps
        self.axes = tuple(range(2, 2 + len(shape)))
        self.block = tuple(max(n for n in range(1, LONGEST + 1) if size % n == 0) for size in shape)
        self.pool = POOLS[len(shape)]

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """`values` [image, channel, ...], with the mean and the variance that were learned."""
        centred = values - self.mean(values)
        scale = (self.mean(centred * centred) + self.eps).rsqrt() * self.weight
        return centred * scale + self.bias

    def mean(self, values: torch.Tensor) -> torch.Tensor:
        """Of every channel."""
        return self.pool(values, self.block).mean(self.axes, keepdim=True)


def pool_norms(module: nn.Module, example: torch.Tensor) -> None:
    """Replace the instance normalisations in `module`.

    `example` is the least image that the network takes, twice as long along its first axis;
    afterwards it takes every multiple of the least one.
    """
    shapes: dict[InstanceNorm, tuple[int, ...]] = {}

    def see(norm: InstanceNorm, given: tuple[torch.Tensor]) -> None:
        doubled, *others = given[0].shape[2:]
        shapes[norm] = (doubled // 2, *others)

    norms = [part for part in module.modules() if isinstance(part, InstanceNorm) and part.affine]
    hooks = [norm.register_forward_pre_hook(see) for norm in norms]
    module(example)
    for hook in hooks:
        hook.remove()
    pooled: dict[nn.Module | None, PooledNorm] = {
        norm: PooledNorm(norm, shape) for norm, shape in shapes.items()
    }
    for parent in tuple(module.modules()):
        for name, part in tuple(parent._modules.items()):  # nnU-Net has them twice in a parent
            if part in pooled:
                parent._modules[name] = pooled[part]
