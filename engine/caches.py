"""Where this program keeps what it can make again."""

from collections.abc import Mapping
from pathlib import Path


def cache_folder(environ: Mapping[str, str], name: str) -> Path:
    """The folder `name` in the user's cache directory; it need not be there.

    >>> str(cache_folder({"XDG_CACHE_HOME": "/caches"}, "weights"))
    '/caches/totalseg-mcp/weights'
    """
    caches = environ.get("XDG_CACHE_HOME")
    try:
        parent = Path(caches) if caches else Path.home() / ".cache"
    except RuntimeError:  # a user without a home, as in some containers
        parent = Path("/.cache")  # where only root can write; never /tmp, where anybody can
    return parent / "totalseg-mcp" / name
