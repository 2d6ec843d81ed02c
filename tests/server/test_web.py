"""The server on streamable HTTP, as a process of its own."""

import json
import random
import signal
import socket
import time
import urllib.error
import urllib.request
from pathlib import Path

import anyio
import pytest
from http_server import http_server
from mcp import Client
from toy_client import goes_there_and_back

TOY_SERVER = Path(__file__).parents[1] / "toy_server.py"
ERAS = pytest.mark.parametrize("era", ["auto", "legacy"])
ENDLESS = {"tiles": 99_999}


@pytest.fixture(scope="module")
def address():
    with http_server([str(TOY_SERVER)]) as (address, _):
        yield address


@pytest.fixture
def url(address):
    return f"http://{address}/mcp"


@ERAS
@pytest.mark.anyio
async def test_a_call_goes_there_and_back_with_its_progress(url, era):
    await goes_there_and_back(url, era)


@ERAS
@pytest.mark.anyio
async def test_cancels_at_random_moments_leave_the_server_well(url, era, tmp_path):
    trace = tmp_path / "trace"
    trace.touch()
    with anyio.fail_after(60):
        async with Client(url, mode=era) as client:
            for number in range(15):
                with anyio.move_on_after(0.02 * number):
                    await client.call_tool("count", ENDLESS | {"trace": str(trace)})
            answer = await client.call_tool("count", {"tiles": 1})
            tiles = trace.read_text()
            await anyio.sleep(0.1)
    assert not answer.is_error
    assert trace.read_text() == tiles


@ERAS
@pytest.mark.anyio
async def test_all_clients_share_one_line(url, era):
    told, running, first = [], anyio.Event(), anyio.CancelScope()

    async def note_first(done, total, message):
        running.set()

    async def run_first():
        with first:
            await client.call_tool("count", ENDLESS, progress_callback=note_first)

    async def note_second(done, total, message):
        told.append(message)
        first.cancel()

    with anyio.fail_after(60):
        async with (
            Client(url, mode=era) as client,
            Client(url, mode=era) as other,
            anyio.create_task_group() as group,
        ):
            group.start_soon(run_first)
            await running.wait()
            await other.call_tool("count", {"tiles": 60}, progress_callback=note_second)
    assert told[0] == "waiting: 1 job ahead"
    assert told[-1].startswith("counting: ")


def _call(arguments):
    """A call of the modern era as it goes over the wire."""
    envelope = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "progressToken": 1,
    }
    params = {"name": "count", "arguments": arguments, "_meta": envelope}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    return json.dumps(body).encode()


HEADERS = {
    "Content-Type": "application/json",
    "Accept": "application/json, text/event-stream",
    "MCP-Protocol-Version": "2026-07-28",
    "Mcp-Method": "tools/call",
    "Mcp-Name": "count",
}


def _post(address, **headers):
    """The status of one call with these headers."""
    request = urllib.request.Request(
        f"http://{address}/mcp", data=_call({}), headers=HEADERS | headers
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as response:
            response.read()
            return response.status
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def test_forty_clients_that_hang_up_leave_the_server_well(address, tmp_path):
    trace = tmp_path / "trace"
    trace.touch()
    body = _call(ENDLESS | {"trace": str(trace)})
    lines = [f"{name}: {value}" for name, value in HEADERS.items()]
    head = "\r\n".join(
        ["POST /mcp HTTP/1.1", f"Host: {address}", *lines, f"Content-Length: {len(body)}", "", ""]
    )
    host, port = address.split(":")
    moment = random.Random(7)
    for _ in range(40):
        with socket.create_connection((host, int(port)), timeout=5) as client:
            client.sendall(head.encode() + body)
            time.sleep(moment.uniform(0, 0.06))
    assert _post(address) == 200
    tiles = trace.read_text()
    time.sleep(0.1)
    assert trace.read_text() == tiles


def test_a_web_page_cannot_reach_the_server(address):
    assert _post(address) == 200
    assert _post(address, Host="evil.example:80") == 421
    assert _post(address, Origin="https://evil.example") == 403


def test_a_token_is_asked_for_when_one_is_set():
    with http_server([str(TOY_SERVER)], "s3cret") as (address, _):
        assert _post(address) == 401
        assert _post(address, Authorization="Bearer wrong") == 401
        assert _post(address, Authorization="Basic s3cret") == 401
        assert _post(address, Authorization="Bearer s3cret") == 200


def test_the_server_ends_soon_when_told_to_even_with_a_job_running(tmp_path):
    trace = tmp_path / "trace"
    with http_server([str(TOY_SERVER)]) as (address, process):
        host, port = address.split(":")
        body = _call(ENDLESS | {"trace": str(trace)})
        lines = [f"{name}: {value}" for name, value in HEADERS.items()]
        head = ["POST /mcp HTTP/1.1", f"Host: {address}", *lines, f"Content-Length: {len(body)}"]
        with socket.create_connection((host, int(port)), timeout=5) as client:
            client.sendall("\r\n".join([*head, "", ""]).encode() + body)
            while not trace.exists():
                assert process.poll() is None
                time.sleep(0.02)
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=25)  # a second of grace and the rest of a tile
