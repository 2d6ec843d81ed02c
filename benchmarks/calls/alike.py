"""Whether two programs came to the same in a call."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from nibabel.nifti1 import Nifti1Image

from benchmarks.agreement import DisagreementError, same_masks, same_statistics
from benchmarks.calls.cases import GPU, Case
from benchmarks.calls.programs import OPENVINO
from totalseg_mcp.engine.tasks import task_named

# Of the voxels. OpenVINO adds up in another order than torch, and so does a GPU from one process to
# the next: cuDNN takes the algorithm that was the fastest there.
ALIKE = 0.999


def compared(program: str, case: Case) -> Callable[[Path, Path], None]:
    """How the results of ours and of `program`, each a folder, are compared in `case`."""
    if program == OPENVINO or case.device == GPU:
        return like_masks
    return same_masks_and_statistics if case.statistics else same_masks


def same_masks_and_statistics(ours: Path, other: Path) -> None:
    """Every voxel, and every number."""
    same_masks(ours, other)
    same_statistics(ours, other)


def like_masks(ours: Path, other: Path) -> None:
    """All voxels but one in a thousand belong to the same structure."""
    differing = np.zeros(_mask(ours, task_named("total").names[0]).shape, bool)
    for name in task_named("total").names:
        differing |= _mask(ours, name) != _mask(other, name)
    share = 1 - float(differing.mean())
    if share < ALIKE:
        raise DisagreementError(f"{share:.4%} of the voxels agree")


def _mask(folder: Path, name: str) -> np.ndarray:
    return np.asarray(Nifti1Image.from_filename(folder / f"{name}.nii.gz").dataobj)
