"""The server as a client sees it, in memory and in both eras of the protocol."""

import json
import logging
import random
from functools import partial

import anyio
import pytest
from mcp import Client, MCPError
from toy_server import BREAK, COUNT, TOYS, Break

from totalseg_mcp.engine.session import Session
from totalseg_mcp.schemas.result import Result
from totalseg_mcp.server.app import build
from totalseg_mcp.tools.tool import Tool

pytestmark = pytest.mark.anyio

ERAS = pytest.mark.parametrize("era", ["auto", "legacy"])
ENDLESS = {"tiles": 99_999}


@pytest.fixture
def server():
    return build(TOYS, Session())


async def _is_running(call, group):
    """Start a call; returns once its job has told of its first tile."""
    started = anyio.Event()

    async def note(done, total, message):
        if "tile" in message:
            started.set()

    group.start_soon(partial(call, progress_callback=note))
    with anyio.fail_after(10):
        await started.wait()


@ERAS
async def test_a_tool_is_listed_with_all_that_clients_show(server, era):
    async with Client(server, mode=era) as client:
        tool = (await client.list_tools()).tools[0]
    assert (tool.name, tool.title, tool.description) == ("count", "Count tiles", "Count tiles.")
    assert tool.annotations.read_only_hint is False
    assert tool.annotations.destructive_hint is False
    assert tool.annotations.idempotent_hint is True
    assert tool.annotations.open_world_hint is False
    assert tool.output_schema["properties"]["tiles"]["type"] == "integer"


async def test_a_client_may_keep_the_list(server):
    async with Client(server) as client:
        listed = await client.list_tools()
    assert (listed.ttl_ms, listed.cache_scope) == (3_600_000, "public")


@ERAS
async def test_the_server_says_who_it_is(server, era):
    async with Client(server, mode=era) as client:
        await client.list_tools()
        assert client.server_info.name == "totalseg-mcp"
        assert client.server_info.version
        assert "not for diagnosis" in client.instructions


async def test_the_schemas_are_plain_closed_and_without_noise(server):
    async with Client(server) as client:
        tool = (await client.list_tools()).tools[0]
    schema = tool.input_schema
    assert schema["type"] == "object"
    assert schema["additionalProperties"] is False
    assert set(schema["properties"]) == {"tiles", "pause_s", "task", "title", "trace"}
    assert all(part["description"] for part in schema["properties"].values())
    assert schema["properties"]["task"]["enum"] == ["total", "lung_vessels"]
    assert '"title": "' not in json.dumps([schema, tool.output_schema])


@ERAS
async def test_a_result_comes_as_data_as_a_sentence_and_as_json(server, era):
    async with Client(server, mode=era) as client:
        answer = await client.call_tool("count", {"tiles": 2})
    assert not answer.is_error
    assert answer.structured_content == {
        "summary": "Counted 2 tiles.",
        "preview_file": None,
        "tiles": 2,
    }
    sentence, text = answer.content
    assert sentence.text == "Counted 2 tiles."
    assert json.loads(text.text) == answer.structured_content


@pytest.mark.parametrize(("size", "pictures"), [(9, 1), (500_001, 0)])
async def test_the_picture_comes_along_unless_it_is_large(tmp_path, size, pictures):
    picture = tmp_path / "preview.png"
    picture.write_bytes(b"x" * size)

    def run(arguments, session):
        return Result(summary="Drawn.", preview_file=str(picture))

    draw = Tool("draw", "Draw", "Draw.", Break, Result, lambda: run)
    async with Client(build([draw], Session())) as client:
        answer = await client.call_tool("draw", {"how": "bug"})
    assert [part.mime_type for part in answer.content[2:]] == ["image/png"] * pictures
    assert answer.structured_content["preview_file"] == str(picture)


@ERAS
async def test_progress_rises_to_the_result(server, era):
    seen = []

    async def note(done, total, message):
        seen.append((done, total, message))

    async with Client(server, mode=era) as client:
        await client.call_tool("count", {"tiles": 60}, progress_callback=note)
    done = [step[0] for step in seen]
    assert done == sorted(set(done))
    assert len(done) >= 2
    assert 0 <= done[0] <= done[-1] <= 1
    assert {step[1] for step in seen} == {1.0}
    assert seen[-1][2].startswith("counting: tile ")


@ERAS
async def test_a_cancelled_job_stops_at_a_tile_and_lets_the_next_one_in(server, era, tmp_path):
    trace = tmp_path / "trace"
    async with Client(server, mode=era) as client:
        async with anyio.create_task_group() as group:
            call = partial(client.call_tool, "count", ENDLESS | {"trace": str(trace)})
            await _is_running(call, group)
            group.cancel_scope.cancel()
        with anyio.fail_after(5):
            assert not (await client.call_tool("count", {"tiles": 1})).is_error
    tiles = trace.read_text()
    await anyio.sleep(0.1)  # ten tiles
    assert trace.read_text() == tiles


@ERAS
async def test_fifty_cancels_at_random_moments_leave_the_server_well(server, era):
    moment = random.Random(7)
    async with Client(server, mode=era) as client:
        for _ in range(50):
            with anyio.move_on_after(moment.uniform(0, 0.08)):
                await client.call_tool("count", ENDLESS)
        with anyio.fail_after(5):
            assert not (await client.call_tool("count", {"tiles": 1})).is_error


@ERAS
async def test_a_second_job_waits_and_is_told_its_place(server, era):
    told, first = [], anyio.CancelScope()

    async def run_first(progress_callback):
        with first:
            await client.call_tool("count", ENDLESS, progress_callback=progress_callback)

    async def note(done, total, message):
        told.append(message)
        first.cancel()

    async with (
        Client(server, mode=era) as client,
        Client(server, mode=era) as other,
        anyio.create_task_group() as group,
    ):
        await _is_running(run_first, group)
        with anyio.fail_after(10):
            await other.call_tool("count", {"tiles": 60}, progress_callback=note)
    assert told[0] == "waiting: 1 job ahead"
    assert told[-1].startswith("counting: ")


async def test_one_who_waits_may_leave_the_queue(server):
    async with Client(server) as client, anyio.create_task_group() as group:
        await _is_running(partial(client.call_tool, "count", {"tiles": 40}), group)
        with anyio.move_on_after(0.1) as waited:
            await client.call_tool("count", {"tiles": 1})
        assert waited.cancelled_caught
        with anyio.fail_after(5):
            assert not (await client.call_tool("count", {"tiles": 1})).is_error


WRONG = {
    "all at once": (
        {"pause": 3, "tiles": 0, "pause_s": "long"},
        "tiles: 0 should be greater than or equal to 1\n"
        "pause_s: 'long' should be a valid number, unable to parse string as a number\n"
        "pause: unknown argument (with the value 3); did you mean 'pause_s'?\n"
        "The arguments are: tiles, pause_s, task, title, trace.",
    ),
    "a name": (
        {"task": "lung_vesels"},
        "task: 'lung_vesels' is not one of total, lung_vessels; did you mean 'lung_vessels'?",
    ),
    "nothing near": (
        {"zzz": None},
        "zzz: unknown argument (with the value None)\n"
        "The arguments are: tiles, pause_s, task, title, trace.",
    ),
}


@ERAS
@pytest.mark.parametrize("case", WRONG)
async def test_wrong_arguments_are_told_one_a_line(server, era, case):
    arguments, text = WRONG[case]
    async with Client(server, mode=era) as client:
        answer = await client.call_tool("count", arguments)
    assert answer.is_error
    assert answer.structured_content is None
    assert answer.content[0].text == text


async def test_a_missing_argument_is_named(server):
    async with Client(server) as client:
        answer = await client.call_tool("go_wrong")
    assert answer.content[0].text == "how: required, but missing"


@ERAS
async def test_an_unknown_tool_is_refused_with_the_known_ones(server, era):
    async with Client(server, mode=era) as client:
        with pytest.raises(MCPError) as error:
            await client.call_tool("cuont", {})
    expected = "Unknown tool 'cuont'; did you mean 'count'? The tools are: count, go_wrong."
    assert error.value.message == expected


@ERAS
async def test_an_error_of_the_engine_is_told_as_it_is(server, era):
    async with Client(server, mode=era) as client:
        answer = await client.call_tool("go_wrong", {"how": "told"})
    assert answer.is_error
    assert answer.structured_content is None
    assert [part.text for part in answer.content] == ["There is no file /data/Miller.nii.gz."]


@ERAS
@pytest.mark.parametrize("how", ["bug", "exit"])
async def test_a_bug_is_logged_not_told_and_survived(server, era, how, caplog):
    async with Client(server, mode=era) as client:
        answer = await client.call_tool("go_wrong", {"how": how})
        after = await client.call_tool("count", {})
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    number = record.args[0]
    assert answer.is_error
    assert answer.structured_content is None
    assert number in answer.content[0].text
    assert "Miller" not in answer.content[0].text
    assert "Traceback" not in answer.content[0].text
    assert record.exc_info
    assert not after.is_error


def test_extensions_find_their_way_in():
    """What an extension needs of the server, so that one can be added."""
    server = build([COUNT, BREAK], Session())
    server.extensions["com.example/x"] = {}
    assert server.get_capabilities().extensions == {"com.example/x": {}}
    assert server.get_request_handler("tools/call") is not None
