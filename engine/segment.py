"""From a scan and a plan to labels: the whole way, in order."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from totalseg_mcp.engine.image.cleanup import drop_small_blobs
from totalseg_mcp.engine.image.crop import Box, box_around, crop, paste
from totalseg_mcp.engine.image.merge import keep, merge, renumbered
from totalseg_mcp.engine.image.near import keep_near
from totalseg_mcp.engine.image.orientation import reorient
from totalseg_mcp.engine.image.restore import RESTORE
from totalseg_mcp.engine.image.split import FEWEST, join, slabs, worth_splitting
from totalseg_mcp.engine.image.steps import STEPS
from totalseg_mcp.engine.image.vertebrae import refine
from totalseg_mcp.engine.landmarks import Landmarks
from totalseg_mcp.engine.plan import Plan, Region
from totalseg_mcp.engine.tasks import Model
from totalseg_mcp.engine.views import Views
from totalseg_mcp.engine.volume import Labels, Volume
from totalseg_mcp.engine.watch import note, stage, track


class Network(Protocol):
    """One model: from an image to its label numbers."""

    def __call__(self, image: Volume, tile_step: float, by_class: bool) -> NDArray[np.integer]:
        """The label numbers of `image[i, j, k]`, which is in RAS order, on the same grid."""


Networks = Callable[[Model], Network]


@dataclass(frozen=True, slots=True)
class Segmented:
    """Labels on the scan's own grid, and what the models said on theirs.

    `box` is the part of the scan that they saw (`Views` has that image); None is all of it.
    `region_found` is False where the structures to look near are not in the scan; all
    labels are then background, because no model of the plan has run.
    """

    labels: Labels
    model_labels: Labels
    box: Box | None = None
    region_found: bool = True


def segment(
    scan: Volume, plan: Plan, networks: Networks, given: Landmarks | None = None
) -> Segmented:
    """The plan's structures in `scan`.

    `given` are the caller's own landmarks, for a plan that does not find any itself.
    """
    return segment_views(Views(scan), plan, networks, given)


def segment_views(
    views: Views, plan: Plan, networks: Networks, given: Landmarks | None = None
) -> Segmented:
    """The plan's structures in the scan that `views` are of; as `segment`."""
    if plan.refinement is None:
        return segment_region(views, plan, networks, given)
    with stage("find what to clip to", 0.0, 0.5):
        clip = labels_in(views, plan.refinement.plan, networks)
    with stage("segment what to clip", 0.5, 1.0):
        found = segment_region(views, plan, networks, given)
    refined = refine(found.labels, clip, plan.refinement.growth_mm)
    return replace(found, labels=refined)


def segment_region(
    views: Views, plan: Plan, networks: Networks, given: Landmarks | None
) -> Segmented:
    """The plan's structures, looked for only in its region if it has one."""
    if plan.region is None:
        return segment_part(views, plan, networks)
    scan = views.scan
    with stage("find the region", 0.0, 0.2):
        landmarks = given or landmarks_in(views, plan.region, networks)
        box = box_around(landmarks.look, plan.region.margin_mm)
    if box is None:
        nothing = Labels(np.zeros(scan.grid.shape, np.uint8), scan.grid, plan.names)
        return Segmented(nothing, nothing, region_found=False)
    note(f"looking at {size(box.shape)} of {size(scan.grid.shape)} voxels")
    with stage("segment the region", 0.2, 1.0):
        inside = segment_part(views, plan, networks, box)
    labels = paste(inside.labels, box, scan.grid)
    if plan.region.keep and landmarks.keep:
        labels = keep_near(labels, landmarks.keep, plan.region.keep.margin_mm)
    return replace(inside, labels=labels)


def landmarks_in(views: Views, region: Region, networks: Networks) -> Landmarks:
    """What the region is near to, as a rough model sees it."""
    if region.plan is None:
        raise ValueError("a plan without a rough model needs landmarks that are given")
    rough = labels_in(views, region.plan, networks)
    return Landmarks(keep(rough, region.to), keep(rough, region.keep.to) if region.keep else None)


def labels_in(views: Views, plan: Plan, networks: Networks) -> Labels:
    """The labels that another plan builds on; the models run only the first time."""
    return views.labels(plan, lambda: segment_views(views, plan, networks).labels)


def segment_part(views: Views, plan: Plan, networks: Networks, box: Box | None = None) -> Segmented:
    """The plan's structures in all of the scan, or in `box` and on its grid."""
    with stage("resample", 0.0, 0.05):
        image = views.of(plan, box)
        note(
            f"{plan.task} sees {size(image.grid.shape)} voxels of {size(image.grid.spacing_mm)} mm"
        )

    with stage("infer", 0.05, 0.95):
        on_model = infer_in_slabs(image, plan, networks)
        for step in plan.steps:
            on_model = STEPS[step](on_model)
        if plan.small_blobs_mm3 is not None:
            on_model = drop_small_blobs(on_model, plan.small_blobs_mm3)

    with stage("restore", 0.95, 1.0):
        on_model = keep(on_model, plan.wanted)
        part = views.scan if box is None else crop(views.scan, box)
        labels = on_model
        if not plan.lowres:
            upright = reorient(part, "RAS").grid
            labels = RESTORE[plan.restore](on_model, upright, plan.threads)
        labels = reorient(renumbered(labels, plan.names), part.grid.axcodes)
        if not plan.lowres:
            labels = replace(labels, grid=part.grid)
        return Segmented(labels, renumbered(on_model, plan.names), box)


def infer_in_slabs(image: Volume, plan: Plan, networks: Networks) -> Labels:
    """What the models see in `image`: all of it at once, or slab by slab."""
    asked = plan.split and image.grid.shape[2] >= FEWEST
    if not asked and not (len(plan.models) > 1 and worth_splitting(image.grid)):
        return infer(image, plan, networks)
    parts = [
        (slab, infer(crop(image, slab.box(image.grid)), plan, networks))
        for slab in track(slabs(image.grid.shape[2]), "slab")
    ]
    return join(parts, image.grid)


def infer(image: Volume, plan: Plan, networks: Networks) -> Labels:
    """What the models see in `image`, merged."""
    by_class = plan.restore == "logits"
    parts = [
        Labels(networks(model)(image, plan.tile_step, by_class), image.grid, model.names)
        for model in track(plan.models, "model")
    ]
    return merge(parts, plan.merged)


def size(of: Sequence[float]) -> str:
    """Three numbers as text.

    >>> size((512, 512, 1.5))
    '512 x 512 x 1.5'
    """
    return " x ".join(f"{n:.4g}" for n in of)
