"""Where jobs are handed in and asked for: what one machine and many look like from outside.

A `Desk` may keep its workers in this process (`LocalDesk`) or on other machines; whoever uses it
cannot tell. What is asked for and what comes out are values, so that they can travel.
"""

from dataclasses import dataclass
from typing import Literal, NewType, Protocol, TypeVar

from totalseg_mcp.engine.watch import Progress

Asked = TypeVar("Asked", contravariant=True)
Answer = TypeVar("Answer", covariant=True)
Ticket = NewType("Ticket", str)
State = Literal["waiting", "running", "done", "failed", "cancelled"]
OVER: frozenset[State] = frozenset({"done", "failed", "cancelled"})


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a job is: `ahead` are the jobs before it while it waits, `progress` rises to 1."""

    state: State
    progress: Progress
    ahead: int = 0

    @property
    def over(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in OVER


@dataclass(frozen=True, slots=True)
class DeskStats:
    """Jobs by state: those of now, and those that have ended since the start."""

    waiting: int
    running: int
    done: int
    failed: int
    cancelled: int


class Desk(Protocol[Asked, Answer]):
    """Takes jobs, first come first served, and hands out what came of them.

    Safe from any thread. A job that is over is remembered for a while that the desk chooses;
    each method but `stats` then refuses its ticket.

    Raises:
        BadRequestError: a ticket that is not known, or not any more.
    """

    def submit(self, asked: Asked) -> Ticket:
        """Put a job in line; it need not be running when this returns."""
        ...

    def progress(self, ticket: Ticket) -> Standing:
        """Where the job is at this moment."""
        ...

    def cancel(self, ticket: Ticket) -> None:
        """Have the job stopped: at once if it waits, else at its next step; nothing if it is over.

        Until it has stopped the job counts as running and keeps its place.
        """
        ...

    def result(self, ticket: Ticket, timeout_s: float | None = None) -> Answer:
        """What came of the job, as often as it is asked for; waits until the job is over.

        Raises:
            CancelledJobError: it was cancelled.
            TimeoutError: it was not over after `timeout_s` seconds; it goes on.
            Exception: whatever the job itself raised.
        """
        ...

    def stats(self) -> DeskStats:
        """How many jobs are where."""
        ...
