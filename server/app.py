"""The MCP server: lists the tools and calls them.

Built on the low-level `Server`, because our tools are values with pydantic models and
not functions with annotated parameters: their schemas go out flat, unknown arguments
are refused, and every error text is ours. Nothing is lost by it, as `MCPServer` applies
its extensions through the same low-level parts: `Server.extensions` (what is
advertised), `Server.add_request_handler` (new methods, such as `tasks/get`),
`mcp.server.extension.compose_tool_call_handler` (round `tools/call`) and
`Server.middleware`.
"""

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import anyio
import mcp_types as wire
from mcp import MCPError
from mcp.server import Server, ServerRequestContext
from mcp.server.caching import CacheHint

from totalseg_mcp.engine.errors import EngineError
from totalseg_mcp.engine.session import Session
from totalseg_mcp.engine.watch import Progress
from totalseg_mcp.server.answers import answer, apology, refusal
from totalseg_mcp.server.arguments import nearest, read
from totalseg_mcp.server.describing import describe
from totalseg_mcp.server.watching import Lane, run_watched
from totalseg_mcp.tools.tool import Tool

Context = ServerRequestContext[Any]

INSTRUCTIONS = (
    "Finds anatomical structures in CT and MR images and measures them. Ask ts2d_segment first "
    "what is in a CT: it answers within seconds and suggests calls of totalsegmentator, which "
    "take up to minutes and report their progress; calls run one after the other. Paths are "
    "paths on this server's machine. Results are for research, not for diagnosis."
)


def build(
    tools: Sequence[Tool],
    session: Session,
    lane: Lane | None = None,
    listed: anyio.Event | None = None,
) -> Server[Any]:
    """A server with these tools, one job at a time.

    All its connections share the session and the lane; others may work in the lane too. `listed`
    is set when a client has asked for the tools.
    """
    by_name = {tool.name: tool for tool in tools}
    catalogue = wire.ListToolsResult(tools=[describe(tool) for tool in tools])
    lane, listed = lane or Lane(), listed or anyio.Event()

    async def list_tools(
        ctx: Context, params: wire.PaginatedRequestParams | None
    ) -> wire.ListToolsResult:
        listed.set()
        return catalogue

    async def call_tool(ctx: Context, params: wire.CallToolRequestParams) -> wire.CallToolResult:
        if params.name not in by_name:
            raise MCPError(wire.INVALID_PARAMS, _unknown(params.name, list(by_name)))
        tool = by_name[params.name]

        async def tell(progress: Progress) -> None:
            await ctx.session.report_progress(progress.done, 1.0, progress.message)

        try:
            arguments = read(tool.arguments, params.arguments or {})
            return await run_watched(lambda: answer(tool.load()(arguments, session)), tell, lane)
        except EngineError as error:
            return refusal(str(error))
        except Exception:  # noqa: BLE001 (the outermost handler: a bug ends the call, not the server)
            return apology(tool.name)

    return Server(
        "totalseg-mcp",
        title="TotalSegmentator",
        version=version("totalseg-mcp"),
        instructions=INSTRUCTIONS,
        cache_hints={"tools/list": CacheHint(ttl_ms=3_600_000, scope="public")},
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


def _unknown(name: str, known: Sequence[str]) -> str:
    """For the caller of a tool that does not exist."""
    return f"Unknown tool {name!r}{nearest(name, known) or '.'} The tools are: {', '.join(known)}."
