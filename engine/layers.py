"""From a torch network in two dimensions to the layers of ncnn.

ncnn reads a text with a line for every layer, and their weights in the same order. What the numbers
of its parameters mean: https://github.com/Tencent/ncnn/wiki/operators.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import fx, nn

from totalseg_mcp.engine.likeness import UncompiledError

MAGIC = 7767517  # the first line of the text
IN, OUT = "in", "out"  # blobs: the image, and what the network makes of it
SINGLE = np.zeros(1, np.uint32)  # before weights that are in single precision
# Winograd's way takes a quarter of the multiplications of a convolution of 3 x 3 pixels, and four
# times the memory for its weights. It is slower on few channels (2 to 32 of 256 x 256 pixels: 14 ms
# where the usual way takes 4), and saves nothing where the image is small and the weights are many.
GROWTH = 4
FEWEST_CHANNELS, LEAST_PIXELS = 8, 16 * 16
NO_WINOGRAD = {31: 64}  # of a layer

Shape = tuple[int, ...]  # channel, row, column
Weights = tuple[NDArray[Any], ...]


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer of ncnn's `kind` and what comes out of it; `growth` of its weights in memory."""

    kind: str
    shape: Shape
    parameters: Mapping[int, float] = field(default_factory=dict)
    weights: Weights = ()
    growth: int = 1


@dataclass(slots=True, eq=False)
class Graph:
    """Layers and what they are given: `text` and `weights` are what ncnn reads."""

    lines: list[str] = field(default_factory=list)
    weights: list[NDArray[Any]] = field(default_factory=list)
    blobs: int = 0
    nbytes: int = 0  # of the weights, as ncnn keeps them

    @property
    def text(self) -> str:
        """The lines, and how many they are."""
        return "\n".join([str(MAGIC), f"{len(self.lines)} {self.blobs}", *self.lines, ""])

    def add(self, name: str, layer: Layer, given: Sequence[str], gives: Sequence[str]) -> None:
        """A layer from the blobs `given` to those that it `gives`."""
        parameters = [f"{key}={value}" for key, value in layer.parameters.items()]
        counts = [str(len(given)), str(len(gives))]
        self.lines.append(" ".join([layer.kind, name, *counts, *given, *gives, *parameters]))
        self.weights += layer.weights
        self.blobs += len(gives)
        self.nbytes += layer.growth * sum(part.nbytes for part in layer.weights)


def translated(module: nn.Module, channels: int, patch: Sequence[int]) -> Graph:
    """`module` for tiles [channel, row, column] of the size `patch`; its blobs are IN and OUT.

    Raises:
        UncompiledError: it has a part that is not in the tables below.
    """
    try:
        nodes = fx.symbolic_trace(module).graph.nodes
    except (fx.proxy.TraceError, TypeError) as error:
        raise UncompiledError(f"it cannot be followed: {str(error).splitlines()[0]}") from error
    graph, parts = Graph(), dict(module.named_modules())
    shapes: dict[fx.Node, Shape] = {}
    ready: dict[fx.Node, list[str]] = {}  # the blobs of a node, one for everyone who takes it
    for node in nodes:
        sources = [*node.all_input_nodes]
        given = [ready[source].pop() for source in sources]
        if node.op == "output":
            graph.add("last", Layer("Noop", ()), given, [OUT])
            continue
        layer = layer_of(node, parts, [shapes[source] for source in sources], (channels, *patch))
        blob = IN if node.op == "placeholder" else node.name
        graph.add(node.name, layer, given, [blob])
        shapes[node], ready[node] = layer.shape, [blob]
        if len(node.users) > 1:
            ready[node] = [f"{blob}_{at}" for at in range(len(node.users))]
            graph.add(f"split_{blob}", Layer("Split", layer.shape), [blob], ready[node])
    return graph


def layer_of(
    node: fx.Node, parts: Mapping[str, nn.Module], given: Sequence[Shape], image: Shape
) -> Layer:
    """What ncnn has for `node`, to which `given` goes in.

    Raises:
        UncompiledError: nothing.
    """
    if node.op == "placeholder":
        return Layer("Input", image)
    if node.op == "call_function" and node.target in FUNCTIONS:
        return FUNCTIONS[node.target](node, given)
    part = parts.get(str(node.target)) if node.op == "call_module" else None
    if type(part) not in PARTS:
        raise UncompiledError(f"{part or node.target} is not known")
    return PARTS[type(part)](part, given[0])


def concatenation(node: fx.Node, given: Sequence[Shape]) -> Layer:
    """Along the channels."""
    if [*node.args[1:], *node.kwargs.values()] != [1]:
        raise UncompiledError(f"torch.cat of {node.args[1:]} is not along the channels")
    return Layer("Concat", (sum(shape[0] for shape in given), *given[0][1:]))


def convolution(part: nn.Conv2d, given: Shape) -> Layer:
    """With Winograd's way where that is faster."""
    refuse_unusual(part)
    if isinstance(part.padding, str):
        raise UncompiledError(f"padding {part.padding!r} is not known")
    across = zip(given[1:], part.kernel_size, part.stride, part.padding, strict=True)
    rows, columns = ((size + 2 * pad - kernel) // step + 1 for size, kernel, step, pad in across)
    usual = (
        part.kernel_size != (3, 3)
        or part.stride != (1, 1)
        or given[0] < FEWEST_CHANNELS
        or rows * columns < LEAST_PIXELS
    )
    parameters = {
        **sizes(part),
        4: part.padding[1],
        14: part.padding[0],
        **(NO_WINOGRAD if usual else {}),
    }
    weights = (SINGLE, plain(part.weight), bias(part))
    shape = part.out_channels, rows, columns
    return Layer("Convolution", shape, parameters, weights, 1 if usual else GROWTH)


def transposed(part: nn.ConvTranspose2d, given: Shape) -> Layer:
    """From the deeper layer."""
    refuse_unusual(part)
    if {*part.padding, *part.output_padding} != {0}:
        raise UncompiledError(f"{part} has a padding")
    across = zip(given[1:], part.kernel_size, part.stride, strict=True)
    rows, columns = ((size - 1) * step + kernel for size, kernel, step in across)
    weights = (SINGLE, plain(part.weight.transpose(0, 1)), bias(part))
    return Layer("Deconvolution", (part.out_channels, rows, columns), sizes(part), weights)


def norm(part: nn.InstanceNorm2d, given: Shape) -> Layer:
    """Of every channel."""
    if part.track_running_stats:
        raise UncompiledError(f"{part} keeps statistics")
    weights = (plain(part.weight), plain(part.bias)) if part.affine else ()
    parameters = {0: given[0], 1: part.eps, 2: int(part.affine)}
    return Layer("InstanceNorm", given, parameters, weights)


def rectifier(part: nn.LeakyReLU | nn.ReLU, given: Shape) -> Layer:
    """Leaky or not."""
    return Layer("ReLU", given, {0: getattr(part, "negative_slope", 0.0)})


def nothing(_: nn.Module, given: Shape) -> Layer:
    """What only training needs."""
    return Layer("Noop", given)


PARTS: Mapping[type | None, Callable[[Any, Shape], Layer]] = {
    nn.Conv2d: convolution,
    nn.ConvTranspose2d: transposed,
    nn.InstanceNorm2d: norm,
    nn.LeakyReLU: rectifier,
    nn.ReLU: rectifier,
    nn.Identity: nothing,
    nn.Dropout2d: nothing,
}
FUNCTIONS: Mapping[Any, Callable[[fx.Node, Sequence[Shape]], Layer]] = {torch.cat: concatenation}


def refuse_unusual(part: nn.Conv2d | nn.ConvTranspose2d) -> None:
    """Raises UncompiledError: it has groups, holes, or a padding that is not of zeros."""
    if part.groups != 1 or {*part.dilation} != {1} or part.padding_mode != "zeros":
        raise UncompiledError(f"{part} is not known")


def sizes(part: nn.Conv2d | nn.ConvTranspose2d) -> dict[int, float]:
    """The parameters that both kinds of convolution have."""
    (rows, columns), (down, along) = part.kernel_size, part.stride
    common = {0: part.out_channels, 1: columns, 11: rows, 3: along, 13: down}
    return {**common, 5: 1, 6: part.weight.numel()}


def bias(part: nn.Conv2d | nn.ConvTranspose2d) -> NDArray[np.float32]:
    """Of every channel that comes out; zeros where there is none."""
    return np.zeros(part.out_channels, np.float32) if part.bias is None else plain(part.bias)


def plain(weight: torch.Tensor) -> NDArray[np.float32]:
    """`weight` as ncnn reads it, in C's order."""
    return np.ascontiguousarray(weight.detach().float().numpy())
