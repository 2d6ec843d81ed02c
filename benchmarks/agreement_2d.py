"""Whether both sides came to the same masks in two dimensions."""

from pathlib import Path

from parity.segments import masks_by_name

from benchmarks.agreement import DisagreementError


def same_layers(ours: Path, reference: Path) -> None:
    """Every structure, pixel by pixel; the order of the channels is each side's own."""
    _compare(ours, reference, allowed=0.0)


def nearly_same_layers(ours: Path, reference: Path) -> None:
    """All but one pixel in ten thousand of every structure: other sums round in another way."""
    _compare(ours, reference, allowed=1e-4)


def _compare(ours: Path, reference: Path, allowed: float) -> None:
    mine, theirs = (masks_by_name(_only(folder)) for folder in (ours, reference))
    if mine.keys() != theirs.keys():
        raise DisagreementError(f"structures: {sorted(mine.keys() ^ theirs.keys())}")
    for name, mask in theirs.items():
        differing = int((mine[name] != mask).sum()) if mine[name].shape == mask.shape else mask.size
        if differing > allowed * mask.size:
            raise DisagreementError(f"{name}: {differing} of {mask.size} pixels")
    if not any(mask.any() for mask in theirs.values()):
        raise DisagreementError("nothing was found: there is nothing to compare")


def _only(folder: Path) -> Path:
    (file,) = folder.glob("*.seg.nrrd")
    return file
