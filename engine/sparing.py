"""What nnU-Net imports for training and for formats that are not read through it.

That is 130 MiB and half a second of what it takes until a network can be loaded. It is imported
when something in it is used: SimpleITK, to write a segmentation for 3D Slicer.
"""

import sys
from collections.abc import Iterable
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, module_from_spec
from threading import RLock
from types import ModuleType
from typing import Any

SELDOM = ("SimpleITK", "pandas", "skimage.io", "tifffile")
PATH = "__path__"


class Spared(ModuleType):
    """A module that is imported when something in it is looked for.

    Not `importlib.util.LazyLoader`, whose modules are imported as soon as a second file says that
    it wants them.
    """

    def __init__(self, spec: ModuleSpec) -> None:
        super().__init__(spec.name)
        vars(self).update(vars(module_from_spec(spec)), _lock=RLock(), _waits=True)
        vars(self).pop(PATH, None)  # so that importing a part of it imports it, too

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 (whatever is in the module)
        spec = self.__spec__
        assert spec is not None, "it was made of one"
        with self._lock:
            if self._waits:
                self._import(spec)
        if name not in vars(self):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return vars(self)[name]

    def _import(self, spec: ModuleSpec) -> None:
        """Become the module; after an error this is tried again the next time."""
        assert spec.loader is not None, "only modules with a loader are spared"
        if spec.submodule_search_locations is not None:
            vars(self)[PATH] = spec.submodule_search_locations
        self._waits = False
        try:
            spec.loader.exec_module(self)
        except BaseException:
            self._waits = True
            vars(self).pop(PATH, None)
            raise


def spare(names: Iterable[str] = SELDOM) -> None:
    """Let the import of these modules wait until they are used.

    What was imported, or is not installed, stays as it is.
    """
    for name in names:
        spec = None if name in sys.modules else find_spec(name)
        if spec and spec.loader:
            sys.modules[name] = Spared(spec)
