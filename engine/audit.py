"""Whether the models on disk are still what they were when they came."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from totalseg_mcp.engine.pins import LOCK_FILE, Pin, differing, digests, pinned, receipt
from totalseg_mcp.engine.sources import Sources
from totalseg_mcp.engine.tasks import MODELS, Model
from totalseg_mcp.engine.watch import track
from totalseg_mcp.engine.weights import Store

Verdict = Literal["intact", "changed", "incomplete", "unknown"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of one model, and by which record, or which files, that is known."""

    model: Model
    verdict: Verdict
    detail: str


def audit(root: Path, sources: Sources) -> list[Finding]:
    """A finding for every model that is below `root`, whole or in part; all are read.

    Raises:
        NotReadyError: the lock file cannot be read.
    """
    lock = sources.lock or root / LOCK_FILE
    pins = pinned(lock)
    there = [m for m in MODELS.values() if (root / m.folder / m.subfolder).exists()]
    return [
        _finding(model, root / model.folder / model.subfolder, pins.get(model.folder), lock)
        for model in track(there, "model")
    ]


def _finding(model: Model, folder: Path, known: Pin | None, lock: Path) -> Finding:
    if not Store((folder.parents[1],)).has(model):
        return Finding(model, "incomplete", "files are missing or empty")
    record, where = known or receipt(folder), lock.name if known else "its receipt"
    if record is None or not record.files:
        return Finding(model, "unknown", "it came without a record")
    changed = differing(record.files, digests(folder))
    if changed:
        return Finding(model, "changed", f"by {where}: {', '.join(changed)}")
    return Finding(model, "intact", f"by {where}")
