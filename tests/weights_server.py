"""A server of model archives on this machine, which can be told to misbehave, and archives."""

import hashlib
import io
import re
import stat
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath
from ssl import SSLContext

from totalseg_mcp.engine.models2d import GROUPS
from totalseg_mcp.engine.parcel import Parcel
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
GROUP = GROUPS["ts2d-v2-ep4000b2_ribs"]
REVISION = f"{GROUP.folder}/r001"
INSIDE_2D = f"{REVISION}/Dataset304_TS2Dv2_ribs/nnUNetTrainer__nnUNetPlans__2d"
FILES_2D = {
    f"{REVISION}/model.json": b'{"param": {"nnu.task": 304, "nnu.trainer": "nnUNetTrainer", '
    b'"nnu.configuration": "2d"}}',
    **{name.replace(INSIDE, INSIDE_2D): content for name, content in FILES.items()},
}
NUMBER = "aca_98765432101234"
HASTE = Patience(silence_s=2.0, pauses_s=(0.0, 0.0))

Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Server:
    """Where it is, and what was asked of it: method, headers, body; and the path."""

    address: str
    asked: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

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
            known.paths.append(self.path)
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
    known = {"base_url": server.address, "licence_url": server.url, "ts2d_url": server.address}
    return Sources(**{**known, "patience": HASTE, **changes})


def in_use(root: Path) -> dict[str, bytes]:
    """What a job could find below `root`, with its receipts."""
    hidden = (".totalseg-mcp", LOCK_FILE, f".{LOCK_FILE}.guard")
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and path.relative_to(root).parts[0] not in hidden
    }


ARCHIVE = zipped(FILES)


@dataclass(frozen=True)
class Sample:
    """One kind of weights: what may come, its files below a root, where it is on a server."""

    parcel: Parcel
    files: dict[str, bytes]
    home: str  # of its dataset.json, below a root
    path: str  # of its archive, below the server's address

    @cached_property
    def archive(self) -> bytes:
        return zipped(self.files)

    @property
    def turned(self) -> dict[str, bytes]:
        """The same, changed where only a digest can tell."""
        return {n: c[::-1] if n.endswith(".pth") else c for n, c in self.files.items()}

    def within(self, names: dict[str, bytes]) -> dict[str, bytes]:
        """Those of `names` that are its files."""
        return {name: content for name, content in names.items() if name in self.files}

    @property
    def digests(self) -> dict[str, str]:
        """The SHA-256 of its files, by their names in its folder."""
        return {
            PurePosixPath(n).relative_to(self.parcel.inside).as_posix(): hashlib.sha256(
                c
            ).hexdigest()
            for n, c in self.files.items()
        }

    def put(self, root: Path) -> None:
        for name, content in self.files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(content)


SAMPLES = {
    "3-D": Sample(MODEL, FILES, INSIDE, f"/{MODEL.release}/{MODEL.folder}.zip"),
    "2-D": Sample(
        GROUP, FILES_2D, INSIDE_2D, f"/{GROUP.record}/files/{GROUP.folder}.zip?download=1"
    ),
}
