"""Serves many clients on streamable HTTP."""

import hmac
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
import uvicorn
from mcp.server import Server
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Lifespan, Receive, Scope, Send

from totalseg_mcp.server.settings import Address

Background = Callable[[], Coroutine[Any, Any, None]]

GRACE_S = 10  # for calls in flight when the server is told to end

LOOPBACK = ("127.0.0.1:*", "localhost:*", "[::1]:*")


def serve_http(
    server: Server[Any],
    address: Address,
    token: str | None,
    grace_s: int = GRACE_S,
    background: Background = anyio.sleep_forever,
) -> None:
    """Serve on `address` until a signal comes; then calls in flight get `grace_s` to end.

    `background` runs beside it.
    """
    app = application(server, address, token)
    app.router.lifespan_context = beside(app.router.lifespan_context, background)
    uvicorn.run(
        app,
        host=address.host,
        port=address.port,
        log_config=None,  # ours, on stderr
        access_log=False,
        timeout_graceful_shutdown=grace_s,
    )


def application(server: Server[Any], address: Address, token: str | None) -> Starlette:
    """`/mcp` for clients, and `/health`, which anyone may ask.

    On a loopback address, web pages cannot reach the server through a name of their own
    that they have pointed at it (DNS rebinding). Elsewhere the server cannot know its own
    names; there the token, which no page knows, keeps them out.
    """
    app = server.streamable_http_app(
        transport_security=TransportSecuritySettings(
            enable_dns_rebinding_protection=address.is_loopback,
            allowed_hosts=list(LOOPBACK),
            allowed_origins=[f"http://{host}" for host in LOOPBACK],
        ),
        custom_starlette_routes=[Route("/health", _health)],
    )
    if token is not None:
        app.add_middleware(Bearer, token=token)
    return app


def beside(lifespan: Lifespan[Starlette], background: Background) -> Lifespan[Starlette]:
    """The lifespan of an application that has a task running as long as it lives."""

    @asynccontextmanager
    async def longer(app: Starlette) -> AsyncIterator[Mapping[str, Any]]:
        async with lifespan(app) as state, anyio.create_task_group() as group:
            group.start_soon(background)
            yield state or {}
            group.cancel_scope.cancel()

    return longer


class Bearer:
    """Lets through only the requests that carry the token, and questions after our health."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._token = token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http" or scope["path"] == "/health" or self._is_known(scope):
            await self._app(scope, receive, send)
            return
        refusal = PlainTextResponse(
            "This server wants its token: 'Authorization: Bearer …'.",
            status_code=401,
            headers={"WWW-Authenticate": "Bearer"},
        )
        await refusal(scope, receive, send)

    def _is_known(self, scope: Scope) -> bool:
        scheme, _, token = dict(scope["headers"]).get(b"authorization", b"").partition(b" ")
        return scheme.lower() == b"bearer" and hmac.compare_digest(token, self._token)


async def _health(request: Request) -> JSONResponse:
    return JSONResponse({"status": "ok"})
