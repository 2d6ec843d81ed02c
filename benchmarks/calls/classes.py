"""How our stages grow with the number of structures: network, statistics, masks of 1 to 117."""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from benchmarks.calls.measured import Slope
from benchmarks.calls.networks import DATASET, TINY, make_network
from benchmarks.calls.scans import file_of
from benchmarks.machine import load
from benchmarks.sides.job import LABELS, SCAN
from totalseg_mcp.engine.files import read
from totalseg_mcp.engine.files.masks import write_masks
from totalseg_mcp.engine.image.resample import to_spacing
from totalseg_mcp.engine.loading import load as load_network
from totalseg_mcp.engine.measure.statistics import statistics
from totalseg_mcp.engine.scan import Scan
from totalseg_mcp.engine.tasks import MODELS, Model, labels, task_named
from totalseg_mcp.engine.threads import threads
from totalseg_mcp.engine.volume import Labels, Volume

COUNTS = (1, 29, 59, 117)
NETWORK_MM = (3.0, 3.0, 3.0)


class Fewer(Model):
    """The 3 mm model with its first structures only."""

    count: int

    @property
    def names(self) -> tuple[str, ...]:
        """The first `count`."""
        return labels(self.labels)[: self.count]


@dataclass(frozen=True)
class Matter:
    """What is worked on: the medium scan on the network's grid; the large one and its labels."""

    image: Volume
    scan: Scan
    labels: Labels


def slopes(inputs: Path, wait: Callable[[], None], rounds: int = 3) -> Iterator[Slope]:
    """Every number of structures in turn, `rounds` times."""
    names = task_named("total").names
    truth = read(inputs / LABELS).volume
    matter = Matter(
        to_spacing(read(inputs / file_of("medium")).volume, NETWORK_MM),
        read(inputs / SCAN),
        Labels(np.ascontiguousarray(truth.data), truth.grid, names),
    )
    for _ in range(rounds):
        for count in COUNTS:
            wait()
            before = load()
            with tempfile.TemporaryDirectory(dir=inputs.parent) as name:
                yield Slope(count, seconds(count, matter, Path(name)), before)


def seconds(count: int, matter: Matter, folder: Path) -> dict[str, float]:
    """Of each stage, with `count` structures."""
    model = Fewer(**MODELS[DATASET].model_dump(), count=count)
    network = load_network(make_network(folder, model, TINY), model, torch.device("cpu"))
    some = folded(matter.labels, count)
    took: dict[str, float] = {}
    with _timed(took, "network"):
        network(matter.image, task_named("total").tile_step)
    with _timed(took, "statistics"):
        statistics(some, matter.scan.volume, False)
    with _timed(took, "masks"):
        write_masks(some, matter.scan, folder, threads=threads(None))
    return took


def folded(of: Labels, count: int) -> Labels:
    """As many voxels in fewer structures: number n becomes one of 1 to `count`.

    >>> from totalseg_mcp.engine.volume import Grid
    >>> three = Labels(np.array([[[0, 1, 2, 3]]]), Grid((1, 1, 4), np.eye(4)), ("a", "b", "c"))
    >>> folded(three, 2).data.tolist()
    [[[0, 1, 2, 1]]]
    """
    table = np.zeros(len(of.names) + 1, np.uint8)
    table[1:] = np.arange(len(of.names)) % count + 1
    return Labels(table[of.data], of.grid, of.names[:count])


@contextmanager
def _timed(took: dict[str, float], stage: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    took[stage] = time.perf_counter() - began
