"""Voxel by voxel against outputs of TotalSegmentator 2.18.0, which are part of the repository.

Both programs ran the same stand-in models (`stand_ins.py`) on the same scans (`scans.py`);
`record.py` made the recordings. Where a processor rounds the last bit of a convolution differently,
a voxel here and there may change between two classes that tie; on one machine none does.
"""

import hashlib

import nibabel as nib
import numpy as np
import pytest
from parity.cases import CASES
from parity.comparison import AGREEMENT, compare, loaded, recordings, stand_ins
from parity.report import DOCUMENT, about
from parity.scans import SCANS, file_of
from parity.stand_ins import digest, stored_heads

from totalseg_mcp.engine.tasks import MODELS, TASKS
from totalseg_mcp.engine.weights import Store

GEOMETRY = (
    *("dim", "pixdim", "xyzt_units", "qform_code", "sform_code", "srow_x", "srow_y", "srow_z"),
    *("quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z"),
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return stand_ins(tmp_path_factory.mktemp("stand-ins"))


@pytest.mark.parametrize("case", CASES.values(), ids=lambda case: case.name)
def test_a_run_gives_the_labels_of_the_reference(case, store, tmp_path):
    compared = compare(case, store, tmp_path / "out")
    np.testing.assert_array_equal(np.unique(compared.ours), np.unique(compared.reference))
    assert compared.agreement >= AGREEMENT, f"{compared.differing} voxels differ"
    if case.options.get("save_lowres"):
        expected = loaded(case.recording)
        np.testing.assert_allclose(compared.file.affine, expected.affine, atol=1e-4)
        return
    scan = loaded(file_of(case.scan))
    np.testing.assert_array_equal(compared.file.affine, scan.affine)
    for field in GEOMETRY:
        np.testing.assert_array_equal(compared.file.header[field], scan.header[field], field)


def test_every_task_and_every_case_is_recorded():
    assert set(TASKS) <= set(CASES)
    assert list(recordings()["runs"]) == list(CASES)


@pytest.mark.parametrize("case", CASES.values(), ids=lambda case: case.name)
def test_a_recording_is_the_one_that_was_made_with_these_options(case):
    known = recordings()["runs"][case.name]
    labels = np.asanyarray(loaded(case.recording).dataobj)
    assert hashlib.sha256(labels.tobytes("F")).hexdigest() == known["sha256"]
    assert (known["task"], known["scan"]) == (case.task, case.scan)
    options = {**case.options, **({"masks": case.masks} if case.masks else {})}
    assert known["options"] == {
        k: list(v) if isinstance(v, tuple) else v for k, v in options.items()
    }


def test_the_document_shows_every_recording():
    text = DOCUMENT.read_text(encoding="utf-8")
    assert [case.name for case in CASES.values() if about(case) not in text] == []


@pytest.mark.parametrize("dataset", sorted(stored_heads(), key=int))
def test_a_stand_in_is_the_model_that_the_reference_ran(dataset):
    assert digest(int(dataset)) == recordings()["models"][dataset]


def test_every_model_has_a_stand_in():
    assert set(stored_heads()) == {str(dataset) for dataset in MODELS}


@pytest.mark.parametrize("name", SCANS)
def test_a_scan_is_awkward_in_every_way(name):
    image = loaded(file_of(name))
    content = file_of(name).read_bytes()
    assert hashlib.sha256(content).hexdigest() == recordings()["scans"][name]
    directions = image.affine[:3, :3] / nib.affines.voxel_sizes(image.affine)
    assert np.abs(directions).max() < 0.999, "upright"
    assert nib.aff2axcodes(image.affine) not in {tuple("RAS"), tuple("LPS"), tuple("LAS")}
    assert np.abs(image.affine[:3, 3]).min() > 1, "at the origin"
    assert image.dataobj.slope != 1
    assert image.dataobj.inter != 0
    edges = nib.affines.voxel_sizes(image.affine)
    assert len(set(np.round(edges, 3))) == (1 if name == "ct_3mm" else 3)


CROPPED = [
    case
    for case in CASES.values()
    if TASKS[case.task].crop or "roi_subset" in case.options or "body_only" in case.options
]


@pytest.mark.parametrize("case", CROPPED, ids=lambda case: case.name)
def test_a_cropped_run_was_cropped_to_a_part_of_the_scan(case):
    known = recordings()["runs"][case.name]
    whole = np.prod(known["shape"])
    assert known["empty"] == ("prostate" in case.options.get("roi_subset", ()))
    if not known["empty"]:
        assert all(np.prod(crop) < 0.8 * whole for _, crop in known["crops"])
        assert known["crops"]
