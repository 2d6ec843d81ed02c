"""The operator's side of remembered results: how much, where, and how they are forgotten."""

import sys

import anyio
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters

from totalseg_mcp.engine.caches import cache_folder
from totalseg_mcp.engine.results import LIMIT, Results
from totalseg_mcp.server.cli import main, parser
from totalseg_mcp.server.serving import session
from totalseg_mcp.server.settings import BadSettingsError, settings


@pytest.fixture
def caches(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def chosen(*line, **environment):
    return settings(parser().parse_args(["serve", "--weights=demo", *line]), environment)


@pytest.mark.parametrize(
    ("line", "environment", "limit"),
    [
        ([], {}, LIMIT),
        (["--results-cache=500MiB"], {}, 500 * 2**20),
        ([], {"TOTALSEG_MCP_RESULTS_CACHE": "3GB"}, 3 * 10**9),
        (["--results-cache=1KiB"], {"TOTALSEG_MCP_RESULTS_CACHE": "3GB"}, 1024),
    ],
)
def test_its_size_is_the_operators(caches, line, environment, limit):
    shared = session(chosen(*line, **environment))
    assert shared.results == Results(caches / "totalseg-mcp" / "results", limit)


def test_it_can_be_switched_off(caches):
    assert session(chosen("--results-cache=0")).results is None


def test_a_size_without_a_unit_is_refused():
    with pytest.raises(BadSettingsError, match="'500' is not an amount of memory"):
        chosen("--results-cache=500")


def test_what_there_is_is_told_and_removed(caches, capsys):
    store = Results(cache_folder({"XDG_CACHE_HOME": str(caches)}, "results"))
    store.write("a", b"x" * 3 * 2**19)
    assert [main(["cache", command]) for command in ("path", "size", "clear", "size")] == [0] * 4
    assert capsys.readouterr().out.splitlines() == [
        str(caches / "totalseg-mcp" / "results"),
        "1 label maps, 1.5 MiB",
        "removed 1 label maps, 1.5 MiB",
        "0 label maps, 0.0 MiB",
    ]
    assert store.read("a") is None


@pytest.mark.anyio
async def test_a_server_reuses_what_another_one_made(models, scan_file, caches):
    call = {"input_path": str(scan_file), "fastest": True, "roi_subset": "liver,spleen"}
    arguments = ["-m", "totalseg_mcp", "serve", "--device=cpu", f"--weights={models}"]
    server = StdioServerParameters(
        command=sys.executable, args=arguments, env={"XDG_CACHE_HOME": str(caches)}
    )
    answers = []
    with anyio.fail_after(120):
        for folder in ("first", "second"):
            async with Client(server) as client:
                given = {**call, "output_dir": str(caches / folder), "statistics": True}
                answers.append(await client.call_tool("totalsegmentator", given))
    first, second = (answer.structured_content for answer in answers)
    assert (first["reused"], second["reused"]) == (False, True)
    assert second["statistics"] == first["statistics"]
    assert second["timings"]["weight_reads"] == 0
    assert second["timings"]["saved_s"] > first["timings"]["saved_s"] == 0
    assert "Labels of an earlier call were reused" in second["summary"]
    assert "Labels of an earlier call were reused" in second["command_output"]
