"""The server as a process on stdin and stdout."""

import json
import subprocess
import sys
import time
from pathlib import Path

import anyio
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from toy_client import goes_there_and_back

pytestmark = pytest.mark.anyio

TOY_SERVER = Path(__file__).parents[1] / "toy_server.py"
ERAS = pytest.mark.parametrize("era", ["auto", "legacy"])
ENDLESS = {"tiles": 99_999}


@pytest.fixture
def server():
    return StdioServerParameters(command=sys.executable, args=[str(TOY_SERVER)])


@ERAS
async def test_a_call_goes_there_and_back_with_its_progress(server, era):
    await goes_there_and_back(server, era)


@ERAS
async def test_cancels_at_random_moments_leave_the_server_well(server, era, tmp_path):
    trace = tmp_path / "trace"
    trace.touch()
    with anyio.fail_after(60):
        async with Client(server, mode=era) as client:
            for number in range(15):
                with anyio.move_on_after(0.01 * number):
                    await client.call_tool("count", ENDLESS | {"trace": str(trace)})
            answer = await client.call_tool("count", {"tiles": 1})
            tiles = trace.read_text()
            await anyio.sleep(0.1)
    assert not answer.is_error
    assert trace.read_text() == tiles


async def test_prints_bugs_and_exits_in_a_job_are_survived(server):
    with anyio.fail_after(60):
        async with Client(server) as client:
            assert not (await client.call_tool("go_wrong", {"how": "print"})).is_error
            assert (await client.call_tool("go_wrong", {"how": "bug"})).is_error
            assert (await client.call_tool("go_wrong", {"how": "exit"})).is_error
            assert not (await client.call_tool("count", {})).is_error


def _message(method, number=None, **params):
    message = {"jsonrpc": "2.0", "method": method, "params": params}
    return json.dumps(message | ({} if number is None else {"id": number})) + "\n"


HELLO = _message(
    "initialize",
    1,
    protocolVersion="2025-11-25",
    capabilities={},
    clientInfo={"name": "test", "version": "1"},
) + _message("notifications/initialized")


@pytest.fixture
def process():
    with subprocess.Popen(
        [sys.executable, TOY_SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        process.stdin.write(HELLO)
        yield process
        process.kill()


@pytest.mark.parametrize("pause_s", [0.01, 30])
def test_the_process_ends_when_its_client_leaves_in_mid_job(process, tmp_path, pause_s):
    """A job between two tiles stops; one in a long tile goes down with the process."""
    trace = tmp_path / "trace"
    arguments = {"tiles": 9999, "pause_s": pause_s, "trace": str(trace)}
    process.stdin.write(_message("tools/call", 2, name="count", arguments=arguments))
    process.stdin.flush()
    _wait_for(trace, process)
    left = time.monotonic()
    process.stdin.close()
    assert process.wait(timeout=20) == 0
    assert time.monotonic() - left < 6  # 0.8 and 1.6 measured on a machine with little else to do


def test_messages_that_a_shell_pipes_in_are_answered(process):
    """Three times over: an answer must not lose a race with the end of stdin."""
    for number in (2, 3, 4):
        process.stdin.write(_message("tools/list", number))
    process.stdin.close()
    answered = [json.loads(line)["id"] for line in process.stdout]
    assert sorted(answered) == [1, 2, 3, 4]


def test_a_client_that_dies_takes_the_job_along(process, tmp_path):
    trace = tmp_path / "trace"
    arguments = {"tiles": 9999, "trace": str(trace)}
    meta = {"progressToken": 1}
    call = _message("tools/call", 2, name="count", arguments=arguments, _meta=meta)
    process.stdin.write(call)
    process.stdin.flush()
    _wait_for(trace, process)
    process.stdout.close()
    process.stdin.close()
    assert process.wait(timeout=20) == 0


def test_only_messages_are_on_the_wire(process):
    process.stdin.write(_message("tools/call", 2, name="go_wrong", arguments={"how": "print"}))
    process.stdin.flush()
    messages = [json.loads(process.stdout.readline()) for _ in range(2)]
    process.stdin.close()
    assert [message["id"] for message in messages] == [1, 2]
    assert process.stdout.read() == ""


def _wait_for(file, process):
    end = time.monotonic() + 30
    while not file.exists():
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.02)
