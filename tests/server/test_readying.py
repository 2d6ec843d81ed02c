"""Tools that are loaded when the client knows them, and not before."""

import threading
from dataclasses import replace

import anyio
import pytest
from mcp import Client
from toy_server import COUNT, TOYS

from totalseg_mcp.engine.session import Session
from totalseg_mcp.server.app import build
from totalseg_mcp.server.readying import get_ready
from totalseg_mcp.server.watching import Lane, run_watched

pytestmark = pytest.mark.anyio


@pytest.fixture
def loaded():
    """The names of the tools that were loaded, in order."""
    return []


@pytest.fixture
def tools(loaded):
    """The toy tools, which note that they are loaded."""

    def noting(tool):
        def load():
            loaded.append(tool.name)
            return tool.load()

        return replace(tool, load=load)

    return [noting(tool) for tool in TOYS]


async def _ignore(progress):
    pass


def never():
    """No call has come."""
    return False


async def test_the_tools_are_loaded_once_a_client_has_listed_them(tools, loaded):
    lane, listed = Lane(), anyio.Event()
    with anyio.fail_after(10):
        async with (
            Client(build(tools, Session(), lane, listed)) as client,
            anyio.create_task_group() as group,
        ):
            group.start_soon(get_ready, tools, listed, lane, never, 60)
            await anyio.wait_all_tasks_blocked()
            assert (loaded, listed.is_set()) == ([], False)
            await client.list_tools()
    assert loaded == ["count", "go_wrong"]


async def test_the_tools_are_loaded_though_no_client_lists_them(tools, loaded):
    with anyio.fail_after(10):
        await get_ready(tools, anyio.Event(), Lane(), never, latest_s=0)
    assert loaded == ["count", "go_wrong"]


async def test_a_call_that_comes_before_loads_its_tool_only(tools, loaded):
    async with Client(build(tools, Session())) as client:
        assert not (await client.call_tool("count", {})).is_error
    assert loaded == ["count"]


async def test_a_call_that_comes_meanwhile_waits_for_one_tool_and_not_for_all():
    lane, listed, begun, go_on, done = Lane(), anyio.Event(), anyio.Event(), threading.Event(), []

    def slow():
        anyio.from_thread.run_sync(begun.set)
        go_on.wait(10)
        done.append("loaded")

    listed.set()
    tools = [replace(COUNT, load=slow)] * 2
    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            group.start_soon(get_ready, tools, listed, lane, never)
            await begun.wait()
            group.start_soon(run_watched, lambda: done.append("called"), _ignore, lane)
            await anyio.wait_all_tasks_blocked()
            go_on.set()
    assert done == ["loaded", "called", "loaded"]


async def test_after_a_call_the_other_tools_are_left_until_they_are_called(tools, loaded):
    with anyio.fail_after(10):
        await get_ready(tools, anyio.Event(), Lane(), called=lambda: len(loaded) == 1, latest_s=0)
    assert loaded == ["count"]
