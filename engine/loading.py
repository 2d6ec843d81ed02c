"""From a model folder to a network, without trusting what is in the folder."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager

from totalseg_mcp.engine.checkpoint import mirror_axes, read_weights
from totalseg_mcp.engine.compiled import BY_SLABS, Compiled, compiled
from totalseg_mcp.engine.conversions import conversion, key_of
from totalseg_mcp.engine.descriptions import described, layout
from totalseg_mcp.engine.engines import OPENVINO, WINOGRAD, Cpu, chosen, named
from totalseg_mcp.engine.errors import NotReadyError
from totalseg_mcp.engine.likeness import UncompiledError
from totalseg_mcp.engine.manifest import manifest
from totalseg_mcp.engine.mapped import fill, rest
from totalseg_mcp.engine.network import Network
from totalseg_mcp.engine.network2d import Network2D, mirrored
from totalseg_mcp.engine.slabs import SLABS
from totalseg_mcp.engine.sliding import TORCH, Fold, Way, batch
from totalseg_mcp.engine.tasks import Model
from totalseg_mcp.engine.tracing import Traced, trace
from totalseg_mcp.engine.uninitialised import Uninitialised
from totalseg_mcp.engine.watch import allow_stop, stage
from totalseg_mcp.engine.weights import checkpoints

# Plans name classes as text; only these packages may be imported for them.
NETWORK_PACKAGE = "dynamic_network_architectures.architectures."
PARTS_PACKAGE = "torch.nn."

Read = Callable[[Path], dict[str, torch.Tensor]]  # from a checkpoint to its tensors
Give = Callable[[torch.nn.Module, dict[str, torch.Tensor]], Any]  # to a network, its weights
# How torch asks folds, and how these get their weights.
ON_CPU: tuple[Way, Give] = (SLABS, fill)
ELSEWHERE: tuple[Way, Give] = (TORCH, torch.nn.Module.load_state_dict)


@dataclass(frozen=True, slots=True)
class Ways:
    """What reads the tensors of a checkpoint, and what computes networks on a CPU."""

    read: Read | None = None  # None: `read_weights`
    cpu: Cpu = "torch"


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """What a network is made of. `root` is where its models are, `name` how messages call it."""

    name: str
    root: Path
    plans: PlansManager
    configuration: ConfigurationManager
    dataset: Mapping[str, Any]
    checkpoints: tuple[Path, ...]
    channels: int
    structures: int


def load(folder: Path, model: Model, device: torch.device, ways: Ways | None = None) -> Network:
    """The network in `folder` (dataset.json, plans.json, fold_N/checkpoint_final.pth).

    Where another engine was to compute it and cannot, torch does, and the network is degraded.

    Raises:
        NotReadyError: a file cannot be read safely, or does not fit the model, or what is to
            compute it is not installed.
    """
    plans, configuration, dataset = described(folder, model.configuration)
    parts = Parts(
        name=f"model {model.dataset}",
        root=folder.parents[1],
        plans=plans,
        configuration=configuration,
        dataset=dataset,
        checkpoints=tuple(checkpoints(folder, model)),
        channels=len(dataset["channel_names"]),
        structures=len(model.names),
    )
    return network_of(parts, device, ways or Ways())


def load_2d(revision: Path, device: torch.device, ways: Ways | None = None) -> Network2D:
    """The 2-D network in `revision` (model.json, and the nnU-Net folder that it names).

    Raises:
        NotReadyError: as `load`.
    """
    said = manifest(revision)
    plans, configuration, dataset = described(said.folder, said.configuration)
    channels, names = layout(dataset, said.folder)
    parts = Parts(
        name=revision.parent.name,
        root=revision.parents[1],
        plans=plans,
        configuration=configuration,
        dataset=dataset,
        checkpoints=said.checkpoints,
        channels=len(channels),
        structures=len(names),
    )
    axes = [mirror_axes(checkpoint) if said.mirroring else () for checkpoint in said.checkpoints]
    ways = ways or Ways()
    if any(axes) and chosen(ways.cpu, 2) == OPENVINO:  # its folds are no functions of tiles
        ways = replace(ways, cpu="torch")
    network = network_of(parts, device, ways)
    folds = tuple(mirrored(fold, along) for fold, along in zip(network.folds, axes, strict=True))
    return Network2D(replace(network, folds=folds), channels, names, said.tile_step)


def network_of(parts: Parts, device: torch.device, ways: Ways) -> Network:
    """The network made of `parts`, on `device`."""
    described = parts.plans, parts.configuration, parts.dataset, device
    dimensions = len(parts.configuration.patch_size)
    engine = chosen(ways.cpu, dimensions) if device.type == "cpu" else None
    degraded = None
    if engine:
        make, way = MAKERS[engine.package]
        try:
            made = [make(checkpoint, parts, ways) for checkpoint in parts.checkpoints]
            nbytes = sum(size for _, size in made)
            fast = tuple(fold for fold, _ in made)
            return Network(fast, *described, nbytes, way, named(engine.package))
        except UncompiledError as error:
            degraded = (
                f"{engine.title} cannot run {parts.name} ({error}): torch ran it, which is slower; "
                "the labels are as good."
            )
    way, give = ON_CPU if device.type == "cpu" else ELSEWHERE
    folds = [module(file, parts, ways, give).to(device).eval() for file in parts.checkpoints]
    return Network(tuple(folds), *described, parameter_bytes(folds), way, degraded=degraded)


def compiled_fold(checkpoint: Path, parts: Parts, ways: Ways) -> tuple[Compiled, int]:
    """A fold for OpenVINO, converted unless that was done before, and the bytes of its weights.

    Raises:
        UncompiledError: OpenVINO cannot run it.
    """

    def convert() -> Traced:
        with stage(f"convert {parts.name} for OpenVINO, once", 0.0, 1.0):
            return trace(module(checkpoint, parts, ways).eval(), parts.channels, stride(parts))

    key = key_of(checkpoint, trusted(parts.configuration), parts.channels, parts.structures)
    fold = compiled(conversion(parts.root, key, convert), parts.configuration.patch_size)
    return fold, checkpoint.stat().st_size


def planar_fold(checkpoint: Path, parts: Parts, ways: Ways) -> tuple[Fold, int]:
    """A fold that is computed by Winograd's way, and the bytes of its weights.

    Raises:
        UncompiledError: it cannot be.
    """
    from totalseg_mcp.engine.planar.fold import planar  # imports numba

    network = module(checkpoint, parts, ways, fill).eval()
    return planar(network, parts.channels, stride(parts)), parameter_bytes([network])


# Pixels of tiles that go through a layer together, so that kernels are rearranged once for all of
# them: of eight tiles of 256 x 256, whose widest layers have 100 MB.
PIXELS_TOGETHER = 2**19
TOGETHER = Way(batch, rest, PIXELS_TOGETHER)

# How a fold is made for an engine, and how it is asked.
MAKERS: Mapping[str, tuple[Callable[[Path, Parts, Ways], tuple[Fold, int]], Way]] = {
    OPENVINO.package: (compiled_fold, BY_SLABS),
    WINOGRAD.package: (planar_fold, TOGETHER),
}


def stride(parts: Parts) -> list[int]:
    """How many voxels of the image one of the deepest layer has, along each axis."""
    strides: list[int] = np.prod(parts.configuration.pool_op_kernel_sizes, axis=0).tolist()
    return strides


def module(
    checkpoint: Path, parts: Parts, ways: Ways, give: Give = torch.nn.Module.load_state_dict
) -> torch.nn.Module:
    """The network that the plans describe, with the weights of `checkpoint` as `give` gives them.

    The usual way copies them.
    """
    try:
        with Uninitialised():
            network: torch.nn.Module = get_network_from_plans(
                *trusted(parts.configuration),
                parts.channels,
                parts.structures + 1,
                allow_init=False,
                deep_supervision=False,
            )
        give(network, (ways.read or read_weights)(checkpoint))
        for layer in network.modules():
            # A large tile takes many seconds on a CPU.
            if isinstance(layer, torch.nn.Conv2d | torch.nn.Conv3d):
                layer.register_forward_pre_hook(lambda *_: allow_stop())
    except (KeyError, TypeError, RuntimeError) as error:
        raise NotReadyError(
            f"The weights in {checkpoint} do not fit the {parts.structures} structures of the "
            f"model ({str(error).splitlines()[0]}). Fetch the published ones again."
        ) from error
    return network


def parameter_bytes(modules: list[torch.nn.Module]) -> int:
    """What their parameters need in memory."""
    return sum(p.nbytes for module in modules for p in module.parameters())


def trusted(configuration: ConfigurationManager) -> tuple[str, dict[str, Any], list[str]]:
    """The architecture that the plans name, if they name nothing but network classes."""
    kind = configuration.network_arch_class_name
    arguments = configuration.network_arch_init_kwargs
    imported = list(configuration.network_arch_init_kwargs_req_import)
    parts = [str(part) for key in imported if (part := arguments.get(key)) is not None]
    if not kind.startswith(NETWORK_PACKAGE) or not all(p.startswith(PARTS_PACKAGE) for p in parts):
        raise NotReadyError(
            f"The plans name classes that are not network parts ({kind}, {', '.join(parts)}); "
            "they are not imported. Fetch the published weights again."
        )
    return kind, arguments, imported
