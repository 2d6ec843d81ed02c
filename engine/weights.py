"""Which models are on disk, and where."""

import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from totalseg_mcp.engine.errors import MissingWeightsError
from totalseg_mcp.engine.licence import VARIABLE, WHERE
from totalseg_mcp.engine.presence import first_missing
from totalseg_mcp.engine.sources import totalsegmentator_home
from totalseg_mcp.engine.tasks import TASKS, Model, Resolution

CHECKPOINT = "checkpoint_final.pth"
DESCRIPTIONS = ("dataset.json", "plans.json")
SHOWN = TASKS["total"].models["fastest"]  # what the demonstration models are for
FLAGS: Mapping[Resolution, str] = {"default": "", "fast": " --fast", "fastest": " --fastest"}


@dataclass(frozen=True, slots=True)
class Store:
    """Model folders below these roots; the first root that has a model wins.

    A model is in `<root>/<its folder>/<trainer>__<plans>__<configuration>/`, as
    TotalSegmentator unpacks them: dataset.json, plans.json, and in each
    `fold_<number>/` a checkpoint_final.pth.
    """

    roots: tuple[Path, ...] = ()
    demonstration: bool = False  # not models of TotalSegmentator, but stand-ins of ours

    @classmethod
    def standard(cls, environ: Mapping[str, str] = os.environ) -> "Store":
        """The folder where TotalSegmentator keeps its models."""
        return cls((standard_root(environ),))

    @classmethod
    def demo(cls) -> "Store":
        """The demonstration models that come with this package."""
        return cls((Path(str(files("totalseg_mcp.weights"))) / "demo",), demonstration=True)

    def has(self, model: Model) -> bool:
        """Whether `model` is here, with all its files."""
        return any(not lacking(folder, model) for folder in self._places(model))

    def find(self, model: Model) -> Path:
        """The folder of `model` that has its dataset.json, plans.json and folds.

        Raises:
            MissingWeightsError: it is not here, or files of it are missing or empty.
        """
        started = [folder for folder in self._places(model) if folder.parent.exists()]
        for folder in started:
            if not lacking(folder, model):
                return folder
        if self.demonstration and model.dataset not in SHOWN:
            raise MissingWeightsError(self._not_shown(model))
        if started:
            raise MissingWeightsError(
                f"The model in {started[0]} is incomplete: {lacking(started[0], model)}. "
                f"{self._advice(model)}"
            )
        looked = " or ".join(str(root) for root in self.roots) or "any folder: none is set"
        raise MissingWeightsError(
            f"The weights of model {model.dataset} ({model.folder}) are not in {looked}. "
            f"{self._advice(model)}"
        )

    def _places(self, model: Model) -> Iterator[Path]:
        for root in self.roots:
            yield root / model.folder / model.subfolder

    def _advice(self, model: Model) -> str:
        return advice(model) + elsewhere(self.roots, standard_root(os.environ))

    def _not_shown(self, model: Model) -> str:
        return (
            "The server runs on demonstration weights, which cover only the task 'total' with "
            f"fastest=true; this needs model {model.dataset} ({model.folder}). Use that, or have "
            f"the operator start the server with TotalSegmentator's weights. {advice(model)}"
        )


def standard_root(environ: Mapping[str, str]) -> Path:
    """Where TotalSegmentator 2.18.0 keeps its models, by the same environment variables."""
    if path := environ.get("TOTALSEG_WEIGHTS_PATH"):
        return Path(path)
    return totalsegmentator_home(environ) / "nnunet" / "results"


def checkpoints(folder: Path, model: Model) -> list[Path]:
    """The checkpoints that `model` runs with, by fold; every one that is there for "all"."""
    if model.folds == "all":
        return sorted(folder.glob(f"fold_*/{CHECKPOINT}"))
    return [folder / f"fold_{number}" / CHECKPOINT for number in model.folds]


def lacking(folder: Path, model: Model) -> str | None:
    """Which file of the model is missing or empty; None if it is whole."""
    wanted = [folder / name for name in DESCRIPTIONS]
    learned = checkpoints(folder, model) or [folder / "fold_0" / CHECKPOINT]
    return first_missing(folder, [*wanted, *learned])


def elsewhere(roots: Sequence[Path], usual: Path) -> str:
    """What a command needs besides, where the first root is not the usual one."""
    return f" --weights {shlex.quote(str(roots[0]))}" if roots and roots[0] != usual else ""


def advice(model: Model) -> str:
    """How to get the weights of `model`."""
    uses = (
        f"{name}{FLAGS[resolution]}"
        for name, task in TASKS.items()
        for resolution, numbers in task.models.items()
        if model.dataset in numbers
    )
    command = f"totalseg-mcp weights fetch {next(uses)}"
    if model.release is not None:
        return f"Fetch them: {command}"
    return f"They need a licence number. {WHERE}. With {VARIABLE} set to it, fetch them: {command}"
