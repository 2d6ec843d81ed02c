"""One recorded run, made again with this engine and compared voxel by voxel."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from parity.cases import FOLDER, Case
from parity.scans import file_of
from parity.stand_ins import make_stand_in, stored_heads

from totalseg_mcp.engine.licence import LicenceNumber
from totalseg_mcp.engine.options import Options
from totalseg_mcp.engine.request import Request
from totalseg_mcp.engine.run import run
from totalseg_mcp.engine.session import Session
from totalseg_mcp.engine.weights import Store

AGREEMENT = 0.9999
LICENCE = LicenceNumber("recording_no_licen")  # of the right form; nothing is sent or fetched


@dataclass(frozen=True)
class Comparison:
    """The label maps of both programs (of overlapping masks, mask n is bit n), and our file."""

    ours: NDArray[np.uint8]
    reference: NDArray[np.uint8]
    file: nib.Nifti1Image

    @property
    def differing(self) -> int:
        """How many voxels differ."""
        return int((self.ours != self.reference).sum())

    @property
    def agreement(self) -> float:
        """The share of voxels that agree."""
        return 1 - self.differing / self.reference.size


@cache
def recordings() -> Mapping[str, Any]:
    """What is known of the recorded runs."""
    known: Mapping[str, Any] = json.loads((FOLDER / "recordings.json").read_text())
    return known


def stand_ins(root: Path) -> Store:
    """All stand-in models, below `root`."""
    for dataset in stored_heads():
        make_stand_in(root, int(dataset))
    return Store((root,))


def compare(case: Case, store: Store, folder: Path) -> Comparison:
    """Run `case` on the CPU, into `folder`, and lay the recording beside it."""
    request = Request(
        file_of(case.scan),
        folder,
        Options(**case.asked),
        device="cpu",
        force=True,  # a phantom that MR sees need not look like MR
        multilabel=not case.masks,
        licence=LICENCE,
    )
    run(request, Session(store))
    reference = np.asanyarray(loaded(case.recording).dataobj)
    files = [loaded(folder / f"{name}.nii.gz") for name in case.masks or ("segmentation",)]
    bits = [np.asanyarray(file.dataobj).astype(np.uint8) << n for n, file in enumerate(files)]
    return Comparison(np.bitwise_or.reduce(bits), reference, files[0])


def loaded(path: Path) -> nib.Nifti1Image:
    """A NIfTI file."""
    image = nib.load(path)
    assert isinstance(image, nib.Nifti1Image)
    return image
