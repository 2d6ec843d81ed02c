"""The model folder: dataset.json, plans.json and checkpoint, named as TotalSegmentator has them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from totalseg_mcp.weights.design import Design, unet, write_texts

DATASET = "Dataset298_TotalSegmentator_total_6mm_1559subj"
READER = "NibabelIOWithReorient"
ARCHITECTURE: Mapping[str, Any] = unet(
    features=(16, 48, 80, 104, 112),
    strides=((1, 1, 1), (2, 2, 2), (2, 2, 2), (2, 2, 2), (2, 2, 1)),
    down=(1, 1, 2, 2, 2),
    up=(1, 1, 1, 1),
)
DESIGN = Design(
    configuration="3d_fullres",
    trainer="nnUNetTrainer_4000epochs_NoMirroring",
    reader=READER,
    patch=(64, 48, 72),  # z, y, x: the width and depth of a trunk in one tile
    spacing_mm=6.0,
    normalization=("CTNormalization",),
    architecture=ARCHITECTURE,
)
HERE = Path(__file__).parent
DEMO = HERE / "demo"
MODEL = DEMO / DATASET / DESIGN.folder


def plans(intensities: Mapping[str, float]) -> dict[str, Any]:
    """plans.json; `intensities` in HU."""
    return DESIGN.plans(DATASET, [intensities])


def dataset(names: tuple[str, ...]) -> dict[str, Any]:
    """dataset.json with every structure of the task, depicted or not."""
    return {
        "name": DATASET,
        "description": "Demonstration weights, trained on synthetic phantoms only.",
        "licence": "Apache-2.0",
        "channel_names": {"0": "CT"},
        "labels": {"background": 0, **{name: n for n, name in enumerate(names, start=1)}},
        "numTraining": 0,
        "file_ending": ".nii.gz",
        "overwrite_image_reader_writer": READER,
    }


def write(
    weights: Mapping[str, torch.Tensor],
    intensities: Mapping[str, float],
    names: tuple[str, ...],
    folder: Path = MODEL,
) -> None:
    """The whole model folder."""
    write_texts({"plans.json": plans(intensities), "dataset.json": dataset(names)}, folder)
    DESIGN.write_weights(weights, folder)
