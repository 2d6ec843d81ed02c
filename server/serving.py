"""From the settings to a running server."""

import os
from pathlib import Path

from totalseg_mcp.engine.reach import Reach
from totalseg_mcp.engine.results import Results, results_folder
from totalseg_mcp.engine.session import Session
from totalseg_mcp.engine.weights import Store
from totalseg_mcp.schemas.fields import DEVICE
from totalseg_mcp.server.app import build
from totalseg_mcp.server.settings import BadSettingsError, Settings
from totalseg_mcp.server.stdio import serve_stdio
from totalseg_mcp.server.web import serve_http
from totalseg_mcp.tools import TOOLS


def serve(settings: Settings) -> None:
    """Serve all tools until the client leaves (stdin) or a signal comes (HTTP).

    Raises:
        BadSettingsError: As `session`.
    """
    server = build(TOOLS, session(settings))
    if settings.http is None:
        serve_stdio(server)
    else:
        serve_http(server, settings.http, settings.token)


def session(settings: Settings) -> Session:
    """The session that all calls share.

    Raises:
        BadSettingsError: When there is no such folder of weights, or no such kind of device.
    """
    if not DEVICE.fullmatch(settings.device):
        raise BadSettingsError(f"{settings.device!r} is not a device: use gpu, gpu:N, cpu or mps.")
    limit = settings.results_cache
    return Session(
        _store(settings.weights),
        Reach(settings.allow),
        settings.device,
        settings.sources,
        results=Results(results_folder(os.environ), limit) if limit else None,
    )


def _store(weights: str | None) -> Store:
    if weights is None:
        return Store.standard()
    if weights == "demo":
        return Store.demo()
    if not Path(weights).is_dir():
        raise BadSettingsError(f"There is no folder of weights {weights}.")
    return Store((Path(weights).absolute(),))
