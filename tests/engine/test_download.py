"""What a server may do to a download, and what comes of it."""

import io
import threading
import time
from email.message import Message
from pathlib import Path
from urllib.request import Request

import pytest
from weights_server import HASTE, answering, failing, redirecting, sending, shelf

from totalseg_mcp.engine.connection import LOOK_S, opener, shown
from totalseg_mcp.engine.download import download
from totalseg_mcp.engine.errors import NotReadyError
from totalseg_mcp.engine.sources import Patience
from totalseg_mcp.engine.watch import Watch, watching

CONTENT = bytes(range(251)) * 5_000  # 1.2 MB; no part of it repeats at another's place
OTHER = CONTENT[::-1]
HALF = len(CONTENT) // 2
ONCE = Patience(silence_s=2.0, pauses_s=())


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return tmp_path / "archive"


def refusal(url: str, part: Path, patience: Patience = HASTE) -> str:
    with pytest.raises(NotReadyError) as error:
        download(url, part, patience)
    return str(error.value)


def test_what_was_cut_off_is_asked_for_in_the_same_call(part):
    with answering(shelf(CONTENT, cut=HALF), shelf(CONTENT)) as server:
        download(server.url, part, HASTE)
    assert part.read_bytes() == CONTENT
    assert server.ranges == [None, f"bytes={HALF}-"]
    assert server.asked[1][1]["If-Range"] == '"one"'


def test_a_later_call_goes_on_where_an_earlier_one_ended(part):
    with answering(shelf(CONTENT, cut=HALF)) as server:
        assert f"{HALF:,} of {len(CONTENT):,}" in refusal(server.url, part, ONCE)
        server_url = server.url
        assert part.read_bytes() == CONTENT[:HALF]
        with answering(shelf(CONTENT)) as again:
            # the same address, as if the server had been mended
            note = part.with_name("archive.json")
            note.write_text(note.read_text().replace(server_url, again.url))
            download(again.url, part, ONCE)
    assert part.read_bytes() == CONTENT
    assert again.ranges == [f"bytes={HALF}-"]


def test_a_file_that_is_complete_is_not_asked_for_again(part):
    with answering(shelf(CONTENT)) as server:
        download(server.url, part, ONCE)
        download(server.url, part, ONCE)
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "second",
    [
        pytest.param(shelf(OTHER, tag='"two"'), id="the file has changed and the server knows it"),
        pytest.param(sending(OTHER, ETag='"two"'), id="ranges are not known to the server"),
    ],
)
def test_a_file_that_has_changed_meanwhile_is_fetched_from_its_beginning(part, second):
    with answering(shelf(CONTENT, cut=HALF), second) as server:
        download(server.url, part, HASTE)
    assert part.read_bytes() == OTHER


SIZE = len(CONTENT)


@pytest.mark.parametrize(
    ("place", "tag"),
    [
        (f"bytes {HALF}-{SIZE - 1}/{SIZE}", '"two"'),  # another version, although If-Range asked
        (f"bytes {HALF - 1}-{SIZE - 1}/{SIZE}", '"one"'),
        (f"bytes {HALF}-{SIZE}/{SIZE + 1}", '"one"'),
        (f"bytes {HALF}-{SIZE - 2}/{SIZE}", '"one"'),
        (f"bytes {HALF}-{SIZE - 1}/*", '"one"'),
        ("lines 1-2/3", '"one"'),
        ("", '"one"'),
    ],
)
def test_another_part_than_was_asked_for_is_never_joined(part, place, tag):
    wrong = sending(OTHER[HALF:], status=206, ETag=tag, Content_Range=place)
    with answering(shelf(CONTENT, cut=HALF), wrong, shelf(CONTENT)) as server:
        download(server.url, part, HASTE)
    assert part.read_bytes() == CONTENT
    assert server.ranges == [None, f"bytes={HALF}-", None]


def test_a_part_that_nobody_asked_for_is_not_taken(part):
    unasked = sending(CONTENT, status=206, Content_Range=f"bytes 0-{SIZE - 1}/{SIZE}")
    with answering(unasked) as server:
        assert "another part" in refusal(server.url, part)


@pytest.mark.parametrize("header", [{}, {"ETag": 'W/"weak"'}])
def test_without_a_sure_name_of_the_version_nothing_is_joined(part, header):
    with answering(sending(CONTENT[:HALF], SIZE, **header), sending(CONTENT)) as server:
        download(server.url, part, HASTE)
    assert part.read_bytes() == CONTENT
    assert server.ranges == [None, None]


def test_a_date_is_name_enough(part):
    date = {"Last_Modified": "Wed, 21 Oct 2015 07:28:00 GMT"}
    rest = {"Content_Range": f"bytes {HALF}-{SIZE - 1}/{SIZE}"}
    with answering(
        sending(CONTENT[:HALF], SIZE, **date), sending(CONTENT[HALF:], status=206, **date, **rest)
    ) as server:
        download(server.url, part, HASTE)
    assert part.read_bytes() == CONTENT
    assert server.asked[1][1]["If-Range"] == "Wed, 21 Oct 2015 07:28:00 GMT"


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_passing_fault_of_the_server_is_outlasted(part, status):
    with answering(failing(status), shelf(CONTENT)) as server:
        download(server.url, part, HASTE)
    assert part.read_bytes() == CONTENT


@pytest.mark.parametrize("status", [204, 400, 403, 404, 410])
def test_a_lasting_no_is_told_at_once(part, status):
    with answering(failing(status)) as server:
        assert f"HTTP status {status}" in refusal(server.url, part)
    assert len(server.asked) == 1


def test_a_lasting_fault_is_told_by_its_status(part):
    with answering(failing(500)) as server:
        assert "HTTP status 500" in refusal(server.url, part)
    assert len(server.asked) == 1 + len(HASTE.pauses_s)


def test_a_promise_that_is_too_long_is_told(part):
    with answering(sending(CONTENT, SIZE + 1)) as server:
        assert "only in part" in refusal(server.url, part)


@pytest.mark.parametrize("length", [0, -5, 2**50])
def test_an_impossible_length_is_refused(part, length):
    with answering(sending(b"x", length)) as server:
        assert refusal(server.url, part)
    assert not part.exists() or part.stat().st_size <= 1


def test_a_file_of_unknown_length_is_refused(part):
    def answer(handler):
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(CONTENT)

    with answering(answer) as server:
        assert "how long" in refusal(server.url, part)


def chunked(last: bytes):
    def answer(handler):
        handler.protocol_version = "HTTP/1.1"
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for start in range(0, SIZE, 100_000):
            piece = CONTENT[start : start + 100_000]
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        handler.wfile.write(last)
        handler.close_connection = True

    return answer


def test_an_answer_in_chunks_is_complete_with_its_last_one(part):
    with answering(chunked(b"0\r\n\r\n")) as server:
        download(server.url, part, ONCE)
    assert part.read_bytes() == CONTENT
    with answering(chunked(b"")) as server:
        assert "the connection broke" in refusal(server.url, part)


@pytest.mark.parametrize(
    "url", ["http://example.org/a.zip", "file:///etc/passwd", "ftp://a/b", "https:///x", "x.zip"]
)
def test_only_https_is_fetched_also_after_a_redirect(part, url):
    assert "HTTPS only" in refusal(url, part)
    if "//" in url:
        with answering(redirecting(url)) as server:
            assert refusal(server.url, part)
    assert not part.exists()


@pytest.mark.parametrize("to", ["http://127.0.0.1:1/a", "http://example.org/a.zip"])
def test_https_never_leads_to_http(to):
    director = opener("https://example.org/a.zip", redirects=True)
    headers = Message()
    headers["Location"] = to
    asked = Request("https://example.org/a.zip")
    asked.timeout = 1.0
    with pytest.raises(NotReadyError):
        director.error("http", asked, io.BytesIO(), 302, "Found", headers)


def test_a_redirect_to_no_address_is_refused(part):
    with answering(redirecting("http://[")) as server:
        assert "no address" in refusal(server.url, part, ONCE)


def test_a_redirect_on_this_machine_is_followed(part):
    with answering(shelf(CONTENT)) as there, answering(redirecting(there.url)) as server:
        download(server.url, part, ONCE)
    assert part.read_bytes() == CONTENT


def test_a_circle_of_redirects_ends(part):
    with answering(lambda handler: redirecting(handler.path)(handler)) as server:
        assert "HTTP status 302" in refusal(server.url, part, ONCE)


def test_no_server_is_told_as_such(part):
    assert "Check the network" in refusal("http://127.0.0.1:9/model.zip", part)


def test_a_proxy_never_sees_what_is_meant_for_this_machine(part, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with answering(shelf(CONTENT)) as server:
        download(server.url, part, ONCE)


def test_what_drops_is_given_up(part):
    def drop(handler):
        sending(b"", SIZE)(handler)
        for _ in range(100):
            handler.wfile.write(b"x")
            time.sleep(0.02)

    with answering(drop) as server:
        told = refusal(server.url, part, Patience(silence_s=0.2, pauses_s=()))
    assert "bytes came in 0.2 s" in told


def test_a_slow_server_is_waited_for(part):
    with answering(sending(CONTENT, pause=lambda: time.sleep(2 * LOOK_S))) as server:
        download(server.url, part, ONCE)
    assert part.read_bytes() == CONTENT


def test_a_silent_server_is_given_up(part):
    silence = threading.Event()
    with answering(sending(CONTENT, pause=silence.wait)) as server:
        assert "broke" in refusal(server.url, part, Patience(silence_s=0.1, pauses_s=()))
        silence.set()


class StopError(Exception):
    pass


def test_a_stop_is_heard_while_the_server_is_silent_and_what_came_is_kept(part):
    silence, asked = threading.Event(), threading.Event()

    def check() -> None:
        if asked.is_set():
            raise StopError

    def pause() -> None:
        while not part.exists() or part.stat().st_size < HALF:
            time.sleep(0.01)
        asked.set()
        silence.wait()

    with answering(sending(CONTENT, ETag='"one"', pause=pause)) as server:
        with watching(Watch(lambda _: None, check)), pytest.raises(StopError):
            download(server.url, part, Patience(silence_s=600.0))
        silence.set()
        assert part.read_bytes() == CONTENT[:HALF]


def test_progress_rises_to_the_end(part):
    told: list[float] = []
    with answering(shelf(CONTENT)) as server, watching(Watch(lambda p: told.append(p.done), _no)):
        download(server.url, part, ONCE)
    assert told == sorted(told)
    assert told[-1] == 1.0


def _no() -> None:
    pass


@pytest.mark.parametrize(
    "note",
    ["", "{", "[]", '{"url": 1}', '{"url": "x", "size": 5, "stamp": "y", "more": 1}'],
)
def test_a_beginning_of_nothing_known_is_thrown_away(part, note):
    part.write_bytes(b"old")
    part.with_name("archive.json").write_text(note)
    with answering(shelf(CONTENT)) as server:
        download(server.url, part, ONCE)
    assert part.read_bytes() == CONTENT
    assert server.ranges == [None]


def test_what_may_be_secret_in_an_address_is_not_told(part):
    assert shown("https://me:word@a.example/b.zip?key=1#x") == "https://a.example/b.zip"
    told = refusal("http://me:word@example.org/a.zip?key=1", part)
    assert "word" not in told
    assert "key" not in told
