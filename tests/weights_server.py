"""A server of model archives on this machine, which can be told to misbehave, and archives."""

import io
import re
import stat
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from ssl import SSLContext

from totalseg_mcp.engine.pins import LOCK_FILE
from totalseg_mcp.engine.sources import Patience, Sources
from totalseg_mcp.engine.tasks import MODELS

MODEL = MODELS[298]
LICENSED = MODELS[481]
INSIDE = f"{MODEL.folder}/{MODEL.subfolder}"
FILES = {
    f"{INSIDE}/dataset.json": b"{}",
    f"{INSIDE}/plans.json": b"{}",
    f"{INSIDE}/fold_0/checkpoint_final.pth": bytes(range(256)) * 12_000,
}
NUMBER = "aca_98765432101234"
HASTE = Patience(silence_s=2.0, pauses_s=(0.0, 0.0))

Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Server:
    """Where it is, and what was asked of it: method, headers, body."""

    address: str
    asked: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"{self.address}/model.zip"

    @property
    def ranges(self) -> list[str | None]:
        return [headers.get("Range") for _, headers, _ in self.asked]


@contextmanager
def answering(*answers: Answer, tls: SSLContext | None = None) -> Iterator[Server]:
    """A server that gives these answers in turn, and the last one ever after."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            known.asked.append((self.command, dict(self.headers), self.rfile.read(length)))
            try:
                answers[min(len(known.asked), len(answers)) - 1](self)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True  # the client has had enough

        do_POST = do_GET  # noqa: N815 (the name is http.server's)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        scheme = "https" if tls else "http"
        known = Server(f"{scheme}://127.0.0.1:{server.server_port}")
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield known
        server.shutdown()


def sending(
    content: bytes,
    length: int | None = None,
    status: int = 200,
    pause: Callable[[], object] = lambda: None,
    **headers: str,
) -> Answer:
    """Send `content`, promising `length`; `pause` is called before the second half of it."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(content) if length is None else length))
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(content[: len(content) // 2])
        pause()
        handler.wfile.write(content[len(content) // 2 :])

    return answer


def shelf(
    content: bytes,
    tag: str = '"one"',
    cut: int | None = None,
    pause: Callable[[], object] = lambda: None,
) -> Answer:
    """Send `content`, or the part that was asked for, as RFC 9110 has it; no more than `cut`."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
        same = handler.headers.get("If-Range", tag) == tag
        start = int(asked[1]) if asked and same else 0
        rest = content[start:]
        place = {"Content_Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
        status, headers = (206, place) if start else (200, {})
        sending(rest[:cut], len(rest), status, pause, ETag=tag, **headers)(handler)

    return answer


def redirecting(to: str, status: int = 302) -> Answer:
    return sending(b"", status=status, Location=to)


def failing(status: int, words: bytes = b"") -> Answer:
    return sending(words, status=status)


def zipped(
    files: dict[str, bytes], link: str | None = None, method: int = zipfile.ZIP_STORED
) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
        if link:
            entry = zipfile.ZipInfo(f"{INSIDE}/link")
            entry.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(entry, link)
    return buffer.getvalue()


def from_(server: Server, **changes: object) -> Sources:
    """That server as the place of all weights."""
    known = {"base_url": server.address, "licence_url": server.url, "patience": HASTE}
    return Sources(**{**known, **changes})


def in_use(root: Path) -> dict[str, bytes]:
    """What a job could find below `root`, with its receipts."""
    hidden = (".totalseg-mcp", LOCK_FILE, f".{LOCK_FILE}.guard")
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and path.relative_to(root).parts[0] not in hidden
    }


ARCHIVE = zipped(FILES)
