"""What was asked for, as far as it bears on the label map."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from totalseg_mcp.engine.errors import BadRequestError
from totalseg_mcp.engine.tasks import Resolution, task_named

# How labels come back from the model's grid to the scan's: each voxel takes the nearest; every
# structure is interpolated by itself; the network's outputs are, before labels are made of them.
Restoration = Literal["nearest", "labels", "logits"]


@dataclass(frozen=True, slots=True)
class Options:
    """One way to segment a scan; the defaults are TotalSegmentator's."""

    task: str = "total"
    resolution: Resolution = "default"
    roi_subset: tuple[str, ...] = ()
    robust: bool = False  # find the region of the subset at 3 mm instead of 6 mm
    robust_crop: bool = False  # find the task's own region at 3 mm instead of 6 mm
    given_region: bool = False  # look where the caller's own masks say, instead of finding it
    body_only: bool = False  # find the body first and look only there
    derive: bool = True  # also compute the task's derived structures
    split: bool = False  # work in three slabs, to save memory
    resampling_order: int = 1  # of the spline that resamples the scan; 0 to 5
    restore: Restoration = "nearest"
    save_lowres: bool = False  # leave the labels on the model's grid
    small_blobs_mm3: float | None = None  # drop blobs of up to this size
    v1_order: bool = False  # number the structures as TotalSegmentator 1 did
    threads: int = 1  # for resampling


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Options that do not go together, and what to do instead."""

    in_: Callable[[Options], bool]
    advice: str


CONTRADICTIONS = (
    Contradiction(
        lambda o: o.save_lowres and o.resolution == "default",
        "save_lowres keeps the 3 or 6 mm grid of fast or fastest: give one of them with it.",
    ),
    Contradiction(
        lambda o: (
            o.save_lowres
            and bool(o.roi_subset or o.body_only or o.given_region or task_named(o.task).crop)
        ),
        "save_lowres needs a run on the whole scan: leave out roi_subset, body_seg and "
        "crop_path, and choose a task that looks at all of it.",
    ),
    Contradiction(
        lambda o: o.save_lowres and o.restore != "nearest",
        "save_lowres and higher_order_resampling exclude each other: the one stays on the "
        "model's grid, the other is a way back from it.",
    ),
    Contradiction(
        lambda o: o.v1_order and task_named(o.task).former is None,
        "v1_order is for the task 'total', whose structures version 1 numbered otherwise.",
    ),
)


def consistent(options: Options) -> Options:
    """`options`, if they go together.

    Raises:
        BadRequestError: they do not, or there is no such task.
    """
    for contradiction in CONTRADICTIONS:
        if contradiction.in_(options):
            raise BadRequestError(contradiction.advice)
    return options
