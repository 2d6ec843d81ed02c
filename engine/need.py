"""How much memory a job will need, by stage, from its plan and the grid of its scan.

Bytes for each voxel are those of the arrays that a stage has at the same time; docs/memory.md shows
them beside what was measured.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod

import numpy as np
from nibabel.orientations import io_orientation

from totalseg_mcp.engine.errors import BadRequestError
from totalseg_mcp.engine.image.split import FEWEST, MARGIN, worth_splitting
from totalseg_mcp.engine.imaging import Spacing
from totalseg_mcp.engine.plan import Plan
from totalseg_mcp.engine.tasks import Model
from totalseg_mcp.engine.volume import Grid, Shape

GIB = 2**30
REGION = 0.25  # of the scan, where a part is looked at that is not known yet
VIEW = 4  # a scan resampled for a model, int32
RESAMPLING = 8 + VIEW  # its samples in double precision, and the view
PREPARING = 4 + 4 + 5  # single precision, a copy, and masks of what is not zero
SEEN = 4  # what a network slides over
HALF, SINGLE, DOUBLE = 2, 4, 8
LAYERS = 5  # of a tile at the same time: the features of a full-size layer
FINISHED = 4 * (HALF + 2)  # of outputs in planes that are handed on: a copy, and what tests it
MEASURING = 6  # labels, and a structure's voxels where one fills the scan (measured)
SLACK = 2**26  # what a process grows by in its second small job
FEWEST_FEATURES = 16  # that layers are padded to


@dataclass(frozen=True, slots=True)
class Sizes:
    """What bears on a model's need: its tile [z, y, x], features at full size, and grid."""

    patch: tuple[int, ...]
    features: int
    spacing_mm: Spacing


SizesOf = Callable[[Model], Sizes]


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of the process: foretold for the worst moment, available, and used at most."""

    needed: int
    available: int
    peak: int | None = None


def stages(
    plan: Plan, grid: Grid, sizes: SizesOf, on_host: bool = True, masks: int = 1
) -> Mapping[str, int]:
    """Bytes that each stage needs beside the scan, `SLACK` and what was there before.

    With `on_host` the networks run on the CPU; `masks` are how many are written at a time.
    """
    scan, grid = prod(grid.shape), upright(grid)
    seen = reduced(grid, REGION) if plan.region else grid
    shape = on_model(plan, seen)
    view = VIEW * prod(shape) if plan.spacing_mm else 0
    slab = slab_of(plan, shape, seen)
    networks = max(network(plan, model, slab, seen, sizes(model), on_host) for model in plan.models)
    parts = (len(plan.models) + 2) * prod(slab) + (prod(shape) if slab != shape else 0)
    own = {
        "resample": resampling(plan, shape, seen),
        "infer": view + parts + networks,
        "restore": view + 2 * prod(shape) + 2 * scan,
        "measure": view + prod(shape) + MEASURING * scan,
        "write": view + prod(shape) + (2 + masks) * scan,
    }
    earlier = [plan.region.plan if plan.region else None]
    earlier += [plan.refinement.plan if plan.refinement else None]
    for other in filter(None, earlier):
        for name, most in stages(other, grid, sizes, on_host, masks).items():
            own[name] = max(own[name], most)
    return own


def upright(grid: Grid) -> Grid:
    """As large as `grid`, its axes in RAS order."""
    order = np.argsort(io_orientation(grid.affine)[:, 0])
    i, j, k = (int(grid.shape[axis]) for axis in order)
    x, y, z = (float(grid.spacing_mm[axis]) for axis in order)
    return Grid((i, j, k), np.diag([x, y, z, 1.0]))


def resampling(plan: Plan, shape: Shape, seen: Grid) -> int:
    """To the model's grid; splines of a higher order are fitted to the whole scan."""
    if plan.spacing_mm is None:
        return 0
    fitted = DOUBLE * prod(seen.shape) if plan.resampling_order > 1 else 0
    return RESAMPLING * prod(shape) + fitted


def network(plan: Plan, model: Model, shape: Shape, seen: Grid, sizes: Sizes, on_host: bool) -> int:
    """One model on an image of `shape`: preparing it, or sliding over it."""
    voxels, classes = prod(shape), len(model.names) + 1
    tile = prod(sizes.patch)
    folds = 5 if model.folds == "all" else len(model.folds)
    planes = sizes.patch[0] * prod(
        max(n, m) for n, m in zip(shape[:2], sizes.patch[:0:-1], strict=True)
    )
    belts = folds * (classes + 1) * planes * HALF
    belts += FINISHED * classes * planes // sizes.patch[0]
    features = max(FEWEST_FEATURES, sizes.features)
    work = belts + tile * SINGLE * LAYERS * features if on_host else 0
    sliding = SEEN * voxels + work
    if plan.spacing_mm is None:  # nnU-Net resamples, there and back
        there = prod(resampled(shape, seen.spacing_mm, sizes.spacing_mm))
        one_by_one = plan.restore == "logits"
        back = DOUBLE * 2 * voxels + (0 if one_by_one else classes * HALF * voxels)
        sliding = SEEN * there + work + classes * HALF * there + back
    return max(PREPARING * voxels, sliding)


def on_model(plan: Plan, grid: Grid) -> Shape:
    """The size of `grid` at the plan's spacing."""
    if plan.spacing_mm is None:
        return grid.shape
    return resampled(grid.shape, grid.spacing_mm, plan.spacing_mm)


def resampled(shape: Shape, before_mm: Spacing, after_mm: Spacing) -> Shape:
    """The size of an image at another spacing."""
    i, j, k = (
        max(1, round(n * before / after))
        for n, before, after in zip(shape, before_mm, after_mm, strict=True)
    )
    return i, j, k


def slab_of(plan: Plan, shape: Shape, grid: Grid) -> Shape:
    """What the networks see at once: all of the image, or a third and its margins."""
    i, j, k = shape
    split = plan.split and k >= FEWEST
    large = len(plan.models) > 1 and worth_splitting(Grid(shape, grid.affine))
    return (i, j, k // 3 + 2 * MARGIN) if split or large else shape


def reduced(grid: Grid, share: float) -> Grid:
    """A part of `grid`, of the same form."""
    i, j, k = (max(1, round(n * share ** (1 / 3))) for n in grid.shape)
    return Grid((i, j, k), grid.affine, grid.stated_mm)


def refuse_beyond(memory: Memory, others: Mapping[str, int], scan: Grid) -> None:
    """Refuse what does not fit; `others` are the needs of other ways to do it, by their options.

    Raises:
        BadRequestError: more is needed than is available.
    """
    if memory.needed <= memory.available:
        return
    fitting = [f"{name} needs {gib(n)}" for name, n in others.items() if n <= memory.available]
    size = " x ".join(map(str, scan.shape))
    advice = (
        f"These fit: {'; '.join(fitting)}."
        if fitting
        else "Neither would fast, fastest or force_split fit: crop the image, give roi_subset, or "
        "free memory."
    )
    raise BadRequestError(
        f"This image ({size} voxels) needs about {gib(memory.needed)} of memory with these options,"
        f" and {gib(memory.available)} are available. {advice}"
    )


def gib(count: int) -> str:
    """Bytes as text.

    >>> gib(3 * 2**29)
    '1.5 GiB'
    """
    return f"{count / GIB:.1f} GiB"
