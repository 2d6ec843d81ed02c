"""The demonstration: a client that has a scan segmented and shows what comes back."""

import os
import sys
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
from totalseg_mcp.server.answers import refusal
from totalseg_mcp.server.bar import Bar
from totalseg_mcp.server.table import table

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


def demo(image: Path | None, output: Path, weights: str = "demo") -> int:
    """Segment `image`, or a phantom where there is none; 0 if that went well."""
    output = output.absolute()
    if image is None:
        image = write_phantom(output / SCAN)
        sys.stdout.write(f"Scanned a phantom: {image}\n")
    arguments = {
        "input_path": str(image.absolute()),
        "output_dir": str(output),
        "fastest": True,
        "preview": True,
        "statistics": True,
    }
    sys.stdout.write("Calling totalsegmentator, as an MCP client, on a server over stdio.\n")
    try:
        answer = anyio.run(ask, arguments, weights)
    except* MCPError:
        answer = refusal("The server ended without an answer; what it said is above.")
    if answer.is_error:
        texts = [part.text for part in answer.content if isinstance(part, wire.TextContent)]
        sys.stdout.write("\n".join([*texts, ""]))
        return 1
    result = TotalSegmentatorResult.model_validate(answer.structured_content)
    sys.stdout.write(f"\n{table(result)}\n")
    return 0


async def ask(arguments: dict[str, Any], weights: str) -> wire.CallToolResult:
    """Call the tool on a server of its own, with a progress bar."""
    bar = Bar()

    async def show(progress: float, total: float | None, message: str | None) -> None:
        bar.show(Progress(progress / (total or 1.0), message or ""))

    environment = dict(os.environ)  # which GPU, for one; the client would not pass that on
    server = StdioServerParameters(command=sys.executable, args=[*SERVE, weights], env=environment)
    async with Client(server) as client:
        try:
            return await client.call_tool("totalsegmentator", arguments, progress_callback=show)
        finally:
            bar.close()


def write_phantom(file: Path) -> Path:
    """Scan a body made of formulas, from chest to belly, and save that as NIfTI."""
    body = phantom(SEED)
    volume, _ = scan(body, view(body, "thorax_abdomen"))
    file.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(volume.data, volume.grid.affine), file)
    return file
