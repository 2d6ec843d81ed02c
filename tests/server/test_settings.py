import os
from pathlib import Path

import pytest

from totalseg_mcp.server.cli import parser
from totalseg_mcp.server.settings import Address, BadSettingsError, Settings, address, settings


def _settings(*line, **environment):
    return settings(parser().parse_args(["serve", *line]), environment)


def test_nothing_said_leaves_the_choices_open():
    assert _settings() == Settings()


def test_the_environment_is_read():
    chosen = _settings(
        TOTALSEG_MCP_WEIGHTS="demo",
        TOTALSEG_MCP_ALLOW=f"/scans{os.pathsep}/out",
        TOTALSEG_MCP_DEVICE="cpu",
        TOTALSEG_MCP_TOKEN="s3cret",
    )
    assert chosen == Settings(
        weights="demo", allow=(Path("/scans"), Path("/out")), device="cpu", token="s3cret"
    )


def test_the_command_line_wins():
    chosen = _settings(
        "--weights=/models", "--allow=/a", "--allow=/b", TOTALSEG_MCP_WEIGHTS="demo",
        TOTALSEG_MCP_ALLOW="/c",
    )  # fmt: skip
    assert (chosen.weights, chosen.allow) == ("/models", (Path("/a"), Path("/b")))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.9", "localhost", "[::1]"])
def test_this_machine_may_connect_without_a_token(host):
    assert _settings(f"--http={host}:8765").http.port == 8765


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", "192.168.1.5", "example.org"])
def test_others_may_connect_only_with_a_token(host):
    with pytest.raises(BadSettingsError, match="TOTALSEG_MCP_TOKEN"):
        _settings(f"--http={host}:8765")
    assert _settings(f"--http={host}:8765", TOTALSEG_MCP_TOKEN="s3cret").http


def test_folders_are_absolute_from_the_start(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert _settings("--allow=scans").allow == (tmp_path / "scans",)


def test_a_token_is_not_shown():
    assert "s3cret" not in repr(_settings(TOTALSEG_MCP_TOKEN="s3cret"))


def test_an_address_is_read():
    assert address("[::1]:80") == Address("::1", 80)


@pytest.mark.parametrize("text", ["8765", "host:", ":80", "host:x", "host:99999"])
def test_what_is_no_address_is_refused(text):
    with pytest.raises(BadSettingsError, match="is not HOST:PORT"):
        address(text)
