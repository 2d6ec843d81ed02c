"""The five networks of TotalSegmentator 2D on one scan, through nnU-Net's own predictor."""

import contextlib
import io
import json
from pathlib import Path

import numpy as np
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from numpy.typing import NDArray

from totalseg_mcp.engine.image.orientation import reorient
from totalseg_mcp.engine.volume import Grid, Mask, Volume
from totalseg_mcp.phantom import NAMES
from totalseg_mcp.weights import folder2d
from totalseg_mcp.weights.projections import project

_UNSEEN_MM = 999.0  # nnU-Net's spacing along the axis that a flat image lacks
_LIKELY = 0.5


def pixel_mm(grid: Grid) -> tuple[float, float]:
    """Height and width of a projection's pixels: of an oblique scan's voxels, what is in plane."""
    affine = reorient(Volume(np.empty(grid.shape, np.uint8), grid), "RAI").grid.affine
    width, height = np.linalg.norm(affine[[0, 2]][:, [0, 2]], axis=0)
    return float(height), float(width)


class Network:
    """One group's network, with nnU-Net's preprocessing and way back."""

    def __init__(self, folder: Path) -> None:
        self.dataset = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
        self.plans = PlansManager(folder / "plans.json")
        self.configuration = self.plans.get_configuration(folder2d.DESIGN.configuration)
        checkpoint = folder / "fold_0" / "checkpoint_final.pth"
        weights = torch.load(checkpoint, weights_only=True)["network_weights"]
        module = folder2d.DESIGN.network(len(self.dataset["labels"]))
        with contextlib.redirect_stdout(io.StringIO()):  # nnU-Net greets on every CPU
            self.predictor = nnUNetPredictor(
                use_mirroring=False,
                perform_everything_on_device=False,
                device=torch.device("cpu"),
                allow_tqdm=False,
            )
        self.predictor.manual_initialization(
            *(module, self.plans, self.configuration, [weights]),
            *(self.dataset, folder2d.DESIGN.trainer, None),
        )

    def __call__(self, image: NDArray[np.float32], edges_mm: tuple[float, float]) -> Mask:
        """Where each structure is, `(structure, row, column)`, of `(channel, row, column)`."""
        made = {"spacing": [_UNSEEN_MM * max(edges_mm), *edges_mm]}
        preprocessor = self.configuration.preprocessor_class(verbose=False)
        data, _, made = preprocessor.run_case_npy(
            image[:, None], None, made, self.plans, self.configuration, self.dataset
        )
        logits = self.predictor.predict_logits_from_preprocessed_data(torch.from_numpy(data))
        resample = self.configuration.resampling_fn_probabilities
        shape = made["shape_after_cropping_and_before_resampling"]
        before = [made["spacing"][0], *self.configuration.spacing]
        there = np.asarray(resample(logits, shape, before, made["spacing"]), np.float32)
        likely = 1 / (1 + np.exp(-there)) > _LIKELY
        out = np.zeros((len(likely) - 1, *made["shape_before_cropping"]), np.bool_)
        box = tuple(slice(low, high) for low, high in made["bbox_used_for_cropping"])
        out[(slice(None), *box)] = likely[1:] & ~likely[0]
        return out[:, 0]


class Networks:
    """All five."""

    def __init__(self, root: Path = folder2d.DEMO) -> None:
        self.networks = {group: Network(folder2d.model(group, root)) for group in folder2d.GROUPS}

    def __call__(self, volume: Volume) -> Mask:
        """Where each structure is, `(structure, row, column)`, in the order of `NAMES`."""
        image, edges = project(volume), pixel_mm(volume.grid)
        found = np.zeros((len(NAMES), *image.shape[1:]), np.bool_)
        for group, network in self.networks.items():
            numbers = [NAMES.index(name) for name in folder2d.GROUPS[group]]
            found[numbers] = network(image, edges)
        return found
