"""Whether another engine computes what torch computes, up to rounding."""

from collections.abc import Sequence

import torch

CLOSE = 1e-2  # of the outputs' standard deviation; rounding gives 1e-5, another network 1


class UncompiledError(Exception):
    """An engine cannot run the network, or not as torch does."""


def noise(channels: int, times: int, stride: Sequence[int]) -> torch.Tensor:
    """An image of the least size, so many times as long along its first axis; always the same.

    `stride` is how many voxels of the image one of the deepest layer has, along each axis.
    """
    shape = (1, channels, times * stride[0], *stride[1:])
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def refuse_another(found: torch.Tensor, expected: torch.Tensor) -> None:
    """Raises UncompiledError: the outputs are not the same up to rounding."""
    worst = float((found - expected).abs().max() / expected.std())
    if not worst <= CLOSE:  # nor if it is no number
        raise UncompiledError(f"its outputs are not torch's: they differ by {worst:.2g} deviations")
