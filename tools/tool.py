"""What the server needs to know of a tool."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from totalseg_mcp.engine.session import Session
from totalseg_mcp.schemas.result import Result


@dataclass(frozen=True, slots=True)
class Tool:
    """A named function with typed arguments and result; it may block for minutes.

    `run` reports progress and can be stopped through `engine.watch`; what the caller
    can put right it raises as an `EngineError`.
    """

    name: str
    title: str
    arguments: type[BaseModel]
    result: type[Result]
    run: Callable[[Any, Session], Result]

    @property
    def description(self) -> str:
        """For the agent: the docstring of the function."""
        return self.run.__doc__ or ""
