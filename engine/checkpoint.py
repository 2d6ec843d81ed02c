"""What is in a checkpoint of nnU-Net, read without executing anything."""

import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from totalseg_mcp.engine.errors import NotReadyError

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
