"""What stays between calls: the networks on their devices.

Imports torch when the first network is asked for, so that a server can list its tools
without it.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

from totalseg_mcp.engine.models2d import Group
from totalseg_mcp.engine.reach import Reach
from totalseg_mcp.engine.sources import Sources
from totalseg_mcp.engine.tasks import Model
from totalseg_mcp.engine.weights import Store
from totalseg_mcp.engine.weights2d import Store2D

if TYPE_CHECKING:
    import torch

    from totalseg_mcp.engine.network import Network
    from totalseg_mcp.engine.network2d import Network2D

KEPT = 12  # networks; two tasks such as total with its rough model, and some to spare


@dataclass(slots=True)
class Session:
    """Networks that stay loaded, the weights they come from, and the folders of the jobs.

    For one job at a time. `device` is where jobs run that do not name a device; `sources` is
    where weights that are not in the store may be fetched from.
    `weight_reads` counts the models read from disk since the start.
    """

    store: Store = field(default_factory=Store.standard)
    reach: Reach = field(default_factory=Reach)
    device: str = "gpu"
    sources: Sources = field(default_factory=Sources)
    store_2d: Store2D = field(default_factory=Store2D.standard)
    weight_reads: int = 0
    _networks: "OrderedDict[tuple[Path, torch.device], Network | Network2D]" = field(
        default_factory=OrderedDict
    )

    def network(self, model: Model, device: "torch.device") -> "Network":
        """The network of `model` on `device`, read from disk only if it is not loaded.

        Raises:
            MissingWeightsError: its weights are not in the store.
            NotReadyError: they cannot be loaded safely, or do not fit the model.
        """
        from totalseg_mcp.engine.loading import load

        folder = self.store.find(model)
        network = self._kept(folder, device, lambda: load(folder, model, device))
        return cast("Network", network)

    def network_2d(self, group: Group, device: "torch.device") -> "Network2D":
        """The network of `group` on `device`, read from disk only if it is not loaded.

        Raises:
            MissingWeightsError, NotReadyError: as `network`.
        """
        from totalseg_mcp.engine.loading import load_2d

        revision = self.store_2d.find(group)
        network = self._kept(revision, device, lambda: load_2d(revision, device))
        return cast("Network2D", network)

    def _kept(
        self, folder: Path, device: "torch.device", load: "Callable[[], Network | Network2D]"
    ) -> "Network | Network2D":
        key = (folder, device)
        if key not in self._networks:
            self._networks[key] = load()
            self.weight_reads += 1
        self._networks.move_to_end(key)
        while len(self._networks) > KEPT:
            self._networks.popitem(last=False)
        return self._networks[key]
