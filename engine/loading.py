"""From a model folder to a network, without trusting what is in the folder."""

import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager

from totalseg_mcp.engine.descriptions import described, layout
from totalseg_mcp.engine.errors import NotReadyError
from totalseg_mcp.engine.manifest import manifest
from totalseg_mcp.engine.network import Network
from totalseg_mcp.engine.network2d import Network2D, mirrored
from totalseg_mcp.engine.tasks import Model
from totalseg_mcp.engine.watch import allow_stop
from totalseg_mcp.engine.weights import checkpoints

# What nnU-Net's checkpoints hold besides tensors and plain values: the numpy scalars of its
# training log. Under both names of the module, since numpy 2 renamed it.
SCALAR = np.float64(0).__reduce__()[0]
SAFE_GLOBALS: list[Any] = [
    np.dtype,
    (SCALAR, "numpy.core.multiarray.scalar"),
    (SCALAR, "numpy._core.multiarray.scalar"),
    type(np.dtype(np.float32)),
    type(np.dtype(np.float64)),
]
# Plans name classes as text; only these packages may be imported for them.
NETWORK_PACKAGE = "dynamic_network_architectures.architectures."
PARTS_PACKAGE = "torch.nn."


def load(folder: Path, model: Model, device: torch.device) -> Network:
    """The network in `folder` (dataset.json, plans.json, fold_N/checkpoint_final.pth).

    Raises:
        NotReadyError: a file cannot be read safely, or does not fit the model.
    """
    plans, configuration, dataset = described(folder, model.configuration)
    shape = len(dataset["channel_names"]), len(model.names) + 1
    folds = tuple(
        module(checkpoint, configuration, *shape).to(device).eval()
        for checkpoint in checkpoints(folder, model)
    )
    return Network(folds, plans, configuration, dataset, device)


def load_2d(revision: Path, device: torch.device) -> Network2D:
    """The 2-D network in `revision` (model.json, and the nnU-Net folder that it names).

    Raises:
        NotReadyError: a file cannot be read safely, or does not fit the others.
    """
    said = manifest(revision)
    plans, configuration, dataset = described(said.folder, said.configuration)
    channels, names = layout(dataset, said.folder)
    folds = tuple(
        mirrored(
            module(checkpoint, configuration, len(channels), len(names) + 1).to(device).eval(),
            mirror_axes(checkpoint) if said.mirroring else (),
        )
        for checkpoint in said.checkpoints
    )
    network = Network(folds, plans, configuration, dataset, device)
    return Network2D(network, channels, names, said.tile_step)


def module(
    checkpoint: Path, configuration: ConfigurationManager, channels: int, heads: int
) -> torch.nn.Module:
    """The network that the plans describe, with the weights of `checkpoint`."""
    try:
        network: torch.nn.Module = get_network_from_plans(
            *trusted(configuration),
            channels,
            heads,
            allow_init=False,
            deep_supervision=False,
        )
        network.load_state_dict(read_weights(checkpoint))
        for layer in network.modules():
            if isinstance(layer, torch.nn.Conv2d | torch.nn.Conv3d):
                layer.register_forward_pre_hook(lambda *_: allow_stop())
    except (KeyError, TypeError, RuntimeError) as error:
        raise NotReadyError(
            f"The weights in {checkpoint} do not fit the {heads - 1} structures of the model "
            f"({str(error).splitlines()[0]}). Fetch the published ones again."
        ) from error
    return network


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


def read_weights(checkpoint: Path) -> dict[str, torch.Tensor]:
    """The tensors of a checkpoint, as `read_checkpoint` reads it."""
    weights: dict[str, torch.Tensor] = read_checkpoint(checkpoint)["network_weights"]
    return weights


def mirror_axes(checkpoint: Path) -> tuple[int, ...]:
    """The axes of an image along which the network was trained to be mirrored."""
    return tuple(read_checkpoint(checkpoint).get("inference_allowed_mirroring_axes") or ())


def read_checkpoint(checkpoint: Path) -> dict[str, Any]:
    """What is in a checkpoint; nothing in it is ever executed.

    Raises:
        NotReadyError: it holds anything but tensors and plain values, or is damaged.
    """
    try:
        with torch.serialization.safe_globals(SAFE_GLOBALS):
            stored: dict[str, Any] = torch.load(
                checkpoint,
                map_location="cpu",
                weights_only=True,
                mmap=zipfile.is_zipfile(checkpoint),
            )
        _ = stored["network_weights"]
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, ValueError, OSError) as error:
        raise NotReadyError(
            f"The checkpoint {checkpoint} cannot be loaded safely "
            f"({type(error).__name__}: {str(error).splitlines()[0]}). Fetch the weights again."
        ) from error
    return stored
