"""How convolutions are computed on a device, which is how nnU-Net's predictor has them computed."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch


def precision(device: torch.device) -> AbstractContextManager[None]:
    """How nnU-Net's predictor computes on `device`: plain float32, and on CUDA see `on_cuda`."""
    return on_cuda() if device.type == "cuda" else nullcontext()


@contextmanager
def on_cuda() -> Iterator[None]:
    """Mixed precision, by convolutions that cuDNN has timed for tiles of this size.

    The choice among cuDNN's algorithms bears on the last bit, so nnU-Net's labels need it.
    """
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = True
    try:
        with torch.autocast("cuda"):
            yield
    finally:
        torch.backends.cudnn.benchmark = before
