"""That the recordings of ts2d are what they say, of the models and scans that are here."""

import hashlib

import numpy as np
import pytest
from parity.cases_2d import CASES_2D
from parity.comparison_2d import recorded_masks, recordings_2d
from parity.models_2d import members, models_2d
from parity.scans_2d import SCANS_2D, content_digest, scan_2d
from parity.stand_ins_2d import digest_2d


def test_every_case_is_recorded():
    assert list(recordings_2d()["runs"]) == list(CASES_2D)
    assert {case.scan for case in CASES_2D.values()} == set(SCANS_2D)


@pytest.mark.parametrize("case", CASES_2D.values(), ids=lambda case: case.name)
def test_a_recording_is_the_one_that_was_made(case):
    known = recordings_2d()["runs"][case.name]
    masks = recorded_masks(case)
    packed = np.packbits(masks).tobytes()
    assert hashlib.sha256(packed).hexdigest() == known["sha256"]
    assert masks.sum((1, 2)).tolist() == known["counts"]
    asked = known["key"], known["scan"], known["collapsed"]
    assert asked == (case.key, case.scan, case.collapsed)


@pytest.mark.parametrize("case", CASES_2D.values(), ids=lambda case: case.name)
def test_a_recording_shows_every_structure_of_its_models_by_name(case):
    names = recordings_2d()["runs"][case.name]["names"]
    expected = [name for model in members(case.key) for name in model.structures]
    assert sorted(names) == sorted(expected)


def test_structures_overlap_in_the_recordings():
    masks = recorded_masks(CASES_2D["ts2d-v2-ep4000b2, ct"])
    assert masks.sum(0).max() > 10


@pytest.mark.parametrize("key", sorted(models_2d()))
def test_a_stand_in_is_the_model_that_ts2d_ran(key):
    assert digest_2d(key) == recordings_2d()["models"][key]


@pytest.mark.parametrize("name", SCANS_2D)
def test_a_scan_is_the_one_that_ts2d_ran(name, tmp_path):
    assert content_digest(scan_2d(name, tmp_path)) == recordings_2d()["scans"][name]
