"""Choosing the last layers in two dimensions, once: `PYTHONPATH=tests python -m parity.heads_2d`.

A structure is wherever a random mixture of the features is greatest: over none, some or many of
the pixels of a recorded picture. The background's row, which clears what lies under it, has its
share too.
"""

import tempfile
from pathlib import Path

import numpy as np
import SimpleITK
import torch
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from numpy.typing import NDArray
from parity.models_2d import FlatModel, models_2d
from parity.scans_2d import scan_2d
from parity.stand_ins import FEATURES, Head
from parity.stand_ins_2d import HEADS, STAND_IN, dataset_2d, made_network, plans_2d, weights

SHARES = (0.0, 0.01, 0.04, 0.12, 0.3)  # of the picture, and how many structures have each
CHANCES = (0.15, 0.2, 0.3, 0.25, 0.1)
BACKGROUND = 0.3
NEVER = -100.0


def main() -> None:
    """Make all last layers anew."""
    with tempfile.TemporaryDirectory() as name:
        made = {key: head(model, Path(name)) for key, model in models_2d().items()}
    np.savez_compressed(HEADS, **made)


def head(model: FlatModel, folder: Path) -> Head:
    """The last layer of `model`: a row for the background and for each structure."""
    rng = np.random.default_rng(model.number)
    seen = features(model, picture(model, folder)).reshape(FEATURES, -1)
    rows = rng.standard_normal((len(model.structures) + 1, FEATURES)) / seen.std(1)
    shares = rng.choice(SHARES, len(rows), p=CHANCES)
    shares[0] = BACKGROUND
    mixed = rows @ seen
    bias = [
        -np.quantile(values, 1 - share) if share else NEVER
        for values, share in zip(mixed, shares, strict=True)
    ]
    return np.column_stack([rows, bias]).astype(np.float32)


def picture(model: FlatModel, folder: Path) -> NDArray[np.float32]:
    """[channel, 1, row, column]: what `model` is shown."""
    image = SimpleITK.ReadImage(
        scan_2d("xray" if model.channels == ("xr",) else "projection", folder)
    )
    array = SimpleITK.GetArrayFromImage(image).astype(np.float32)
    if array.ndim == 2:
        return array[None, None]
    order = [("mean", "max").index(channel) for channel in model.channels]
    return np.ascontiguousarray(np.moveaxis(array, -1, 0)[order, None])


def features(model: FlatModel, shown: NDArray[np.float32]) -> NDArray[np.float64]:
    """What enters the last layer, [feature, row, column]."""
    plans = PlansManager(plans_2d(model, STAND_IN))
    configuration = plans.get_configuration("2d")
    data, _, _ = configuration.preprocessor_class(verbose=False).run_case_npy(
        shown, None, {"spacing": [999.0, 1.6, 1.3]}, plans, configuration, dataset_2d(model)
    )
    network = made_network(model, STAND_IN).eval()
    empty = np.zeros((len(model.structures) + 1, FEATURES + 1), np.float32)
    network.load_state_dict(weights(model, 0, empty))
    last = torch.nn.Conv2d(FEATURES, FEATURES, 1)
    torch.nn.init.dirac_(last.weight)
    torch.nn.init.zeros_(last.bias)
    network.decoder.seg_layers[-1] = last
    rows, columns = (size // 4 * 4 for size in data.shape[2:])
    with torch.inference_mode():
        found = network(torch.from_numpy(data[:, 0, :rows, :columns])[None])[0]
    array: NDArray[np.float64] = found.double().numpy()
    return array


if __name__ == "__main__":
    main()
