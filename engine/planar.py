"""A network in two dimensions, computed by ncnn, and how a tile is given to it.

ncnn convolves by Winograd's way: in half the time of torch, in single precision.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from totalseg_mcp.engine.engines import ncnn
from totalseg_mcp.engine.errors import NotReadyError
from totalseg_mcp.engine.layers import IN, OUT, Graph, translated
from totalseg_mcp.engine.likeness import UncompiledError, noise, refuse_another
from totalseg_mcp.engine.sliding import Fold, Way
from totalseg_mcp.engine.threads import processors
from totalseg_mcp.engine.watch import allow_stop

OPTIONS = {
    "lightmode": True,  # layers that are done with are freed, and weights that were rearranged
    "use_vulkan_compute": False,
    # All in single precision, as torch computes on a CPU.
    "use_fp16_packed": False,
    "use_fp16_storage": False,
    "use_fp16_arithmetic": False,
    "use_bf16_packed": False,
    "use_bf16_storage": False,
    "use_int8_inference": False,
    # Larger tiles of Winograd's way are off by 2e-5 where these are by 7e-6, and no faster here.
    "use_winograd63_convolution": False,
}


@dataclass(frozen=True, slots=True, eq=False)
class Planar:
    """A fold: from a tile [1, channel, row, column] to outputs [1, class, row, column], float32.

    A job that is stopped waits for the tile that is being computed.
    """

    net: Any  # ncnn.Net
    nbytes: int  # of its weights

    def __call__(self, tile: torch.Tensor) -> torch.Tensor:
        """The outputs for `tile`, which is in memory in C's order.

        Raises:
            NotReadyError: ncnn failed, for want of memory for example.
        """
        allow_stop()
        extractor = self.net.create_extractor()
        extractor.input(IN, ncnn().Mat(tile[0].numpy()))
        failed, outputs = extractor.extract(OUT)
        if failed:
            raise NotReadyError(
                f"ncnn failed (it said {failed}). Use fewer groups if memory is short, or start "
                "the server with --cpu torch."
            )
        return torch.from_numpy(np.array(outputs))[None]


@torch.inference_mode()
def planar(
    module: torch.nn.Module, channels: int, patch: Sequence[int], stride: Sequence[int]
) -> Planar:
    """`module` for tiles of the size `patch`, with as many threads as torch uses.

    `stride` is how many pixels of the image one of the deepest layer has, along each axis.

    Raises:
        UncompiledError: ncnn does not know a part of it, or computes something else.
    """
    fold = loaded(translated(module, channels, patch))
    image = noise(channels, 3, stride)
    try:
        found = fold(image)
    except NotReadyError as error:
        raise UncompiledError(str(error)) from error
    refuse_another(found, module(image))
    return fold


@cache
def pools() -> Mapping[str, Any]:
    """The memory of layers, which all networks share: only one computes at a time.

    With pools of their own five networks would keep 260 MB each.
    """
    return {name: ncnn().PoolAllocator() for name in ("blob_allocator", "workspace_allocator")}


def empty_pools(_: Fold) -> None:
    """Give back the memory of the layers."""
    for pool in pools().values():
        pool.clear()


BY_TILES = Way(rest=empty_pools)


def loaded(graph: Graph) -> Planar:
    """`graph` in ncnn's memory; by a file, for ncnn does not keep alive what it reads in memory.

    Raises:
        UncompiledError: it cannot be written, or ncnn does not take it.
    """
    net = ncnn().Net()
    net.opt.num_threads = min(torch.get_num_threads(), processors())
    for option, value in {**OPTIONS, **pools()}.items():
        setattr(net.opt, option, value)
    try:
        with tempfile.TemporaryDirectory(prefix="totalseg-mcp-") as folder:
            weights = Path(folder, "weights")
            with weights.open("wb") as stream:
                for part in graph.weights:
                    stream.write(part.data)
            failed = net.load_param_mem(graph.text) or net.load_model(str(weights))
    except OSError as error:
        raise UncompiledError(f"its weights cannot be handed over: {error.strerror}") from error
    if failed:
        raise UncompiledError(f"ncnn does not take it (it said {failed})")
    return Planar(net, graph.nbytes)
