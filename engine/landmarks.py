"""What to look near."""

from dataclasses import dataclass

from totalseg_mcp.engine.volume import Volume


@dataclass(frozen=True, slots=True, eq=False)
class Landmarks:
    """What to look near, and what to keep near (None: everything), on the scan's grid.

    A voxel that is not 0 is inside.
    """

    look: Volume
    keep: Volume | None = None
