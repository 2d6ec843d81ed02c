"""What will be done, with every option decided: the rules about combinations of options."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from totalseg_mcp.engine.errors import BadRequestError, NotReadyError
from totalseg_mcp.engine.image.steps import STEPS
from totalseg_mcp.engine.tasks import (
    MODELS,
    Crop,
    Model,
    Resolution,
    Task,
    task_named,
    unknown,
)

# The share of a patch by which tiles move on (TotalSegmentator 2.18.0): by class map, at every
# resolution, also in the rough pass that uses the class map.
TILE_STEP: Mapping[str, float] = {"total": 0.8, "total_v3": 0.8, "total_mr": 0.8}
OTHER_TILE_STEP = 0.5

# The task and resolution that find the region to look in, by modality and robustness.
ROUGH: Mapping[tuple[str, bool], tuple[str, Resolution]] = {
    ("CT", False): ("total", "fastest"),
    ("CT", True): ("total", "fast"),
    ("MR", False): ("total_mr", "fast"),
    ("MR", True): ("total_mr", "fast"),
}
ROUGH_BODY: tuple[str, Resolution] = ("body", "fast")  # for regions of the body itself
BODY_MARGIN_MM = 3.0


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for, as far as it bears on the label map."""

    task: str = "total"
    resolution: Resolution = "default"
    roi_subset: tuple[str, ...] = ()
    robust: bool = False  # find the region of the subset at 3 mm instead of 6 mm
    body_only: bool = False  # find the body first and look only there
    derive: bool = True  # also compute the task's derived structures
    split: bool = False  # work in three slabs, to save memory


@dataclass(frozen=True, slots=True)
class Region:
    """Look only within `margin_mm` of the structures `to` of what `plan` finds first."""

    plan: "Plan"
    to: tuple[str, ...]
    margin_mm: float


@dataclass(frozen=True, slots=True)
class Plan:
    """A job with every option decided.

    `models` run in this order, and a later one wins. `names` are the structures of the
    label map, in label order; `wanted` are those of them that are kept. `steps` clean up on
    the model's grid; `derived` are structures computed from the finished label map.
    """

    task: str
    resolution: Resolution
    models: tuple[Model, ...]
    names: tuple[str, ...]
    wanted: tuple[str, ...]
    tile_step: float
    measured_on: Literal["scan", "model"]
    region: Region | None = None
    steps: tuple[str, ...] = ()
    derived: tuple[str, ...] = ()
    split: bool = False

    @property
    def needs(self) -> tuple[Model, ...]:
        """Every model that will run, those that find the region first."""
        return (self.region.plan.needs if self.region else ()) + self.models


def plan(options: Options) -> Plan:
    """The plan for `options`.

    Raises:
        BadRequestError: an unknown task or structure, or a resolution the task lacks.
        NotReadyError: the task needs a step that this version does not have.
    """
    task = task_named(options.task)
    _built(task)
    models = _models(task, options.resolution)
    wanted = _wanted(task, options.roi_subset)
    if options.roi_subset:
        models = tuple(m for m in models if set(m.names) & set(wanted))
    return Plan(
        task=task.name,
        resolution=options.resolution,
        models=models,
        names=task.names,
        wanted=wanted,
        tile_step=TILE_STEP.get(task.name, OTHER_TILE_STEP),
        # TotalSegmentator measures on the 3 mm grid with fast, on the scan's otherwise.
        measured_on="model" if options.resolution == "fast" else "scan",
        region=_region(task, options),
        steps=task.steps,
        derived=task.derived if options.derive and not options.roi_subset else (),
        split=options.split,
    )


def _models(task: Task, resolution: Resolution) -> tuple[Model, ...]:
    if resolution not in task.models:
        raise BadRequestError(
            f"The task {task.name!r} has no {resolution!r} model; "
            f"it has: {', '.join(task.models)}. Leave {resolution} out."
        )
    return tuple(MODELS[number] for number in task.models[resolution])


def _wanted(task: Task, subset: tuple[str, ...]) -> tuple[str, ...]:
    strangers = [name for name in subset if name not in task.names]
    if strangers:
        noun = f"structure of the task {task.name!r} called"
        raise BadRequestError(" ".join(unknown(noun, name, task.names) for name in strangers))
    return tuple(name for name in task.names if not subset or name in subset)


def _region(task: Task, options: Options) -> Region | None:
    """Where to look: near the task's own landmarks, near a known subset, or in the body."""
    crop = task.crop or _near_subset(task, options)
    if crop is None:
        return _body(task) if options.body_only else None
    return Region(plan(Options(*_rough(task, crop))), crop.to, crop.margin_mm)


def _near_subset(task: Task, options: Options) -> Crop | None:
    """Near the wanted structures, if there are some and the rough model knows them all."""
    crop = Crop(to=options.roi_subset, robust=options.robust)
    rough, _ = ROUGH[task.modality, crop.robust]
    known = set(crop.to) <= set(task_named(rough).names)
    return crop if crop.to and known else None


def _rough(task: Task, crop: Crop) -> tuple[str, Resolution]:
    """The task and resolution that find what `crop` looks near."""
    if crop.task:
        return crop.task, "default"
    if "body_trunc" in crop.to:
        return ROUGH_BODY
    return ROUGH[task.modality, crop.robust]


def _body(task: Task) -> Region | None:
    """The body, where it is to be found in CT; TotalSegmentator has no such model for MR."""
    if task.modality == "MR":
        return None
    body = plan(Options(*ROUGH_BODY))
    return Region(body, body.names, BODY_MARGIN_MM)


def _built(task: Task) -> None:
    """Refuse what a later version will bring, by name, instead of leaving it out."""
    lacking = [step for step in task.steps if step not in STEPS]
    if task.keep_near:
        lacking.append("keep_near")
    if lacking:
        raise NotReadyError(
            f"The task {task.name!r} is not available in this version of totalseg-mcp: "
            f"it still lacks {', '.join(lacking)}."
        )
