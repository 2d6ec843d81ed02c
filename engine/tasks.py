"""The segmentation tasks and their models, read from `tables/`.

Free of torch and of weights: the schemas are made from it when the server starts. All
facts are those of TotalSegmentator 2.18.0.
"""

import difflib
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import PurePosixPath
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from totalseg_mcp.engine.errors import BadRequestError
from totalseg_mcp.engine.imaging import Modality

Resolution = Literal["default", "fast", "fastest"]
TABLES = files("totalseg_mcp.engine.tables")


class Entry(BaseModel):
    """A line of a table: frozen, and strict about its keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Model(Entry):
    """One nnU-Net model: where its folder is, the grid it wants, and its structures."""

    dataset: int
    folder: str
    trainer: str
    plans: str = "nnUNetPlans"
    configuration: str = "3d_fullres"
    folds: tuple[int, ...] | Literal["all"] = (0,)
    spacing_mm: tuple[float, float, float] | None = None  # x, y, z; None: by nnU-Net's plans
    labels: str
    auxiliary: tuple[str, ...] = ()
    release: str | None = None  # None: not openly published

    @property
    def subfolder(self) -> str:
        """The folder inside `folder`, by nnU-Net's convention."""
        return f"{self.trainer}__{self.plans}__{self.configuration}"

    @property
    def inside(self) -> PurePosixPath:
        """Where its files are, below a root and in its archive."""
        return PurePosixPath(self.folder, self.subfolder)

    @property
    def called(self) -> str:
        """What messages call it, after the word "model"."""
        return str(self.dataset)

    @property
    def names(self) -> tuple[str, ...]:
        """The structures of its outputs; the first is output 1."""
        return labels(self.labels) + self.auxiliary


class Crop(Entry):
    """Look only near these structures, found first by a rough model."""

    to: tuple[str, ...]
    margin_mm: float = 20.0  # TotalSegmentator overrides the per-task margins with 20 mm
    configured_mm: float | None = None  # the per-task margin that it overrides
    robust: bool = False  # find them at 3 mm instead of 6 mm
    task: str | None = None  # find them with this whole task instead of a rough model


class Near(Entry):
    """Keep only what lies within a margin of these structures."""

    to: tuple[str, ...]
    margin_mm: float


class Refine(Entry):
    """Grow the structures by a margin, and keep of them what lies in `to`'s first structure."""

    to: str
    growth_mm: float


class Task(Entry):
    """What one task segments, and with which models, in the order in which they run."""

    modality: Modality
    models: Mapping[Resolution, tuple[int, ...]]
    tile_step: float = 0.5  # the share of a patch by which tiles move on
    crop: Crop | None = None
    keep_near: Near | None = None
    steps: tuple[str, ...] = ()
    refine: Refine | None = None
    derived: tuple[str, ...] = ()
    licence: Literal["open", "commercial", "non-commercial"] = "open"
    former: str | None = None  # its structures as TotalSegmentator 1 numbered them
    note: str | None = None  # what to know before using its results
    name: str = Field(default="")

    @property
    def names(self) -> tuple[str, ...]:
        """Its structures, in label order; the first is label 1."""
        return labels(self.name)


@cache
def labels(name: str) -> tuple[str, ...]:
    """The names in `tables/labels/<name>.txt`; the first is label 1.

    >>> labels("total")[:2]
    ('spleen', 'kidney_right')
    """
    return tuple((TABLES / "labels" / f"{name}.txt").read_text(encoding="utf-8").split())


def _tasks() -> dict[str, Task]:
    table = tomllib.loads((TABLES / "tasks.toml").read_text(encoding="utf-8"))
    named = {name: {**entry, "name": name} for name, entry in table.items()}
    return TypeAdapter(dict[str, Task]).validate_python(named)


def _models() -> dict[int, Model]:
    table = tomllib.loads((TABLES / "models.toml").read_text(encoding="utf-8"))
    numbered = {int(key): {**entry, "dataset": int(key)} for key, entry in table.items()}
    return TypeAdapter(dict[int, Model]).validate_python(numbered)


TASKS: Mapping[str, Task] = _tasks()
MODELS: Mapping[int, Model] = _models()


def task_named(name: str) -> Task:
    """The task called `name`.

    Raises:
        BadRequestError: with the nearest names.
    """
    if name not in TASKS:
        raise BadRequestError(unknown("task", name, tuple(TASKS)))
    return TASKS[name]


def unknown(noun: str, name: str, known: tuple[str, ...]) -> str:
    """The sentence that refuses `name` and offers the nearest of `known`.

    >>> unknown("task", "lung_vesels", ("lung_vessels", "total"))
    "There is no task 'lung_vesels'. Did you mean lung_vessels?"
    >>> unknown("task", "x", ("lung_vessels", "total"))
    "There is no task 'x'. Known: lung_vessels, total."
    """
    near = difflib.get_close_matches(name.lower().replace(" ", "_"), known, n=3, cutoff=0.6)
    hint = f"Did you mean {', '.join(near)}?" if near else f"Known: {', '.join(sorted(known))}."
    return f"There is no {noun} {name!r}. {hint}"
