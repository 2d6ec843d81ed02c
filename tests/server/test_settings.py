import os
from pathlib import Path

import pytest

from totalseg_mcp.engine.memory import Budget
from totalseg_mcp.engine.options import Options
from totalseg_mcp.engine.sources import Sources, totalsegmentator_home
from totalseg_mcp.server.cli import parser
from totalseg_mcp.server.settings import Address, BadSettingsError, Settings, address, settings


def _settings(*line, **environment):
    return settings(parser().parse_args(["serve", *line]), environment)


def test_nothing_said_leaves_the_choices_open():
    own = Sources(config=totalsegmentator_home({}) / "config.json")
    assert _settings() == Settings(sources=own)


def test_the_environment_is_read():
    chosen = _settings(
        TOTALSEG_MCP_WEIGHTS="demo",
        TOTALSEG_MCP_ALLOW=f"/scans{os.pathsep}/out",
        TOTALSEG_MCP_DEVICE="cpu",
        TOTALSEG_MCP_TOKEN="s3cret",
    )
    assert (chosen.weights, chosen.device, chosen.token) == ("demo", "cpu", "s3cret")
    assert chosen.allow == (Path("/scans"), Path("/out"))


@pytest.mark.parametrize("cpu", ["auto", "torch", "openvino"])
def test_what_computes_on_a_cpu_can_be_chosen_either_way(cpu):
    assert _settings(f"--cpu={cpu}", TOTALSEG_MCP_CPU="torch").cpu == cpu
    assert _settings(TOTALSEG_MCP_CPU=cpu).cpu == cpu


def test_an_unknown_engine_is_refused_with_the_known_ones():
    with pytest.raises(BadSettingsError, match=r"'onnx'.*auto or torch or openvino"):
        _settings("--cpu=onnx")


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


def test_where_weights_may_come_from_is_read_from_the_environment():
    sources = _settings(
        TOTALSEG_MCP_WEIGHTS_URL="https://mirror.example/w",
        TOTALSEG_MCP_TS2D_URL="https://records.example",
        TOTALSEG_MCP_LICENSE_URL="https://licences.example/",
        TOTALSEG_MCP_OFFLINE="1",
        TOTALSEG_MCP_FETCH="yes",
        TOTALSEG_MCP_LOCK="/w/weights.lock",
        TOTALSEG_MCP_LICENSE="aca_98765432101234",
        TOTALSEG_HOME_DIR="/home/ts",
    ).sources
    assert (sources.base_url, sources.licence_url) == (
        "https://mirror.example/w",
        "https://licences.example/",
    )
    assert sources.ts2d_url == "https://records.example"
    assert (sources.offline, sources.automatic) == (True, True)
    assert (sources.lock, sources.config) == (Path("/w/weights.lock"), Path("/home/ts/config.json"))
    assert sources.number is not None
    assert sources.number.reveal() == "aca_98765432101234"
    assert "aca_98765432101234" not in repr(sources)


def test_where_weights_may_come_from_is_read_from_the_command_line_first():
    sources = _settings(
        "--base-url=https://a.example", "--ts2d-url=https://c.example", "--lock=/a",
        "--offline", "--fetch-weights",
        TOTALSEG_MCP_WEIGHTS_URL="https://b.example", TOTALSEG_MCP_LOCK="/b",
        TOTALSEG_MCP_TS2D_URL="https://d.example",
        TOTALSEG_MCP_OFFLINE="0",
    ).sources  # fmt: skip
    assert (sources.base_url, sources.lock) == ("https://a.example", Path("/a"))
    assert sources.ts2d_url == "https://c.example"
    assert (sources.offline, sources.automatic) == (True, True)


@pytest.mark.parametrize("text", ["0", "", "no", "False", "off"])
def test_what_is_off_is_off(text):
    sources = _settings(TOTALSEG_MCP_OFFLINE=text, TOTALSEG_MCP_FETCH=text).sources
    assert (sources.offline, sources.automatic) == (False, False)


def test_what_is_neither_on_nor_off_is_refused():
    with pytest.raises(BadSettingsError, match="TOTALSEG_MCP_OFFLINE is 'perhaps'"):
        _settings(TOTALSEG_MCP_OFFLINE="perhaps")


def test_what_stays_loaded_is_read_from_the_command_line_first():
    chosen = _settings(
        "--memory=1GiB", "--gpu-memory=0", "--no-weights-cache", "--warm-up=total,total:fast",
        TOTALSEG_MCP_MEMORY="2GiB", TOTALSEG_MCP_GPU_MEMORY="2GiB", TOTALSEG_MCP_WARM_UP="body",
        TOTALSEG_MCP_NO_WEIGHTS_CACHE="0",
    )  # fmt: skip
    assert chosen.budget == Budget(host=1 << 30, gpu=0)
    assert not chosen.weights_cache
    assert chosen.warm_up == (Options("total"), Options("total", "fast"))


def test_what_stays_loaded_is_read_from_the_environment():
    chosen = _settings(
        TOTALSEG_MCP_MEMORY="0",
        TOTALSEG_MCP_GPU_MEMORY="2GiB",
        TOTALSEG_MCP_WARM_UP=" total:fastest , body ",
        TOTALSEG_MCP_NO_WEIGHTS_CACHE="1",
    )
    assert chosen.budget == Budget(host=0, gpu=2 << 30)
    assert not chosen.weights_cache
    assert chosen.warm_up == (Options("total", "fastest"), Options("body"))


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        ("--memory=8", "'8' is not an amount of memory"),
        ("--gpu-memory=much", "'much' is not an amount of memory"),
        ("--warm-up=totl", "no task 'totl'. Did you mean total"),
        ("--warm-up=total:quick", "'quick' is not fast or fastest, in 'total:quick'"),
        ("--warm-up=lung_vessels:fast", "'lung_vessels' has no 'fast' model"),
    ],
)
def test_what_cannot_stay_loaded_is_refused(option, reason):
    with pytest.raises(BadSettingsError, match=reason):
        _settings(option)


def test_an_address_is_read():
    assert address("[::1]:80") == Address("::1", 80)


@pytest.mark.parametrize("text", ["8765", "host:", ":80", "host:x", "host:99999"])
def test_what_is_no_address_is_refused(text):
    with pytest.raises(BadSettingsError, match="is not HOST:PORT"):
        address(text)
