"""What the operator does about weights: list, fetch, verify, import them, ask where they are."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from totalseg_mcp.engine.audit import audit
from totalseg_mcp.engine.fetch import bring, fetch
from totalseg_mcp.engine.models2d import MODELS_2D, Model2D
from totalseg_mcp.engine.options import Options
from totalseg_mcp.engine.parcel import Parcel, address
from totalseg_mcp.engine.plan import plan
from totalseg_mcp.engine.roots import Roots
from totalseg_mcp.engine.sources import Sources
from totalseg_mcp.engine.tasks import TASKS, Resolution, Task
from totalseg_mcp.engine.watch import Watch, stage, track, watching
from totalseg_mcp.engine.weights import FLAGS, Store
from totalseg_mcp.engine.weights2d import Store2D
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
The 2-D models are those of ts2d, whose code is Apache-2.0; which licence its models have is for
https://zenodo.org/records/<record> to say.
"""


@dataclass(frozen=True, slots=True)
class Row:
    """How it stands with the weights of one task at one resolution."""

    name: str
    status: Status
    licence: str
    detail: str


def fetch_weights(parcels: Sequence[Parcel], root: Path | None, sources: Sources) -> int:
    """Fetch these into `root`, or to where TotalSegmentator and ts2d keep their models.

    Raises:
        EngineError: they cannot be had.
    """
    licensed = any(address(parcel, sources) is None for parcel in parcels)
    number = sources.licence() if licensed else None
    roots = _roots(root)
    with _shown("fetch"):
        folders = [
            fetch(parcel, roots.of(parcel), sources, number) for parcel in track(parcels, "model")
        ]
    return _say(str(folder) for folder in folders)


def import_weights(source: Path, root: Path | None, sources: Sources) -> int:
    """Take the models in an archive or a folder; those that are there already stay.

    Raises:
        EngineError: there is none in it, or one is not what it should be.
    """
    with _shown("import"):
        brought = bring(source, _roots(root), sources)
    return _say(str(folder) for folder in brought.values())


def verify_weights(root: Path | None, sources: Sources) -> int:
    """Read every model that is there and say whether it has changed; 0 if none has a fault.

    Raises:
        EngineError: a lock file cannot be read.
    """
    with _shown("verify"):
        found = {place: audit(place, sources) for place in track(_places(root), "folder")}
    for place, findings in found.items():
        lines = [f"{f.verdict:<12}{f.parcel.folder} ({f.detail})" for f in findings]
        _say([f"In {place}:", *lines] if lines else [])
    return int(any(f.verdict != "intact" for findings in found.values() for f in findings))


def list_weights(root: Path | None, sources: Sources) -> int:
    """Show, for every task and resolution and every 2-D model, how it stands with its weights."""
    store, store_2d = _store(root), _store_2d(root)
    rows = [
        row(task, resolution, store, offline=sources.offline)
        for task in TASKS.values()
        for resolution in task.models
    ]
    rows_2d = [row_2d(model, store_2d, offline=sources.offline) for model in MODELS_2D.values()]
    return _say(
        [
            f"In {_either(store.roots)}:",
            *(_line(row) for row in rows),
            "",
            f"2-D models, in {_either(store_2d.roots)}:",
            *(_line(row) for row in rows_2d),
            LEGEND.rstrip(),
        ]
    )


def show_path(root: Path | None) -> int:
    """Say where models are looked for: the 3-D ones in the first folder, the 2-D ones in the last.

    With a folder of the operator's the 2-D ones are looked for there, too, and first.
    """
    return _say(str(place) for place in _places(root))


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


def row_2d(model: Model2D, store: Store2D, *, offline: bool = False) -> Row:
    """How it stands with the networks of a 2-D model; `offline`, nothing can be had."""
    here = sum(store.has(group) for group in model.groups)
    status: Status = "unavailable" if offline else "fetchable"
    if here == len(model.groups):
        status = "here"
    licence = f"see Zenodo record {model.record}"
    return Row(model.name, status, licence, f"{here} of {len(model.groups)} networks")


def _line(row: Row) -> str:
    return f"{row.name:<32}{row.status:<13}{row.licence:<28}{row.detail}"


@contextmanager
def _shown(what: str) -> Iterator[None]:
    """Show the progress of what is done inside."""
    bar = Bar()
    try:
        with watching(Watch(bar.show, lambda: None)), stage(what, 0.0, 1.0):
            yield
    finally:
        bar.close()


def _say(lines: "Sequence[str] | Iterator[str]") -> int:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return 0


def _roots(root: Path | None) -> Roots:
    return Roots.at(root) if root else Roots.standard()


def _store(root: Path | None) -> Store:
    return Store((root,)) if root else Store.standard()


def _store_2d(root: Path | None) -> Store2D:
    return Store2D.first_in(root) if root else Store2D.standard()


def _places(root: Path | None) -> list[Path]:
    """Where models are looked for."""
    return list(dict.fromkeys((*_store(root).roots, *_store_2d(root).roots)))


def _either(roots: Sequence[Path]) -> str:
    return " or ".join(str(root) for root in roots)
