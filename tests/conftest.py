"""What many tests need: a scan on disk, and models in TotalSegmentator's layout."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from model_folder import make_model_folder

from totalseg_mcp.engine.session import Session
from totalseg_mcp.engine.weights import Store


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with random models for `total`, fast and fastest."""
    root = tmp_path_factory.mktemp("models")
    for dataset in (297, 298):
        make_model_folder(root, dataset, seed=3)
    return root


@pytest.fixture
def session(models: Path) -> Session:
    """A session with those models, nothing loaded, on the CPU."""
    return Session(Store((models,)), device="cpu")


@pytest.fixture
def scan_file(tmp_path: Path) -> Path:
    """A CT: LPS, tilted, anisotropic, off the origin, with slope and intercept; blobs in air."""
    i, j, k = np.indices((44, 40, 30))
    waves = np.sin(i / 6 + 0.1 * j) + np.cos(j / 7 - 0.1 * k) + np.sin(k / 5 + 0.1 * i)
    data = np.where(waves > 0, 300 * waves, -1000).astype(np.int16)
    tilt = np.radians(9)
    turn = np.array([[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([-3.1, -3.4, 5.0])
    affine[:3, 3] = [60.5, 200.25, -740.0]
    image = nib.Nifti1Image(data, affine)
    image.header.set_slope_inter(2.0, -1024.0)
    image.header.set_xyzt_units("mm")
    file = tmp_path / "scan.nii.gz"
    image.to_filename(file)
    return file
