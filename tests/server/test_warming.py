"""Networks that are loaded before anybody asks, beside calls that do not wait for all of them."""

import json
import logging
import subprocess
import sys
import threading
from contextlib import asynccontextmanager

import anyio
import pytest
from model_folder import make_model_folder
from starlette.applications import Starlette

from totalseg_mcp.engine.options import Options
from totalseg_mcp.engine.session import Session
from totalseg_mcp.engine.tasks import MODELS
from totalseg_mcp.engine.weights import CHECKPOINT, Store
from totalseg_mcp.server import warming
from totalseg_mcp.server.warming import warm_up
from totalseg_mcp.server.watching import Lane, run_watched
from totalseg_mcp.server.web import beside

pytestmark = pytest.mark.anyio

FASTEST, FAST = Options("total", "fastest"), Options("total", "fast")


@pytest.fixture
def log(caplog):
    """What the warming up has said."""
    caplog.set_level(logging.INFO, "totalseg_mcp.server.warming")
    return lambda: [r.getMessage() for r in caplog.records if r.name == warming.__name__]


async def _ignore(progress):
    pass


async def test_what_was_warmed_up_is_not_loaded_by_the_call(session, log):
    await warm_up([FASTEST, FAST, FASTEST], session, Lane(), quiet_s=0)
    assert (session.stats().loads, session.stats().weight_reads) == (2, 2)
    assert log() == ["warmed up models [298, 297] of [298, 297]"]


async def test_what_is_missing_or_broken_is_a_line_in_the_log_and_the_others_are_loaded(
    tmp_path, log
):
    for dataset in (297, 298):
        make_model_folder(tmp_path, dataset)
    (broken,) = tmp_path.glob(f"{MODELS[297].folder}/*/*/{CHECKPOINT}")
    broken.write_bytes(b"<html>")
    session = Session(Store((tmp_path,)), device="cpu")
    await warm_up([Options("body", "fast"), FAST, FASTEST], session, Lane(), quiet_s=0)
    missing, damaged, ready = log()
    assert "weights fetch" in missing
    assert str(broken) in damaged
    assert ready == "warmed up models [298] of [300, 297, 298]"


async def test_a_device_that_is_not_there_is_a_line_in_the_log(session, log):
    session.device = "gpu:99"
    await warm_up([FASTEST], session, Lane(), quiet_s=0)
    assert "no CUDA GPU number 99" in log()[0]


async def test_a_bug_does_not_end_the_server(session, log, caplog, monkeypatch):
    monkeypatch.setattr(warming, "warm", lambda model, session: {}["liver"])
    await warm_up([FASTEST], session, Lane(), quiet_s=0)
    assert log()[-1] == "warmed up models [] of [298]"
    assert any(record.exc_info for record in caplog.records)


async def test_a_call_waits_for_one_network_and_not_for_all(session, monkeypatch):
    lane, done, begun, go_on = Lane(), [], anyio.Event(), threading.Event()

    def slow(model, session):
        anyio.from_thread.run_sync(begun.set)
        go_on.wait(20)
        done.append(model.dataset)

    monkeypatch.setattr(warming, "warm", slow)
    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            group.start_soon(warm_up, [FASTEST, FAST], session, lane, 0)
            await begun.wait()
            group.start_soon(run_watched, lambda: done.append("call"), _ignore, lane)
            await anyio.wait_all_tasks_blocked()
            go_on.set()
    assert done == [298, "call", 297]


HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "0"},
    },
}
READY = {"jsonrpc": "2.0", "method": "notifications/initialized"}
SERVE = [sys.executable, "-m", "totalseg_mcp", "serve", "--weights=demo", "--device=cpu"]
SERVE += ["--warm-up=total:fastest"]
LIST = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}


def test_a_server_lists_its_tools_before_it_warms_up():
    with subprocess.Popen(
        SERVE,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        for message in (HELLO, READY, LIST):
            server.stdin.write(json.dumps(message) + "\n")
        server.stdin.flush()
        answers = [json.loads(server.stdout.readline()) for _ in range(2)]
        said = []
        for line in server.stderr:
            said.append(line)
            if "warmed up" in line:
                break
        server.stdin.close()
    assert answers[1]["result"]["tools"]
    assert said[-1].endswith("warmed up models [298] of [298]\n"), said


def test_a_server_on_http_warms_up_too():
    with subprocess.Popen(
        [*SERVE, "--http=127.0.0.1:0"], stderr=subprocess.PIPE, text=True
    ) as server:
        said = next((line for line in server.stderr if "warmed up" in line), "nothing")
        server.terminate()
    assert said.endswith("warmed up models [298] of [298]\n")


async def test_what_runs_beside_an_application_ends_with_it():
    said = []

    async def background():
        said.append("begun")
        try:
            await anyio.sleep_forever()
        finally:
            said.append("ended")

    @asynccontextmanager
    async def lifespan(app):
        said.append("up")
        yield
        said.append("down")

    with anyio.fail_after(10):
        async with beside(lifespan, background)(Starlette()):
            await anyio.wait_all_tasks_blocked()
    assert said == ["up", "begun", "ended", "down"]
