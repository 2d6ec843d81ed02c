"""What nnU-Net's own predictor makes of an image, and images for it."""

from pathlib import Path

import numpy as np
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from numpy.typing import NDArray

from totalseg_mcp.engine.loading import load
from totalseg_mcp.engine.tasks import MODELS
from totalseg_mcp.engine.volume import Grid, Volume

CPU = torch.device("cpu")
FASTEST = MODELS[298]


def scan(shape: tuple[int, int, int], spacing_mm: float = 6.0) -> Volume:
    """Blobs between air and bone, without symmetry."""
    i, j, k = np.indices(shape)
    waves = np.sin(i / 3 + 0.2 * j) + np.cos(j / 4 - 0.1 * k) + np.sin(k / 5 + 0.3 * i)
    affine = np.diag([spacing_mm] * 3 + [1.0])
    return Volume((waves * 400 - 100).astype(np.int32), Grid(shape, affine))


def by_nnunet(
    folder: Path, image: Volume, tile_step: float, device: torch.device = CPU
) -> NDArray[np.integer]:
    """The label map that nnU-Net's own predictor gives, [i, j, k]."""
    network = load(folder, FASTEST, device)
    predictor = nnUNetPredictor(
        tile_step_size=tile_step,
        use_mirroring=False,
        perform_everything_on_device=device.type == "cuda",
        device=device,
        allow_tqdm=False,
    )
    states = [module.state_dict() for module in network.folds]
    predictor.manual_initialization(
        network.folds[0],
        network.plans,
        network.configuration,
        states,
        dict(network.dataset),
        FASTEST.trainer,
        None,
    )
    data = image.data.transpose(2, 1, 0).astype(np.float32)[None]
    spacing = [float(mm) for mm in reversed(image.grid.spacing_mm)]
    found = predictor.predict_single_npy_array(data, {"spacing": spacing}, None, None, False)
    return np.asarray(found).transpose(2, 1, 0)
