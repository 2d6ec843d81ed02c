"""How long one tile of the 3 mm model takes on a GPU, by the ways in which it can be asked.

    PYTHONPATH=tests python -m benchmarks.tiles [--networks DIR] [--repeats 20]

Prints milliseconds a tile (the median) and MiB of the GPU at most, for tiles one by one and several
at a time, for both memory formats, with and without cuDNN timing its algorithms; and the share of
the voxels of the first tile that have the label of the first line, which is the engine's own way.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import product
from pathlib import Path
from statistics import median
from typing import NamedTuple

import torch

from benchmarks.calls.networks import DATASET, NETWORKS, VOLUME_PATCH, make_networks
from benchmarks.calls.tables import table
from totalseg_mcp.engine.precision import precision
from totalseg_mcp.engine.session import Session
from totalseg_mcp.engine.tasks import MODELS
from totalseg_mcp.engine.weights import Store

GPU = torch.device("cuda", 0)
FORMATS = {"planes": torch.contiguous_format, "channels last": torch.channels_last_3d}
BATCHES = (1, 2, 4)
WARM_UP = 3  # cuDNN times its algorithms in the first


class Way(NamedTuple):
    """One way of asking for tiles; `timed` says that cuDNN chooses its algorithms by their time."""

    timed: bool
    layout: str
    batch: int


WAYS = [Way(*way) for way in product((True, False), FORMATS, BATCHES)]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", type=Path, help="a folder with both networks, or for them")
    parser.add_argument("--repeats", type=int, default=20)
    asked = parser.parse_args()
    head = ("network", "algorithms timed", "layout", "tiles at once", "ms a tile", "MiB", "alike")
    with tempfile.TemporaryDirectory() as name:
        folder = asked.networks or Path(name)
        make_networks(folder)
        for network in NETWORKS:
            for line in table(head, rows(network, folder / network, asked.repeats)):
                sys.stdout.write(f"{line}\n")


@torch.inference_mode()
def rows(name: str, models: Path, repeats: int) -> Iterator[tuple[str, ...]]:
    """A line for each way."""
    session = Session(Store((models,)))
    (fold,) = session.network(MODELS[DATASET], GPU).folds
    tiles = torch.randn(max(BATCHES), 1, *VOLUME_PATCH, device=GPU)
    expected = None
    for way in WAYS:
        layout = FORMATS[way.layout]
        fold.to(memory_format=layout)
        batch = tiles[: way.batch].contiguous(memory_format=layout)
        with asked_so(way):
            labels = fold(batch)[0].argmax(0)
            expected = labels if expected is None else expected
            ms, mib = cost(fold, batch, repeats)
        alike = float((labels == expected).float().mean())
        yield (
            name,
            "yes" if way.timed else "no",
            way.layout,
            str(way.batch),
            f"{ms / way.batch:.2f}",
            f"{mib:,.0f}",
            f"{alike:.4%}",
        )
    session.put_out(GPU)


def asked_so(way: Way) -> ExitStack:
    """The engine's precision, and cuDNN as `way` says."""
    within = ExitStack()
    within.enter_context(precision(GPU))
    torch.backends.cudnn.benchmark = way.timed  # `precision` puts back what it was before
    return within


def cost(fold: torch.nn.Module, batch: torch.Tensor, repeats: int) -> tuple[float, float]:
    """Milliseconds, and MiB at most, of one answer to `batch`."""
    for _ in range(WARM_UP):
        fold(batch)
    torch.cuda.reset_peak_memory_stats(GPU)
    spent = []
    for _ in range(repeats):
        start, stop = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        fold(batch)
        stop.record()
        stop.synchronize()
        spent.append(start.elapsed_time(stop))
    return median(spent), torch.cuda.max_memory_allocated(GPU) / 2**20


if __name__ == "__main__":
    main()
