"""One recorded run of ts2d, made again with this engine and compared pixel by pixel."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from parity.cases import FOLDER
from parity.cases_2d import FlatCase
from parity.models_2d import models_2d
from parity.scans_2d import scan_2d
from parity.segments import masks_by_name
from parity.stand_ins_2d import make_stand_in_2d

from totalseg_mcp.engine.engines import Cpu
from totalseg_mcp.engine.products2d import SEGMENTATION_FILE
from totalseg_mcp.engine.request2d import Request2D
from totalseg_mcp.engine.run2d import Outcome2D, run_2d
from totalseg_mcp.engine.session import Session
from totalseg_mcp.engine.weights2d import Store2D


@dataclass(frozen=True)
class FlatComparison:
    """The masks of both programs, [structure, row, column], and what this engine wrote."""

    ours: NDArray[np.bool_]
    reference: NDArray[np.bool_]
    file: Path
    outcome: Outcome2D

    @property
    def differing(self) -> int:
        """How many pixels of all structures differ."""
        return int((self.ours != self.reference).sum())

    @property
    def agreement(self) -> float:
        """The share of pixels that agree."""
        return 1 - self.differing / self.reference.size


@cache
def recordings_2d() -> Mapping[str, Any]:
    """What is known of the recorded runs."""
    known: Mapping[str, Any] = json.loads((FOLDER / "recordings_2d.json").read_text())
    return known


def recorded_masks(case: FlatCase) -> NDArray[np.bool_]:
    """[structure, row, column], the structures in the order of the record's names."""
    shape = recordings_2d()["runs"][case.name]["shape"]
    with np.load(case.recording) as stored:
        return np.unpackbits(stored["masks"], count=int(np.prod(shape))).reshape(shape).astype(bool)


def stand_ins_2d(root: Path) -> Store2D:
    """All stand-in models, below `root`."""
    for model in models_2d().values():
        make_stand_in_2d(root, model)
    return Store2D((root,))


def compare_2d(case: FlatCase, store: Store2D, folder: Path, cpu: Cpu = "torch") -> FlatComparison:
    """Run `case` by `cpu`, with everything below `folder`, and lay the recording beside it."""
    scan = scan_2d(case.scan, folder / "scans")
    outcome = run_as_ts2d(case, scan, store, folder / "out", cpu)
    file = folder / "out" / SEGMENTATION_FILE
    masks = masks_by_name(file)
    names = recordings_2d()["runs"][case.name]["names"]
    assert masks.keys() == set(names)
    ours = np.stack([masks[name] for name in names])
    return FlatComparison(ours, recorded_masks(case), file, outcome)


def run_as_ts2d(
    case: FlatCase, scan: Path, store: Store2D, out: Path, cpu: Cpu = "torch"
) -> Outcome2D:
    """What `case` asks of ts2d, asked of this engine."""
    model, _, group = case.key.partition("_")
    request = Request2D(
        scan,
        out,
        model=model,
        groups=(group,) if group else (),
        device="cpu",
        force=True,  # ts2d does not look whether it is given a CT
        collapse=case.collapsed,
    )
    return run_2d(request, Session(store_2d=store, cpu=cpu))
