"""What stays between calls: the networks on their devices.

Imports torch when the first network is asked for, so that a server can list its tools
without it.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from totalseg_mcp.engine.engines import Cpu
from totalseg_mcp.engine.reach import Reach
from totalseg_mcp.engine.sources import Sources
from totalseg_mcp.engine.tasks import Model
from totalseg_mcp.engine.weights import Store

if TYPE_CHECKING:
    import torch

    from totalseg_mcp.engine.network import Network

KEPT = 12  # networks; two tasks such as total with its rough model, and some to spare


@dataclass(slots=True)
class Session:
    """Networks that stay loaded, the weights they come from, and the folders of the jobs.

    For one job at a time. `device` is where jobs run that do not name a device; `sources` is
    where weights that are not in the store may be fetched from; `cpu` is what computes networks
    on a CPU.
    `weight_reads` counts the models read from disk since the start.
    """

    store: Store = field(default_factory=Store.standard)
    reach: Reach = field(default_factory=Reach)
    device: str = "gpu"
    sources: Sources = field(default_factory=Sources)
    cpu: Cpu = "torch"
    weight_reads: int = 0
    _networks: "OrderedDict[tuple[Path, torch.device], Network]" = field(
        default_factory=OrderedDict
    )

    def network(self, model: Model, device: "torch.device") -> "Network":
        """The network of `model` on `device`, read from disk only if it is not loaded.

        Raises:
            MissingWeightsError: its weights are not in the store.
            NotReadyError: they cannot be loaded safely, or do not fit the model.
        """
        folder = self.store.find(model)
        key = (folder, device)
        if key not in self._networks:
            from totalseg_mcp.engine.loading import load

            self._networks[key] = load(folder, model, device, self.cpu)
            self.weight_reads += 1
        self._networks.move_to_end(key)
        while len(self._networks) > KEPT:
            self._networks.popitem(last=False)
        return self._networks[key]
