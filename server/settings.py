"""How this server is to run: the command line, and the environment where that is silent."""

import ipaddress
import os
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


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


def settings(arguments: Namespace, environment: Mapping[str, str]) -> Settings:
    """The choices of the command line over those of the environment.

    Raises:
        BadSettingsError: When strangers could connect without a token, or an address
            cannot be read.
    """
    chosen = Settings(
        weights=arguments.weights or environment.get("TOTALSEG_MCP_WEIGHTS") or None,
        allow=_folders(arguments.allow or environment.get("TOTALSEG_MCP_ALLOW", "")),
        device=arguments.device or environment.get("TOTALSEG_MCP_DEVICE") or "gpu",
        http=address(arguments.http) if arguments.http else None,
        token=environment.get("TOTALSEG_MCP_TOKEN") or None,
        log_level=arguments.log_level,
    )
    if chosen.http and not chosen.http.is_loopback and chosen.token is None:
        raise BadSettingsError(
            f"{chosen.http.host} can be reached from other machines: set TOTALSEG_MCP_TOKEN "
            "to a secret that clients have to send, or listen on 127.0.0.1."
        )
    return chosen


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
