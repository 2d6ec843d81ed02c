"""What stays between calls: the networks on their devices.

Imports torch when the first network is asked for, so that a server can list its tools
without it.
"""

import logging
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from totalseg_mcp.engine.engines import Cpu
from totalseg_mcp.engine.keeping import Measured, Shelf
from totalseg_mcp.engine.manifest import manifest
from totalseg_mcp.engine.memory import Budget
from totalseg_mcp.engine.models2d import Group
from totalseg_mcp.engine.reach import Reach
from totalseg_mcp.engine.results import Results
from totalseg_mcp.engine.sources import Sources
from totalseg_mcp.engine.stamp import stamp
from totalseg_mcp.engine.tasks import Model
from totalseg_mcp.engine.weights import Store, checkpoints
from totalseg_mcp.engine.weights2d import Store2D

if TYPE_CHECKING:
    import torch

    from totalseg_mcp.engine.loading import Ways
    from totalseg_mcp.engine.network import Network
    from totalseg_mcp.engine.network2d import Network2D

T = TypeVar("T", bound=Measured)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Stats:
    """What a session has done since its start, and what it holds."""

    jobs: int
    weight_reads: int  # files of weights read from disk, one for each fold of a model
    loads: int  # networks put on a device
    evictions: int  # networks put out again for want of room
    kept_bytes: Mapping[str, int]  # of networks, by device


@dataclass(slots=True)
class Session:
    """Networks that stay loaded, the weights they come from, and the folders of the jobs.

    For one job at a time. `device` is where jobs run that do not name a device; `sources` is
    where weights that are not in the store may be fetched from; `cpu` is what computes networks
    on a CPU. Networks stay as long as they fit into the `budget`. With `cache`, checkpoints are
    read once and copied, there if not beside the models (see `copies`). `results` are the
    finished label maps that calls may reuse; None keeps none.
    """

    store: Store = field(default_factory=Store.standard)
    reach: Reach = field(default_factory=Reach)
    device: str = "gpu"
    sources: Sources = field(default_factory=Sources)
    store_2d: Store2D = field(default_factory=Store2D.standard)
    budget: Budget = field(default_factory=Budget)
    cache: Path | None = None
    cpu: Cpu = "torch"
    results: Results | None = None
    weight_reads: int = 0
    jobs: int = 0
    _shelves: "dict[torch.device, Shelf]" = field(default_factory=dict)

    @contextmanager
    def job(self) -> Iterator[None]:
        """One job; after it networks beyond the budget are put out, and the log is told."""
        self.jobs += 1
        try:
            yield
        finally:
            for shelf in self._shelves.values():
                shelf.settle()
            _log.info("after job %d: %s", self.jobs, self.stats())

    def stats(self) -> Stats:
        """The counts as they are now."""
        shelves = self._shelves.values()
        return Stats(
            jobs=self.jobs,
            weight_reads=self.weight_reads,
            loads=sum(shelf.loads for shelf in shelves),
            evictions=sum(shelf.evictions for shelf in shelves),
            kept_bytes={str(device): shelf.nbytes for device, shelf in self._shelves.items()},
        )

    def network(self, model: Model, device: "torch.device") -> "Network":
        """The network of `model` on `device`, read from disk only if it is not loaded.

        Raises:
            MissingWeightsError: its weights are not in the store.
            NotReadyError: they cannot be loaded safely, or do not fit the model.
        """
        folder = self.store.find(model)

        def load() -> "Network":
            from totalseg_mcp.engine import loading

            return loading.load(folder, model, device, self.ways(self.store))

        files = tuple(stamp(file) for file in checkpoints(folder, model))
        return self.kept((folder, files), device, load)

    def network_2d(self, group: Group, device: "torch.device") -> "Network2D":
        """The network of `group` on `device`, read from disk only if it is not loaded.

        Raises:
            MissingWeightsError, NotReadyError: as `network`.
        """
        revision = self.store_2d.find(group)

        def load() -> "Network2D":
            from totalseg_mcp.engine import loading

            return loading.load_2d(revision, device, self.ways(self.store_2d))

        files = tuple(stamp(file) for file in manifest(revision).checkpoints)
        return self.kept((revision, files), device, load)

    def kept(self, key: Hashable, device: "torch.device", load: Callable[[], T]) -> T:
        """What `key` stands for on `device`: kept there, else loaded. For networks of any kind."""
        if device not in self._shelves:
            from totalseg_mcp.engine.device import room_on

            self._shelves[device] = Shelf(room_on(device, self.budget))
        return self._shelves[device].take(key, load)

    def put_out(self, device: "torch.device") -> int:
        """Put out all networks on `device`, and say how many they were."""
        return self._shelves[device].clear() if device in self._shelves else 0

    def ways(self, store: Store | Store2D) -> "Ways":
        """How networks of `store` are made here: what reads their weights, what computes them."""
        from totalseg_mcp.engine.checkpoint import read_weights
        from totalseg_mcp.engine.loading import Ways

        def read(checkpoint: Path) -> "dict[str, torch.Tensor]":
            from totalseg_mcp.engine.copies import Copies

            self.weight_reads += 1
            if self.cache is None or store.demonstration:
                return read_weights(checkpoint)
            return Copies(store.roots, self.cache).read(checkpoint)

        return Ways(read, self.cpu)
