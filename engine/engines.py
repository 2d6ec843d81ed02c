"""What runs networks on a CPU: torch, or OpenVINO where it is installed."""

import sys
from functools import cache
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from types import ModuleType
from typing import Literal

from totalseg_mcp.engine.errors import NotReadyError

Cpu = Literal["auto", "torch", "openvino"]
PACKAGE = "openvino"
INSTALL = "pip install 'totalseg-mcp[openvino]'"
REPORTER = "openvino_telemetry"  # its import sends a message to Google Analytics


def compiles(cpu: Cpu) -> bool:
    """Whether OpenVINO runs the networks: where it was chosen, or is there and was not refused.

    Raises:
        NotReadyError: it was chosen and is not installed.
    """
    there = find_spec(PACKAGE) is not None
    if cpu == "openvino" and not there:
        raise NotReadyError(
            f"OpenVINO is not installed, and the server was told to use it (--cpu openvino). "
            f"Install it ({INSTALL}), or start the server with --cpu torch."
        )
    return there and cpu != "torch"


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
    return import_module(PACKAGE)
