"""How this server is to run: the command line, and the environment where that is silent."""

import ipaddress
import os
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast, get_args

from totalseg_mcp.engine.engines import Cpu
from totalseg_mcp.engine.errors import BadRequestError
from totalseg_mcp.engine.licence import VARIABLE, LicenceNumber
from totalseg_mcp.engine.memory import Budget
from totalseg_mcp.engine.results import LIMIT
from totalseg_mcp.engine.sources import (
    LICENSED,
    RECORDS,
    RELEASES,
    Sources,
    totalsegmentator_home,
)
from totalseg_mcp.server.sizes import size

if TYPE_CHECKING:  # the command line itself needs no numpy
    from totalseg_mcp.engine.options import Options

YES, NO = ("1", "true", "yes", "on"), ("", "0", "false", "no", "off")


class BadSettingsError(Exception):
    """The operator can put it right: another option or variable."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen for HTTP."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect; names but "localhost" may mean anything."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


@dataclass(frozen=True, slots=True)
class Settings:
    """What the operator chose."""

    weights: str | None = None  # "demo", or a folder; None: where TotalSegmentator keeps its own
    allow: tuple[Path, ...] = ()  # absolute; none: every folder
    device: str = "gpu"  # for calls that do not name one
    http: Address | None = None  # None: serve on stdin and stdout
    token: str | None = field(default=None, repr=False)
    log_level: str = "info"
    cpu: Cpu = "torch"  # what computes networks on a CPU
    sources: Sources = field(default_factory=Sources)
    budget: Budget = field(default_factory=Budget)
    weights_cache: bool = True  # copy checkpoints that have been read
    warm_up: "tuple[Options, ...]" = ()  # what is loaded before it is asked for
    results_cache: int = LIMIT  # bytes of finished label maps that are kept; 0: none


def settings(arguments: Namespace, environment: Mapping[str, str]) -> Settings:
    """The choices of the command line over those of the environment.

    Raises:
        BadSettingsError: When strangers could connect without a token, or an address
            or another choice cannot be read.
            or a size cannot be read.
    """
    kept = _size(arguments.results_cache or environment.get("TOTALSEG_MCP_RESULTS_CACHE"))
    chosen = Settings(
        weights=arguments.weights or environment.get("TOTALSEG_MCP_WEIGHTS") or None,
        allow=_folders(arguments.allow or environment.get("TOTALSEG_MCP_ALLOW", "")),
        device=arguments.device or environment.get("TOTALSEG_MCP_DEVICE") or "gpu",
        http=address(arguments.http) if arguments.http else None,
        token=environment.get("TOTALSEG_MCP_TOKEN") or None,
        log_level=arguments.log_level,
        cpu=_cpu(arguments.cpu or environment.get("TOTALSEG_MCP_CPU") or "torch"),
        sources=sources(arguments, environment),
        budget=Budget(
            host=_size(arguments.memory or environment.get("TOTALSEG_MCP_MEMORY")),
            gpu=_size(arguments.gpu_memory or environment.get("TOTALSEG_MCP_GPU_MEMORY")),
        ),
        weights_cache=not (
            arguments.no_weights_cache or _on("TOTALSEG_MCP_NO_WEIGHTS_CACHE", environment)
        ),
        warm_up=_tasks(arguments.warm_up or environment.get("TOTALSEG_MCP_WARM_UP", "")),
        results_cache=LIMIT if kept is None else kept,
    )
    if chosen.http and not chosen.http.is_loopback and chosen.token is None:
        raise BadSettingsError(
            f"{chosen.http.host} can be reached from other machines: set TOTALSEG_MCP_TOKEN "
            "to a secret that clients have to send, or listen on 127.0.0.1."
        )
    return chosen


def sources(arguments: Namespace, environment: Mapping[str, str]) -> Sources:
    """Where weights may come from.

    Raises:
        BadSettingsError: When a variable is neither on nor off, or is no licence number.
    """
    lock = arguments.lock or environment.get("TOTALSEG_MCP_LOCK")
    return Sources(
        base_url=arguments.base_url or environment.get("TOTALSEG_MCP_WEIGHTS_URL") or RELEASES,
        ts2d_url=arguments.ts2d_url or environment.get("TOTALSEG_MCP_TS2D_URL") or RECORDS,
        licence_url=environment.get("TOTALSEG_MCP_LICENSE_URL") or LICENSED,
        offline=arguments.offline or _on("TOTALSEG_MCP_OFFLINE", environment),
        automatic=arguments.fetch_weights or _on("TOTALSEG_MCP_FETCH", environment),
        lock=Path(lock).expanduser().absolute() if lock else None,
        number=_licence(environment.get(VARIABLE, "")),
        config=totalsegmentator_home(environment) / "config.json",
    )


def _cpu(text: str) -> Cpu:
    for known in get_args(Cpu):
        if text == known:
            return cast(Cpu, known)
    raise BadSettingsError(f"{text!r} runs no networks: --cpu is {' or '.join(get_args(Cpu))}.")


def _licence(text: str) -> LicenceNumber | None:
    try:
        return LicenceNumber(text) if text.strip() else None
    except BadRequestError as error:
        raise BadSettingsError(f"{VARIABLE}: {error}") from None


def _size(text: str | None) -> int | None:
    try:
        return size(text) if text else None
    except ValueError as error:
        raise BadSettingsError(str(error)) from None


def _tasks(text: str) -> "tuple[Options, ...]":
    """The tasks of "total,total:fast", each at its resolution."""
    return tuple(_task(name.strip()) for name in text.split(",") if name.strip())


def _task(text: str) -> "Options":
    from totalseg_mcp.engine.options import Options
    from totalseg_mcp.engine.plan import plan
    from totalseg_mcp.engine.tasks import Resolution

    name, _, resolution = text.partition(":")
    known = {kind: kind for kind in get_args(Resolution)} | {"": "default"}
    if resolution not in known:
        raise BadSettingsError(f"--warm-up: {resolution!r} is not fast or fastest, in {text!r}.")
    options = Options(name, known[resolution])
    try:
        plan(options)
    except BadRequestError as error:
        raise BadSettingsError(f"--warm-up: {error}") from None
    return options


def _on(variable: str, environment: Mapping[str, str]) -> bool:
    text = environment.get(variable, "").strip().lower()
    if text not in YES + NO:
        raise BadSettingsError(f"{variable} is {text!r}: use 1 or 0.")
    return text in YES


def address(text: str) -> Address:
    """HOST:PORT; an IPv6 host may be in brackets.

    Raises:
        BadSettingsError: When there is no port in it.
    """
    host, colon, port = text.rpartition(":")
    if not (colon and host and port.isdecimal() and int(port) < 65536):
        raise BadSettingsError(f"{text!r} is not HOST:PORT, such as 127.0.0.1:8765.")
    return Address(host.strip("[]"), int(port))


def _folders(given: list[str] | str) -> tuple[Path, ...]:
    names = given.split(os.pathsep) if isinstance(given, str) else given
    return tuple(Path(name).expanduser().absolute() for name in names if name)
