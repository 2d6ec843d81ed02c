"""Where the networks of a call will run. Imports torch, when it is called."""

from typing import TYPE_CHECKING

from totalseg_mcp.engine.session import Session
from totalseg_mcp.engine.sparing import spare

if TYPE_CHECKING:
    from totalseg_mcp.engine.ladder import Ladder


def started(name: str, session: Session) -> "tuple[Ladder, str | None]":
    """A ladder on the device called `name`, and why it is another device where it is.

    Raises:
        NotReadyError: the device was named and is not there.
    """
    spare()
    from totalseg_mcp.engine.device import choose_device
    from totalseg_mcp.engine.ladder import ANY_GPU, Ladder

    device, why_not = choose_device(name)
    return Ladder(session, device, cpu_allowed=name == ANY_GPU), why_not
