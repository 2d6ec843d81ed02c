"""What a client sees of a tool."""

from inspect import cleandoc
from typing import Any

import mcp_types as wire

from totalseg_mcp.tools.tool import Tool

# A tool writes files, only into the folder it is given; the same call twice leaves the same
# files; it reaches nothing outside this machine.
WRITES_FILES = wire.ToolAnnotations(
    read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)


def describe(tool: Tool) -> wire.Tool:
    """The tool on the wire: its name, what it is for, its arguments and its result."""
    return wire.Tool(
        name=tool.name,
        title=tool.title,
        description=cleandoc(tool.description),
        input_schema=untitled(tool.arguments.model_json_schema()),
        output_schema=untitled(tool.result.model_json_schema(mode="serialization")),
        annotations=WRITES_FILES,
    )


def untitled(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema without pydantic's titles, which only repeat the names.

    An argument that is itself called "title" stays.
    """
    return {key: _without_titles(key, value) for key, value in schema.items() if key != "title"}


def _without_titles(key: str, value: Any) -> Any:  # noqa: ANN401 (any JSON)
    if key in {"properties", "$defs"}:
        return {name: untitled(part) for name, part in value.items()}
    if key in {"default", "const", "enum", "examples"}:
        return value
    if isinstance(value, dict):
        return untitled(value)
    if isinstance(value, list):
        return [untitled(part) if isinstance(part, dict) else part for part in value]
    return value
