"""The clean-ups that a task's entry may name: functions of its label map in RAS order."""

from collections.abc import Callable, Mapping

from totalseg_mcp.engine.image import cleanup, vertebrae
from totalseg_mcp.engine.volume import Labels

STEPS: Mapping[str, Callable[[Labels], Labels]] = {
    "keep_largest_trunk": cleanup.keep_largest_trunk,
    "drop_small_extremities": cleanup.drop_small_extremities,
    "renumber_vertebrae": vertebrae.renumber,
    "grow_vertebrae": vertebrae.grow,
}
