"""Weights that stay in their file: mapped into memory, where its pages come and go.

They are read where the system keeps the file, and given back to it while they are not used, so that
networks that wait need no memory of the process. Back they come in 0.4 ms (128 MiB in large pages),
or in 15 ms where the system has the file in small ones; a tile takes 400 ms and more.
"""

import mmap
from collections.abc import Mapping
from typing import Any

import torch

from totalseg_mcp.engine.tensorfile import Tensors


class Mapped(Tensors):
    """Tensors by name, in `pages` of a file that is there as long as they are.

    What is written to them is lost when they rest.
    """

    def __init__(self, tensors: Mapping[str, torch.Tensor], pages: mmap.mmap) -> None:
        super().__init__(tensors)
        self.pages = pages


def fill(module: torch.nn.Module, weights: Tensors) -> None:
    """Give `module` its weights: those that are `Mapped` themselves, of others a copy.

    A copy is made, too, where numbers are of another kind than the module's.

    Raises:
        RuntimeError, TypeError: they do not fit.
    """
    if isinstance(weights, Mapped) and alike(module.state_dict(), weights):
        module.load_state_dict(weights, assign=True)
        vars(module)["pages"] = weights.pages  # no part of it that torch would have to know of
    else:
        module.load_state_dict(weights)


def alike(one: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor]) -> bool:
    """Whether they have numbers of the same kinds, by name."""
    return {name: t.dtype for name, t in one.items()} == {n: t.dtype for n, t in other.items()}


def rest(fold: Any) -> None:  # noqa: ANN401 (a module, or what asks one)
    """Give back the pages of its weights, if they are those of a file."""
    pages: mmap.mmap | None = getattr(getattr(fold, "module", fold), "pages", None)
    if pages is not None:
        pages.madvise(mmap.MADV_DONTNEED)
