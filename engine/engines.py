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

Cpu = Literal["auto", "torch", "openvino", "ncnn"]
REPORTER = "openvino_telemetry"  # its import sends a message to Google Analytics


@dataclass(frozen=True, slots=True)
class Engine:
    """A package that computes networks of so many dimensions, and how messages call it."""

    package: str
    title: str
    dimensions: tuple[int, ...]

    @property
    def installed(self) -> bool:
        """Whether it is there."""
        return find_spec(self.package) is not None


OPENVINO = Engine("openvino", "OpenVINO", (2, 3))
NCNN = Engine("ncnn", "ncnn", (2,))
ENGINES = {engine.package: engine for engine in (NCNN, OPENVINO)}  # the fastest first


def require(cpu: Cpu) -> None:
    """Raises NotReadyError: what was chosen is not installed."""
    engine = ENGINES.get(cpu)
    if engine and not engine.installed:
        raise NotReadyError(
            f"{engine.title} is not installed, and the server was told to use it (--cpu {cpu}). "
            f"Install it (pip install 'totalseg-mcp[{cpu}]'), or start the server with --cpu torch."
        )


def chosen(cpu: Cpu, dimensions: int) -> Engine | None:
    """What computes networks of so many `dimensions` on a CPU; None is torch.

    Raises:
        NotReadyError: it was chosen and is not installed.
    """
    require(cpu)
    fitting = (
        engine
        for engine in ENGINES.values()
        if cpu in ("auto", engine.package) and dimensions in engine.dimensions and engine.installed
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


@cache
def ncnn() -> ModuleType:
    """The package ncnn, whose import sends nothing."""
    return import_module(NCNN.package)
