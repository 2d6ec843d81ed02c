"""What the operator does about weights: look which are here, fetch those that are not."""

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from totalseg_mcp.engine.download import fetch
from totalseg_mcp.engine.errors import NotReadyError
from totalseg_mcp.engine.options import Options
from totalseg_mcp.engine.plan import Plan, plan
from totalseg_mcp.engine.tasks import TASKS, Resolution
from totalseg_mcp.engine.watch import Watch, stage, track, watching
from totalseg_mcp.engine.weights import FLAGS, Store, standard_root
from totalseg_mcp.server.bar import Bar


def fetch_weights(task: str, resolution: Resolution, root: Path | None) -> int:
    """Fetch what a task needs into `root`, or to where TotalSegmentator keeps its models.

    Raises:
        EngineError: there is no such task, or its weights cannot be had.
    """
    root = root or standard_root(os.environ)
    needed = plan(Options(task, resolution)).needs
    bar = Bar()
    try:
        with watching(Watch(bar.show, lambda: None)), stage("fetch", 0.0, 1.0):
            folders = [fetch(model, root) for model in track(needed, "model")]
    finally:
        bar.close()
    sys.stdout.write("".join(f"{folder}\n" for folder in folders))
    return 0


def list_weights(root: Path | None) -> int:
    """Show, for every task of this version, whether its models are in `root`."""
    root = root or standard_root(os.environ)
    store = Store((root,))
    lines = [f"In {root}:"]
    for chosen in _plans():
        here = sum(store.has(model) for model in chosen.needs)
        name = f"{chosen.task}{FLAGS[chosen.resolution]}"
        lines.append(f"{name:<32}{here} of {len(chosen.needs)} models")
    sys.stdout.write("\n".join([*lines, ""]))
    return 0


def _plans() -> Iterator[Plan]:
    for task in TASKS.values():
        for resolution in task.models:
            with suppress(NotReadyError):  # it needs a step that this version does not have
                yield plan(Options(task.name, resolution))
