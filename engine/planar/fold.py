"""A network in two dimensions on a CPU, and how tiles are given to it."""

import mmap
from collections.abc import Hashable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import torch

from totalseg_mcp.engine.likeness import noise, refuse_another
from totalseg_mcp.engine.planar.crew import Crew, crew
from totalseg_mcp.engine.planar.kernels import compiled_before
from totalseg_mcp.engine.planar.program import Program, architecture, translated
from totalseg_mcp.engine.threads import processors
from totalseg_mcp.engine.watch import stage


@dataclass(frozen=True, slots=True, eq=False)
class Planar:
    """A fold: from tiles [tile, channel, row, column] to outputs [tile, class, row, column].

    Both are in single precision, and the memory of the outputs is theirs.
    """

    network: torch.nn.Module  # whose weights the program has
    program: Program
    crew: Crew

    def __call__(self, tiles: torch.Tensor) -> torch.Tensor:
        """The outputs for `tiles`."""
        images = np.ascontiguousarray(tiles.permute(0, 2, 3, 1).numpy())
        outputs = self.program(images, self.crew)
        return torch.from_numpy(outputs).permute(0, 3, 1, 2).contiguous()

    @property
    def pages(self) -> mmap.mmap | None:
        """Those of the file that the weights are in, if they are in one."""
        pages: mmap.mmap | None = vars(self.network).get("pages")
        return pages


# Architectures of which a network in this process was held to torch's outputs.
HELD: set[Hashable] = set()


@torch.inference_mode()
def planar(module: torch.nn.Module, channels: int, stride: Sequence[int]) -> Planar:
    """`module` for tiles of any size, with as many threads as torch uses.

    `stride` is how many pixels of the image one of the deepest layer has, along each axis.

    Raises:
        UncompiledError: a part of it is not known, or something else is computed.
    """
    threads = min(torch.get_num_threads(), processors())
    fold = Planar(module, translated(module), crew(threads))
    known = architecture(fold.program)
    if known not in HELD:
        image = noise(channels, 3, stride)
        told = nullcontext() if compiled_before() else stage("compile for this processor", 0.0, 1.0)
        with told:
            refuse_another(fold(image), module(image))
        HELD.add(known)
    return fold
