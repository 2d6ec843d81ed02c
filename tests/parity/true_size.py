"""A network of the size of TotalSegmentator's own, with random weights: for timing and agreement.

Features 32 to 320 over six stages, tiles of 128 x 128 x 128 voxels, 118 outputs: as the 3 mm model
of `total`, whose tiles are no larger.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from model_folder import ARCHITECTURE, network, plans, write_model_folder
from numpy.typing import NDArray

from totalseg_mcp.engine.tasks import MODELS
from totalseg_mcp.phantom import phantom, scan, view

DATASET = 297
PATCH = (128, 128, 128)
TRUE_SIZE: dict[str, Any] = {
    **ARCHITECTURE,
    "n_stages": 6,
    "features_per_stage": [32, 64, 128, 256, 320, 320],
    "kernel_sizes": [[3, 3, 3]] * 6,
    "strides": [[1, 1, 1], *[[2, 2, 2]] * 5],
    "n_conv_per_stage": [2] * 6,
    "n_conv_per_stage_decoder": [2] * 5,
}
SEED = 297
BODY = 11  # seed of the phantom
BACKGROUND = 2.0  # standard deviations that the background is ahead of a structure
HU_MEAN, HU_STD = 20.0, 350.0  # as in `model_folder.plans`
SMALL = 64  # voxels along each axis of what the last layer is fitted to


def make_true_size(root: Path) -> Path:
    """The folder of the network below `root`; the same bits wherever torch is the same."""
    model = MODELS[DATASET]
    torch.manual_seed(SEED)
    made = network(model, TRUE_SIZE).eval()
    last = made.decoder.seg_layers[-1]
    with torch.inference_mode():
        seen = made(torch.from_numpy(image((SMALL,) * 3))[None])[0]
        spread, middle = seen.std((1, 2, 3)), seen.mean((1, 2, 3))
        last.weight.div_(spread[:, None, None, None, None])
        last.bias.copy_((last.bias - middle) / spread)
        last.bias[0] += BACKGROUND
    return write_model_folder(root, model, plans(model, PATCH, TRUE_SIZE), [made.state_dict()])


def image(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """A phantom's thorax and abdomen as that network sees it: [1, z, y, x], 3 mm."""
    body = phantom(BODY)
    volume, _ = scan(body, view(body, "thorax_abdomen", (3.0, 3.0, 3.0)))
    upright = volume.data.transpose(2, 1, 0).astype(np.float32)
    middle = tuple(
        slice(max(0, (n - m) // 2), None) for n, m in zip(upright.shape, shape, strict=True)
    )
    cut = upright[middle][: shape[0], : shape[1], : shape[2]]
    missing = [(0, m - n) for n, m in zip(cut.shape, shape, strict=True)]
    padded = np.pad(cut, missing, constant_values=-1000.0)
    return ((padded - HU_MEAN) / HU_STD)[None].astype(np.float32)
