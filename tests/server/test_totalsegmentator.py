"""The real tool behind the real server, on random models: in memory, over stdio, over HTTP."""

import random
import sys
from pathlib import Path

import anyio
import nibabel as nib
import numpy as np
import pytest
from http_server import http_server
from mcp import Client
from mcp.client.stdio import StdioServerParameters

from totalseg_mcp.server.app import build
from totalseg_mcp.tools import TOOLS

pytestmark = pytest.mark.anyio

SERVE = ["-m", "totalseg_mcp", "serve", "--device=cpu", "--log-level=warning", "--results-cache=0"]


@pytest.fixture(params=["in memory", "stdio", "HTTP"])
def server(request, session, models):
    """Something a client can connect to; the models are in TotalSegmentator's layout."""
    arguments = [*SERVE, "--weights", str(models)]
    if request.param == "in memory":
        yield build(TOOLS, session)
    elif request.param == "stdio":
        yield StdioServerParameters(command=sys.executable, args=arguments)
    else:
        with http_server([*arguments, "--http"]) as (address, _):
            yield f"http://{address}/mcp"


@pytest.fixture
def long_scan(tmp_path: Path) -> Path:
    """A scan of many tiles, so that there is something to cancel."""
    i, j, k = np.indices((120, 110, 90))
    data = 400 * (np.sin(i / 9) + np.cos(j / 8 + 0.1 * k) + np.sin(k / 7)) - 300
    affine = np.array([[-3.0, 0, 0, 90], [0, -3.0, 0.3, -20], [0, 0.3, 3.0, 700], [0, 0, 0, 1]])
    file = tmp_path / "long.nii.gz"
    nib.Nifti1Image(data.astype(np.int16), affine).to_filename(file)
    return file


async def test_cancelled_calls_leave_no_file_and_the_next_call_works(server, long_scan, tmp_path):
    output = tmp_path / "results"
    call = {"input_path": str(long_scan), "output_dir": str(output), "fast": True}
    moment, told = random.Random(5), []

    async def note(done, total, message):
        told.append((done, message))

    with anyio.fail_after(300):
        async with Client(server) as client:
            for _ in range(50):
                with anyio.move_on_after(moment.uniform(0.0, 0.3)) as scope:
                    await client.call_tool("totalsegmentator", call)
                assert scope.cancelled_caught, "the call was still running"
            small = {**call, "roi_subset": "liver", "fast": False, "fastest": True}
            answer = await client.call_tool("totalsegmentator", small, progress_callback=note)
            written = {file.name for file in output.iterdir()}
            again = await client.call_tool("totalsegmentator", small)
    assert not answer.is_error, answer.content
    assert written == {"liver.nii.gz", "totalseg-mcp.json"}
    assert {file.name for file in tmp_path.iterdir()} - {"long.nii.gz"} == {"results"}
    assert again.structured_content["timings"]["weight_reads"] == 0
    done = [progress for progress, _ in told]
    assert done == sorted(set(done))
    assert any("tile" in message for _, message in told)


async def test_an_error_of_the_engine_reaches_the_agent_in_words(server, tmp_path):
    missing = {"input_path": str(tmp_path / "no.nii.gz"), "output_dir": str(tmp_path / "out")}
    with anyio.fail_after(120):
        async with Client(server) as client:
            answer = await client.call_tool("totalsegmentator", {**missing, "fastest": True})
    assert answer.is_error
    assert f"There is no {tmp_path / 'no.nii.gz'}" in answer.content[0].text
    assert answer.structured_content is None
