"""Voxel by voxel against recorded outputs of TotalSegmentator 2.18.0, on the same weights.

The recordings lie beside the repository, not in it. On the machine where a recording is
made anew, all of these agree in every voxel; across processors the last bit of a
convolution differs, and with it a voxel here and there where two classes tie.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray
from parity.comparison import AGREEMENT, LICENCE, loaded

from totalseg_mcp.engine.errors import BadImageError
from totalseg_mcp.engine.options import Options
from totalseg_mcp.engine.request import Request
from totalseg_mcp.engine.run import Outcome, run
from totalseg_mcp.engine.session import Session
from totalseg_mcp.engine.weights import Store

PARITY = Path(__file__).parents[2].parent / "shared" / "parity"
pytestmark = pytest.mark.skipif(
    not PARITY.is_dir(), reason=f"no recorded reference outputs at {PARITY}"
)
WEIGHTS = ("weights",)
CROPPED = ("weights_cropped", "weights")  # a rough model that finds small organs


@dataclass(frozen=True)
class Case:
    """A recorded run: its folder, its input, and what it asked for."""

    name: str
    scan: str
    options: Mapping[str, Any]
    weights: tuple[str, ...] = WEIGHTS  # roots; the first that has a model wins


FAST = {"resolution": "fast"}
CASES = (
    Case("total_fast_ml", "inputs/ct_sm.nii.gz", FAST),
    Case("total_fast_odd_ml_stats", "inputs/ct_odd.nii.gz", FAST),
    Case("total_fastest_odd_ml_stats", "inputs/ct_odd.nii.gz", {"resolution": "fastest"}),
    Case("total_default_odd_ml", "inputs/ct_odd_sm.nii.gz", {}),
    Case(
        "old_style_fastest",
        "inputs/ct_odd_sm.nii.gz",
        {"resolution": "fastest"},
        weights=("weights_old_style",),
    ),
    Case("roi_subset_ml", "inputs/ct_xs.nii.gz", {"roi_subset": ("liver", "brain")}),
    Case(
        "roi_subset_crop_odd_ml",
        "inputs/ct_odd_sm.nii.gz",
        {**FAST, "roi_subset": ("liver", "stomach")},
        weights=CROPPED,
    ),
    Case("dicom_in_nifti_ml", "../data/ct_series", FAST),
    Case("body_fast_ml_odd", "inputs/ct_odd_sm.nii.gz", {"task": "body", **FAST}),
    Case("body_seg_ml", "inputs/ct_xs.nii.gz", {**FAST, "body_only": True}),
    Case("vertebrae_pp_ml", "inputs/ct_xs.nii.gz", {"task": "vertebrae_pp"}),
    Case("total_mr_fast_ml", "inputs/mr_xs.nii.gz", {"task": "total_mr", **FAST}),
    Case("total_mr_default_ml", "inputs/mr_xs.nii.gz", {"task": "total_mr"}),
    Case(
        "total_mr_roi_subset_ml",
        "inputs/mr_xs.nii.gz",
        {"task": "total_mr", "roi_subset": ("liver", "brain")},
    ),
    Case("liver_segments_odd_ml", "inputs/ct_odd_sm.nii.gz", {"task": "liver_segments"}, CROPPED),
    Case("kidney_cysts_ml", "inputs/ct_xs.nii.gz", {"task": "kidney_cysts"}, CROPPED),
    Case("pleural_ml", "inputs/ct_odd_sm.nii.gz", {"task": "pleural_pericard_effusion"}, CROPPED),
    Case("heartchambers_ml", "inputs/ct_xs.nii.gz", {"task": "heartchambers_highres"}, CROPPED),
    Case("higher_order_fast_odd_ml", "inputs/ct_odd_sm.nii.gz", {**FAST, "restore": "logits"}),
    Case(
        "higher_order_legacy_fast_odd_ml",
        "inputs/ct_odd_sm.nii.gz",
        {**FAST, "restore": "labels"},
    ),
    Case("resampling_order3_odd_ml", "inputs/ct_odd_sm.nii.gz", {**FAST, "resampling_order": 3}),
    Case(
        "remove_small_blobs_odd_ml",
        "inputs/ct_odd_sm.nii.gz",
        {**FAST, "small_blobs_mm3": 500.0},
    ),
    Case("v1_order_ml", "inputs/ct_xs.nii.gz", {"resolution": "fastest", "v1_order": True}),
)
LOWRES = Case("save_lowres_fast_odd_ml", "inputs/ct_odd_sm.nii.gz", {**FAST, "save_lowres": True})
SEPARATE = (
    Case("total_default_xs_dir_stats", "inputs/ct_xs.nii.gz", {}),
    Case("total_fast_dir_stats", "inputs/ct_sm.nii.gz", FAST),
    Case(
        "roi_subset_robust_dir_stats",
        "inputs/ct_xs.nii.gz",
        {"roi_subset": ("liver", "spleen", "rib_left_5"), "robust": True},
    ),
    Case(
        "roi_subset_crop_fast_dir_stats",
        "inputs/ct_xs.nii.gz",
        {**FAST, "roi_subset": ("liver", "colon", "sacrum")},
        weights=CROPPED,
    ),
)
LARGE = Case("total_default_ml_stats", "inputs/ct_sm.nii.gz", {})  # minutes: for statistics only
ALL = {case.name: case for case in (*CASES, *SEPARATE, LARGE)}


def outcome_of(case: Case, folder: Path, **asked: bool) -> Outcome:
    request = Request(
        PARITY / case.scan,
        folder,
        Options(**case.options),
        device="cpu",
        multilabel=True,
        licence=LICENCE,
        **asked,
    )
    return run(request, Session(Store(tuple(PARITY / root for root in case.weights))))


def labels_of(case: Case, names: tuple[str, ...]) -> NDArray[np.uint8]:
    """The recorded labels, also where they are in separate files; `names` are the structures."""
    folder = PARITY / "goldens" / case.name
    if case not in SEPARATE:
        return np.asanyarray(loaded(folder / "seg.nii.gz").dataobj)
    masks = {file.name.removesuffix(".nii.gz"): file for file in folder.glob("seg/*.nii.gz")}
    numbered = [
        np.asanyarray(loaded(file).dataobj) * np.uint8(names.index(name) + 1)
        for name, file in masks.items()
    ]
    return np.sum(numbered, axis=0, dtype=np.uint8)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_label_map_is_the_recorded_one(case, tmp_path):
    outcome_of(case, tmp_path / "out")
    ours = nib.load(tmp_path / "out" / "segmentation.nii.gz")
    reference = loaded(PARITY / "goldens" / case.name / "seg.nii.gz")
    assert isinstance(ours, nib.Nifti1Image)
    for field in ("sform_code", "qform_code", "pixdim", "xyzt_units"):
        np.testing.assert_array_equal(ours.header[field], reference.header[field], field)
    np.testing.assert_array_equal(ours.affine, reference.affine)
    same = np.asanyarray(ours.dataobj) == np.asanyarray(reference.dataobj)
    assert same.mean() >= AGREEMENT, f"{(~same).sum()} of {same.size} voxels differ"


@pytest.mark.parametrize("case", SEPARATE, ids=lambda case: case.name)
def test_the_separate_masks_are_the_recorded_ones(case, tmp_path):
    outcome = outcome_of(case, tmp_path / "out")
    ours, names = outcome.findings.labels.data, outcome.findings.plan.names
    differing = int((ours != labels_of(case, names)).sum())
    assert differing <= (1 - AGREEMENT) * ours.size, f"{differing} voxels differ"


def test_a_map_on_the_grid_of_the_model_is_the_recorded_one(tmp_path):
    outcome_of(LOWRES, tmp_path / "out")
    ours = loaded(tmp_path / "out" / "segmentation.nii.gz")
    reference = loaded(PARITY / "goldens" / LOWRES.name / "seg.nii.gz")
    np.testing.assert_allclose(ours.affine, reference.affine, atol=1e-4)
    same = np.asanyarray(ours.dataobj) == np.asanyarray(reference.dataobj)
    assert same.mean() >= AGREEMENT, f"{(~same).sum()} of {same.size} voxels differ"


def test_slabs_that_are_too_thin_give_the_whole_where_the_reference_crashes(tmp_path):
    case = Case("force_split_small_fast", "inputs/ct_sm.nii.gz", {**FAST, "split": True})
    crash = json.loads((PARITY / "goldens" / case.name / "golden.json").read_text())
    assert crash["exit_code"] == 1
    outcome = outcome_of(case, tmp_path / "out")
    whole = labels_of(ALL["total_fast_ml"], outcome.findings.plan.names)
    differing = int((outcome.findings.labels.data != whole).sum())
    assert differing <= (1 - AGREEMENT) * whole.size, f"{differing} voxels differ"


def test_a_4d_image_is_refused_where_the_reference_takes_its_first_volume(tmp_path):
    with pytest.raises(BadImageError, match="holds 2 volumes"):
        outcome_of(Case("input_4d", "inputs/ct_4d.nii.gz", {"resolution": "fastest"}), tmp_path)


def test_the_masks_derived_from_the_body_are_the_recorded_ones(tmp_path):
    case = Case("body_dir", "inputs/ct_xs.nii.gz", {"task": "body"})
    request = Request(PARITY / case.scan, tmp_path / "out", Options("body"), device="cpu")
    run(request, Session(Store((PARITY / "weights",))))
    recordings = sorted((PARITY / "goldens" / case.name / "seg").glob("*.nii.gz"))
    assert len(recordings) == 4
    for file in recordings:
        ours, reference = (nib.load(f) for f in (tmp_path / "out" / file.name, file))
        assert isinstance(ours, nib.Nifti1Image)
        assert isinstance(reference, nib.Nifti1Image)
        np.testing.assert_array_equal(
            np.asanyarray(ours.dataobj), np.asanyarray(reference.dataobj), file.name
        )


def numbers(case: Case) -> dict[str, tuple[float, float]]:
    """The recorded volume and mean of every structure that was measured: the others are 0."""
    (file,) = (PARITY / "goldens" / case.name).rglob("statistics.json")
    entries = json.loads(file.read_text()).items()
    return {name: (e["volume"], e["intensity"]) for name, e in entries if e["volume"] > 0}


@pytest.mark.parametrize(
    ("name", "include_incomplete", "least"),
    [
        ("total_fast_odd_ml_stats", True, 40),
        ("total_fastest_odd_ml_stats", False, 10),
        ("total_default_ml_stats", False, 3),
        ("total_default_xs_dir_stats", False, 4),
        ("total_fast_dir_stats", False, 5),
    ],
)
def test_statistics_are_the_recorded_ones(name, include_incomplete, least, tmp_path):
    """All of them, but for the two structures that each differing voxel may belong to."""
    case = ALL[name]
    outcome = outcome_of(
        case, tmp_path / "out", statistics=True, include_incomplete=include_incomplete
    )
    ours = {
        structure: (measured.volume_mm3, measured.mean_intensity)
        for structure, measured in outcome.findings.measurements.items()
        if measured.volume_mm3 is not None
    }
    expected = numbers(case)
    labels = outcome.findings.labels
    differing = (labels_of(case, outcome.findings.plan.names) != labels.data).sum()
    off = [
        structure
        for structure in ours.keys() | expected.keys()
        if ours.get(structure) != pytest.approx(expected.get(structure), rel=1e-6, abs=1e-5)
    ]
    assert differing <= (1 - AGREEMENT) * labels.data.size, f"{differing} voxels differ"
    assert len(expected) >= least
    assert len(off) <= 2 * differing, off
