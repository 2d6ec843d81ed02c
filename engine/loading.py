"""From a model folder to a network, without trusting what is in the folder."""

import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager

from totalseg_mcp.engine.compiled import Compiled, compiled, slide_compiled
from totalseg_mcp.engine.conversions import conversion, key_of
from totalseg_mcp.engine.descriptions import described
from totalseg_mcp.engine.engines import PACKAGE, Cpu, compiles, named
from totalseg_mcp.engine.errors import NotReadyError
from totalseg_mcp.engine.network import Network
from totalseg_mcp.engine.tasks import Model
from totalseg_mcp.engine.tracing import Traced, UncompiledError, trace
from totalseg_mcp.engine.watch import allow_stop, stage
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


def load(folder: Path, model: Model, device: torch.device, cpu: Cpu = "torch") -> Network:
    """The network in `folder` (dataset.json, plans.json, fold_N/checkpoint_final.pth).

    `cpu` is what computes it where `device` is the CPU. Where OpenVINO cannot, torch does, and the
    network is degraded.

    Raises:
        NotReadyError: a file cannot be read safely, or does not fit the model, or `cpu` is not
            installed.
    """
    plans, configuration, dataset = described(folder, model)
    degraded = None
    if device.type == "cpu" and compiles(cpu):
        try:
            fast = compiled_folds(folder, model, configuration, dataset)
            engine = named(PACKAGE)
            return Network(fast, plans, configuration, dataset, device, slide_compiled, engine)
        except UncompiledError as error:
            degraded = (
                f"OpenVINO cannot run model {model.dataset} ({error}): torch ran it, which is "
                "slower; the labels are as good."
            )
    folds = tuple(
        module(checkpoint, configuration, dataset, model).to(device).eval()
        for checkpoint in checkpoints(folder, model)
    )
    return Network(folds, plans, configuration, dataset, device, degraded=degraded)


def compiled_folds(
    folder: Path, model: Model, configuration: ConfigurationManager, dataset: Mapping[str, Any]
) -> tuple[Compiled, ...]:
    """The folds of `model` for OpenVINO, converted unless that was done before.

    Raises:
        UncompiledError: OpenVINO cannot run them.
    """
    channels, heads = len(dataset["channel_names"]), len(model.names) + 1
    stride = np.prod(configuration.pool_op_kernel_sizes, axis=0).tolist()

    def fold(checkpoint: Path) -> Compiled:
        def convert() -> Traced:
            with stage(f"convert model {model.dataset} for OpenVINO, once", 0.0, 1.0):
                return trace(
                    module(checkpoint, configuration, dataset, model).eval(), channels, stride
                )

        key = key_of(checkpoint, trusted(configuration), channels, heads)
        return compiled(conversion(folder, key, convert), configuration.patch_size)

    return tuple(fold(checkpoint) for checkpoint in checkpoints(folder, model))


def module(
    checkpoint: Path, configuration: ConfigurationManager, dataset: Mapping[str, Any], model: Model
) -> torch.nn.Module:
    """The network that the plans describe, with the weights of `checkpoint`."""
    heads = len(model.names) + 1
    try:
        network: torch.nn.Module = get_network_from_plans(
            *trusted(configuration),
            len(dataset["channel_names"]),
            heads,
            allow_init=False,
            deep_supervision=False,
        )
        network.load_state_dict(read_weights(checkpoint))
        for layer in network.modules():
            if isinstance(layer, torch.nn.Conv3d):  # a large tile takes many seconds on a CPU
                layer.register_forward_pre_hook(lambda *_: allow_stop())
    except (KeyError, TypeError, RuntimeError) as error:
        raise NotReadyError(
            f"The weights in {checkpoint} do not fit the {heads - 1} structures of model "
            f"{model.dataset} ({str(error).splitlines()[0]}). Fetch the published ones again."
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
    """The tensors of a checkpoint; nothing in it is ever executed.

    Raises:
        NotReadyError: it holds anything but tensors and plain values, or is damaged.
    """
    try:
        with torch.serialization.safe_globals(SAFE_GLOBALS):
            stored = torch.load(
                checkpoint,
                map_location="cpu",
                weights_only=True,
                mmap=zipfile.is_zipfile(checkpoint),
            )
        weights: dict[str, torch.Tensor] = stored["network_weights"]
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, ValueError, OSError) as error:
        raise NotReadyError(
            f"The checkpoint {checkpoint} cannot be loaded safely "
            f"({type(error).__name__}: {str(error).splitlines()[0]}). Fetch the weights again."
        ) from error
    return weights
