"""From a torch network in two dimensions to layers that compute it."""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np
import torch
from torch import fx, nn

from totalseg_mcp.engine.likeness import UncompiledError
from totalseg_mcp.engine.planar.crew import Crew
from totalseg_mcp.engine.planar.kernels import Singles
from totalseg_mcp.engine.planar.layers import (
    Convolution,
    Layer,
    Made,
    Norm,
    Rectifier,
    Transposed,
    concatenation,
    nothing,
)
from totalseg_mcp.engine.planar.maps import alone, plain
from totalseg_mcp.engine.planar.usual import Stencil
from totalseg_mcp.engine.watch import allow_stop

IMAGE = "image"


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """A layer, what it is given, what it makes, and what nobody needs any more after it."""

    layer: Layer
    sources: tuple[str, ...]
    makes: str
    done: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """The steps in their order; the last one makes the outputs."""

    steps: tuple[Step, ...]

    def __call__(self, images: Singles, crew: Crew) -> Singles:
        """The outputs for `images`; both are [tile, row, column, channel].

        A job that is stopped waits for the layer that is being computed.
        """
        made = {IMAGE: Made(alone(plain(images)))}
        for step in self.steps:
            allow_stop()
            made[step.makes] = step.layer([made[source] for source in step.sources], crew)
            for name in step.done:
                del made[name]
        maps, _ = made[self.steps[-1].makes].given
        return maps.values


def architecture(program: Program) -> Hashable:
    """All that a program is but its weights: programs that have the same compute alike."""
    return tuple(
        (step.sources, step.makes, step.done, *features(step.layer)) for step in program.steps
    )


def features(layer: Layer) -> Iterator[Hashable]:
    """What a layer is, with the shape of its weights in their place."""
    if not is_dataclass(layer):
        yield layer
        return
    yield type(layer).__name__
    for known in fields(layer):
        value = getattr(layer, known.name)
        yield getattr(value, "shape", value)


def translated(module: nn.Module) -> Program:
    """`module` in layers that hold its weights.

    Raises:
        UncompiledError: it has a part that is not in the tables below.
    """
    try:
        nodes = [*fx.symbolic_trace(module).graph.nodes]
    except (fx.proxy.TraceError, TypeError) as error:
        raise UncompiledError(f"it cannot be followed: {str(error).splitlines()[0]}") from error
    names = {node: IMAGE if node.op == "placeholder" else node.name for node in nodes}
    last = {source: node for node in nodes for source in node.all_input_nodes}
    parts = dict(module.named_modules())
    steps = []
    for node in nodes:
        if node.op == "placeholder":
            continue
        if node.op == "output":
            refuse_other_end(node, parts)
            break
        done = tuple(names[source] for source in node.all_input_nodes if last[source] is node)
        sources = tuple(names[source] for source in node.all_input_nodes)
        steps.append(Step(layer_of(node, parts), sources, node.name, done))
    return Program(tuple(steps))


def refuse_other_end(node: fx.Node, parts: Mapping[str, nn.Module]) -> None:
    """Raises UncompiledError: what comes before the output is no convolution."""
    kinds = [type(parts.get(str(source.target))) for source in node.all_input_nodes]
    if kinds != [nn.Conv2d]:
        raise UncompiledError(f"its last layer, {node.args[0]}, is no convolution")


def layer_of(node: fx.Node, parts: Mapping[str, nn.Module]) -> Layer:
    """What computes `node`.

    Raises:
        UncompiledError: nothing does.
    """
    if node.op == "call_function" and node.target is torch.cat:
        kinds = [parts.get(str(source.target)) for source in node.all_input_nodes]
        if [*node.args[1:], *node.kwargs.values()] != [1] or len(kinds) != 2 or None in kinds:
            raise UncompiledError(f"torch.cat of {node.args} is not of two parts' channels")
        return concatenation
    part = parts.get(str(node.target)) if node.op == "call_module" else None
    if type(part) not in PARTS:
        raise UncompiledError(f"{part or node.target} is not known")
    (source,) = node.all_input_nodes
    before = type(parts.get(str(source.target)))
    if type(part) in AFTER and before not in AFTER[type(part)]:
        raise UncompiledError(f"{part} is not known after {before.__name__}")
    return PARTS[type(part)](part)


def convolution(part: nn.Conv2d) -> Layer:
    """Of any size."""
    refuse_unusual(part)
    if isinstance(part.padding, str):
        raise UncompiledError(f"padding {part.padding!r} is not known")
    (rows, columns), (down, along), (above, before) = part.kernel_size, part.stride, part.padding
    stencil = Stencil((rows, columns), (down, along), (above, before))
    return Convolution(single(part.weight), bias(part), stencil)


def transposed(part: nn.ConvTranspose2d) -> Layer:
    """From the deeper layer."""
    refuse_unusual(part)
    if {*part.padding, *part.output_padding} != {0} or part.kernel_size != part.stride:
        raise UncompiledError(f"{part} has a padding, or its kernel is not as large as its steps")
    return Transposed(single(part.weight), bias(part))


def norm(part: nn.InstanceNorm2d) -> Layer:
    """Of every channel."""
    if part.track_running_stats:
        raise UncompiledError(f"{part} keeps statistics")
    ones = np.ones(part.num_features, np.float32)
    given = (single(part.weight), single(part.bias)) if part.affine else (ones, 0 * ones)
    return Norm(*given, part.eps)


def rectifier(part: nn.LeakyReLU | nn.ReLU) -> Layer:
    """Leaky or not."""
    slope = getattr(part, "negative_slope", 0.0)
    if not 0 <= slope <= 1:
        raise UncompiledError(f"{part} is not known")
    return Rectifier(slope)


def without(_: nn.Module) -> Layer:
    """What only training needs."""
    return nothing


PARTS: Mapping[type | None, Callable[[Any], Layer]] = {
    nn.Conv2d: convolution,
    nn.ConvTranspose2d: transposed,
    nn.InstanceNorm2d: norm,
    nn.LeakyReLU: rectifier,
    nn.ReLU: rectifier,
    nn.Identity: without,
    nn.Dropout2d: without,
}
# What must come before: norms need the moments of maps, and maps are read by one norm and then by
# one rectifier.
AFTER: Mapping[type, Sequence[type]] = {
    nn.InstanceNorm2d: (nn.Conv2d, nn.Dropout2d),
    nn.LeakyReLU: (nn.Conv2d, nn.Dropout2d, nn.ConvTranspose2d, nn.InstanceNorm2d),
    nn.ReLU: (nn.Conv2d, nn.Dropout2d, nn.ConvTranspose2d, nn.InstanceNorm2d),
}


def refuse_unusual(part: nn.Conv2d | nn.ConvTranspose2d) -> None:
    """Raises UncompiledError: it has groups, holes, or a padding that is not of zeros."""
    if part.groups != 1 or {*part.dilation} != {1} or part.padding_mode != "zeros":
        raise UncompiledError(f"{part} is not known")


def bias(part: nn.Conv2d | nn.ConvTranspose2d) -> Singles:
    """Of every channel that comes out; zeros where there is none."""
    return np.zeros(part.out_channels, np.float32) if part.bias is None else single(part.bias)


def single(weight: torch.Tensor) -> Singles:
    """`weight` in single precision; where it lies, if it can stay there."""
    return np.ascontiguousarray(weight.detach().float().numpy())
