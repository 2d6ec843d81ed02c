"""Whether the models on disk are still what they were when they came."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from totalseg_mcp.engine.parcel import PARCELS, Parcel, fault
from totalseg_mcp.engine.pins import LOCK_FILE, Pin, differing, digests, pinned, receipt
from totalseg_mcp.engine.sources import Sources
from totalseg_mcp.engine.watch import track

Verdict = Literal["intact", "changed", "incomplete", "unknown"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of one model, and by which record, or which files, that is known."""

    parcel: Parcel
    verdict: Verdict
    detail: str


def audit(root: Path, sources: Sources) -> list[Finding]:
    """A finding for every model that is below `root`, whole or in part; all are read.

    Raises:
        NotReadyError: the lock file cannot be read.
    """
    lock = sources.lock or root / LOCK_FILE
    pins = pinned(lock)
    there = [parcel for parcel in PARCELS if (root / parcel.inside).exists()]
    return [
        _finding(parcel, root, pins.get(parcel.folder), lock) for parcel in track(there, "model")
    ]


def _finding(parcel: Parcel, root: Path, known: Pin | None, lock: Path) -> Finding:
    if why := fault(parcel, root):
        return Finding(parcel, "incomplete", why)
    folder = root / parcel.inside
    record, where = known or receipt(folder), lock.name if known else "its receipt"
    if record is None or not record.files:
        return Finding(parcel, "unknown", "it came without a record")
    changed = differing(record.files, digests(folder))
    if changed:
        return Finding(parcel, "changed", f"by {where}: {', '.join(changed)}")
    return Finding(parcel, "intact", f"by {where}")
