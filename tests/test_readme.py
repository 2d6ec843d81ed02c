import json
import re

from readme_tables import README, written

from totalseg_mcp.server.cli import parser
from totalseg_mcp.tools import TOOLS

TEXT = README.read_text("utf-8")


def test_the_tables_are_those_of_the_schemas():
    assert written(TEXT) == TEXT, "run: python tests/readme_tables.py"


def test_the_commands_are_understood():
    commands = re.findall(r"^totalseg-mcp ([^#\n]+)", TEXT, flags=re.M)
    assert len(commands) >= 4
    for command in commands:
        parser().parse_args(command.split())


def test_the_calls_of_the_inspector_lines_are_valid():
    calls = re.findall(r"--tool-name (\w+) \\\n +--tool-args-json '({.*})'", TEXT)
    arguments = {tool.name: tool.arguments for tool in TOOLS}
    assert {name for name, _ in calls} == arguments.keys()
    for name, call in calls:
        arguments[name].model_validate(json.loads(call))


def test_the_client_configuration_is_json():
    (block,) = re.findall(r"```json\n(.*?)```", TEXT, flags=re.S)
    server = json.loads(block)["mcpServers"]["totalseg"]
    parser().parse_args(server["args"])


def test_the_first_screen_has_the_two_commands_and_what_it_is_not():
    first = "\n".join(TEXT.splitlines()[:20])
    assert "make demo" in first
    assert "make test" in first
    assert "not a medical device" in "\n".join(TEXT.splitlines()[:45])
