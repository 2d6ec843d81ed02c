from pathlib import Path

import pytest

from totalseg_mcp.engine.errors import OutOfReachError
from totalseg_mcp.engine.reach import Reach


@pytest.fixture
def allowed(tmp_path: Path) -> Path:
    folder = tmp_path / "allowed"
    folder.mkdir()
    return folder


def test_without_folders_every_absolute_path_is_in_reach(tmp_path):
    assert Reach().reading(tmp_path / "a.nii.gz") == (tmp_path / "a.nii.gz").resolve()


def test_the_folder_itself_and_what_is_below_it_are_in_reach(allowed):
    reach = Reach((allowed,))
    assert reach.reading(allowed) == allowed
    assert reach.writing(allowed / "new" / "deeper") == allowed / "new" / "deeper"


def test_a_refusal_names_the_path_and_the_allowed_folders(allowed, tmp_path):
    with pytest.raises(OutOfReachError) as refusal:
        Reach((allowed,)).reading(tmp_path / "other" / "a.nii")
    assert str(tmp_path / "other" / "a.nii") in str(refusal.value)
    assert str(allowed) in str(refusal.value)


@pytest.mark.parametrize("way_out", ["../secret", "inner/../../secret", "../allowed2"])
def test_dots_do_not_lead_out(allowed, way_out):
    with pytest.raises(OutOfReachError):
        Reach((allowed,)).reading(allowed / way_out)


def test_a_link_that_leads_out_is_refused_also_below_a_folder_yet_to_be_made(allowed, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (allowed / "link").symlink_to(outside)
    with pytest.raises(OutOfReachError, match="leads to"):
        Reach((allowed,)).writing(allowed / "link" / "new" / "results")


def test_an_allowed_folder_may_itself_be_a_link(allowed, tmp_path):
    (tmp_path / "link").symlink_to(allowed)
    assert Reach((tmp_path / "link",)).reading(allowed / "a.nii") == allowed / "a.nii"


def test_the_home_folder_is_expanded(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Reach((Path("~"),)).reading(Path("~/scan.nii")) == tmp_path / "scan.nii"


@pytest.mark.parametrize("path", ["scan.nii.gz", "", "./x", "/tmp/a\0b", "~nobody-by-this-name/x"])
def test_what_is_not_an_absolute_path_is_refused(path):
    with pytest.raises(OutOfReachError):
        Reach().reading(Path(path))


def test_links_in_a_circle_and_endless_names_are_refused(tmp_path):
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    for path in (tmp_path / "a", tmp_path / ("x" * 300) / "y"):
        with pytest.raises(OutOfReachError, match="cannot be followed"):
            Reach().reading(path)


@pytest.mark.parametrize("below", [".", "deeper"])
def test_a_file_is_no_folder_for_results(tmp_path, below):
    (tmp_path / "scan.nii.gz").write_bytes(b"")
    with pytest.raises(OutOfReachError, match="is a file"):
        Reach().writing(tmp_path / "scan.nii.gz" / below)
