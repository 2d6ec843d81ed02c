import json
import os
from contextlib import ExitStack
from pathlib import Path

import pytest

from totalseg_mcp.engine.errors import OutOfReachError, OutputInTheWayError
from totalseg_mcp.engine.files.outputs import MANIFEST, check, staged


def run(folder: Path, **files: str) -> None:
    with staged(folder) as staging:
        for name, text in files.items():
            (staging / name).write_text(text)


def run_until(error: type[BaseException], folder: Path) -> None:
    with staged(folder) as staging:
        (staging / "liver").write_text("2")
        raise error


def contents(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in folder.iterdir() if file.name != MANIFEST}


def test_files_arrive_together_when_the_block_ends(tmp_path):
    folder = tmp_path / "new" / "deeper"
    with staged(folder) as staging:
        (staging / "liver").write_text("1")
        (staging / "spleen").write_text("2")
        assert not (folder / "liver").exists()
    assert contents(folder) == {"liver": "1", "spleen": "2"}


@pytest.mark.parametrize("error", [KeyError, KeyboardInterrupt, OutputInTheWayError])
def test_after_an_error_nothing_is_left_not_even_the_folders(tmp_path, error):
    with pytest.raises(error):
        run_until(error, tmp_path / "new" / "deeper")
    assert list(tmp_path.iterdir()) == []


def test_after_an_error_an_earlier_run_is_as_it_was(tmp_path):
    run(tmp_path, liver="1")
    with pytest.raises(KeyError):
        run_until(KeyError, tmp_path)
    assert contents(tmp_path) == {"liver": "1"}


def test_our_own_files_are_replaced(tmp_path):
    run(tmp_path, liver="1")
    assert check(tmp_path, ["liver"]) == ()
    run(tmp_path, liver="2")
    run(tmp_path, liver="3")
    assert contents(tmp_path) == {"liver": "3"}


def test_files_of_an_earlier_run_that_would_stay_are_told_and_stay_ours(tmp_path):
    run(tmp_path, liver="1", spleen="1")
    assert check(tmp_path, ["liver"]) == ("spleen",)
    run(tmp_path, liver="2")
    run(tmp_path, spleen="2")
    assert contents(tmp_path) == {"liver": "2", "spleen": "2"}


def test_a_file_of_the_callers_is_never_overwritten(tmp_path):
    (tmp_path / "liver").write_text("mine")
    with pytest.raises(OutputInTheWayError, match="liver"):
        check(tmp_path, ["liver", "spleen"])
    with pytest.raises(OutputInTheWayError, match="liver"):
        run(tmp_path, liver="1", spleen="1")
    assert contents(tmp_path) == {"liver": "mine"}


def test_a_result_that_the_caller_has_changed_is_the_callers(tmp_path):
    run(tmp_path, liver="1")
    (tmp_path / "liver").write_text("corrected by hand")
    with pytest.raises(OutputInTheWayError, match="changed since"):
        check(tmp_path, ["liver"])


def test_a_file_that_appears_during_the_run_is_not_overwritten(tmp_path):
    with ExitStack() as stack:
        staging = stack.enter_context(staged(tmp_path))
        (staging / "liver").write_text("1")
        (tmp_path / "liver").write_text("mine")
        with pytest.raises(OutputInTheWayError):
            stack.close()
    assert contents(tmp_path) == {"liver": "mine"}


def test_links_are_in_the_way_and_not_followed(tmp_path):
    (tmp_path / "outside").write_text("precious")
    folder = tmp_path / "out"
    run(folder, liver="precious")
    (folder / "liver").unlink()
    (folder / "liver").symlink_to(tmp_path / "outside")
    with pytest.raises(OutputInTheWayError):
        run(folder, liver="2")
    assert (tmp_path / "outside").read_text() == "precious"


@pytest.mark.parametrize(
    "text",
    ["not json", "[]", '{"liver": "1"}', json.dumps({"../outside": "0" * 64}), '{"a/b": 1}'],
)
def test_a_manifest_that_is_not_ours_is_in_the_way(tmp_path, text):
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(OutputInTheWayError, match=MANIFEST):
        check(tmp_path, ["liver"])
    assert (tmp_path / MANIFEST).read_text() == text


def test_the_manifest_holds_names_and_digests_only(tmp_path):
    run(tmp_path, liver="")
    of_nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert json.loads((tmp_path / MANIFEST).read_text()) == {"liver": of_nothing}


def test_what_a_killed_run_left_is_swept_once_it_is_old(tmp_path):
    old, young, other = (tmp_path / n for n in (".totalseg-mcp-a", ".totalseg-mcp-b", ".other"))
    for folder in (old, young, other):
        folder.mkdir()
        (folder / "liver").write_text("half")
    os.utime(old, (0, 0))
    os.utime(other, (0, 0))
    run(tmp_path, liver="1")
    assert not old.exists()
    assert young.exists()
    assert other.exists()


def test_a_file_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputInTheWayError, match="is a file"):
        check(tmp_path / "file" / "out", ["liver"])


def test_a_disk_that_refuses_is_told_as_such(tmp_path):
    with pytest.raises(OutOfReachError, match="cannot be written"):
        run_until(OSError, tmp_path / "new")
    assert list(tmp_path.iterdir()) == []
