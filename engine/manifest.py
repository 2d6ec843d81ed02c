"""The model.json of a 2-D model: where its network is, and how ts2d 1.2.0 runs it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, ValidationError

from totalseg_mcp.engine.errors import NotReadyError

MANIFEST = "model.json"
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+$")]


class Parameters(BaseModel):
    """What model.json says under `param`, its dotted names flat or nested."""

    task: Annotated[int, Field(alias="nnu.task", ge=0)]
    trainer: Annotated[Name, Field(alias="nnu.trainer")]
    plans: Annotated[Name, Field(alias="nnu.plans")] = "nnUNetPlans"
    configuration: Annotated[Name, Field(alias="nnu.configuration")] = "3d_fullres"
    folds: Annotated[list[int] | None, Field(alias="nnu.folds")] = None
    checkpoint: Annotated[Literal["final", "best"], Field(alias="nnu.predict.checkpoint")] = "final"
    mirroring: Annotated[bool, Field(alias="nnu.predict.augment")] = True
    tile_step: Annotated[float | None, Field(alias="nnu.predict.stepsize", gt=0, le=1)] = None


class Content(BaseModel):
    """What is used of model.json."""

    param: Mapping[str, Any]
    folds: list[int] | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """An nnU-Net folder (dataset.json, plans.json), its checkpoints, and how it is run."""

    folder: Path
    configuration: str
    checkpoints: tuple[Path, ...]
    tile_step: float
    mirroring: bool  # if its checkpoint allows any


def newest(folder: Path) -> Path | None:
    """The highest revision (`r001`, `r002`, …) in the folder of a model."""
    revisions = [f for f in folder.glob("r*") if re.fullmatch(r"r\d+", f.name) and f.is_dir()]
    return max(revisions, key=lambda revision: int(revision.name[1:]), default=None)


def manifest(revision: Path) -> Manifest:
    """What the model.json in `revision` says.

    Raises:
        NotReadyError: it cannot be read, or what it names is not there.
    """
    file = revision / MANIFEST
    try:
        content = Content.model_validate_json(file.read_bytes())
        asked = Parameters.model_validate(_flat(content.param))
    except (OSError, ValidationError) as error:
        raise _unfit(file, _first(error)) from None
    inside = f"{asked.trainer}__{asked.plans}__{asked.configuration}"
    folders = sorted(revision.glob(f"Dataset{asked.task:03d}_*/{inside}"))
    if len(folders) != 1:
        raise _unfit(file, f"there are {len(folders)} folders Dataset{asked.task:03d}_*/{inside}")
    folds = content.folds or asked.folds
    return Manifest(
        folder=folders[0],
        configuration=asked.configuration,
        checkpoints=_checkpoints(folders[0], folds, f"checkpoint_{asked.checkpoint}.pth"),
        tile_step=asked.tile_step or 0.5,
        mirroring=asked.mirroring,
    )


def _checkpoints(folder: Path, folds: list[int] | None, name: str) -> tuple[Path, ...]:
    """By fold; every one that is there where none is named."""
    if folds is None:
        files = sorted(folder.glob(f"fold_*/{name}"), key=lambda file: _number(file.parent.name))
    else:
        files = [folder / f"fold_{fold}" / name for fold in folds]
    missing = [file for file in files if not file.is_file() or not file.stat().st_size]
    if missing or not files:
        raise _unfit(folder, f"{missing[0] if missing else f'fold_0/{name}'} is missing or empty")
    return tuple(files)


def _number(fold: str) -> int:
    text = fold.removeprefix("fold_")
    return int(text) if text.isdecimal() else -1


def _flat(content: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Nested names joined by dots.

    >>> _flat({"nnu": {"predict": {"augment": False}}, "nnu.task": 3})
    {'nnu.predict.augment': False, 'nnu.task': 3}
    """
    flat: dict[str, Any] = {}
    for key, value in content.items():
        flat |= (
            _flat(value, f"{before}{key}.") if isinstance(value, dict) else {before + key: value}
        )
    return flat


def _first(error: OSError | ValidationError) -> str:
    if isinstance(error, OSError):
        return str(error)
    detail = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(str(part) for part in detail['loc'])}: {detail['msg']}"


def _unfit(file: Path, why: str) -> NotReadyError:
    return NotReadyError(
        f"{file} does not describe a model that can run: {why}. Fetch the published weights again."
    )
