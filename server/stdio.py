"""Serves one client on stdin and stdout, for as long as the process lives."""

import logging
import os
import signal
from collections.abc import Callable, Coroutine
from threading import Timer
from typing import Any, NoReturn

import anyio
from anyio.abc import ObjectReceiveStream, ObjectSendStream
from mcp.server import Server
from mcp.server.stdio import stdio_server
from mcp.shared.message import SessionMessage

# A job stops at its next tile. When that takes longer than this after the client has gone,
# the process ends with it: there is nobody left to wait for.
LAST_TILE_S = 1.5

# What was asked just before stdin ended, as when a shell pipes a few messages in, is still
# answered within this time; then what runs is cancelled.
LAST_ANSWERS_S = 0.5

Incoming = SessionMessage | Exception
Background = Callable[[], Coroutine[Any, Any, None]]

_log = logging.getLogger(__name__)


def serve_stdio(server: Server[Any], background: Background = anyio.sleep_forever) -> NoReturn:
    """Serve until stdin ends, then end the process, with the job that may be running.

    `background` runs beside it. While serving, what anything prints goes to stderr: the SDK
    keeps the wire apart.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # the thread that reads stdin hears no other end
    try:
        anyio.run(_serve, server, background)
    except* BrokenPipeError:
        _log.info("the client has gone without a farewell")
    _leave()


async def _serve(server: Server[Any], background: Background) -> None:
    send, read = anyio.create_memory_object_stream[Incoming](0)
    async with stdio_server() as (stdin, stdout), anyio.create_task_group() as group:
        group.start_soon(_pass_on, stdin, send)
        group.start_soon(background)
        await server.run(read, stdout, server.create_initialization_options())
        group.cancel_scope.cancel()


async def _pass_on(
    stdin: ObjectReceiveStream[Incoming], server: ObjectSendStream[Incoming]
) -> None:
    """Hand on the messages; when they end, see to it that the process does too."""
    async with server:
        async for message in stdin:
            await server.send(message)
        watchdog = Timer(LAST_TILE_S, _leave)
        watchdog.daemon = True
        watchdog.start()
        await anyio.sleep(LAST_ANSWERS_S)


def _leave() -> NoReturn:
    """End the process now: taking torch down in order takes seconds, and hosts kill after two."""
    logging.shutdown()
    os._exit(0)
