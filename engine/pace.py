"""How far the work that a device was given may be ahead of the work that it has done."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch


class Mark(Protocol):
    """A place in a device's queue."""

    def synchronize(self) -> None:
        """Wait until the device has come to it."""


@dataclass(slots=True, eq=False)
class Pace:
    """Lets one tile wait in the queue while another is computed, and no more.

    A device is never idle between two tiles, and progress and a stop are at most one tile off.
    `mark` marks the end of what is in the queue now.
    """

    mark: Callable[[], Mark]
    _before: Mark | None = None

    def __call__(self) -> None:
        """A tile has been put in the queue: wait for the one before it."""
        now = self.mark()
        if self._before is not None:
            self._before.synchronize()
        self._before = now


def pace(device: torch.device) -> Callable[[], None]:
    """What to call after each tile on `device`."""
    if device.type == "cuda":
        return Pace(lambda: end_of_queue(device))
    if device.type == "cpu":
        return lambda: None
    return lambda: torch.accelerator.synchronize(device)


def end_of_queue(device: torch.device) -> torch.cuda.Event:
    """A mark behind all that the CUDA `device` was given; who waits for it sleeps."""
    event = torch.cuda.Event(blocking=True)
    event.record(torch.cuda.current_stream(device))
    return event
