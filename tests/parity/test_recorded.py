"""Voxel by voxel against recorded outputs of TotalSegmentator 2.18.0, on the same weights.

The recordings lie beside the repository, not in it. On the machine where a recording is
made anew, all of these agree in every voxel; across processors the last bit of a
convolution differs, and with it a voxel here and there where two classes tie.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from totalseg_mcp.engine.options import Options
from totalseg_mcp.engine.request import Request
from totalseg_mcp.engine.run import Outcome, run
from totalseg_mcp.engine.session import Session
from totalseg_mcp.engine.weights import Store

PARITY = Path(__file__).parents[2].parent / "shared" / "parity"
pytestmark = pytest.mark.skipif(
    not PARITY.is_dir(), reason=f"no recorded reference outputs at {PARITY}"
)
AGREEMENT = 0.9999
WEIGHTS = ("weights",)
CROPPED = ("weights_cropped", "weights")  # a rough model that finds small organs


@dataclass(frozen=True)
class Case:
    """A recorded run: its folder, its input, and what it asked for."""

    name: str
    scan: str
    options: Options
    weights: tuple[str, ...] = WEIGHTS  # roots; the first that has a model wins


CASES = (
    Case("total_fast_ml", "inputs/ct_sm.nii.gz", Options("total", "fast")),
    Case("total_fast_odd_ml_stats", "inputs/ct_odd.nii.gz", Options("total", "fast")),
    Case("total_fastest_odd_ml_stats", "inputs/ct_odd.nii.gz", Options("total", "fastest")),
    Case("total_default_odd_ml", "inputs/ct_odd_sm.nii.gz", Options("total")),
    Case(
        "old_style_fastest",
        "inputs/ct_odd_sm.nii.gz",
        Options("total", "fastest"),
        weights=("weights_old_style",),
    ),
    Case("roi_subset_ml", "inputs/ct_xs.nii.gz", Options("total", "default", ("liver", "brain"))),
    Case(
        "roi_subset_crop_odd_ml",
        "inputs/ct_odd_sm.nii.gz",
        Options("total", "fast", ("liver", "stomach")),
        weights=CROPPED,
    ),
    Case("dicom_in_nifti_ml", "../data/ct_series", Options("total", "fast")),
    Case("body_fast_ml_odd", "inputs/ct_odd_sm.nii.gz", Options("body", "fast")),
    Case("body_seg_ml", "inputs/ct_xs.nii.gz", Options("total", "fast", body_only=True)),
    Case("vertebrae_pp_ml", "inputs/ct_xs.nii.gz", Options("vertebrae_pp")),
    Case("total_mr_fast_ml", "inputs/mr_xs.nii.gz", Options("total_mr", "fast")),
    Case("total_mr_default_ml", "inputs/mr_xs.nii.gz", Options("total_mr")),
    Case(
        "total_mr_roi_subset_ml",
        "inputs/mr_xs.nii.gz",
        Options("total_mr", "default", ("liver", "brain")),
    ),
    Case("liver_segments_odd_ml", "inputs/ct_odd_sm.nii.gz", Options("liver_segments"), CROPPED),
    Case("kidney_cysts_ml", "inputs/ct_xs.nii.gz", Options("kidney_cysts"), CROPPED),
    Case("pleural_ml", "inputs/ct_odd_sm.nii.gz", Options("pleural_pericard_effusion"), CROPPED),
)


def outcome_of(case: Case, folder: Path, **asked: bool) -> Outcome:
    request = Request(
        PARITY / case.scan,
        folder,
        case.options,
        device="cpu",
        multilabel=True,
        **asked,
    )
    return run(request, Session(Store(tuple(PARITY / root for root in case.weights))))


def recorded(case: Case) -> nib.Nifti1Image:
    image = nib.load(PARITY / "goldens" / case.name / "seg.nii.gz")
    assert isinstance(image, nib.Nifti1Image)
    return image


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_label_map_is_the_recorded_one(case, tmp_path):
    outcome_of(case, tmp_path / "out")
    ours = nib.load(tmp_path / "out" / "segmentation.nii.gz")
    reference = recorded(case)
    assert isinstance(ours, nib.Nifti1Image)
    for field in ("sform_code", "qform_code", "pixdim", "xyzt_units"):
        np.testing.assert_array_equal(ours.header[field], reference.header[field], field)
    np.testing.assert_array_equal(ours.affine, reference.affine)
    same = np.asanyarray(ours.dataobj) == np.asanyarray(reference.dataobj)
    assert same.mean() >= AGREEMENT, f"{(~same).sum()} of {same.size} voxels differ"


def numbers(case: Case) -> dict[str, tuple[float, float]]:
    """The recorded volume and mean of every structure that was measured: the others are 0."""
    text = (PARITY / "goldens" / case.name / "statistics.json").read_text()
    entries = json.loads(text).items()
    return {name: (e["volume"], e["intensity"]) for name, e in entries if e["volume"] > 0}


def test_a_robust_subset_gives_the_recorded_masks(tmp_path):
    options = Options("total", "default", ("liver", "spleen", "rib_left_5"), robust=True)
    outcome = outcome_of(Case("", "inputs/ct_xs.nii.gz", options), tmp_path / "out")
    for name in options.roi_subset:
        mask = nib.load(
            PARITY / "goldens" / "roi_subset_robust_dir_stats" / "seg" / f"{name}.nii.gz"
        )
        assert isinstance(mask, nib.Nifti1Image)
        number = outcome.findings.plan.names.index(name) + 1
        np.testing.assert_array_equal(
            np.asanyarray(mask.dataobj), outcome.findings.labels.data == number, name
        )


def test_the_masks_derived_from_the_body_are_the_recorded_ones(tmp_path):
    case = Case("body_dir", "inputs/ct_xs.nii.gz", Options("body"))
    request = Request(PARITY / case.scan, tmp_path / "out", case.options, device="cpu")
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


@pytest.mark.parametrize(
    ("name", "include_incomplete"),
    [("total_fast_odd_ml_stats", True), ("total_fastest_odd_ml_stats", False)],
    ids=["on the 3 mm grid, with incomplete ones", "on the scan's grid, without them"],
)
def test_statistics_are_the_recorded_ones(name, include_incomplete, tmp_path):
    """All of them, but for the two structures that each differing voxel may belong to."""
    case = next(case for case in CASES if case.name == name)
    outcome = outcome_of(
        case, tmp_path / "out", statistics=True, include_incomplete=include_incomplete
    )
    ours = {
        structure: (measured.volume_mm3, measured.mean_intensity)
        for structure, measured in outcome.findings.measurements.items()
        if measured.volume_mm3 is not None
    }
    expected = numbers(case)
    differing = (np.asanyarray(recorded(case).dataobj) != outcome.findings.labels.data).sum()
    off = [
        structure
        for structure in ours.keys() | expected.keys()
        if ours.get(structure) != pytest.approx(expected.get(structure), rel=1e-6, abs=1e-5)
    ]
    assert len(expected) > 10
    assert len(off) <= 2 * differing, off
