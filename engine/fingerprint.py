"""What decides a label map, as digests: calls that agree in all of it get the same labels."""

import hashlib
import json
from dataclasses import fields, is_dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel

from totalseg_mcp.engine.plan import Plan
from totalseg_mcp.engine.stamp import stamp
from totalseg_mcp.engine.tasks import Model
from totalseg_mcp.engine.volume import Volume
from totalseg_mcp.engine.weights import DESCRIPTIONS, Store, checkpoints

REVISION = 1  # of the labels: to be raised by any change of this program that alters some
PROGRAMS = ("totalseg-mcp", "torch", "nnunetv2", "numpy", "scipy", "scikit-image", "SimpleITK")
OUTPUTS = {"derived"}  # of a plan: what is made from the labels, not what decides them


def digest_of(volume: Volume) -> str:
    """The SHA-256 of the voxels, their type and their place.

    The order in memory does not count. A CT of 512 x 512 x 300 voxels takes 0.25 s.
    """
    grid = volume.grid
    place = [grid.shape, grid.affine.tolist(), grid.stated_mm, volume.data.dtype.str]
    digest = hashlib.sha256(json.dumps(place).encode())
    digest.update(np.asfortranarray(volume.data).T.data)
    return digest.hexdigest()


def fingerprint(plan: Plan, store: Store, made_from: tuple[str, ...]) -> str:
    """The SHA-256 of all that decides the labels of `plan`.

    `made_from` are the digests of the scan and of landmarks, and what computes the networks.

    Raises:
        MissingWeightsError: a model is not in the store.
    """
    facts = {
        "plan": deciding(plan),
        "weights": [identity(store.find(model), model) for model in plan.needs],
        "made from": made_from,
        "programs": programs(),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def deciding(value: Any) -> Any:  # noqa: ANN401 (any part of a plan)
    """The part of a plan that decides its labels, as JSON has it."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if is_dataclass(value):
        named = [field.name for field in fields(value) if field.compare]
        return {name: deciding(getattr(value, name)) for name in named if name not in OUTPUTS}
    return [deciding(item) for item in value] if isinstance(value, tuple) else value


def identity(folder: Path, model: Model) -> list[str]:
    """Which files of weights these are, and whether they are still the same.

    Their content is not read: 125 MB each.
    """
    files = (*(folder / name for name in DESCRIPTIONS), *checkpoints(folder, model))
    return [f"{file.absolute()} {stamp(file)}" for file in files]


@cache
def programs() -> tuple[str, ...]:
    """What has a hand in labels, and the versions."""
    return (f"labels {REVISION}", *(f"{name} {version(name)}" for name in PROGRAMS))
