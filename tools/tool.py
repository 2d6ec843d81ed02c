"""What the server needs to know of a tool."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from totalseg_mcp.engine.session import Session
from totalseg_mcp.schemas.result import Result

Run = Callable[[Any, Session], Result]


@dataclass(frozen=True, slots=True)
class Tool:
    """A named function with typed arguments and result; it may block for minutes.

    `load` imports the function, and what it needs, and returns it; the tool is listed without.
    The function reports progress and can be stopped through `engine.watch`; what the caller can
    put right it raises as an `EngineError`.
    """

    name: str
    title: str
    description: str  # for the agent
    arguments: type[BaseModel]
    result: type[Result]
    load: Callable[[], Run]
