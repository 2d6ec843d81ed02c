"""The program as a host starts it."""

import subprocess
import sys

import anyio
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters

from totalseg_mcp.server.cli import main

HEAVY = ("torch", "nnunetv2", "SimpleITK", "highdicom", "skimage", "radiomics")


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


def test_nothing_heavy_is_imported_before_the_first_job():
    code = f"""
import sys, totalseg_mcp.server.serving as serving
from totalseg_mcp.server.settings import Settings
serving.build(serving.TOOLS, serving.session(Settings(weights="demo")))
assert not set({HEAVY}) & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, check=True)
    assert done.stdout == b""  # a line there before serving would be on the wire


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
