"""Files as ts2d 1.2.0 segmented them: read here, and segmented by the same networks."""

import hashlib
import json
from functools import cache

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 (its own name for itself)
import torch

from totalseg_mcp.engine.files.flat import read_seen
from totalseg_mcp.engine.files.layers import write_layers_nrrd
from totalseg_mcp.engine.flat import Flat
from totalseg_mcp.engine.glance import glance
from totalseg_mcp.engine.image.project import plane_of
from totalseg_mcp.engine.loading import load_2d
from totalseg_mcp.engine.manifest import newest
from totalseg_mcp.engine.models2d import GROUPS, spelt_by_ts2d
from totalseg_mcp.engine.segment2d import of_picture, of_projections, segment_2d

SINGLE = 1e-6  # NIfTI keeps where an image lies in single precision
# Axes that are not at right angles ts2d writes by rows; here they lie where the scan's do.
TRANSPOSED = ("ct_shear.nii.gz",)
RUNS = {
    "v2": (
        *("sample_s0332.nrrd", "sample_s0521.nrrd", "ct_oblique.nrrd", "ct_psl.nii.gz"),
        *("ct_shear.nii.gz", "ct_zero.nrrd", "proj2d_105.nrrd", "proj2d_small.nrrd", "ct_f32.mha"),
    ),
    "v1": (
        *("sample_s0332.nrrd", "sample_s0521.nrrd", "ct_zero.nrrd", "ct_oblique.nrrd"),
        *("proj2d_105.nrrd", "proj2d_small.nrrd"),
    ),
    "xr": ("sample_chexpert.nrrd",),
    "one": ("sample_s0521.nrrd",),
}


def seen_of(given):
    if isinstance(given, Flat):
        return of_picture(given.picture)
    return of_projections(
        glance(given, ("mean", "max")).projections, plane_of(given.grid), pytest.fail
    )


@cache
def network(folder):
    return load_2d(newest(folder), torch.device("cpu"))


@pytest.mark.parametrize("collapse", [False, True])
@pytest.mark.parametrize(("run", "name"), [(run, name) for run in RUNS for name in RUNS[run]])
def test_a_file_gives_the_layers_that_ts2d_gave(shared, tmp_path, run, name, collapse):
    recorded = shared / "parity_ts2d"
    said = json.loads((recorded / f"{run}.json").read_text("utf-8"))
    (call,) = (c for c in said["calls"] if (c["input"], c["collapse"]) == (name, collapse))
    seen = seen_of(read_seen(recorded / "inputs" / name))
    groups = [GROUPS[folder] for folder in said["models"]]
    layers = segment_2d(
        seen, groups, lambda group: network(recorded / "models" / group.folder)
    ).layers
    called = {spelt_by_ts2d(own): own for own in layers.names}
    shown = {called[theirs]: theirs for theirs in call["names"]}
    write_layers_nrrd(layers, shown, tmp_path / "s.seg.nrrd", collapse)
    image = sitk.ReadImage(str(tmp_path / "s.seg.nrrd"))
    array = np.ascontiguousarray(sitk.GetArrayFromImage(image))
    assert hashlib.sha256(array.tobytes()).hexdigest() == call["sha256"]
    if len(call["size"]) == image.GetDimension():
        assert list(image.GetSize()) == call["size"]
        np.testing.assert_allclose(image.GetSpacing(), call["spacing"], rtol=SINGLE)
        np.testing.assert_allclose(image.GetOrigin(), call["origin"], rtol=SINGLE)
        if name not in TRANSPOSED:
            np.testing.assert_allclose(image.GetDirection(), call["direction"], atol=SINGLE)
    names = [image.GetMetaData(f"Segment{n}_Name") for n in range(len(shown))]
    assert names == call["names"]
