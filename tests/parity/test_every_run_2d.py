"""Pixel by pixel against outputs of ts2d 1.2.0, which are part of the repository.

Both programs ran the same stand-in models (`stand_ins_2d.py`) on the same scans (`scans_2d.py`);
`record_2d.py` made the recordings.
"""

import hashlib

import numpy as np
import pytest
import SimpleITK
from parity.cases_2d import CASES_2D
from parity.comparison import AGREEMENT
from parity.comparison_2d import compare_2d, recordings_2d, stand_ins_2d
from parity.report_2d import DOCUMENT, about_2d

from totalseg_mcp.engine.weights2d import Store2D

GEOMETRY = {
    "size": "GetSize",
    "spacing": "GetSpacing",
    "origin": "GetOrigin",
    "direction": "GetDirection",
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store2D:
    return stand_ins_2d(tmp_path_factory.mktemp("stand-ins"))


@pytest.mark.parametrize("case", CASES_2D.values(), ids=lambda case: case.name)
def test_a_run_gives_the_masks_and_the_place_of_ts2d(case, store, tmp_path):
    known = recordings_2d()["runs"][case.name]
    compared = compare_2d(case, store, tmp_path)
    assert compared.agreement >= AGREEMENT, f"{compared.differing} pixels differ"
    image = SimpleITK.ReadImage(compared.file)
    for field in fields_to_compare(case):
        ours = getattr(image, GEOMETRY[field])()
        np.testing.assert_allclose(ours, known[field], rtol=1e-5, atol=2e-5, err_msg=field)
    for how, value in zip(seen(compared), known["projections"].values(), strict=True):
        assert hashlib.sha256(how.astype("<f4").tobytes()).hexdigest() == value


def fields_to_compare(case):
    """What of the place is ts2d's; what is not is said in docs/parity.md."""
    if case.scan == "ct_sheared":
        return ("size", "spacing")
    return GEOMETRY if case.collapsed or case.scan.startswith(("ct", "mr")) else ()


def seen(compared):
    """The channels of the picture that the networks saw, in the order of ts2d's record."""
    picture = compared.outcome.findings.picture
    if "mean" not in picture.channels or picture.plane.grid is None:
        return list(picture.data)
    return [picture.data[picture.channels.index(how)] for how in ("mean", "max")]


def test_the_document_shows_every_recording_in_two_dimensions():
    text = DOCUMENT.read_text(encoding="utf-8")
    assert [case.name for case in CASES_2D.values() if about_2d(case) not in text] == []
