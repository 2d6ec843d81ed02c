"""The jobs as this engine does them."""

from functools import partial
from pathlib import Path

import numpy as np
from job import (
    LABELS,
    MODEL_LABELS,
    MODEL_MM,
    SCAN,
    SMALL_SCAN,
    TILE_STEP,
    TRUE_SIZE,
    WINDOW,
    Job,
    Stopwatch,
    main,
)

from totalseg_mcp.engine.engines import Cpu
from totalseg_mcp.engine.files import read
from totalseg_mcp.engine.files.masks import write_masks
from totalseg_mcp.engine.files.statistics import write_statistics
from totalseg_mcp.engine.heap import keep_freed
from totalseg_mcp.engine.image.resample import to_spacing
from totalseg_mcp.engine.image.restore import to_grid
from totalseg_mcp.engine.measure import statistics as measure
from totalseg_mcp.engine.tasks import MODELS, task_named
from totalseg_mcp.engine.threads import threads
from totalseg_mcp.engine.volume import Labels

NAMES = task_named("total").names


def statistics(include_incomplete: bool, inputs: Path, out: Path, watch: Stopwatch) -> None:
    """All 117 structures of the big scan."""
    scan, labels = read(inputs / SCAN).volume, labels_in(inputs / LABELS)
    with watch.running():
        measured = measure.statistics(labels, scan, include_incomplete)
    write_statistics(measured, out / "statistics.json")


def masks(inputs: Path, out: Path, watch: Stopwatch) -> None:
    """117 masks of the big scan, with as many threads as the program chooses."""
    scan, labels = read(inputs / SCAN), labels_in(inputs / LABELS)
    with watch.running():
        write_masks(labels, scan, out, threads=threads(None))


def resample_in(workers: int, inputs: Path, out: Path, watch: Stopwatch) -> None:
    """The big scan to the model's spacing."""
    scan = read(inputs / SCAN).volume
    with watch.running():
        image = to_spacing(scan, MODEL_MM, threads=workers)
    np.save(out / "resampled.npy", image.data)


def resample_out(workers: int, inputs: Path, out: Path, watch: Stopwatch) -> None:
    """The labels on the model's grid to the big scan's."""
    grid, labels = read(inputs / SCAN).volume.grid, labels_in(inputs / MODEL_LABELS)
    with watch.running():
        restored = to_grid(labels, grid, workers)
    np.save(out / "resampled.npy", restored.data)


def call(times: int, inputs: Path, out: Path, watch: Stopwatch) -> None:
    """The tool, called so many times in this process; the last call counts."""
    from totalseg_mcp.engine.session import Session
    from totalseg_mcp.schemas.totalsegmentator import Arguments
    from totalseg_mcp.tools.totalsegmentator import run

    session = Session()
    asked = Arguments(
        input_path=str(inputs / SMALL_SCAN), output_dir=str(out), fast=True, device="cpu"
    )
    for _ in range(times):
        with watch.running():
            run(asked, session)


def window(cpu: Cpu, inputs: Path, out: Path, watch: Stopwatch) -> None:
    """The true-size network over its image; it is loaded, and converted if need be, before."""
    import torch

    from totalseg_mcp.engine.loading import Ways, load

    model = MODELS[297]
    folder = inputs / TRUE_SIZE / model.folder / model.subfolder
    network, data = (
        load(folder, model, torch.device("cpu"), Ways(cpu=cpu)),
        np.load(inputs / WINDOW),
    )
    with watch.running():
        outputs = network.logits(torch.from_numpy(data), TILE_STEP)
    np.save(out / "labels.npy", outputs.argmax(0).numpy().astype(np.uint8))


def labels_in(path: Path) -> Labels:
    """In the order in memory in which resampling leaves them: C's."""
    volume = read(path).volume
    return Labels(np.ascontiguousarray(volume.data), volume.grid, NAMES)


JOBS: dict[str, Job] = {
    "statistics": partial(statistics, False),
    "statistics of all": partial(statistics, True),
    "masks": masks,
    "resample in, 1 thread": partial(resample_in, 1),
    "resample in, 2 threads": partial(resample_in, 2),
    "resample out, 1 thread": partial(resample_out, 1),
    "resample out, 2 threads": partial(resample_out, 2),
    "window, torch": partial(window, "torch"),
    "window, openvino": partial(window, "openvino"),
    "command": partial(call, 1),
    "second call": partial(call, 2),
}

if __name__ == "__main__":
    keep_freed()  # as the server does
    main(JOBS, "totalseg-mcp")
