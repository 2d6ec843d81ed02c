"""Models come whole, pinned and in one move, or not at all."""

import hashlib
import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from weights_server import (
    ARCHIVE,
    FILES,
    INSIDE,
    LICENSED,
    MODEL,
    NUMBER,
    answering,
    failing,
    from_,
    in_use,
    redirecting,
    sending,
    shelf,
    zipped,
)

from totalseg_mcp.engine.errors import BadRequestError, NotReadyError
from totalseg_mcp.engine.fetch import bring, fetch
from totalseg_mcp.engine.licence import LicenceNumber
from totalseg_mcp.engine.pins import LOCK_FILE, RECEIPT, pinned
from totalseg_mcp.engine.sources import Sources
from totalseg_mcp.engine.watch import Watch, watching
from totalseg_mcp.engine.weights import Store

SHA256 = hashlib.sha256(ARCHIVE).hexdigest()
DIGESTS = {n.removeprefix(f"{INSIDE}/"): hashlib.sha256(c).hexdigest() for n, c in FILES.items()}
# The same model, changed where only a digest can tell.
TURNED = {name: content[::-1] for name, content in FILES.items()} | {
    f"{INSIDE}/{name}": b"{}" for name in ("dataset.json", "plans.json")
}
LICENSED_INSIDE = f"{LICENSED.folder}/{LICENSED.subfolder}"
LICENSED_FILES = {name.replace(INSIDE, LICENSED_INSIDE): c for name, c in FILES.items()}


def refusal(root: Path, sources: Sources, model=MODEL, number=None) -> str:
    """The refusal's words; what is in use is what it was."""
    before = in_use(root)
    with pytest.raises(NotReadyError) as error:
        fetch(model, root, sources, number)
    assert in_use(root) == before
    assert not Store((root,)).has(model)
    return str(error.value)


def test_a_model_is_fetched_checked_and_found(tmp_path):
    root = tmp_path / "new" / "root"
    with answering(shelf(ARCHIVE)) as server:
        folder = fetch(MODEL, root, from_(server))
    assert folder == Store((root,)).find(MODEL)
    assert in_use(root).keys() == {*FILES, f"{INSIDE}/{RECEIPT}"}
    assert {k: v for k, v in in_use(root).items() if k in FILES} == FILES
    url = f"{server.address}/{MODEL.release}/{MODEL.folder}.zip"
    record = {"url": url, "sha256": SHA256, "files": DIGESTS}
    assert json.loads((folder / RECEIPT).read_text()) == record
    assert json.loads((root / LOCK_FILE).read_text()) == {MODEL.folder: record}
    assert not list((root / ".totalseg-mcp").glob("*/*")), "nothing is left of the work"


def test_a_model_that_is_there_is_not_fetched_again(tmp_path):
    with answering(shelf(ARCHIVE)) as server:
        for _ in range(2):
            fetch(MODEL, tmp_path, from_(server))
    assert len(server.asked) == 1


def test_an_incomplete_model_is_replaced_and_its_neighbours_stay(tmp_path):
    for file in (f"{INSIDE}/plans.json", f"{MODEL.folder}/other/plans.json"):
        (tmp_path / file).parent.mkdir(parents=True)
        (tmp_path / file).write_text("old")
    with answering(shelf(ARCHIVE)) as server:
        fetch(MODEL, tmp_path, from_(server))
    assert in_use(tmp_path)[f"{INSIDE}/plans.json"] == b"{}"
    assert in_use(tmp_path)[f"{MODEL.folder}/other/plans.json"] == b"old"


def test_what_was_stopped_goes_on_in_the_next_call(tmp_path):
    half = len(ARCHIVE) // 2
    with answering(shelf(ARCHIVE, cut=half), shelf(ARCHIVE)) as server:
        once = replace(from_(server), patience=replace(from_(server).patience, pauses_s=()))
        assert "what has come is kept" in refusal(tmp_path, once)
        fetch(MODEL, tmp_path, once)
    assert server.ranges == [None, f"bytes={half}-"]


def test_progress_rises_through_fetching_and_unpacking(tmp_path):
    told = []
    with answering(shelf(ARCHIVE)) as server, watching(Watch(told.append, lambda: None)):
        fetch(MODEL, tmp_path, from_(server))
    done = [progress.done for progress in told]
    assert done == sorted(done)
    assert any("of 2.9 MiB" in progress.message for progress in told)


@pytest.mark.parametrize(
    ("archive", "words"),
    [
        (b"<html>not a zip</html>", "damaged"),
        (ARCHIVE[:-30], "damaged"),
        (ARCHIVE.replace(b"{}", b"[]", 1), "Bad CRC"),
        (zipped({**FILES, f"{INSIDE}/plans.json": b""}), "not there whole"),
        (zipped(dict(list(FILES.items())[:2])), "not there whole"),
        (zipped(LICENSED_FILES), "not there whole"),
        (zipped({**FILES, "../outside": b"x"}), "write elsewhere"),
        (zipped(FILES, link="/etc"), "write elsewhere"),
    ],
)
def test_a_bad_archive_is_refused_and_the_next_attempt_starts_over(tmp_path, archive, words):
    with answering(shelf(archive, tag='"bad"'), shelf(ARCHIVE)) as server:
        assert words in refusal(tmp_path, from_(server))
        fetch(MODEL, tmp_path, from_(server))
    assert server.ranges == [None, None]
    assert {k: v for k, v in in_use(tmp_path).items() if k in FILES} == FILES


def test_a_promise_that_is_too_short_gives_no_model(tmp_path):
    with answering(sending(ARCHIVE, len(ARCHIVE) - 100)) as server:
        assert "damaged" in refusal(tmp_path, from_(server))


def test_what_else_is_in_the_archive_is_left_in_it(tmp_path):
    more = zipped({**FILES, "__MACOSX/x": b"", "readme": b"", f"{MODEL.folder}/other/x": b""})
    with answering(shelf(more)) as server:
        fetch(MODEL, tmp_path, from_(server))
    assert in_use(tmp_path).keys() == {*FILES, f"{INSIDE}/{RECEIPT}"}


@pytest.mark.parametrize("own", [False, True])
def test_what_was_pinned_is_compared_ever_after(tmp_path, own):
    lock = tmp_path / "repository" / "my.lock" if own else None
    root, other = tmp_path / "root", tmp_path / "other"
    with answering(shelf(ARCHIVE), shelf(zipped(TURNED), tag='"2"'), shelf(ARCHIVE)) as server:
        sources = from_(server, lock=lock)
        fetch(MODEL, root, sources)
        if not own:
            other.mkdir()
            (other / LOCK_FILE).write_bytes((root / LOCK_FILE).read_bytes())
        told = refusal(other, sources)
        fetch(MODEL, other, sources)
    assert "another SHA-256" in told
    assert str(lock or other / LOCK_FILE) in told


def test_a_pin_of_the_archive_alone_is_enough_to_compare_and_is_completed(tmp_path):
    lock = tmp_path / LOCK_FILE
    lock.write_text(json.dumps({MODEL.folder: {"sha256": SHA256}}))
    with answering(shelf(zipped(TURNED), tag='"2"'), shelf(ARCHIVE)) as server:
        assert "another SHA-256" in refusal(tmp_path, from_(server))
        fetch(MODEL, tmp_path, from_(server))
    assert pinned(lock)[MODEL.folder].files == DIGESTS


def test_a_lock_file_that_is_none_is_refused_and_stays(tmp_path):
    (tmp_path / LOCK_FILE).write_text('{"Dataset298": 5}')
    with answering(shelf(ARCHIVE)) as server:
        assert "is not a lock file" in refusal(tmp_path, from_(server))
    assert (tmp_path / LOCK_FILE).read_text() == '{"Dataset298": 5}'


def test_two_models_at_once_are_both_pinned(tmp_path):
    models = [MODEL, LICENSED.model_copy(update={"release": "v9"})]
    archives = {MODEL.folder: ARCHIVE, LICENSED.folder: zipped(LICENSED_FILES)}

    def answer(handler):
        shelf(archives[handler.path.split("/")[-1].removesuffix(".zip")])(handler)

    with answering(answer) as server:
        threads = [
            threading.Thread(target=fetch, args=(m, tmp_path, from_(server))) for m in models
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert pinned(tmp_path / LOCK_FILE).keys() == set(archives)


def test_offline_no_server_is_asked(tmp_path):
    with answering(shelf(ARCHIVE)) as server:
        told = refusal(tmp_path, from_(server, offline=True))
    assert "--offline" in told
    assert "weights import" in told
    assert server.asked == []


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").touch()
    with answering(shelf(ARCHIVE)) as server, pytest.raises(NotReadyError, match="cannot be writ"):
        fetch(MODEL, tmp_path / "file" / "root", from_(server))


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


@pytest.mark.parametrize("packed", [True, False])
def test_models_are_brought_from_an_archive_or_a_folder(tmp_path, packed):
    files = {f"nnunet/results/{name}": c for name, c in {**FILES, **LICENSED_FILES}.items()}
    source = tmp_path / "mine.zip" if packed else tmp_path / "mine"
    if packed:
        source.write_bytes(zipped(files))
    else:
        for name, content in files.items():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes(content)
    root = tmp_path / "root"
    brought = bring(source, root, Sources(offline=True))
    assert brought == {m: Store((root,)).find(m) for m in (MODEL, LICENSED)}
    assert pinned(root / LOCK_FILE)[MODEL.folder].files == DIGESTS


def test_what_is_brought_is_held_to_the_lock_file_too(tmp_path):
    with answering(shelf(ARCHIVE)) as server:
        fetch(MODEL, tmp_path / "root", from_(server))
    lock = tmp_path / "root" / LOCK_FILE
    before = lock.read_bytes()
    for name, content in (("same", FILES), ("other", TURNED)):
        (tmp_path / f"{name}.zip").write_bytes(zipped(content))
    with pytest.raises(NotReadyError, match=r"checkpoint_final\.pth of model 298 has another"):
        bring(tmp_path / "other.zip", tmp_path / "new", Sources(lock=lock))
    bring(tmp_path / "same.zip", tmp_path / "new", Sources(lock=lock))
    assert lock.read_bytes() == before, "the archive's digest is still known"


def test_a_model_that_is_there_is_not_replaced_by_what_is_brought(tmp_path):
    (tmp_path / "one.zip").write_bytes(ARCHIVE)
    (tmp_path / "other.zip").write_bytes(zipped(TURNED))
    bring(tmp_path / "one.zip", tmp_path / "root", Sources())
    bring(tmp_path / "other.zip", tmp_path / "root", Sources())
    assert {k: v for k, v in in_use(tmp_path / "root").items() if k in FILES} == FILES


def test_what_has_no_model_is_refused(tmp_path):
    (tmp_path / "a.zip").write_bytes(zipped({"Dataset298/plans.json": b"{}"}))
    with pytest.raises(BadRequestError, match=MODEL.folder):
        bring(tmp_path / "a.zip", tmp_path / "root", Sources())
