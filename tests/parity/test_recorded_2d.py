"""Pixel by pixel against recorded outputs of ts2d 1.2.0 on larger pictures and real scans.

The recordings lie beside the repository, not in it. They hold how many pixels each structure has,
and a digest of all of them in the order of ts2d's channels, which changes from scan to scan.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK
from parity.cases_2d import FlatCase
from parity.comparison import AGREEMENT
from parity.comparison_2d import run_as_ts2d
from parity.segments import masks_by_name

from totalseg_mcp.engine.errors import BadImageError
from totalseg_mcp.engine.products2d import SEGMENTATION_FILE
from totalseg_mcp.engine.weights2d import Store2D

PARITY = Path(__file__).parents[2].parent / "shared" / "parity_ts2d"
MOST_AGAIN = 2e6  # pixels of all structures: larger results are not made once more, collapsed
RECORDS = ("v2", "v1", "one", "edge", "xr")
KEYS = {"tsxr": "tsxr-v2-ep1000b2"}  # what ts2d takes a shorter name for
STORE = Store2D((PARITY / "models",))
pytestmark = pytest.mark.skipif(
    not PARITY.is_dir(), reason=f"no recorded outputs of ts2d at {PARITY}"
)


def calls(refused: bool) -> Iterator[Any]:
    """The recorded calls whose input there is, with the name of their record."""
    for record in RECORDS if PARITY.is_dir() else ():
        known = json.loads((PARITY / f"{record}.json").read_text())
        for call in known["calls"]:
            there = (PARITY / "inputs" / call["input"]).exists()
            again = call["collapse"] and np.prod(call.get("shape", 0)) > MOST_AGAIN
            if there and not again and ("error" in call) == refused:
                collapsed = "-collapsed" if call["collapse"] else ""
                key = KEYS.get(known["key"], known["key"])
                yield pytest.param(key, call, id=f"{record}-{call['input']}{collapsed}")


@pytest.mark.parametrize(("key", "call"), [*calls(refused=False)])
def test_the_masks_are_the_recorded_ones(key, call, tmp_path):
    case = FlatCase(key, call["input"], call["collapse"])
    run_as_ts2d(case, PARITY / "inputs" / call["input"], STORE, tmp_path / "out")
    masks = masks_by_name(tmp_path / "out" / SEGMENTATION_FILE)
    assert masks.keys() == set(call["names"])
    ours = np.stack([masks[name] for name in call["names"]], -1).astype(np.uint8)
    if hashlib.sha256(ours.tobytes()).hexdigest() != call["sha256"]:
        off = np.abs(ours.sum((0, 1), dtype=np.int64) - call["counts"]).sum()
        assert 0 < off <= (1 - AGREEMENT) * ours.size, "at least so many pixels differ"


@pytest.mark.parametrize(("key", "call"), [*calls(refused=True)])
def test_what_ts2d_refuses_is_refused(key, call, tmp_path):
    case = FlatCase(key, call["input"], call["collapse"])
    with pytest.raises(BadImageError):
        run_as_ts2d(case, PARITY / "inputs" / call["input"], STORE, tmp_path / "out")


@pytest.mark.parametrize("value", [100, 0])
def test_a_scan_of_one_value_is_refused_where_ts2d_finds_nothing_in_it(value, tmp_path):
    image = SimpleITK.GetImageFromArray(np.full((40, 40, 40), value, np.int16))
    SimpleITK.WriteImage(image, tmp_path / "even.nrrd")
    case = FlatCase("ts2d-v2-ep4000b2_cardiac", "even")
    with pytest.raises(BadImageError, match=f"all its voxels are {value}"):
        run_as_ts2d(case, tmp_path / "even.nrrd", STORE, tmp_path / "out")
