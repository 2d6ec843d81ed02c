"""What a call brings back: a result, a refusal, or an apology."""

import base64
import json
import logging
import secrets
from pathlib import Path

import mcp_types as wire

from totalseg_mcp.schemas.result import Result

LARGEST_PICTURE = 500_000  # bytes; hosts refuse pictures of some megabytes and pay for each

_log = logging.getLogger(__name__)


def answer(result: Result) -> wire.CallToolResult:
    """A result for every kind of client: as data, as a sentence, as JSON text, as a picture.

    Some clients show the model only the data, some only the text.
    """
    data = result.model_dump_json()
    content: list[wire.ContentBlock] = [_text(result.summary), _text(data)]
    if result.preview_file is not None:
        content += _picture(Path(result.preview_file))
    return wire.CallToolResult(content=content, structured_content=json.loads(data))


def refusal(why: str) -> wire.CallToolResult:
    """An error that the agent should read and can act on.

    It has no structured content: clients check that against the output schema, in errors too.
    """
    return wire.CallToolResult(content=[_text(why)], is_error=True)


def apology(tool: str) -> wire.CallToolResult:
    """The answer to a call that ran into a bug: the exception at hand goes to the log only."""
    number = secrets.token_hex(4)
    _log.exception("internal error %s in %s", number, tool)
    return refusal(
        f"Internal error {number} in {tool}. This is a fault of the server, not of the call; "
        f"its log has the details under {number}. The server goes on and takes other calls."
    )


def _text(text: str) -> wire.TextContent:
    return wire.TextContent(type="text", text=text)


def _picture(file: Path) -> list[wire.ContentBlock]:
    """The picture, unless it is too large to send; the result names its file anyway."""
    if file.stat().st_size > LARGEST_PICTURE:
        return []
    data = base64.b64encode(file.read_bytes()).decode()
    return [wire.ImageContent(type="image", data=data, mime_type="image/png")]
