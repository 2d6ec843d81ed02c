"""The jobs in two dimensions as this engine does them: through its server, as a host would."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from client import Server, ours
from job import FIRST_SCAN, FLAT_MODEL, SCAN, SMALL_SCAN, TRUE_SIZE, Job, Stopwatch, main
from processes import cpu_of, observed

PACKAGES = ("numpy", "scipy", "SimpleITK", "nnunetv2", "torch")
TOOL = "ts2d_segment"


def command(models: str, cpu: str, inputs: Path, out: Path, watch: Stopwatch) -> None:
    """From the start of a server to its first answer; timed from outside."""
    with started(inputs / models, out, cpu) as server:
        server.call(TOOL, asked(inputs / SCAN, out))


def warm(models: str, scan: str, cpu: str, inputs: Path, out: Path, watch: Stopwatch) -> None:
    """A call, after a first one on another scan; reading, writing and answering included."""
    with started(inputs / models, out, cpu) as server:
        server.call(TOOL, asked(inputs / FIRST_SCAN, out / "first"))
        watch.cpu = partial(cpu_of, server.pid)
        with watch.running():
            server.call(TOOL, asked(inputs / scan, out))


def warm_3d(inputs: Path, out: Path, watch: Stopwatch) -> None:
    """The same in three dimensions, with one network on a grid of 3 mm."""
    settings = {"TOTALSEG_WEIGHTS_PATH": str(inputs / TRUE_SIZE)}
    options = {"fast": True, "multilabel": True, "device": "cpu", "cache": False}
    with Server({**os.environ, **settings}, ours()) as server, observed(server.pid, out):
        for scan in (FIRST_SCAN, SMALL_SCAN):
            watch.cpu = partial(cpu_of, server.pid)
            with watch.running():
                files = {"input_path": str(inputs / scan), "output_dir": str(out / scan)}
                server.call("totalsegmentator", {**files, **options})


@contextmanager
def started(home: Path, out: Path, cpu: str = "torch") -> Iterator[Server]:
    """A server whose models are in the home folder `home`; what it takes is written to `out`."""
    with Server({**os.environ, "HOME": str(home)}, ours(cpu)) as server, observed(server.pid, out):
        yield server


def asked(scan: Path, out: Path) -> dict[str, Any]:
    """The arguments of a call."""
    return {"input_path": str(scan), "output_dir": str(out), "model": FLAT_MODEL, "device": "cpu"}


JOBS: dict[str, Job] = {
    "command, small": partial(command, "small", "torch"),
    "command, true size": partial(command, "true size", "torch"),
    "command, true size, Winograd": partial(command, "true size", "winograd"),
    "warm, small, small scan": partial(warm, "small", SMALL_SCAN, "torch"),
    "warm, small": partial(warm, "small", SCAN, "torch"),
    "warm, small, Winograd": partial(warm, "small", SCAN, "winograd"),
    "warm, true size": partial(warm, "true size", SCAN, "torch"),
    "warm, true size, OpenVINO": partial(warm, "true size", SCAN, "openvino"),
    "warm, true size, Winograd": partial(warm, "true size", SCAN, "winograd"),
    "warm, true size, small scan": partial(warm, "true size", SMALL_SCAN, "torch"),
    "warm, 3-D": warm_3d,
}

if __name__ == "__main__":
    main(JOBS, "totalseg-mcp", PACKAGES)
