"""The five model folders of TotalSegmentator 2D, named and laid out as it has them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from totalseg_mcp.engine.models2d import MODELS_2D, spelt_by_ts2d
from totalseg_mcp.weights.design import Design, unet, write_texts

MODEL = MODELS_2D["ts2d-v2"]
REVISION = "r001"
CHANNELS = ("mean", "max")
ABOUT = "Demonstration weights, trained on synthetic phantoms only."
DEMO = Path(__file__).parent / "demo2d"
GROUPS: Mapping[str, tuple[str, ...]] = {group.name: group.names for group in MODEL.groups}
DESIGN = Design(
    configuration="2d",
    trainer="nnUNetTrainer_4000epochs_Batch2_NoMirroring",
    reader="SimpleITKIO",
    patch=(128, 160),  # height and width: as a trunk, which a larger tile pads
    spacing_mm=3.0,
    normalization=("ZScoreNormalization",) * len(CHANNELS),
    architecture=unet(
        features=(24, 48, 64, 80, 96, 96),
        strides=((1, 1), (2, 2), (2, 2), (2, 2), (2, 2), (2, 2)),
        down=(2, 2, 2, 2, 2, 1),
        up=(1, 1, 1, 1, 1),
    ),
)


def dataset_name(group: str) -> str:
    """The name of a group's data set."""
    return f"Dataset{301 + list(GROUPS).index(group)}_TS2Dv2_{group}"


def revision(group: str, root: Path = DEMO) -> Path:
    """The folder that holds a group's model.json."""
    return root / f"{MODEL.key}_{group}" / REVISION


def model(group: str, root: Path = DEMO) -> Path:
    """The folder that holds a group's plans.json, dataset.json and fold."""
    return revision(group, root) / dataset_name(group) / DESIGN.folder


def dataset(group: str) -> dict[str, Any]:
    """dataset.json with every structure of the group, depicted or not."""
    names = ["background", *(spelt_by_ts2d(name) for name in GROUPS[group])]
    return {
        "name": dataset_name(group),
        "description": ABOUT,
        "licence": "Apache-2.0",
        "tensorImageSize": "2D",
        "channel_names": {str(n): name for n, name in enumerate(CHANNELS)},
        "multilabel": True,
        "labels": {name: n for n, name in enumerate(names)},
        "numTraining": 0,
        "file_ending": ".nrrd",
        "overwrite_image_reader_writer": DESIGN.reader,
    }


def card(group: str) -> dict[str, Any]:
    """model.json, which tells TotalSegmentator 2D how to run the model."""
    return {
        "model": MODEL.key,
        "group": group,
        "revision": REVISION,
        "description": ABOUT,
        "folds": [0],
        "param": {
            "nnu.version": 2,
            "nnu.task": 301 + list(GROUPS).index(group),
            "nnu.trainer": DESIGN.trainer,
            "nnu.plans": "nnUNetPlans",
            "nnu.configuration": DESIGN.configuration,
        },
    }


def write(
    group: str,
    weights: Mapping[str, torch.Tensor],
    intensities: Sequence[Mapping[str, float]],
    root: Path = DEMO,
) -> None:
    """The whole folder of a group; `intensities` in HU, per channel."""
    folder = model(group, root)
    plans = DESIGN.plans(dataset_name(group), intensities)
    write_texts({"model.json": card(group)}, revision(group, root))
    write_texts({"plans.json": plans, "dataset.json": dataset(group)}, folder)
    DESIGN.write_weights(weights, folder)
