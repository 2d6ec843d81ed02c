"""What runs networks on a CPU: torch, or what is installed that is faster."""

import sys
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from types import ModuleType
from typing import Literal

from totalseg_mcp.engine.errors import NotReadyError

Cpu = Literal["auto", "torch", "openvino", "winograd"]
REPORTER = "openvino_telemetry"  # its import sends a message to Google Analytics


@dataclass(frozen=True, slots=True)
class Engine:
    """What computes networks of so many dimensions, with a package, and its name in messages."""

    package: str
    title: str
    dimensions: tuple[int, ...]

    @property
    def installed(self) -> bool:
        """Whether the package is there."""
        return find_spec(self.package) is not None


WINOGRAD = Engine("numba", "Winograd's way", (2,))
OPENVINO = Engine("openvino", "OpenVINO", (2, 3))
ENGINES = {"winograd": WINOGRAD, "openvino": OPENVINO}  # the fastest first


def require(cpu: Cpu) -> None:
    """Raises NotReadyError: what was chosen is not installed."""
    engine = ENGINES.get(cpu)
    if engine and not engine.installed:
        raise NotReadyError(
            f"The server was told to use {engine.title} (--cpu {cpu}), and {engine.package} is not "
            f"installed. Install it (pip install 'totalseg-mcp[{cpu}]'), or start the server with "
            "--cpu torch."
        )


def chosen(cpu: Cpu, dimensions: int) -> Engine | None:
    """What computes networks of so many `dimensions` on a CPU; None is torch.

    Raises:
        NotReadyError: it was chosen and is not installed.
    """
    require(cpu)
    fitting = (
        engine
        for name, engine in ENGINES.items()
        if cpu in ("auto", name) and dimensions in engine.dimensions and engine.installed
    )
    return next(fitting, None)


def named(package: str) -> str:
    """An engine and its version, as results name it.

    >>> named("numpy").split()[0]
    'numpy'
    """
    return f"{package} {version(package)}"


@cache
def openvino() -> ModuleType:
    """OpenVINO, imported without its reporter, so that nothing is sent anywhere."""
    sys.modules[REPORTER] = None  # type: ignore[assignment]  # makes its import fail
    return import_module(OPENVINO.package)
