"""From a torch network to one that OpenVINO can compile.

A small example is enough: the network is convolutions, so what it does is the same for every size.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from totalseg_mcp.engine.engines import openvino
from totalseg_mcp.engine.likeness import UncompiledError, noise, refuse_another
from totalseg_mcp.engine.norms import pool_norms

MOST_SAID = 200  # characters


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """A last layer: `weight` [class, feature] and `bias` [class], the same for every voxel."""

    weight: torch.Tensor
    bias: torch.Tensor

    def __call__(self, features: torch.Tensor) -> torch.Tensor:
        """The outputs [class, ...] of `features` [feature, ...]."""
        flat = torch.addmm(self.bias[:, None], self.weight, features.flatten(1))
        return flat.reshape(-1, *features.shape[1:])


@dataclass(frozen=True, slots=True, eq=False)
class Traced:
    """A network for tiles of any size; `head` is its last layer where that is not part of it."""

    model: Any  # openvino.Model: [1, channel, ...] to [1, class or feature, ...]
    head: Head | None


@torch.inference_mode()
def trace(module: torch.nn.Module, channels: int, stride: Sequence[int]) -> Traced:
    """`module` for OpenVINO; its last layer stays apart where it is the same for every voxel.

    `stride` is how many voxels of the image one of the deepest layer has, along each axis. `module`
    itself is used up.

    Raises:
        UncompiledError: OpenVINO does not know a part of it, or computes something else.
    """
    head = split(module)
    # Twice as long along one axis, for the deepest layer is normalised over two voxels at least.
    example = noise(channels, 2, stride)
    other = noise(channels, 3, stride)  # what was computed for this one was not traced
    expected = module(other)
    pool_norms(module, example)
    ov = openvino()
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=r"`torch\.jit\.", category=DeprecationWarning)
            script = torch.jit.trace(module, example, check_trace=False)
            frontend = FrontEndManager().load_by_framework("pytorch")
            decoder = TorchScriptPythonDecoder(script)  # OpenVINO does not keep it alive
            model = frontend.convert(frontend.load(decoder))
        model.reshape([1, channels, *[-1] * len(stride)])
        found = ov.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(other.numpy())
    except (RuntimeError, ov.frontend.OpConversionFailure) as error:
        raise UncompiledError(said(error)) from error
    refuse_another(torch.from_numpy(found[0]), expected)
    return Traced(model, head)


def split(module: torch.nn.Module) -> Head | None:
    """Take the last layer off `module`, where it looks at nothing but a voxel; else None."""
    layers = getattr(getattr(module, "decoder", None), "seg_layers", None)
    last = layers[-1] if layers else None
    if not isinstance(last, torch.nn.Conv2d | torch.nn.Conv3d):
        return None
    if {*last.kernel_size, *last.stride, last.groups} != {1}:
        return None
    assert layers is not None
    layers[-1] = torch.nn.Identity()
    bias = torch.zeros(last.out_channels) if last.bias is None else last.bias.detach()
    return Head(last.weight.detach().flatten(1), bias)


def said(error: Exception) -> str:
    """What OpenVINO says is wrong, on one line."""
    return " ".join(str(error).split())[:MOST_SAID] or type(error).__name__
