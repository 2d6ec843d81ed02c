import hashlib
import io
import json
import stat
import threading
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from totalseg_mcp.engine.download import RECEIPT, fetch
from totalseg_mcp.engine.errors import MissingWeightsError, NotReadyError
from totalseg_mcp.engine.tasks import MODELS
from totalseg_mcp.engine.watch import Watch, watching
from totalseg_mcp.engine.weights import Store

MODEL = MODELS[298]
INSIDE = f"{MODEL.folder}/{MODEL.subfolder}"
FILES = {
    f"{INSIDE}/dataset.json": b"{}",
    f"{INSIDE}/plans.json": b"{}",
    f"{INSIDE}/fold_0/checkpoint_final.pth": bytes(3_000_000),
}
Answer = Callable[[BaseHTTPRequestHandler], None]


def zipped(files: dict[str, bytes], link: str | None = None, method=zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
        if link:
            entry = zipfile.ZipInfo(f"{INSIDE}/link")
            entry.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(entry, link)
    return buffer.getvalue()


def sending(content: bytes, length: int | None = None) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content) if length is None else length))
        handler.end_headers()
        handler.wfile.write(content)

    return answer


def redirecting(to: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(302)
        handler.send_header("Location", to)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], str]]:
    """A server on this machine that gives one answer to everything; its address."""
    servers: list[ThreadingHTTPServer] = []

    def start(answer: Answer) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answer(self)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/model.zip"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def everything_in(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def refusal(url: str, root: Path, **options: str) -> str:
    """The refusal's words, and nothing is left of the attempt."""
    before = everything_in(root)
    with pytest.raises(NotReadyError) as error:
        fetch(MODEL, root, url, **options)
    assert everything_in(root) == before
    assert not Store((root,)).has(MODEL)
    return str(error.value)


def test_a_model_is_fetched_checked_and_found(serve, tmp_path):
    archive = zipped(FILES)
    url = serve(sending(archive))
    folder = fetch(MODEL, tmp_path / "new" / "root", url)
    assert folder == Store((tmp_path / "new" / "root",)).find(MODEL)
    assert everything_in(tmp_path / "new" / "root") == sorted([*FILES, f"{INSIDE}/{RECEIPT}"])
    receipt = json.loads((folder / RECEIPT).read_text())
    assert receipt == {"url": url, "sha256": hashlib.sha256(archive).hexdigest()}


def test_a_model_that_is_there_is_not_fetched_again(serve, tmp_path):
    fetch(MODEL, tmp_path, serve(sending(zipped(FILES))))
    assert fetch(MODEL, tmp_path, "https://nowhere.invalid/") == Store((tmp_path,)).find(MODEL)


def test_an_incomplete_model_is_replaced_and_its_neighbours_stay(serve, tmp_path):
    for file in (f"{INSIDE}/plans.json", f"{MODEL.folder}/other/plans.json"):
        (tmp_path / file).parent.mkdir(parents=True)
        (tmp_path / file).write_text("old")
    folder = fetch(MODEL, tmp_path, serve(sending(zipped(FILES))))
    assert (folder / "plans.json").read_text() == "{}"
    assert (tmp_path / MODEL.folder / "other" / "plans.json").read_text() == "old"


def test_progress_rises_and_a_stop_leaves_nothing(serve, tmp_path):
    url = serve(sending(zipped(FILES)))
    told = []
    with watching(Watch(told.append, lambda: None)):
        fetch(MODEL, tmp_path / "a", url)
    done = [progress.done for progress in told]
    assert done == sorted(done)
    assert any("MiB 2 of 3" in progress.message for progress in told)

    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), watching(Watch(told.append, stop)):
        fetch(MODEL, tmp_path / "b", url)
    assert list((tmp_path / "b").iterdir()) == []


def test_half_a_download_is_not_believed(serve, tmp_path):
    archive = zipped(FILES)
    words = refusal(serve(sending(archive[:1_500_000], len(archive))), tmp_path)
    assert "in part" in words


@pytest.mark.parametrize(
    ("archive", "words"),
    [
        (b"<html>not a zip</html>", "damaged"),
        (zipped(FILES)[:-30], "damaged"),
        (zipped(FILES).replace(b"{}", b"[]", 1), "Bad CRC"),
        (zipped({**FILES, f"{INSIDE}/plans.json": b""}), "whole"),
        (zipped(dict(list(FILES.items())[:2])), "whole"),
        (zipped({f"x/{name}": content for name, content in FILES.items()}), "whole"),
        (zipped({**FILES, "../outside": b"x"}), "write elsewhere"),
        (zipped({**FILES, f"{INSIDE}/../../../outside": b"x"}), "write elsewhere"),
        (zipped({**FILES, "/tmp/outside": b"x"}), "write elsewhere"),
        (zipped({**FILES, "C:/outside": b"x"}), "write elsewhere"),
        (zipped({**FILES, "..\\outside": b"x"}), "write elsewhere"),
        (zipped(FILES, link="/etc"), "write elsewhere"),
        (zipped({f"{INSIDE}/{number}": b"" for number in range(1001)}), "far more than a model"),
    ],
)
def test_an_archive_that_is_not_what_it_should_be_is_refused(serve, tmp_path, archive, words):
    assert words in refusal(serve(sending(archive)), tmp_path)
    assert not (tmp_path.parent / "outside").exists()


def test_an_archive_that_would_fill_the_disk_is_refused_before_it_is_unpacked(serve, tmp_path):
    archive = bytearray(zipped(FILES))
    at = -1
    while (at := archive.find(b"PK\x01\x02", at + 1)) >= 0:  # each entry promises 4 GiB
        archive[at + 24 : at + 28] = (0xFFFFFFF0).to_bytes(4, "little")
    assert "far more than a model" in refusal(serve(sending(bytes(archive))), tmp_path)


def test_what_else_is_in_the_archive_is_left_in_it(serve, tmp_path):
    fetch(MODEL, tmp_path, serve(sending(zipped({**FILES, "__MACOSX/x": b"", "readme": b""}))))
    assert {file.split("/")[0] for file in everything_in(tmp_path)} == {MODEL.folder}


def test_a_known_checksum_is_verified(serve, tmp_path):
    archive = zipped(FILES)
    url = serve(sending(archive))
    assert "not 00" in refusal(url, tmp_path, sha256="00")
    fetch(MODEL, tmp_path, url, hashlib.sha256(archive).hexdigest().upper())


def test_a_server_that_has_it_not_is_told_by_its_status(serve, tmp_path):
    assert "404" in refusal(serve(lambda handler: handler.send_error(404)), tmp_path)


@pytest.mark.parametrize("url", ["http://example.org/a.zip", "file:///etc/passwd", "ftp://a/b"])
def test_only_https_is_fetched_also_after_a_redirect(serve, tmp_path, url):
    assert "HTTPS only" in refusal(url, tmp_path)
    assert refusal(serve(redirecting(url)), tmp_path)


def test_a_redirect_on_this_machine_is_followed(serve, tmp_path):
    fetch(MODEL, tmp_path, serve(redirecting(serve(sending(zipped(FILES))))))
    assert Store((tmp_path,)).has(MODEL)


def test_no_server_is_told_as_such(serve, tmp_path):
    assert "Check the network" in refusal("http://127.0.0.1:9/model.zip", tmp_path)


def test_licensed_models_are_not_fetched(tmp_path):
    licensed = next(model for model in MODELS.values() if model.release is None)
    with pytest.raises(MissingWeightsError, match="totalseg_download_weights"):
        fetch(licensed, tmp_path)
    assert list(tmp_path.iterdir()) == []
