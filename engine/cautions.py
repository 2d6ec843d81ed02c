"""What to know before a result is used."""

from totalseg_mcp.engine.image.split import FEWEST
from totalseg_mcp.engine.plan import Plan
from totalseg_mcp.engine.segment import Segmented
from totalseg_mcp.engine.tasks import task_named


def cautions(
    chosen: Plan, segmented: Segmented, leftovers: tuple[str, ...]
) -> tuple[str | None, ...]:
    """One sentence each; None for what there is no cause for.

    `leftovers` are the files of earlier runs in the folder of the results.
    """
    return (
        _note(chosen),
        _nowhere(chosen, segmented),
        _whole(chosen, segmented),
        beside(leftovers),
    )


def _note(chosen: Plan) -> str | None:
    note = task_named(chosen.task).note
    return f"The task {chosen.task!r}: {note}" if note else None


def _nowhere(chosen: Plan, segmented: Segmented) -> str | None:
    if segmented.region_found or chosen.region is None:
        return None
    some = ", ".join(chosen.region.to[:5])
    if chosen.region.plan is None:
        return "Nothing was segmented: the masks in crop_path are empty."
    return (
        f"Nothing was segmented: a rough model found none of the structures to look near ({some}). "
        "They may be outside the scan; check with fast=true and no roi_subset."
    )


def _whole(chosen: Plan, segmented: Segmented) -> str | None:
    slices = segmented.model_labels.grid.shape[2]
    if not chosen.split or not segmented.region_found or slices >= FEWEST:
        return None
    return f"force_split changed nothing: the models see {slices} slices, too few to split."


def beside(leftovers: tuple[str, ...]) -> str | None:
    """That files of earlier runs are in the folder of the results."""
    if not leftovers:
        return None
    return (
        f"The folder still holds {len(leftovers)} files of an earlier run that this one did not "
        f"write, such as {leftovers[0]}."
    )
