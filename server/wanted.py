"""What `totalseg-mcp weights fetch` is asked for."""

from collections.abc import Mapping, Sequence

from totalseg_mcp.engine.errors import BadRequestError
from totalseg_mcp.engine.models2d import MODELS_2D, Group, Model2D, model_named
from totalseg_mcp.engine.options import Options
from totalseg_mcp.engine.parcel import Parcel
from totalseg_mcp.engine.plan import plan
from totalseg_mcp.engine.tasks import TASKS, Resolution, unknown

NAMES_2D = (*MODELS_2D, *(model.key for model in MODELS_2D.values()))


def wanted(
    names: Sequence[str], resolution: Resolution = "default", groups: Sequence[str] = ()
) -> tuple[Parcel, ...]:
    """What the tasks and 2-D models of these names run with; of the latter only `groups`, if any.

    Raises:
        BadRequestError: there is no such task, model or group, or none at this resolution.
    """
    models = {name: model_named(name) for name in names if name in NAMES_2D}
    _refuse_idle(names, models, resolution, groups)
    parcels: list[Parcel] = []
    for name in names:
        if name in models:
            parcels += _chosen(models[name], groups)
        elif name in TASKS:
            parcels += plan(Options(name, resolution)).needs
        else:
            raise BadRequestError(unknown("task or 2-D model", name, (*TASKS, *MODELS_2D)))
    return tuple(dict.fromkeys(parcels))


def _chosen(model: Model2D, groups: Sequence[str]) -> list[Group]:
    return [group for group in model.groups if not groups or group.name in groups]


def _refuse_idle(
    names: Sequence[str],
    models: Mapping[str, Model2D],
    resolution: Resolution,
    groups: Sequence[str],
) -> None:
    """Refuse an option that none of the names could heed."""
    if groups and not models:
        raise BadRequestError(
            "--groups chooses among the networks of a 2-D model: name one, such as ts2d-v2."
        )
    known = tuple(dict.fromkeys(group.name for m in models.values() for group in m.groups))
    for group in groups:
        if group not in known:
            raise BadRequestError(unknown("group", group, known))
    if resolution != "default" and len(models) == len(set(names)):
        raise BadRequestError(
            f"--{resolution} chooses among the models of a task; 2-D models have one resolution."
        )
