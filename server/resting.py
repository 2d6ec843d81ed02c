"""Gives memory back to the machine when nobody has asked for anything for a while."""

from collections.abc import Callable

import anyio
from anyio import to_thread

from totalseg_mcp.engine.heap import give_back
from totalseg_mcp.server.watching import Lane

# A second call soon after the first finds its memory there: to clear it again takes half a second
# of processor time (1.2 GB, after a scan of 512 x 512 x 300 voxels and a tiny network).
REST_S = 30.0


async def rest(
    lane: Lane, after_s: float = REST_S, give_back: Callable[[], object] = give_back
) -> None:
    """Have `give_back` called once jobs have ended and none has run for `after_s` or so."""
    seen = given = lane.turns
    while True:
        await anyio.sleep(after_s)
        if lane.idle and seen == lane.turns != given:
            await to_thread.run_sync(give_back)
            given = seen
        seen = lane.turns
