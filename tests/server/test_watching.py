"""A job in its thread, without a server round it."""

import threading
import time

import anyio
import pytest

from totalseg_mcp.engine.watch import stage, track
from totalseg_mcp.server.watching import Lane, run_watched

pytestmark = pytest.mark.anyio


async def _ignore(progress):
    pass


async def test_the_result_comes_back():
    assert await run_watched(lambda: 42, _ignore, Lane()) == 42


async def test_a_silent_job_still_beats_and_rises():
    told = []

    async def tell(progress):
        told.append(progress)
        if len(told) == 4:
            enough.cancel()

    def long_tile():
        while True:
            with stage("resampling", 0.5, 0.5):
                time.sleep(0.01)

    with anyio.move_on_after(20) as enough:
        await run_watched(long_tile, tell, Lane(), heartbeat_s=0.3)
    done = [progress.done for progress in told]
    assert len(told) == 4
    assert done == sorted(set(done))
    assert done[-1] == pytest.approx(0.5, abs=1e-3)


async def test_one_who_waits_hears_that_the_line_has_moved():
    lane, told = Lane(), []
    first, second = threading.Event(), threading.Event()

    async def tell(progress):
        told.append(progress.message)
        (first if len(told) == 1 else second).set()

    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            group.start_soon(run_watched, first.wait, _ignore, lane)
            group.start_soon(run_watched, second.wait, _ignore, lane)
            await anyio.sleep(0)  # they are in line
            await run_watched(lambda: None, tell, lane)
    assert told[:2] == ["waiting: 2 jobs ahead", "waiting: 1 job ahead"]


async def test_those_who_wait_are_served_in_their_order_and_may_leave():
    lane, served, told = Lane(), [], []
    hold, gone = threading.Event(), anyio.CancelScope()

    async def tell(progress):
        told.append(progress.message)
        if progress.message == "waiting: 2 jobs ahead":
            gone.cancel()
        if progress.message == "waiting: 1 job ahead":
            hold.set()

    async def wait(name, tell=_ignore):
        await run_watched(lambda: served.append(name), tell, lane)

    async def leave():
        with gone:
            await wait("gone")

    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            group.start_soon(run_watched, hold.wait, _ignore, lane)
            await anyio.sleep(0)
            group.start_soon(leave)
            await anyio.sleep(0)
            group.start_soon(wait, "first", tell)
            for name in ("second", "third"):
                await anyio.sleep(0)
                group.start_soon(wait, name)
    assert told[:2] == ["waiting: 2 jobs ahead", "waiting: 1 job ahead"]
    assert served == ["first", "second", "third"]


async def test_long_messages_are_cut():
    told = []

    async def tell(progress):
        told.append(progress.message)

    def talkative():
        with stage("x" * 999, 0, 1):
            time.sleep(0.6)

    await run_watched(talkative, tell, Lane())
    assert len(told[-1]) == 200


async def test_a_client_that_does_not_listen_holds_up_nothing():
    async def tell(progress):
        await anyio.sleep_forever()

    with anyio.fail_after(5):
        assert await run_watched(lambda: 42, tell, Lane()) == 42


async def test_an_error_comes_out_as_it_is():
    with pytest.raises(KeyError, match="liver"):
        await run_watched(lambda: {}["liver"], _ignore, Lane())


async def test_an_exit_is_an_error():
    def leave():
        raise SystemExit(3)

    with pytest.raises(RuntimeError, match=r"sys.exit\(3\)"):
        await run_watched(leave, _ignore, Lane())


async def test_the_lane_is_free_only_when_the_thread_has_stopped():
    lane, begun, running = Lane(), anyio.Event(), []

    async def tell(progress):
        begun.set()

    def job():
        assert not running
        running.append(1)
        try:
            for _ in track(range(999), "tile"):
                time.sleep(0.2)  # a long tile, which a cancel has to wait for
        finally:
            running.pop()

    for _ in range(3):
        async with anyio.create_task_group() as group:
            group.start_soon(run_watched, job, tell, lane)
            await begun.wait()
            group.cancel_scope.cancel()
        assert await run_watched(lambda: list(running), _ignore, lane) == []
