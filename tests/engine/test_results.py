"""The store on disk: bounded, private, shared, and never in the way of a job."""

import os
import stat
import threading

import pytest

from totalseg_mcp.engine.errors import NotReadyError
from totalseg_mcp.engine.results import ABANDONED_S, Results, Usage
from totalseg_mcp.engine.watch import noted


@pytest.fixture
def store(tmp_path):
    return Results(tmp_path / "cache" / "results", limit=100)


def test_what_was_written_is_read_again_and_nothing_else(store):
    store.write("a", b"labels")
    assert store.read("a") == b"labels"
    assert store.read("b") is None
    store.write("a", b"newer")
    assert store.read("a") == b"newer"
    assert store.usage() == Usage(1, 5)


def test_only_the_user_can_read_it(store):
    store.write("a", b"labels")
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in store.folder.iterdir()}
    assert modes == {"a.labels": 0o600, ".lock": 0o600}
    assert stat.S_IMODE(store.folder.stat().st_mode) == 0o700


def test_what_was_not_used_for_longest_goes_first(store):
    for when, key in enumerate("abc"):
        store.write(key, b"x" * 40 if key != "c" else b"x" * 20)
        os.utime(store.folder / f"{key}.labels", (when, when))
    store.read("a")
    store.write("d", b"x" * 30)
    assert [store.read(key) is not None for key in "abcd"] == [True, False, True, True]
    assert store.usage() == Usage(3, 90)


def test_what_is_larger_than_all_of_it_is_not_kept_and_nothing_goes_for_it(store):
    store.write("a", b"labels")
    with noted() as notes:
        store.write("b", b"x" * 101)
    assert (store.read("a"), store.read("b")) == (b"labels", None)
    assert "101 bytes exceed" in notes[0]


def test_it_can_be_emptied_also_of_what_a_killed_server_left(store):
    assert store.clear() == Usage(0, 0)
    store.write("a", b"labels")
    (store.folder / "b.99.draft").write_bytes(b"half")
    assert store.clear() == Usage(1, 6)
    assert {file.name for file in store.folder.iterdir()} == {".lock"}


def test_old_drafts_go_with_the_next_write_and_new_ones_stay(store):
    store.write("a", b"labels")
    old, new = (store.folder / f"{name}.99.draft" for name in ("old", "new"))
    for draft in (old, new):
        draft.write_bytes(b"half")
    past = old.stat().st_mtime - ABANDONED_S - 1
    os.utime(old, (past, past))
    store.write("b", b"labels")
    assert (old.exists(), new.exists()) == (False, True)


def test_a_store_that_cannot_be_written_says_so_and_raises_nothing(tmp_path):
    (tmp_path / "file").write_text("in the way")
    store = Results(tmp_path / "file" / "results")
    with noted() as notes:
        store.write("a", b"labels")
        assert store.read("a") is None
    assert "was not kept" in notes[0]


def test_a_store_serves_also_where_nothing_can_be_written(store, monkeypatch):
    def refuse(*_: object) -> None:
        raise PermissionError("read-only")

    store.write("a", b"labels")
    monkeypatch.setattr(os, "utime", refuse)
    assert store.read("a") == b"labels"


def test_a_store_that_cannot_be_emptied_is_an_error(store):
    store.write("a", b"labels")
    (store.folder / ".lock").unlink()
    (store.folder / ".lock").mkdir()
    with pytest.raises(NotReadyError, match="cannot be emptied"):
        store.clear()


def test_writers_at_the_same_time_keep_the_limit_and_every_entry_whole(tmp_path):
    folder = tmp_path / "results"

    def writer(name: str) -> None:
        own = Results(folder, limit=1000)
        for number in range(20):
            own.write(f"{name}{number}", name.encode() * 90)

    threads = [threading.Thread(target=writer, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    store = Results(folder, limit=1000)
    assert store.usage() == Usage(11, 990)
    for file in folder.glob("*.labels"):
        assert file.read_bytes() == file.name[0].encode() * 90
