"""What is fetched, imported, pinned and verified as one: a 3-D model, or a 2-D network."""

from pathlib import Path

from totalseg_mcp.engine.models2d import GROUPS, Group
from totalseg_mcp.engine.sources import Sources
from totalseg_mcp.engine.tasks import MODELS, Model
from totalseg_mcp.engine.weights import lacking
from totalseg_mcp.engine.weights2d import lacking_2d

# Both have `folder` (below a root, and in the lock file), `inside` (where in an archive) and
# `called` (in messages).
Parcel = Model | Group
PARCELS: tuple[Parcel, ...] = (*MODELS.values(), *GROUPS.values())


def fault(parcel: Parcel, root: Path) -> str | None:
    """Why `parcel` is not whole below `root`; None if it is."""
    folder = root / parcel.inside
    return lacking_2d(folder) if isinstance(parcel, Group) else lacking(folder, parcel)


def address(parcel: Parcel, sources: Sources) -> str | None:
    """Where its archive is published; None if it is sent for a licence number only."""
    if isinstance(parcel, Group):
        base = sources.ts2d_url.rstrip("/")
        return f"{base}/{parcel.record}/files/{parcel.folder}.zip?download=1"
    if parcel.release is None:
        return None
    return f"{sources.base_url.rstrip('/')}/{parcel.release}/{parcel.folder}.zip"
