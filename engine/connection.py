"""HTTP connections that are safe to follow and can be stopped while the server is silent."""

import http.client
import io
import ipaddress
import socket
import ssl
import time
from functools import partial
from typing import IO, TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import (
    BaseHandler,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    build_opener,
)

from totalseg_mcp.engine.errors import NotReadyError
from totalseg_mcp.engine.watch import allow_stop

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

LOOK_S = 0.5  # how long a silent server keeps a stop waiting
CONNECT_S = 10.0


def opener(url: str, *, redirects: bool) -> OpenerDirector:
    """What opens `url`, which is safe; a stop is allowed while it waits.

    The `timeout` it is opened with is that of a silent server.
    """
    handlers: list[BaseHandler] = [
        _Http(),
        _Https(context=ssl.create_default_context()),
        _SafeRedirects() if redirects else _NoRedirects(),
    ]
    if urlsplit(url).scheme == "http":
        handlers.append(ProxyHandler({}))  # what is meant for this machine stays on it
    return build_opener(*handlers)


def refuse_unsafe(url: str) -> None:
    """Only HTTPS, but for a server on this machine.

    Raises:
        NotReadyError: it is neither.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        raise NotReadyError("The address of the server of the weights is no URL.") from None
    if parts.hostname and parts.scheme == "https":
        return
    if parts.scheme == "http" and _is_here(parts.hostname or ""):
        return
    raise NotReadyError(f"{shown(url)} is not fetched: models come by HTTPS only.")


def shown(url: str) -> str:
    """`url` without what may be secret in it: the user, the query.

    >>> shown("https://user:word@mirror.example/a.zip?key=1")
    'https://mirror.example/a.zip'
    """
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class _SafeRedirects(HTTPRedirectHandler):
    """Never from HTTPS to HTTP, and never to another scheme."""

    def redirect_request(
        self,
        req: Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> Request | None:
        refuse_unsafe(newurl)
        if req.type == "https" and urlsplit(newurl).scheme != "https":
            raise NotReadyError(f"{shown(req.full_url)} leads away from HTTPS: not followed.")
        return super().redirect_request(req, fp, code, msg, headers, newurl)

    def http_error_302(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: http.client.HTTPMessage
    ) -> http.client.HTTPResponse | None:
        try:
            return super().http_error_302(req, fp, code, msg, headers)
        except (NotReadyError, ValueError):
            fp.close()
            raise

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


class _NoRedirects(HTTPRedirectHandler):
    """For what only the server that was named may see; a redirect is an HTTPError."""

    def redirect_request(self, *_: object) -> None:
        return None


class _Http(HTTPHandler):
    def http_open(self, req: Request) -> http.client.HTTPResponse:
        return self.do_open(_Connection, req)


class _Https(HTTPSHandler):
    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(context=context)
        self._trusted = context

    def https_open(self, req: Request) -> http.client.HTTPResponse:
        return self.do_open(_SecureConnection, req, context=self._trusted)


class _Connection(http.client.HTTPConnection):
    def connect(self) -> None:
        silence_s = self.timeout or CONNECT_S
        self.timeout = CONNECT_S
        super().connect()
        _listen_patiently(self, silence_s)


class _SecureConnection(http.client.HTTPSConnection):
    def connect(self) -> None:
        silence_s = self.timeout or CONNECT_S
        self.timeout = CONNECT_S
        super().connect()
        _listen_patiently(self, silence_s)


def _listen_patiently(connection: http.client.HTTPConnection, silence_s: float) -> None:
    connection.sock.settimeout(LOOK_S)
    connection.response_class = partial(  # type: ignore[assignment]  # it is only called
        _Answer, silence_s=silence_s
    )


class _Answer(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, method: str, silence_s: float) -> None:
        super().__init__(sock, method=method)
        self.fp = io.BufferedReader(_Ear(sock, self.fp, silence_s))


class _Ear(io.RawIOBase):
    """The bytes of `sock`; while none come, a stop is allowed every `LOOK_S`."""

    def __init__(self, sock: socket.socket, file: io.BufferedIOBase, silence_s: float) -> None:
        self._sock, self._file, self._silence_s = sock, file, silence_s

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        end = time.monotonic() + self._silence_s
        while True:
            allow_stop()
            try:
                return self._sock.recv_into(buffer)
            except TimeoutError:
                if time.monotonic() > end:
                    raise

    def close(self) -> None:
        self._file.close()  # the socket ends with the last file on it
        super().close()
