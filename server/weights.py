"""What the operator does about weights: list, fetch, verify, import them, ask where they are."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from totalseg_mcp.engine.audit import audit
from totalseg_mcp.engine.fetch import bring, fetch
from totalseg_mcp.engine.options import Options
from totalseg_mcp.engine.plan import plan
from totalseg_mcp.engine.sources import Sources
from totalseg_mcp.engine.tasks import TASKS, Resolution, Task
from totalseg_mcp.engine.watch import Watch, stage, track, watching
from totalseg_mcp.engine.weights import FLAGS, Store, standard_root
from totalseg_mcp.server.bar import Bar

Status = Literal["here", "fetchable", "licensed", "unavailable"]
LICENCES: Mapping[str, str] = {
    "open": "Apache-2.0",
    "commercial": "licence number",
    "non-commercial": "CC BY-NC 4.0",
}
LEGEND = """
here: all its models are there. fetchable: `totalseg-mcp weights fetch` gets what is missing.
licensed: it gets that for a licence number only. unavailable: it cannot be had, being offline.
A task under "licence number" runs only with one: free for non-commercial use at
https://backend.totalsegmentator.com/license-academic/. CC BY-NC 4.0: not for commercial use.
"""


@dataclass(frozen=True, slots=True)
class Row:
    """How it stands with the weights of one task at one resolution."""

    name: str
    status: Status
    licence: str
    detail: str


def fetch_weights(
    tasks: Sequence[str], resolution: Resolution, root: Path | None, sources: Sources
) -> int:
    """Fetch what these tasks need into `root`, or to where TotalSegmentator keeps its models.

    Raises:
        EngineError: there is no such task, or its weights cannot be had.
    """
    needed = [model for task in tasks for model in plan(Options(task, resolution)).needs]
    licensed = any(model.release is None for model in needed)
    number = sources.licence() if licensed else None
    with _shown("fetch"):
        folders = [
            fetch(model, root or _root(), sources, number)
            for model in track(list(dict.fromkeys(needed)), "model")
        ]
    return _say(str(folder) for folder in folders)


def import_weights(source: Path, root: Path | None, sources: Sources) -> int:
    """Take the models in an archive or a folder; those that are there already stay.

    Raises:
        EngineError: there is none in it, or one is not what it should be.
    """
    with _shown("import"):
        brought = bring(source, root or _root(), sources)
    return _say(str(folder) for folder in brought.values())


def verify_weights(root: Path | None, sources: Sources) -> int:
    """Read every model that is there and say whether it has changed; 0 if none has a fault.

    Raises:
        EngineError: the lock file cannot be read.
    """
    with _shown("verify"):
        findings = audit(root or _root(), sources)
    _say(
        f"{finding.verdict:<12}{finding.model.dataset:<5}{finding.model.folder} ({finding.detail})"
        for finding in findings
    )
    return int(any(finding.verdict != "intact" for finding in findings))


def list_weights(root: Path | None, sources: Sources) -> int:
    """Show, for every task and resolution, how it stands with its weights."""
    store = Store((root or _root(),))
    rows = [
        row(task, resolution, store, offline=sources.offline)
        for task in TASKS.values()
        for resolution in task.models
    ]
    lines = [f"{r.name:<32}{r.status:<13}{r.licence:<16}{r.detail}" for r in rows]
    return _say([f"In {root or _root()}:", *lines, LEGEND.rstrip()])


def show_path(root: Path | None) -> int:
    """Say where the models are."""
    return _say([str(root or _root())])


def row(task: Task, resolution: Resolution, store: Store, *, offline: bool = False) -> Row:
    """How it stands with the weights of `task`; `offline`, nothing can be had."""
    name, licence = f"{task.name}{FLAGS[resolution]}", LICENCES[task.licence]
    needed = dict.fromkeys(plan(Options(task.name, resolution)).needs)
    lacking = [model for model in needed if not store.has(model)]
    status: Status = "fetchable" if lacking else "here"
    if any(model.release is None for model in lacking):
        status = "licensed"
    if lacking and offline:
        status = "unavailable"
    return Row(name, status, licence, f"{len(needed) - len(lacking)} of {len(needed)} models")


@contextmanager
def _shown(what: str) -> Iterator[None]:
    """Show the progress of what is done inside."""
    bar = Bar(sys.stdout)
    try:
        with watching(Watch(bar.show, lambda: None)), stage(what, 0.0, 1.0):
            yield
    finally:
        bar.close()


def _say(lines: "Sequence[str] | Iterator[str]") -> int:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return 0


def _root() -> Path:
    return standard_root(os.environ)
