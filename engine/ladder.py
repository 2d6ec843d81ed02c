"""What is done when a device has too little memory: steps, each of which asks for less of it.

Tiles do not become smaller: a network's labels depend on how much it sees at once.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray

from totalseg_mcp.engine.errors import NotReadyError
from totalseg_mcp.engine.heap import give_back
from totalseg_mcp.engine.image.zoom import LINEAR, zoomed
from totalseg_mcp.engine.models2d import Group
from totalseg_mcp.engine.network import Network
from totalseg_mcp.engine.network2d import Network2D
from totalseg_mcp.engine.session import Session
from totalseg_mcp.engine.splines import stretched
from totalseg_mcp.engine.tasks import Model
from totalseg_mcp.engine.volume import Shape, Volume
from totalseg_mcp.engine.watch import stage

T = TypeVar("T")
CPU = torch.device("cpu")
ANY_GPU = "gpu"  # the name of a device that may be the CPU where there is none
FREE = {"cuda": torch.cuda.empty_cache, "mps": torch.mps.empty_cache}
# How errors of other kinds than torch's own say it: of Metal, of CUDA's libraries, of the CPU.
SIGNS = ("out of memory", "ALLOC_FAILED", "can't allocate memory", "not enough memory")


@dataclass(slots=True, eq=False)
class Ladder:
    """Runs the networks of one call on `device`, and what is left to do where memory is short.

    `cpu_allowed` says that the CPU may take over. `steps` are those that were taken, in words;
    `ran` are the networks that gave labels.
    """

    session: Session
    device: torch.device
    cpu_allowed: bool
    host: bool = False
    steps: list[str] = field(default_factory=list)
    ran: list["Ran"] = field(default_factory=list)

    def network(self, model: Model) -> "Climber":
        """The network of `model`; it is loaded when it is used."""
        return Climber(self, model)

    def climbed(self, work: Callable[[], T]) -> T:
        """What `work` gives, which is done again after each step where memory is short.

        Raises:
            NotReadyError: no step is left.
        """
        for rung in (None, *RUNGS):
            if rung is None or self.down(rung):
                with memory_short() as short:
                    return work()
        raise NotReadyError(
            f"{self.device} has too little free memory for this image, and all was tried "
            f"({short[0]}). Use fast, fastest or roi_subset"
            + ("." if self.device == CPU else ", or device='cpu'.")
        )

    def loaded(self, model: Model) -> Network:
        """The network of `model` where its turn now is."""
        with stage("load weights", 0.0, 0.0):
            network = self.session.network(model, self.device)
        return replace(network, host=True) if self.host else network

    def loaded_2d(self, group: Group) -> Network2D:
        """As `loaded`, of a 2-D model."""
        with stage("load weights", 0.0, 0.0):
            network = self.session.network_2d(group, self.device)
        return (
            replace(network, network=replace(network.network, host=True)) if self.host else network
        )

    def zoomed(
        self, data: NDArray[Any], shape: Shape, order: int, threads: int, dtype: DTypeLike
    ) -> NDArray[Any]:
        """As `image.zoom.zoomed`, bit by bit; on a CUDA device where it has room.

        Linear ones stay on the CPU: its threads take less time than the way to a device and back.
        """
        if self.device.type == "cuda" and order > LINEAR:
            with memory_short():
                return stretched(data, shape, order, self.device).astype(dtype)
            free_cache(self)
        return zoomed(data, shape, order, threads, dtype)

    def note(self, network: Network) -> None:
        """Remember that `network` has given labels."""
        self.ran.append(Ran(self.device, network.engine, network.degraded))

    def down(self, rung: "Rung") -> bool:
        """Take the step; False where there is nothing in it."""
        place = self.device
        if not rung.take(self):
            return False
        said = f"{place} had too little free memory: {rung.said}."
        self.steps += [] if said in self.steps else [said]
        return True

    @property
    def devices(self) -> str:
        """Where networks gave labels, or would have."""
        return ", ".join(dict.fromkeys(str(one.device) for one in self.ran)) or str(self.device)

    @property
    def engines(self) -> str | None:
        """What computed them; None where none had to run."""
        return ", ".join(dict.fromkeys(one.engine for one in self.ran)) or None

    @property
    def degradations(self) -> tuple[str, ...]:
        """What was not as it was asked for, apart from the device that was chosen at first."""
        degraded = dict.fromkeys(one.degraded for one in self.ran if one.degraded)
        return (*degraded, *self.steps)


@dataclass(frozen=True, slots=True)
class Ran:
    """A network that has given labels; not the network itself, which may have to go."""

    device: torch.device
    engine: str
    degraded: str | None


@dataclass(frozen=True, slots=True, eq=False)
class Climber:
    """A network that is run again, step by step, where its device has too little memory."""

    ladder: Ladder
    model: Model

    def __call__(self, image: Volume, tile_step: float, by_class: bool) -> NDArray[np.integer]:
        """As `Network`, and it raises NotReadyError where no step is left."""
        return self.ladder.climbed(lambda: self._labels(image, tile_step, by_class))

    def _labels(self, image: Volume, tile_step: float, by_class: bool) -> NDArray[np.integer]:
        network = self.ladder.loaded(self.model)
        labels = network(image, tile_step, by_class)
        self.ladder.note(network)
        return labels


class Rung(NamedTuple):
    """A step: how it is reported, and what is done. That gives False where it would be in vain."""

    said: str
    take: Callable[[Ladder], bool]


def free_cache(ladder: Ladder) -> bool:
    """Give back what torch holds of the device without using it."""
    if ladder.device == CPU:
        return False
    FREE[ladder.device.type]()
    return True


def put_out(ladder: Ladder) -> bool:
    """Put out the networks on the device; the one that is needed is read again."""
    gone = ladder.session.put_out(ladder.device)
    free_cache(ladder)
    give_back()
    return gone > 0


def sum_on_host(ladder: Ladder) -> bool:
    """Leave nothing on the device but a network and a tile."""
    before, ladder.host = ladder.host, True
    return not before and ladder.device != CPU


def go_to_cpu(ladder: Ladder) -> bool:
    """Leave the device, for the rest of the call."""
    if ladder.device == CPU or not ladder.cpu_allowed:
        return False
    put_out(ladder)
    ladder.device = CPU
    return True


RUNGS = (
    Rung("its cache was freed", free_cache),
    Rung("other networks were put out", put_out),
    Rung("outputs were added up in main memory, which is slower", sum_on_host),
    Rung("the CPU took over, which is slower", go_to_cpu),
    Rung("other networks were put out", put_out),  # those on the CPU
)


@contextmanager
def memory_short() -> Iterator[list[str]]:
    """Whatever runs out of memory in this block ends it, and is told in a line of what is yielded.

    Nothing of the error is kept: its frames would hold the very tensors that were too large.
    """
    told: list[str] = []
    try:
        yield told
    except (RuntimeError, MemoryError) as error:
        if not is_shortage(error):
            raise
        told.append((str(error).splitlines() or [type(error).__name__])[0])


def is_shortage(error: Exception) -> bool:
    """Whether `error` says that memory is short."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return any(sign in str(error) for sign in SIGNS)
