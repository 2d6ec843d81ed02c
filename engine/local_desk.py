"""The desk whose jobs run in this process, one at a time, in a thread of its own."""

import secrets
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Generic, Self, TypeVar

from totalseg_mcp.engine.desk import DeskStats, Standing, State, Ticket
from totalseg_mcp.engine.errors import BadRequestError, CancelledJobError
from totalseg_mcp.engine.watch import Progress, Watch, watching

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")
KEPT = 8  # jobs that are over; their answers may hold label maps of 80 MB


class _Stop(BaseException):
    """Ends a job at its next step; no `except Exception` of a library may keep it."""


@dataclass(slots=True, eq=False)
class _Job(Generic[Asked, Answer]):
    """One job, from its line to its end; all but `cancelled` is guarded by the desk's lock."""

    asked: Asked
    state: State = "waiting"
    progress: Progress = field(default_factory=lambda: Progress(0.0, ""))
    answers: list[Answer] = field(default_factory=list)  # one, once it is done
    error: Exception | None = None
    cancelled: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)

    def report(self, progress: Progress) -> None:
        """Note how far it is; what lies behind what was noted before is dropped."""
        if progress.done >= self.progress.done:
            self.progress = progress

    def check(self) -> None:
        """Called at every step of the job."""
        if self.cancelled.is_set():
            raise _Stop

    def outcome(self) -> Answer:
        """The answer, or the error that it ended with."""
        if self.state == "cancelled":
            raise CancelledJobError("The job was cancelled. Submit it again if it is wanted.")
        if self.error is not None:
            raise self.error
        return self.answers[0]


class LocalDesk(Generic[Asked, Answer]):
    """A `Desk` that does `work` on what is asked, for instance `run` with a session bound to it.

    A context manager: its end cancels all jobs and waits for the one that runs. `kept` is how
    many jobs that are over it remembers.
    """

    def __init__(self, work: Callable[[Asked], Answer], kept: int = KEPT) -> None:
        self._work, self._kept = work, kept
        self._jobs: OrderedDict[Ticket, _Job[Asked, Answer]] = OrderedDict()
        self._line: deque[_Job[Asked, Answer]] = deque()
        self._ended: dict[State, int] = {"done": 0, "failed": 0, "cancelled": 0}
        self._changed = threading.Condition()
        self._open = True
        self._thread = threading.Thread(target=self._serve, name="desk", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._changed:
            self._open = False
            tickets = list(self._jobs)
            self._changed.notify_all()
        for ticket in tickets:
            self.cancel(ticket)
        self._thread.join()

    def submit(self, asked: Asked) -> Ticket:
        """Put a job in line."""
        ticket, job = Ticket(secrets.token_hex(8)), _Job[Asked, Answer](asked)
        with self._changed:
            if not self._open:
                raise BadRequestError("This desk is closed: no more jobs can be submitted to it.")
            self._jobs[ticket] = job
            self._line.append(job)
            self._changed.notify_all()
        return ticket

    def progress(self, ticket: Ticket) -> Standing:
        """Where the job is at this moment."""
        with self._changed:
            job = self._known(ticket)
            ahead = 0
            if job.state == "waiting":
                ahead = self._line.index(job) + self._running
            return Standing(job.state, job.progress, ahead)

    def cancel(self, ticket: Ticket) -> None:
        """Stop the job: at once if it waits, else at its next step."""
        with self._changed:
            job = self._known(ticket)
            job.cancelled.set()
            if job.state == "waiting":
                self._line.remove(job)
                self._end(job, "cancelled")

    def result(self, ticket: Ticket, timeout_s: float | None = None) -> Answer:
        """What came of the job, once it is over."""
        with self._changed:
            job = self._known(ticket)
        if not job.over.wait(timeout_s):
            raise TimeoutError(f"job {ticket} is not over after {timeout_s:g} s; it goes on")
        return job.outcome()

    def stats(self) -> DeskStats:
        """How many jobs are where."""
        with self._changed:
            return DeskStats(waiting=len(self._line), running=self._running, **self._ended)

    @property
    def _running(self) -> int:
        return sum(job.state == "running" for job in self._jobs.values())

    def _known(self, ticket: Ticket) -> _Job[Asked, Answer]:
        if ticket not in self._jobs:
            raise BadRequestError(
                f"No job {ticket!r} is known here: it never was, or it ended {self._kept} jobs "
                "ago or more. Submit it again."
            )
        return self._jobs[ticket]

    def _serve(self) -> None:
        """The thread: one job after the other, until the desk is closed and the line empty."""
        while job := self._next():
            try:
                with watching(Watch(job.report, job.check)):
                    job.check()
                    job.answers.append(self._work(job.asked))
                state: State = "done"
            except _Stop:
                state = "cancelled"
            except SystemExit as end:
                job.error, state = RuntimeError(f"the job called sys.exit({end.code!r})"), "failed"
            except Exception as error:  # noqa: BLE001 (handed to whoever asks for the result)
                job.error, state = error, "failed"
            with self._changed:
                self._end(job, state)

    def _next(self) -> _Job[Asked, Answer] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._line or not self._open)
            if not self._line:
                return None
            job = self._line.popleft()
            job.state = "running"
            return job

    def _end(self, job: _Job[Asked, Answer], state: State) -> None:
        """Note the end of `job`, and forget those that ended long ago."""
        job.state = state
        if state == "done":
            job.progress = Progress(1.0, "done")
        self._ended[state] += 1
        job.over.set()
        over = [ticket for ticket, known in self._jobs.items() if known.over.is_set()]
        for ticket in over[: max(0, len(over) - self._kept)]:
            del self._jobs[ticket]
