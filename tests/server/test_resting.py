import anyio
import pytest

from totalseg_mcp.server.resting import rest
from totalseg_mcp.server.watching import Lane, Note

pytestmark = pytest.mark.anyio
SOON_S = 0.02


async def rested(lane: Lane, given: list[None], times: int) -> None:
    """Wait until `given` has so many entries, and some rests more."""
    with anyio.fail_after(5):
        while len(given) < times:
            await anyio.sleep(SOON_S)
    await anyio.sleep(5 * SOON_S)


async def test_memory_is_given_back_once_after_the_last_job_and_never_during_one():
    lane, given = Lane(), []
    async with anyio.create_task_group() as group:
        group.start_soon(rest, lane, SOON_S, lambda: given.append(None))
        await rested(lane, given, 0)
        assert not given  # nothing has been used
        for jobs in (1, 2):
            async with lane.turn(Note()):
                await rested(lane, given, jobs - 1)
                assert len(given) == jobs - 1
            await rested(lane, given, jobs)
            assert len(given) == jobs
        group.cancel_scope.cancel()
