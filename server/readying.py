"""Imports what calls need, as soon as the client knows the tools."""

from collections.abc import Callable, Sequence

import anyio
from anyio import to_thread

from totalseg_mcp.server.watching import Lane, Note
from totalseg_mcp.tools.tool import Tool

LATEST_S = 2.0  # for a client that does not ask for the tools, but keeps a list of an earlier start
ON_ITS_WAY_S = 0.05  # what the answer may need to leave, which an import would hold up


async def get_ready(
    tools: Sequence[Tool],
    listed: anyio.Event,
    lane: Lane,
    called: Callable[[], bool],
    latest_s: float = LATEST_S,
) -> None:
    """Load the tools once they are `listed`, in turns, so that the first call finds them loaded.

    A call that comes meanwhile waits: two threads that import the same modules at once can end
    in a deadlock, which Python turns into an error. When one has been `called`, that is over:
    a client at work is not to wait for a tool that it may never call.
    """
    with anyio.move_on_after(latest_s):
        await listed.wait()
    await anyio.sleep(ON_ITS_WAY_S)
    for tool in tools:
        async with lane.turn(Note()):
            if called():
                return
            await to_thread.run_sync(tool.load, abandon_on_cancel=True)
