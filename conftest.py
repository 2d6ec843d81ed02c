"""What holds for tests and doctests alike."""

from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

# These import numba, which is optional.
collect_ignore_glob = [] if find_spec("numba") else ["engine/planar/*.py"]


def pytest_configure(config: pytest.Config) -> None:
    """Leave the user's cached files alone, in this process and those that it starts.

    Modules look for the folder as soon as they are collected.
    """
    patch, folder = pytest.MonkeyPatch(), TemporaryDirectory(prefix="totalseg-mcp-tests-")
    patch.setenv("XDG_CACHE_HOME", str(Path(folder.name)))
    config.add_cleanup(patch.undo)
    config.add_cleanup(folder.cleanup)
