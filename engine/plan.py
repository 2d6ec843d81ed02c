"""What will be done, with every option decided: the rules about combinations of options."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from totalseg_mcp.engine.errors import BadRequestError
from totalseg_mcp.engine.imaging import Spacing
from totalseg_mcp.engine.options import Options, Restoration, consistent
from totalseg_mcp.engine.tasks import (
    MODELS,
    Crop,
    Model,
    Near,
    Resolution,
    Task,
    labels,
    task_named,
    unknown,
)

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
class Region:
    """Look only within `margin_mm` of the structures `to`, and keep only what is near `keep`.

    `plan` finds them first; None where the caller gives masks of them, or of what else
    to look near if `to` is empty.
    """

    plan: "Plan | None"
    to: tuple[str, ...]
    margin_mm: float
    keep: Near | None = None


@dataclass(frozen=True, slots=True)
class Refinement:
    """Grow every structure by `growth_mm`, and clip it to the first structure of `plan`."""

    plan: "Plan"
    growth_mm: float


@dataclass(frozen=True, slots=True)
class Plan:
    """A job with every option decided.

    `models` run in this order, and a later one wins. `merged` are their structures in
    label order, of which `wanted` are kept; `names` are those of the finished label map,
    in its order. `steps` clean up on the model's grid; `derived` are structures computed
    from the finished label map. `spacing_mm` is the grid that the scan is resampled to;
    None where only nnU-Net resamples.
    """

    task: str
    resolution: Resolution
    models: tuple[Model, ...]
    merged: tuple[str, ...]
    wanted: tuple[str, ...]
    names: tuple[str, ...]
    tile_step: float
    spacing_mm: Spacing | None
    measured_on: Literal["scan", "model"]
    resampling_order: int = 1
    restore: Restoration = "nearest"
    lowres: bool = False
    region: Region | None = None
    refinement: Refinement | None = None
    steps: tuple[str, ...] = ()
    small_blobs_mm3: float | None = None
    derived: tuple[str, ...] = ()
    split: bool = False
    threads: int = field(default=1, compare=False)  # the result does not depend on it

    @property
    def needs(self) -> tuple[Model, ...]:
        """Every model that will run, those that find the region first."""
        first = self.region.plan.needs if self.region and self.region.plan else ()
        return first + self.models + (self.refinement.plan.needs if self.refinement else ())


def plan(options: Options) -> Plan:
    """The plan for `options`.

    Raises:
        BadRequestError: an unknown task or structure, a resolution the task lacks, or
            options that contradict each other.
    """
    task = task_named(consistent(options).task)
    models = _models(task, options.resolution)
    names = labels(task.former) if options.v1_order and task.former else task.names
    wanted = _wanted(task, options.roi_subset, names)
    if options.roi_subset:
        models = tuple(m for m in models if set(m.names) & set(wanted))
    return Plan(
        task=task.name,
        resolution=options.resolution,
        models=models,
        merged=task.names,
        wanted=wanted,
        names=names,
        tile_step=task.tile_step,
        spacing_mm=None if options.restore == "logits" else models[0].spacing_mm,
        # TotalSegmentator measures on the 3 mm grid with fast, on the scan's otherwise.
        measured_on="model" if options.resolution == "fast" or options.save_lowres else "scan",
        resampling_order=options.resampling_order,
        restore=options.restore,
        lowres=options.save_lowres,
        region=_region(task, options),
        refinement=_refinement(task, options),
        steps=task.steps,
        small_blobs_mm3=options.small_blobs_mm3,
        derived=task.derived if options.derive and not options.roi_subset else (),
        split=options.split,
        threads=options.threads,
    )


def _models(task: Task, resolution: Resolution) -> tuple[Model, ...]:
    if resolution not in task.models:
        raise BadRequestError(
            f"The task {task.name!r} has no {resolution!r} model; "
            f"it has: {', '.join(task.models)}. Leave {resolution} out."
        )
    return tuple(MODELS[number] for number in task.models[resolution])


def _wanted(task: Task, subset: tuple[str, ...], names: tuple[str, ...]) -> tuple[str, ...]:
    """The structures of `subset`, or all, that the task segments and that `names` has."""
    known = tuple(name for name in task.names if name in names)
    strangers = [name for name in subset if name not in known]
    if strangers:
        noun = f"structure of the task {task.name!r} called"
        raise BadRequestError(" ".join(unknown(noun, name, known) for name in strangers))
    return tuple(name for name in known if not subset or name in subset)


def _region(task: Task, options: Options) -> Region | None:
    """Where to look: in the caller's masks, near landmarks or a known subset, or in the body."""
    if options.given_region:
        own = task.crop or Crop(to=())
        return Region(None, own.to, own.margin_mm, task.keep_near)
    crop = task.crop or _near_subset(task, options)
    if crop is None:
        return _body(task, options) if options.body_only else None
    found = plan(_rough(task, crop, options))
    return Region(found, crop.to, crop.margin_mm, task.keep_near)


def _near_subset(task: Task, options: Options) -> Crop | None:
    """Near the wanted structures, if there are some and the rough model knows them all."""
    crop = Crop(to=options.roi_subset, robust=options.robust)
    rough, _ = ROUGH[task.modality, crop.robust]
    known = set(crop.to) <= set(task_named(rough).names)
    return crop if crop.to and known else None


def _rough(task: Task, crop: Crop, options: Options) -> Options:
    """What finds the structures that `crop` looks near."""
    name, resolution = ROUGH[task.modality, crop.robust or options.robust_crop]
    if "body_trunc" in crop.to:
        name, resolution = ROUGH_BODY
    if crop.task:
        name, resolution = crop.task, "default"
    return _plainly(name, resolution, options)


def _body(task: Task, options: Options) -> Region | None:
    """The body, where it is to be found in CT; TotalSegmentator has no such model for MR."""
    if task.modality == "MR":
        return None
    body = plan(_plainly(*ROUGH_BODY, options))
    return Region(body, body.names, BODY_MARGIN_MM)


def _refinement(task: Task, options: Options) -> Refinement | None:
    if task.refine is None:
        return None
    return Refinement(plan(_plainly(task.refine.to, "default", options)), task.refine.growth_mm)


def _plainly(task: str, resolution: Resolution, options: Options) -> Options:
    """A task that serves another: only how its scan is resampled is taken over."""
    return Options(
        task,
        resolution,
        resampling_order=options.resampling_order,
        threads=options.threads,
    )
