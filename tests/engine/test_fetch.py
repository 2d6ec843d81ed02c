"""Models come whole, pinned and in one move, or not at all."""

import hashlib
import json
import re
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from weights_server import (
    FILES,
    INSIDE,
    LICENSED,
    NUMBER,
    SAMPLES,
    answering,
    failing,
    from_,
    in_use,
    redirecting,
    sending,
    shelf,
    zipped,
)

from totalseg_mcp.engine.errors import NotReadyError
from totalseg_mcp.engine.fetch import fetch
from totalseg_mcp.engine.licence import LicenceNumber
from totalseg_mcp.engine.parcel import fault
from totalseg_mcp.engine.pins import LOCK_FILE, RECEIPT, pinned
from totalseg_mcp.engine.sources import Sources
from totalseg_mcp.engine.watch import Watch, watching
from totalseg_mcp.engine.weights import Store

LICENSED_INSIDE = f"{LICENSED.folder}/{LICENSED.subfolder}"
LICENSED_FILES = {name.replace(INSIDE, LICENSED_INSIDE): c for name, c in FILES.items()}


@pytest.fixture(params=SAMPLES)
def sample(request):
    """Each kind of weights in turn."""
    return SAMPLES[request.param]


def refusal(root: Path, sources: Sources, parcel, number=None) -> str:
    """The refusal's words; what is in use is what it was."""
    before = in_use(root)
    with pytest.raises(NotReadyError) as error:
        fetch(parcel, root, sources, number)
    assert in_use(root) == before
    assert fault(parcel, root)
    return str(error.value)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def with_receipt(sample) -> set[str]:
    return {*sample.files, (sample.parcel.inside / RECEIPT).as_posix()}


def test_a_model_is_fetched_checked_and_found(tmp_path, sample):
    root = tmp_path / "new" / "root"
    with answering(shelf(sample.archive)) as server:
        folder = fetch(sample.parcel, root, from_(server))
    assert folder == root / sample.parcel.inside
    assert fault(sample.parcel, root) is None
    assert in_use(root).keys() == with_receipt(sample)
    assert sample.within(in_use(root)) == sample.files
    assert server.paths == [sample.path]
    url = server.address + sample.path.partition("?")[0]
    record = {"url": url, "sha256": sha256(sample.archive), "files": sample.digests}
    assert json.loads((folder / RECEIPT).read_text()) == record
    assert json.loads((root / LOCK_FILE).read_text()) == {sample.parcel.folder: record}
    assert not list((root / ".totalseg-mcp").glob("*/*")), "nothing is left of the work"


def test_a_model_that_is_there_is_not_fetched_again(tmp_path, sample):
    with answering(shelf(sample.archive)) as server:
        for _ in range(2):
            fetch(sample.parcel, tmp_path, from_(server))
    assert len(server.asked) == 1


def test_an_incomplete_model_is_replaced_and_its_neighbours_stay(tmp_path, sample):
    neighbour = (sample.parcel.inside.parent / "other" / "plans.json").as_posix()
    for file in (f"{sample.home}/plans.json", neighbour):
        (tmp_path / file).parent.mkdir(parents=True)
        (tmp_path / file).write_text("old")
    with answering(shelf(sample.archive)) as server:
        fetch(sample.parcel, tmp_path, from_(server))
    assert in_use(tmp_path)[f"{sample.home}/plans.json"] == b"{}"
    assert in_use(tmp_path)[neighbour] == b"old"


def test_what_was_stopped_goes_on_in_the_next_call(tmp_path, sample):
    half = len(sample.archive) // 2
    with answering(shelf(sample.archive, cut=half), shelf(sample.archive)) as server:
        once = replace(from_(server), patience=replace(from_(server).patience, pauses_s=()))
        assert "what has come is kept" in refusal(tmp_path, once, sample.parcel)
        fetch(sample.parcel, tmp_path, once)
    assert server.ranges == [None, f"bytes={half}-"]


def test_progress_rises_through_fetching_and_unpacking(tmp_path, sample):
    told = []
    with answering(shelf(sample.archive)) as server, watching(Watch(told.append, lambda: None)):
        fetch(sample.parcel, tmp_path, from_(server))
    done = [progress.done for progress in told]
    assert done == sorted(done)
    assert any("of 2.9 MiB" in progress.message for progress in told)


@pytest.mark.parametrize(
    ("spoilt", "words"),
    [
        (lambda _: b"<html>not a zip</html>", "damaged"),
        (lambda sample: sample.archive[:-30], "damaged"),
        (lambda sample: sample.archive.replace(b"{}", b"[]", 1), "Bad CRC"),
        (
            lambda sample: zipped({**sample.files, f"{sample.home}/plans.json": b""}),
            "not there whole: .*plans.json is missing or empty",
        ),
        (
            lambda sample: zipped(dict(list(sample.files.items())[:-1])),
            "not there whole: .*fold_0/checkpoint_final.pth is missing or empty",
        ),
        (lambda _: zipped(LICENSED_FILES), "not there whole"),
        (lambda sample: zipped({**sample.files, "../outside": b"x"}), "write elsewhere"),
        (lambda sample: zipped(sample.files, link="/etc"), "write elsewhere"),
    ],
)
def test_a_bad_archive_is_refused_and_the_next_attempt_starts_over(tmp_path, sample, spoilt, words):
    with answering(shelf(spoilt(sample), tag='"bad"'), shelf(sample.archive)) as server:
        assert re.search(words, refusal(tmp_path, from_(server), sample.parcel))
        fetch(sample.parcel, tmp_path, from_(server))
    assert server.ranges == [None, None]
    assert sample.within(in_use(tmp_path)) == sample.files


def test_a_promise_that_is_too_short_gives_no_model(tmp_path, sample):
    with answering(sending(sample.archive, len(sample.archive) - 100)) as server:
        assert "damaged" in refusal(tmp_path, from_(server), sample.parcel)


def test_what_else_is_in_the_archive_is_left_in_it(tmp_path, sample):
    neighbour = (sample.parcel.inside.parent / "other" / "x").as_posix()
    more = zipped({**sample.files, "__MACOSX/x": b"", "readme": b"", neighbour: b""})
    with answering(shelf(more)) as server:
        fetch(sample.parcel, tmp_path, from_(server))
    assert in_use(tmp_path).keys() == with_receipt(sample)


@pytest.mark.parametrize("own", [False, True])
def test_what_was_pinned_is_compared_ever_after(tmp_path, sample, own):
    lock = tmp_path / "repository" / "my.lock" if own else None
    root, other = tmp_path / "root", tmp_path / "other"
    with answering(
        shelf(sample.archive), shelf(zipped(sample.turned), tag='"2"'), shelf(sample.archive)
    ) as server:
        sources = from_(server, lock=lock)
        fetch(sample.parcel, root, sources)
        if not own:
            other.mkdir()
            (other / LOCK_FILE).write_bytes((root / LOCK_FILE).read_bytes())
        told = refusal(other, sources, sample.parcel)
        fetch(sample.parcel, other, sources)
    assert "another SHA-256" in told
    assert str(lock or other / LOCK_FILE) in told


def test_a_pin_of_the_archive_alone_is_enough_to_compare_and_is_completed(tmp_path, sample):
    lock = tmp_path / LOCK_FILE
    lock.write_text(json.dumps({sample.parcel.folder: {"sha256": sha256(sample.archive)}}))
    with answering(shelf(zipped(sample.turned), tag='"2"'), shelf(sample.archive)) as server:
        assert "another SHA-256" in refusal(tmp_path, from_(server), sample.parcel)
        fetch(sample.parcel, tmp_path, from_(server))
    assert pinned(lock)[sample.parcel.folder].files == sample.digests


def test_a_lock_file_that_is_none_is_refused_and_stays(tmp_path, sample):
    (tmp_path / LOCK_FILE).write_text('{"Dataset298": 5}')
    with answering(shelf(sample.archive)) as server:
        assert "is not a lock file" in refusal(tmp_path, from_(server), sample.parcel)
    assert (tmp_path / LOCK_FILE).read_text() == '{"Dataset298": 5}'


def test_two_models_at_once_are_both_pinned(tmp_path):
    archives = {f"{s.parcel.folder}.zip": s.archive for s in SAMPLES.values()}

    def answer(handler):
        name = handler.path.split("/")[-1].partition("?")[0]
        shelf(archives[name])(handler)

    with answering(answer) as server:
        threads = [
            threading.Thread(target=fetch, args=(s.parcel, tmp_path, from_(server)))
            for s in SAMPLES.values()
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert {f"{name}.zip" for name in pinned(tmp_path / LOCK_FILE)} == set(archives)


def test_offline_no_server_is_asked(tmp_path, sample):
    with answering(shelf(sample.archive)) as server:
        told = refusal(tmp_path, from_(server, offline=True), sample.parcel)
    assert "--offline" in told
    assert "weights import" in told
    assert server.asked == []


def test_a_folder_that_cannot_be_written_is_told(tmp_path, sample):
    (tmp_path / "file").touch()
    with (
        answering(shelf(sample.archive)) as server,
        pytest.raises(NotReadyError, match="cannot be writ"),
    ):
        fetch(sample.parcel, tmp_path / "file" / "root", from_(server))


def test_a_licensed_model_is_ordered_from_the_licence_server_with_the_number(tmp_path):
    with answering(sending(zipped(LICENSED_FILES))) as server:
        folder = fetch(LICENSED, tmp_path, from_(server), LicenceNumber(NUMBER))
    ((method, headers, body),) = server.asked
    assert (method, headers["Content-Type"]) == ("POST", "application/json")
    assert json.loads(body) == {
        "license_number": NUMBER,
        "task": "tissue_types",
        "version": "2.18.0",
    }
    assert folder == Store((tmp_path,)).find(LICENSED)
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or NUMBER.encode() not in path.read_bytes()


def test_an_order_that_broke_off_is_made_again_and_not_joined(tmp_path):
    archive = zipped(LICENSED_FILES)
    with answering(sending(archive[:999], len(archive), ETag='"1"'), sending(archive)) as server:
        fetch(LICENSED, tmp_path, from_(server), LicenceNumber(NUMBER))
    assert server.ranges == [None, None]


def test_without_a_number_no_licensed_model_is_ordered(tmp_path):
    with answering(sending(b"x")) as server:
        told = refusal(tmp_path, from_(server), LICENSED)
    assert "license-academic" in told
    assert server.asked == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_number_follows_no_redirect(tmp_path, status):
    with answering(sending(b"x")) as thief, answering(redirecting(thief.url, status)) as server:
        told = refusal(tmp_path, from_(server), LICENSED, LicenceNumber(NUMBER))
    assert thief.asked == []
    assert NUMBER not in told


@pytest.mark.parametrize(
    "answer",
    [failing(401, NUMBER.encode()), failing(500, NUMBER.encode()), sending(NUMBER.encode())],
)
def test_a_server_that_repeats_the_number_is_not_repeated(tmp_path, answer, caplog):
    caplog.set_level(0)
    with answering(answer) as server:
        told = refusal(tmp_path, from_(server), LICENSED, LicenceNumber(NUMBER))
    assert NUMBER not in told + caplog.text


def test_a_number_goes_by_https_only(tmp_path):
    sources = Sources(licence_url="http://backend.totalsegmentator.com/download_weights")
    assert "HTTPS only" in refusal(tmp_path, sources, LICENSED, LicenceNumber(NUMBER))
