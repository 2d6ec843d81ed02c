from pathlib import Path

import pytest

from totalseg_mcp.engine.caches import cache_folder


@pytest.mark.parametrize(
    ("environment", "where"),
    [
        ({"XDG_CACHE_HOME": "/caches"}, "/caches/totalseg-mcp/results"),
        ({}, "/home/someone/.cache/totalseg-mcp/results"),
    ],
)
def test_it_is_where_the_desktop_has_its_caches(environment, where, monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    assert str(cache_folder(environment, "results")) == where


def test_a_user_without_a_home_has_no_cache_where_others_can_write(monkeypatch):
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    assert cache_folder({}, "weights") == Path("/.cache/totalseg-mcp/weights")
