"""What models see of a scan: a part of it, upright, at their spacing; and what they found."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from totalseg_mcp.engine.image.crop import Box, crop
from totalseg_mcp.engine.image.orientation import reorient
from totalseg_mcp.engine.image.resample import to_spacing, truncated
from totalseg_mcp.engine.image.zoom import Zoom, zoomed
from totalseg_mcp.engine.imaging import Spacing
from totalseg_mcp.engine.plan import Plan
from totalseg_mcp.engine.volume import Labels, Volume

KEPT = 2  # views; one of a CT of 512 x 512 x 400 voxels at 1.5 mm has 120 MB
Key = tuple[Box | None, Spacing | None, int]


@dataclass(slots=True, eq=False)
class Views:
    """The views of one `scan`, stretched by `zoom`, for plans that see or look for the same.

    The last two images are kept, and all labels.
    """

    scan: Volume
    zoom: Zoom = zoomed
    _made: OrderedDict[Key, Volume] = field(default_factory=OrderedDict)
    _found: dict[Plan, Labels] = field(default_factory=dict)

    def of(self, plan: Plan, box: Box | None) -> Volume:
        """What the models of `plan` see: all of the scan, or what is in `box`; in RAS order."""
        key = (box, plan.spacing_mm, plan.resampling_order)
        if key not in self._made:
            self._made[key] = self._view(plan, box)
        self._made.move_to_end(key)
        while len(self._made) > KEPT:
            self._made.popitem(last=False)
        return self._made[key]

    def labels(self, plan: Plan, find: Callable[[], Labels]) -> Labels:
        """The labels of `plan` in the scan: those of the first time, else what `find` finds."""
        if plan not in self._found:
            self._found[plan] = find()
        return self._found[plan]

    def _view(self, plan: Plan, box: Box | None) -> Volume:
        part = self.scan if box is None else truncated(crop(self.scan, box))
        upright = reorient(part, "RAS")
        if plan.spacing_mm is None:
            return upright
        order, threads = plan.resampling_order, plan.threads
        return to_spacing(upright, plan.spacing_mm, order, threads, self.zoom)
