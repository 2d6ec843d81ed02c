"""The jobs as ts2d 1.2.0 does them: runs in its environment.

The folder that stands for the user's home holds the models: `INPUTS/MODELS/.ts2d/models`.
"""

import os
import sys
from functools import partial
from pathlib import Path

from job import FIRST_SCAN, FLAT_KEY, SCAN, SMALL_SCAN, Job, Stopwatch, main
from processes import cpu_of, observed

PACKAGES = ("numpy", "scipy", "SimpleITK", "nnunetv2ml", "torch")
OFFLINE = {"use_remote": False, "fetch_remote": False}


def command(models: str, inputs: Path, out: Path, watch: Stopwatch) -> None:
    """The command line, from the start of the interpreter; timed from outside."""
    from ts2d.main import ts2d_entry_point

    at_home(inputs / models)
    files = ["-i", str(inputs / SCAN), "-o", str(out)]
    sys.argv = ["ts2d", *files, "--model", FLAT_KEY, "--no-remote", "--no-fetch"]
    with observed(os.getpid(), out):
        ts2d_entry_point()


def warm(models: str, scan: str, inputs: Path, out: Path, watch: Stopwatch) -> None:
    """`predict` of the Python interface after a first call on another scan; without saving."""
    from ts2d.tool import TS2D

    at_home(inputs / models)
    watch.cpu = partial(cpu_of, os.getpid())
    with TS2D(FLAT_KEY, **OFFLINE) as tool, observed(os.getpid(), out):
        tool.predict(str(inputs / FIRST_SCAN))
        with watch.running():
            result = tool.predict(str(inputs / scan))
        result.save(str(out), name="scan", content="file", targets="segmentation")


def at_home(folder: Path) -> None:
    """Where ts2d and the processes that it starts look for models."""
    os.environ["HOME"] = str(folder)


JOBS: dict[str, Job] = {
    "command, small": partial(command, "small"),
    "command, true size": partial(command, "true size"),
    "warm, small, small scan": partial(warm, "small", SMALL_SCAN),
    "warm, small": partial(warm, "small", SCAN),
    "warm, true size": partial(warm, "true size", SCAN),
}

if __name__ == "__main__":  # ts2d's workers import this module
    main(JOBS, "ts2d", PACKAGES)
