"""All values that pyradiomics publishes of its test cases, in the folder `data` of its sources."""

import ast
import csv
import os
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from totalseg_mcp.engine.measure.extraction import extraction
from totalseg_mcp.engine.measure.radiomics import radiomics
from totalseg_mcp.engine.volume import Grid, Labels, Volume

DATA = Path(os.environ.get("PYRADIOMICS_DATA", "/nowhere"))
KINDS = ("firstorder", "shape", "glcm", "gldm", "glrlm", "glszm", "ngtdm")
# pyradiomics 3.0.1 itself differs so much from these values of its baseline.
MESH = ("MeshVolume", "SurfaceArea", "SurfaceVolumeRatio", "Sphericity")
OLD = {("brain1", f"original_shape_{name}"): 1e-3 for name in MESH}

pytestmark = [
    pytest.mark.skipif(not DATA.is_dir(), reason="PYRADIOMICS_DATA names no folder"),
    pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning"),  # pykwalify's
]


@cache
def scan(case: str) -> tuple[Volume, Labels]:
    """A test case; its spacing matters, its place does not."""
    sitk = pytest.importorskip("SimpleITK")
    image, mask = (sitk.ReadImage(DATA / f"{case}_{kind}.nrrd") for kind in ("image", "label"))
    grid = Grid(image.GetSize(), np.diag([*image.GetSpacing(), 1]))
    inside = (sitk.GetArrayFromImage(mask).T == 1).astype(np.uint8)
    return Volume(sitk.GetArrayFromImage(image).T, grid), Labels(inside, grid, ("x",))


@pytest.mark.parametrize("kind", KINDS)
def test_every_value_of_the_baseline_is_found_again(kind):
    pytest.importorskip("radiomics", reason="pyradiomics is not installed")
    table = (DATA / "baseline" / f"baseline_{kind}.csv").read_text("utf-8")
    rows = list(csv.DictReader(table.splitlines()))
    compared = 0
    for test in list(rows[0])[1:]:
        known = {row["featureName"]: row[test] for row in rows}
        setting = ast.literal_eval(known["diagnostics_Configuration_Settings"])
        given = {name: value for name, value in setting.items() if value is not None}
        image, labels = scan(known["diagnostics_Configuration_TestCase"])
        how = extraction({"setting": given, "featureClass": {kind: None}})
        found = radiomics(labels, image, ("x",), how, include_incomplete=True).structures["x"]
        for name, value in found.items():
            rel = OLD.get((test, name), 1e-9)
            assert value == pytest.approx(float(known[name]), rel=rel, abs=1e-12), (test, name)
            compared += 1
    assert compared >= 50
