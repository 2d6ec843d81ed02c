"""From a scan and a plan to labels: the whole way, in order."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from totalseg_mcp.engine.image.crop import box_around, crop, paste
from totalseg_mcp.engine.image.merge import keep, merge
from totalseg_mcp.engine.image.orientation import reorient
from totalseg_mcp.engine.image.resample import to_grid, to_spacing, truncated
from totalseg_mcp.engine.image.split import FEWEST, join, slabs, worth_splitting
from totalseg_mcp.engine.image.steps import STEPS
from totalseg_mcp.engine.plan import Plan, Region
from totalseg_mcp.engine.tasks import Model
from totalseg_mcp.engine.volume import Labels, Volume
from totalseg_mcp.engine.watch import stage, track

# image[i, j, k] in RAS order, tile step -> label numbers of the model on the same grid
Network = Callable[[Volume, float], NDArray[np.integer]]


@dataclass(frozen=True, slots=True)
class Segmented:
    """Labels on the scan's own grid, and what the models saw and said on theirs.

    `region_found` is False where the structures to look near are not in the scan; all
    labels are then background, because no model of the plan has run.
    """

    labels: Labels
    model_labels: Labels
    model_image: Volume
    region_found: bool = True


def segment(scan: Volume, plan: Plan, network: Callable[[Model], Network]) -> Segmented:
    """The plan's structures in `scan`."""
    if plan.region is None:
        return segment_all(scan, plan, network)
    with stage("find the region", 0.0, 0.2):
        box = box_around(near(scan, plan.region, network), plan.region.margin_mm)
    if box is None:
        nothing = Labels(np.zeros(scan.grid.shape, np.uint8), scan.grid, plan.names)
        return Segmented(nothing, nothing, scan, region_found=False)
    with stage("segment the region", 0.2, 1.0):
        inside = segment_all(truncated(crop(scan, box)), plan, network)
    return replace(inside, labels=paste(inside.labels, box, scan.grid))


def segment_all(scan: Volume, plan: Plan, network: Callable[[Model], Network]) -> Segmented:
    """The plan's structures in the whole of `scan`, wherever the plan says to look."""
    with stage("resample", 0.0, 0.05):
        upright = reorient(scan, "RAS")
        spacing = plan.models[0].spacing_mm
        image = to_spacing(upright, spacing) if spacing else upright

    with stage("infer", 0.05, 0.95):
        on_model = infer_in_slabs(image, plan, network)
        for step in plan.steps:
            on_model = STEPS[step](on_model)

    with stage("restore", 0.95, 1.0):
        on_model = keep(on_model, plan.wanted)
        labels = reorient(to_grid(on_model, upright.grid), scan.grid.axcodes)
        return Segmented(replace(labels, grid=scan.grid), on_model, image)


def infer_in_slabs(image: Volume, plan: Plan, network: Callable[[Model], Network]) -> Labels:
    """What the models see in `image`: all of it at once, or slab by slab."""
    asked = plan.split and image.grid.shape[2] >= FEWEST
    if not asked and not (len(plan.models) > 1 and worth_splitting(image.grid)):
        return infer(image, plan, network)
    parts = [
        (slab, infer(crop(image, slab.box(image.grid)), plan, network))
        for slab in track(slabs(image.grid.shape[2]), "slab")
    ]
    return join(parts, image.grid)


def infer(image: Volume, plan: Plan, network: Callable[[Model], Network]) -> Labels:
    """What the models see in `image`, merged."""
    parts = [
        Labels(network(model)(image, plan.tile_step), image.grid, model.names)
        for model in track(plan.models, "model")
    ]
    return merge(parts, plan.names)


def near(scan: Volume, region: Region, network: Callable[[Model], Network]) -> Labels:
    """The structures to look near, as a rough model sees them."""
    return keep(segment(scan, region.plan, network).labels, region.to)
