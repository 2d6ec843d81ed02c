"""From the settings to a running server."""

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import anyio

from totalseg_mcp.engine.caches import cache_folder
from totalseg_mcp.engine.engines import require
from totalseg_mcp.engine.options import Options
from totalseg_mcp.engine.reach import Reach
from totalseg_mcp.engine.results import Results
from totalseg_mcp.engine.session import Session
from totalseg_mcp.engine.weights import Store
from totalseg_mcp.engine.weights2d import Store2D
from totalseg_mcp.schemas.fields import DEVICE
from totalseg_mcp.server.app import build
from totalseg_mcp.server.readying import get_ready
from totalseg_mcp.server.resting import rest
from totalseg_mcp.server.settings import BadSettingsError, Settings
from totalseg_mcp.server.stdio import serve_stdio
from totalseg_mcp.server.warming import warm_up
from totalseg_mcp.server.watching import Lane
from totalseg_mcp.server.web import serve_http
from totalseg_mcp.tools import TOOLS


def serve(settings: Settings) -> None:
    """Serve all tools until the client leaves (stdin) or a signal comes (HTTP).

    Raises:
        BadSettingsError, NotReadyError: As `session`.
    """
    shared, lane, listed = session(settings), Lane(), anyio.Event()
    server = build(TOOLS, shared, lane, listed)
    background = partial(beside_calls, settings.warm_up, shared, lane, listed)
    if settings.http is None:
        serve_stdio(server, background)
    else:
        serve_http(server, settings.http, settings.token, background=background)


async def beside_calls(
    warm: Sequence[Options], shared: Session, lane: Lane, listed: anyio.Event
) -> None:
    """What is done while the server serves.

    First all that calls need is imported and networks are made ready; later memory is given back.
    """
    async with anyio.create_task_group() as group:
        group.start_soon(get_ready, TOOLS, listed, lane, lambda: shared.jobs > 0)
        group.start_soon(warm_up, warm, shared, lane)
        group.start_soon(rest, lane)


def session(settings: Settings) -> Session:
    """The session that all calls share.

    Raises:
        BadSettingsError: When there is no such folder of weights, or no such kind of device.
        NotReadyError: When what was chosen to compute networks is not installed.
    """
    require(settings.cpu)
    if not DEVICE.fullmatch(settings.device):
        raise BadSettingsError(f"{settings.device!r} is not a device: use gpu, gpu:N, cpu or mps.")
    limit = settings.results_cache
    return Session(
        store=_store(settings.weights),
        reach=Reach(settings.allow),
        device=settings.device,
        sources=settings.sources,
        budget=settings.budget,
        cache=cache_folder(os.environ, "weights") if settings.weights_cache else None,
        cpu=settings.cpu,
        store_2d=_store_2d(settings.weights),
        results=Results(cache_folder(os.environ, "results"), limit) if limit else None,
    )


def _store(weights: str | None) -> Store:
    if weights is None:
        return Store.standard()
    if weights == "demo":
        return Store.demo()
    if not Path(weights).is_dir():
        raise BadSettingsError(f"There is no folder of weights {weights}.")
    return Store((Path(weights).absolute(),))


def _store_2d(weights: str | None) -> Store2D:
    if weights is None:
        return Store2D.standard()
    if weights == "demo":
        return Store2D.demo()
    return Store2D.first_in(Path(weights).absolute())
