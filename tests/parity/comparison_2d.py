"""One recorded run of ts2d, made again with this engine and compared pixel by pixel."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from parity.cases import FOLDER
from parity.cases_2d import FlatCase


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
