"""The demonstration: a client that has a scan segmented by both tools and shows what comes back."""

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import anyio
import mcp_types as wire
import nibabel
from mcp import Client, MCPError
from mcp.client.stdio import StdioServerParameters

from totalseg_mcp.engine.watch import Progress
from totalseg_mcp.phantom import phantom, scan, view
from totalseg_mcp.schemas.totalsegmentator import TotalSegmentatorResult
from totalseg_mcp.schemas.ts2d_segment import Ts2dResult
from totalseg_mcp.server.bar import Bar
from totalseg_mcp.server.table import table
from totalseg_mcp.server.table2d import table_2d

SERVE = [
    "-m",
    "totalseg_mcp",
    "serve",
    "--log-level",
    "warning",
    "--results-cache",
    "0",
    "--weights",
]
SCAN = "phantom.nii.gz"
SEED = 20  # of the body in the scan
# Where the results of each tool go below the demonstration's folder, and what is asked for.
CALLS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "totalsegmentator": (".", {"fastest": True, "preview": True, "statistics": True}),
    "ts2d_segment": ("2d", {"preview": True, "statistics": True}),
}
TABLES: Mapping[str, Callable[[Any], str]] = {
    "totalsegmentator": lambda data: table(TotalSegmentatorResult.model_validate(data)),
    "ts2d_segment": lambda data: table_2d(Ts2dResult.model_validate(data)),
}


def demo(image: Path | None, output: Path, weights: str = "demo") -> int:
    """Segment `image`, or a phantom where there is none; 0 if that went well with both tools."""
    output = output.absolute()
    if image is None:
        image = write_phantom(output / SCAN)
        sys.stdout.write(f"Scanned a phantom: {image}\n")
    calls = {
        name: {"input_path": str(image.absolute()), "output_dir": str(output / folder), **options}
        for name, (folder, options) in CALLS.items()
    }
    try:
        return int(anyio.run(show_all, calls, weights) > 0)
    except* MCPError:
        sys.stdout.write("The server ended without an answer; what it said is above.\n")
    return 1


async def show_all(calls: Mapping[str, dict[str, Any]], weights: str) -> int:
    """Make these calls on a server of their own and show the answers; how many were refused."""
    environment = dict(os.environ)  # which GPU, for one; the client would not pass that on
    server = StdioServerParameters(command=sys.executable, args=[*SERVE, weights], env=environment)
    refused = 0
    async with Client(server) as client:
        for name, arguments in calls.items():
            sys.stdout.write(f"Calling {name}, as an MCP client, on a server over stdio.\n")
            answer = await ask(client, name, arguments)
            refused += bool(answer.is_error)
            sys.stdout.write(f"\n{shown(name, answer)}\n\n")
    return refused


async def ask(client: Client, name: str, arguments: dict[str, Any]) -> wire.CallToolResult:
    """Call the tool with a progress bar."""
    bar = Bar()

    async def show(progress: float, total: float | None, message: str | None) -> None:
        bar.show(Progress(progress / (total or 1.0), message or ""))

    try:
        return await client.call_tool(name, arguments, progress_callback=show)
    finally:
        bar.close()


def shown(name: str, answer: wire.CallToolResult) -> str:
    """An answer as text."""
    if answer.is_error:
        return "\n".join(part.text for part in answer.content if isinstance(part, wire.TextContent))
    return TABLES[name](answer.structured_content)


def write_phantom(file: Path) -> Path:
    """Scan a body made of formulas, from chest to belly, and save that as NIfTI."""
    body = phantom(SEED)
    volume, _ = scan(body, view(body, "thorax_abdomen"))
    file.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(volume.data, volume.grid.affine), file)
    return file
