"""A licence number is told to nobody, whatever a caller does with it."""

import json
import logging
import os
import subprocess
import sys

import anyio
import pytest
from mcp import Client
from weights_server import NUMBER

from totalseg_mcp.server.app import build
from totalseg_mcp.server.log import Discreet
from totalseg_mcp.tools import TOOLS

OWN = "com_01234567890123"  # the operator's

CALLS = [
    {"license_number": NUMBER},
    {"license_number": f"{NUMBER}5"},
    {"license_number": [NUMBER]},
    {"license_number": {"number": NUMBER}},
    {"license_number": NUMBER, "task": "totl"},
    {"license_number": NUMBER, "fast": True},
    {"license_number": NUMBER, "fast": "perhaps", "preveiw": 1},
    {"license_number": NUMBER, "task": "tissue_types", "fastest": False},
    {"licence_number": NUMBER},
    {"licenseNumber": f"{NUMBER}5"},
    {"key": NUMBER},
    {"options": {"license_number": NUMBER}},
    {"options": json.dumps({"license_number": NUMBER})},
]


@pytest.fixture
def call(scan_file, tmp_path):
    return {"input_path": str(scan_file), "output_dir": str(tmp_path / "out"), "fastest": True}


@pytest.mark.anyio
@pytest.mark.parametrize("given", CALLS)
async def test_no_answer_and_no_log_has_it(session, call, given, caplog):
    caplog.set_level(logging.INFO)
    with anyio.fail_after(60):
        async with Client(build(TOOLS, session)) as client:
            answer = await client.call_tool("totalsegmentator", {**call, **given})
    assert NUMBER not in answer.model_dump_json() + caplog.text


def message(method: str, number: int | None = None, **params: object) -> str:
    text = {"jsonrpc": "2.0", "method": method, "params": params}
    return json.dumps(text | ({} if number is None else {"id": number})) + "\n"


def test_a_server_that_logs_all_it_can_logs_no_number(models, call):
    hello = {"protocolVersion": "2025-11-25", "capabilities": {}}
    lines = message("initialize", 0, **hello, clientInfo={"name": "test", "version": "1"})
    lines += message("notifications/initialized")
    for number, given in enumerate(CALLS, start=1):
        lines += message(
            "tools/call", number, name="totalsegmentator", arguments={**call, **given, "device": 5}
        )
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "totalseg_mcp",
            "serve",
            "--log-level",
            "debug",
            "--weights",
            models,
        ],
        input=lines,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "TOTALSEG_MCP_LICENSE": OWN},
    )
    assert done.stdout.count('"jsonrpc"') == 1 + len(CALLS)
    for secret in (NUMBER, OWN):
        assert secret not in done.stdout
        assert secret not in done.stderr


def test_a_trace_with_a_number_in_it_is_hidden():
    try:
        raise ValueError(f"{{'license_number': '{NUMBER}'}}")
    except ValueError:
        record = logging.LogRecord("x", 40, "f", 1, "%s", ("told",), sys.exc_info())
    text = Discreet("%(message)s").format(record)
    assert "ValueError" in text
    assert NUMBER not in text
