"""Whether both sides came to the same masks in two dimensions."""

from pathlib import Path

import numpy as np
from parity.segments import masks_by_name

from benchmarks.agreement import DisagreementError


def same_layers(ours: Path, reference: Path) -> None:
    """Every structure, pixel by pixel; the order of the channels is each side's own."""
    mine, theirs = (masks_by_name(_only(folder)) for folder in (ours, reference))
    if mine.keys() != theirs.keys():
        raise DisagreementError(f"structures: {sorted(mine.keys() ^ theirs.keys())}")
    for name, mask in theirs.items():
        if not np.array_equal(mine[name], mask):
            differing = (mine[name] != mask).sum() if mine[name].shape == mask.shape else "all"
            raise DisagreementError(f"{name}: {differing} of {mask.size} pixels")
    if not any(mask.any() for mask in theirs.values()):
        raise DisagreementError("nothing was found: there is nothing to compare")


def _only(folder: Path) -> Path:
    (file,) = folder.glob("*.seg.nrrd")
    return file
