from pathlib import Path

import numpy as np
import pytest
from nibabel.affines import from_matvec
from scipy.spatial.transform import Rotation

from totalseg_mcp.engine.volume import Grid


@pytest.fixture
def shared() -> Path:
    """Real scans and recorded reference outputs, which are not part of this repository."""
    folder = Path(__file__).parents[2].parent / "shared"
    if not (folder / "parity").is_dir():
        pytest.skip(f"no reference data at {folder}")
    return folder


@pytest.fixture
def tilted() -> Grid:
    """LPS, tilted by 20 degrees, anisotropic, off the origin."""
    turn = Rotation.from_euler("x", 20, degrees=True).as_matrix()
    axes = turn @ np.diag([-1.0, -1.0, 1.0]) @ np.diag([0.7, 0.8, 2.5])
    return Grid((12, 10, 9), from_matvec(axes, [37.5, -120.25, 804.0]))
