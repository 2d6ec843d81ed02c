"""Where networks run."""

import torch

from totalseg_mcp.engine.errors import NotReadyError
from totalseg_mcp.engine.memory import Budget


def choose_device(asked: str) -> tuple[torch.device, str | None]:
    """The device to run on, and why it is not the one `asked` for where it is not.

    `asked` is cpu, mps, gpu or gpu:N. Only gpu, the default, may become another device.

    Raises:
        NotReadyError: the device was named and is not there.
    """
    if asked == "cpu":
        return torch.device("cpu"), None
    if asked == "mps":
        if torch.backends.mps.is_available():
            return torch.device("mps"), None
        raise NotReadyError("There is no Apple GPU here (device 'mps'). Use device='cpu'.")
    if asked == "gpu" and not torch.cuda.is_available():
        if torch.backends.mps.is_available():
            return torch.device("mps"), "There is no CUDA GPU here: ran on the Apple GPU."
        return torch.device("cpu"), "There is no GPU here: ran on the CPU, which is slower."
    number = int(asked.partition(":")[2] or 0)
    if number >= torch.cuda.device_count():
        raise NotReadyError(
            f"There is no CUDA GPU number {number} here (device {asked!r}); "
            f"there are {torch.cuda.device_count()}. Use device='cpu'."
        )
    return torch.device("cuda", number), None


def room_on(device: torch.device, budget: Budget) -> int:
    """Bytes of networks that may stay on `device`."""
    if device.type == "cpu":
        return budget.in_host()
    if device.type == "mps":  # shares the machine's memory; Metal says how much of it
        return budget.in_gpu(torch.mps.recommended_max_memory())
    return budget.in_gpu(torch.cuda.get_device_properties(device).total_memory)
