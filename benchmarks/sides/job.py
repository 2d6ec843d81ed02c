"""What both sides share: where the inputs lie, and how a job is run and timed.

Standard library only: it runs in the environment of either program.
"""

import importlib.metadata
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

SCAN = "scan.nii"  # 512 x 512 x 300, int16
LABELS = "labels.nii"  # on the scan's grid, uint8
MODEL_LABELS = "model_labels.nii"  # the same at MODEL_MM
SMALL_SCAN = "small_scan.nii.gz"  # for whole calls
TRUE_SIZE = "true_size"  # the folder of models with a network of the real size
WINDOW = "window.npy"  # what that network sees: [1, z, y, x], float32
TILE_STEP = 0.5
FIRST_SCAN = "first_scan.nii.gz"  # for a call before the one that is timed
MODEL_MM = (3.0, 3.0, 3.0)
FLAT_KEY = "ts2d-v2-ep4000b2"  # the models of two dimensions, as ts2d calls them
FLAT_MODEL = "ts2d-v2"  # and as we do
SECONDS = "seconds.json"
VERSIONS = "versions.json"
PACKAGES = ("numpy", "scipy", "nibabel", "nnunetv2", "torch")


@dataclass(frozen=True)
class Seconds:
    """How long a piece of work took, and for how long it kept processors busy.

    `cpu` counts all threads, and the processes that were started and have ended.
    """

    wall: float
    cpu: float


class Stopwatch:
    """Times one block of a job; reading the inputs and importing lie outside of it.

    `cpu` tells the seconds of processor time so far; a job may have it count other processes.
    """

    def __init__(self) -> None:
        self.seconds = Seconds(0.0, 0.0)
        self.cpu: Callable[[], float] = _cpu

    @contextmanager
    def running(self) -> Iterator[None]:
        """The block that counts; the last one if there are several."""
        wall, cpu = time.perf_counter(), self.cpu()
        yield
        self.seconds = Seconds(time.perf_counter() - wall, self.cpu() - cpu)


# Reads from the first folder, writes to the second.
Job = Callable[[Path, Path, Stopwatch], None]


def main(jobs: Mapping[str, Job], package: str, packages: tuple[str, ...] = PACKAGES) -> None:
    """`SCRIPT JOB INPUTS OUT`: do a job of `jobs`, and write what it took to OUT."""
    name, inputs, out = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    if name == "versions":
        (out / VERSIONS).write_text(json.dumps(_versions((package, *packages))))
        return
    watch = Stopwatch()
    jobs[name](inputs, out, watch)
    (out / SECONDS).write_text(json.dumps(asdict(watch.seconds)))


def _cpu() -> float:
    """Seconds of processor time so far, of this process and those that it waited for."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def _versions(packages: tuple[str, ...]) -> dict[str, str]:
    installed = {name: importlib.metadata.version(name) for name in packages}
    return {**installed, "Python": platform.python_version()}
