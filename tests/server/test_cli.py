"""The program as a host starts it."""

import subprocess
import sys

import anyio
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters

from totalseg_mcp.server.cli import main

FOR_CALLS = (
    *("numpy", "scipy", "skimage", "pandas"),
    *("nibabel", "pydicom", "highdicom", "SimpleITK", "nrrd", "PIL", "imagecodecs", "isal"),
    *("torch", "nnunetv2", "safetensors", "openvino", "radiomics"),
)


@pytest.mark.anyio
async def test_the_product_lists_its_tools():
    server = StdioServerParameters(
        command=sys.executable, args=["-m", "totalseg_mcp", "serve", "--weights", "demo"]
    )
    with anyio.fail_after(60):
        async with Client(server) as client:
            listed = await client.list_tools()
    assert "totalsegmentator" in [tool.name for tool in listed.tools]
    for tool in listed.tools:
        assert tool.title
        assert tool.description
        assert tool.input_schema["type"] == "object"
        assert tool.input_schema["additionalProperties"] is False
        assert all(part.get("description") for part in tool.input_schema["properties"].values())
        assert tool.output_schema["type"] == "object"


LIST = """
import os, sys, anyio
from mcp import Client
from totalseg_mcp.server import serving
from totalseg_mcp.server.cli import parser
from totalseg_mcp.server.settings import settings

line = parser().parse_args(["serve", "--weights=demo", "--warm-up=total:fast"])
server = serving.build(serving.TOOLS, serving.session(settings(line, {})))

async def listed():
    async with Client(server) as client:
        return len((await client.list_tools()).tools)

assert anyio.run(listed) == len(serving.TOOLS)
sys.stderr.write(" ".join(name for name in sys.modules if "." not in name))
"""


def test_the_tools_are_listed_without_what_calls_need():
    done = subprocess.run(
        [sys.executable, "-c", LIST], capture_output=True, text=True, timeout=60, check=True
    )
    imported = set(done.stderr.split())
    assert "pydantic" in imported
    assert not imported & set(FOR_CALLS)
    assert done.stdout == ""  # a line there before serving would be on the wire


READY = """
import sys, anyio
from totalseg_mcp.server import serving
from totalseg_mcp.server.settings import Settings
from totalseg_mcp.server.watching import Lane

async def serve():
    lane, listed = Lane(), anyio.Event()
    listed.set()
    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            shared = serving.session(Settings(weights="demo"))
            group.start_soon(serving.beside_calls, (), shared, lane, listed)
            while lane.turns < len(serving.TOOLS):
                await anyio.sleep(0.01)
            group.cancel_scope.cancel()

anyio.run(serve)
sys.stderr.write(" ".join(sys.modules))
"""


def test_what_calls_read_images_with_is_there_soon_after_and_torch_is_not():
    done = subprocess.run(
        [sys.executable, "-c", READY], capture_output=True, text=True, timeout=60, check=True
    )
    imported = set(done.stderr.split())
    assert {"totalseg_mcp.engine.run", "totalseg_mcp.engine.run2d", "nibabel"} <= imported
    assert "torch" not in imported


def test_the_command_line_itself_needs_next_to_nothing():
    code = "import sys, totalseg_mcp.server.cli; assert not {'mcp', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], timeout=60, check=True)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (["--http=0.0.0.0:8765"], "TOTALSEG_MCP_TOKEN"),
        (["--http=8765"], "is not HOST:PORT"),
        (["--weights=/nowhere"], "There is no folder of weights /nowhere."),
        (["--device=tpu"], "is not a device"),
    ],
)
def test_bad_settings_end_in_one_line(line, told, capsys):
    assert main(["serve", *line]) == 2
    (text,) = capsys.readouterr().err.splitlines()
    assert told in text


def test_the_version_is_told(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out.strip()
