"""What every transport must carry between a client and the toy server."""

import anyio
from mcp import Client
from mcp.client.stdio import StdioServerParameters


async def goes_there_and_back(server: StdioServerParameters | str, era: str) -> None:
    """List the tools and call one; its result comes, and its progress rises."""
    seen: list[float] = []

    async def note(done: float, total: float | None, message: str | None) -> None:
        seen.append(done)

    with anyio.fail_after(60):
        async with Client(server, mode=era) as client:
            listed = await client.list_tools()
            answer = await client.call_tool("count", {"tiles": 60}, progress_callback=note)
    assert [tool.name for tool in listed.tools] == ["count", "go_wrong"]
    assert answer.structured_content["tiles"] == 60
    assert len(seen) >= 2
    assert seen == sorted(set(seen))
