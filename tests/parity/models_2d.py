"""The models of TotalSegmentator 2D that there are stand-ins for, and how they differ.

`ts2d-v2-ep4000b2` and `tsxr-v2-ep1000b2` are as the released models are believed to be. The older
two vary in all that a model folder may say: folds, grids, mirroring, normalisation, the order of
the channels, and the settings in model.json.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from totalseg_mcp.engine.tasks import MODELS

TASKS = Path(__file__).parent / "recordings" / "tasks.json"
# ts2d's groups of version 2 are the five models of TotalSegmentator's `total`.
PARTS = {"cardiac": 293, "muscles": 294, "organs": 291, "ribs": 295, "vertebrae": 292}
BONES = ("humerus", "scapula", "clavicula", "femur", "hip", "rib", "vertebrae", "sacrum")
PLAIN = {"nnu.version": 2, "nnu.plans": "nnUNetPlans", "nnu.configuration": "2d"}


@dataclass(frozen=True)
class FlatModel:
    """A model of ts2d; sizes are (row, column), `parameters` go to model.json.

    `old_plans`: described in nnU-Net's format of 2023.
    """

    name: str
    group: str
    number: int
    structures: tuple[str, ...]
    channels: tuple[str, ...] = ("mean", "max")
    patch: tuple[int, int] = (48, 40)
    spacing_mm: tuple[float, float] = (1.5, 1.5)
    normalization: str = "ZScoreNormalization"
    in_mask: bool = False
    folds: tuple[int, ...] = (0,)
    mirrored: tuple[int, ...] | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    old_plans: bool = False

    @property
    def key(self) -> str:
        """What ts2d calls it."""
        return f"{self.name}_{self.group}"

    @property
    def trainer(self) -> str:
        """nnU-Net's trainer, by the number of epochs in the name."""
        epochs = self.name.partition("-ep")[2].removesuffix("b2")
        return f"nnUNetTrainer_{epochs}epochs_Batch2_NoMirroring"

    @property
    def dataset(self) -> str:
        """The folder of its data set."""
        kind, version, _ = self.name.upper().split("-")
        return f"Dataset{self.number}_{kind}{version.lower()}_{self.group}"

    @property
    def checkpoint(self) -> str:
        """Which weights it is run with: `final` or `best`."""
        chosen: str = self.parameters.get("nnu.predict.checkpoint", "final")
        return chosen


# Of version 1, and of its halves: what is unlike version 2.
OLDER: Mapping[str, Mapping[str, Any]] = {
    "cardiac": {"patch": (40, 56), "folds": (0, 2)},
    "muscles": {"patch": (24, 32), "spacing_mm": (3.0, 3.0)},
    "organs": {"patch": (40, 32), "spacing_mm": (2.0, 1.5), "mirrored": (0, 1)},
    "ribs": {
        "patch": (44, 60),
        "channels": ("max", "mean"),
        "in_mask": True,
        "parameters": {"nnu.predict.stepsize": 1.0},
    },
    "vertebrae": {
        "patch": (160, 48),
        "normalization": "CTNormalization",
        "mirrored": (1,),
        "parameters": {"nnu.predict.augment": False},
    },
}
HALVES: Mapping[str, Mapping[str, Any]] = {
    "bones": {"old_plans": True, "mirrored": (0,)},
    "soft": {
        "spacing_mm": (1.2, 1.7),
        "folds": (),
        "parameters": {"nnu.predict.checkpoint": "best", "nnu.predict.stepsize": 0.75},
    },
}


@cache
def models_2d() -> Mapping[str, FlatModel]:
    """All of them, by key."""
    return {model.key: model for model in (*_new(), *_older(), *_halves())}


def members(key: str) -> list[FlatModel]:
    """The models that ts2d runs for `key`: one, or all of a name."""
    return [model for model in models_2d().values() if key in (model.key, model.name)]


def _new() -> Iterator[FlatModel]:
    for n, (group, part) in enumerate(PARTS.items()):
        names = tuple(_hyphens(MODELS[part].names))
        flat = FlatModel("ts2d-v2-ep4000b2", group, 301 + n, names)
        yield flat
        yield replace(flat, name="tsxr-v2-ep1000b2", number=401 + n, channels=("xr",))


def _older() -> Iterator[FlatModel]:
    for n, (group, other) in enumerate(OLDER.items()):
        names = tuple(name for name in _former() if _group(name) == group)
        yield FlatModel("ts2d-v1-ep4000b2", group, 201 + n, names, **other)


def _halves() -> Iterator[FlatModel]:
    for n, (half, other) in enumerate(HALVES.items()):
        names = tuple(name for name in _former() if name.startswith(BONES) == (half == "bones"))
        yield FlatModel("ts2d-v1-ep10000b2", half, 211 + n, names, **other)


def _former() -> Iterator[str]:
    """The 104 structures of TotalSegmentator's first version."""
    return _hyphens(json.loads(TASKS.read_text())["former"])


def _hyphens(names: tuple[str, ...]) -> Iterator[str]:
    """As ts2d spells them."""
    return (name.lower().replace("_", "-") for name in names)


def _group(name: str) -> str:
    """Where a structure of the first version belongs."""
    homes = (g for g, part in PARTS.items() if name in _hyphens(MODELS[part].names))
    return next(homes, "muscles" if name == "face" else "cardiac")
