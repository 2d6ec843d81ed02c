"""What a call of the 2-D tool asks for, and what will be done about it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from totalseg_mcp.engine.errors import BadRequestError
from totalseg_mcp.engine.models2d import DEFAULT, Group, Model2D, model_named, spelt_as_in
from totalseg_mcp.engine.tasks import unknown

Format2D = Literal["nrrd", "nifti", "png"]


@dataclass(frozen=True, slots=True)
class Request2D:
    """One job of the 2-D tool. The paths are resolved and allowed.

    `device` is cpu, mps, gpu or gpu:N. `threshold` is the probability above which a
    structure is there.
    """

    input_path: Path
    folder: Path
    model: str = DEFAULT
    groups: tuple[str, ...] = ()  # none: all
    structures: tuple[str, ...] = ()  # none: all of the groups
    device: str = "gpu"
    force: bool = False  # segment although the image does not look like a CT
    threshold: float = 0.5
    mirroring: bool = True
    formats: tuple[Format2D, ...] = ("nrrd",)
    collapse: bool = False  # results in two dimensions, without their place in the patient
    save_all: bool = False  # each group's segmentation and the projections too
    statistics: bool = False
    include_incomplete: bool = False
    preview: bool = False


@dataclass(frozen=True, slots=True)
class Plan2D:
    """The networks that will run, and which of their structures are kept, in their order."""

    model: Model2D
    groups: tuple[Group, ...]
    wanted: tuple[str, ...]


def plan_2d(request: Request2D) -> Plan2D:
    """What `request` needs: no more networks than have its structures.

    Raises:
        BadRequestError: an unknown model, group or structure, or one of another group.
    """
    model = model_named(request.model)
    known = tuple(group.name for group in model.groups)
    strangers = [name for name in request.groups if name not in known]
    if strangers:
        noun = f"group of {model.name} called"
        raise BadRequestError(" ".join(unknown(noun, name, known) for name in strangers))
    groups = tuple(g for g in model.groups if not request.groups or g.name in request.groups)
    there = tuple(name for group in groups for name in group.names)
    asked = tuple(spelt_as_in(there, name) for name in request.structures)
    missing = [name for name in asked if name not in there]
    if missing:
        noun = f"structure of {model.name} ({', '.join(g.name for g in groups)}) called"
        raise BadRequestError(" ".join(unknown(noun, name, there) for name in missing))
    wanted = tuple(name for name in there if not asked or name in asked)
    needed = tuple(group for group in groups if set(group.names) & set(wanted))
    return Plan2D(model, needed, wanted)
