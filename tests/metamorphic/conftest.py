"""A scan that is like no other in any axis, and the label map that a job makes of a file."""

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nibabel.affines import from_matvec
from nibabel.nifti1 import Nifti1Image
from scipy.spatial.transform import Rotation

from totalseg_mcp.engine.options import Options
from totalseg_mcp.engine.request import Request
from totalseg_mcp.engine.run import run
from totalseg_mcp.engine.session import Session
from totalseg_mcp.engine.weights import Store

FASTEST = Options("total", "fastest")
SHAPE, SPACING_MM, ORIGIN_MM = (35, 29, 25), (3.1, 3.4, 4.7), (60.5, 200.25, -740.0)


@pytest.fixture(scope="session")
def ct() -> Nifti1Image:
    """LPS, oblique, anisotropic, off the origin; blobs of tissue in air and a bone, in even HU."""
    i, j, k = np.indices(SHAPE)
    waves = np.sin(i / 6 + 0.1 * j) + np.cos(j / 7 - 0.1 * k) + np.sin(k / 5 + 0.1 * i)
    hu = np.where(waves > -0.3, 2 * np.rint(200 * waves), -1000).astype(np.int16)
    hu[np.hypot(i - 25, j - 19) + abs(k - 7) < 5] = 1400
    turn = Rotation.from_euler("xyz", [9, -6, 4], degrees=True).as_matrix()
    image = Nifti1Image(hu, from_matvec(turn @ np.diag([-1, -1, 1]) * SPACING_MM, ORIGIN_MM))
    image.header.set_xyzt_units("mm")
    return image


Job = Callable[..., Nifti1Image]  # file, options -> its label map, as nibabel reads it


@pytest.fixture(scope="session")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Session], Job]:
    """What jobs make of files with the models of a session, which stay loaded."""

    def with_models(session: Session) -> Job:
        def job(file: Path, options: Options = FASTEST) -> Nifti1Image:
            folder = tmp_path_factory.mktemp("job") / "out"
            run(Request(file, folder, options, device="cpu", multilabel=True), session)
            return nib.load(folder / "segmentation.nii.gz")

        return job

    return with_models


@pytest.fixture(scope="session")
def job(models: Path, jobs) -> Job:
    """A job with random models."""
    return jobs(Session(Store((models,)), device="cpu"))


@pytest.fixture(scope="session")
def ct_file(ct, tmp_path_factory) -> Path:
    """The scan as it is."""
    file = tmp_path_factory.mktemp("straight") / "ct.nii.gz"
    ct.to_filename(file)
    return file


@pytest.fixture(scope="session")
def straight(ct_file, job) -> Nifti1Image:
    """Its label map: many structures, so that a difference shows."""
    labels = job(ct_file)
    assert len(np.unique(labels.dataobj)) > 10
    return labels
