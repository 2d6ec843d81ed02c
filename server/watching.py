"""Carries a job's progress to the client, and the client's cancel to the job.

The job runs in a worker thread that never waits for the client: it leaves its
progress in a variable, and a task of the event loop sends that on. A client that
stops reading, or has gone, can hold up neither the job nor the device.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

import anyio
from anyio import from_thread, to_thread

from totalseg_mcp.engine.watch import Progress, Watch, watching

T = TypeVar("T")
Tell = Callable[[Progress], Awaitable[None]]

INTERVAL_S = 0.25
HEARTBEAT_S = 10.0  # clients drop a call that is silent for a minute or less
LEAST_STEP = 1e-6  # progress has to rise, even when there is none
LONGEST_MESSAGE = 200  # Claude Code cuts what is longer


@dataclass(slots=True, eq=False)
class Note:
    """Where a job last said it was; None until it has begun."""

    progress: Progress | None = None

    def write(self, progress: Progress) -> None:
        """Replace what was said before; safe from any thread."""
        self.progress = progress


class Lane:
    """Lets jobs through one at a time, first come first served."""

    def __init__(self) -> None:
        self._lock = anyio.Lock()
        self._line: list[Note] = []
        self.turns = 0  # that have ended

    @property
    def idle(self) -> bool:
        """Whether nobody is here."""
        return not self._line

    @asynccontextmanager
    async def turn(self, note: Note) -> AsyncIterator[None]:
        """Wait for the jobs that came before, then keep the others out."""
        self._line.append(note)
        try:
            async with self._lock:
                yield
        finally:
            self._line.remove(note)
            self.turns += 1

    def place(self, note: Note) -> Progress:
        """What to tell the client of a job that has not begun."""
        ahead = self._line.index(note) if note in self._line else 0
        if not ahead:
            return Progress(0.0, "starting")
        return Progress(0.0, f"waiting: {ahead} job{'s' if ahead > 1 else ''} ahead")


async def run_watched(
    job: Callable[[], T], tell: Tell, lane: Lane, heartbeat_s: float = HEARTBEAT_S
) -> T:
    """Run `job` in a worker thread when its turn comes, telling its progress as it rises.

    A cancelled call ends the job at its next `stage` or `track`; the lane is free
    again once the thread has really stopped.
    """
    note = Note()
    failure: Exception | None = None

    def now() -> Progress:
        return note.progress or lane.place(note)

    async with anyio.create_task_group() as group:
        group.start_soon(_keep_telling, now, tell, heartbeat_s)
        try:
            async with lane.turn(note):
                result = await to_thread.run_sync(_work, job, note)  # shielded from the cancel
        except Exception as error:  # noqa: BLE001 (a task group would wrap it; raised again below)
            failure = error
        group.cancel_scope.cancel()

    if failure is not None:
        raise failure
    return result


def _work(job: Callable[[], T], note: Note) -> T:
    """The job, in the worker thread; a `sys.exit` in it is an error and not the server's end."""
    with watching(Watch(note.write, from_thread.check_cancelled)):
        try:
            return job()
        except SystemExit as end:
            raise RuntimeError(f"something in the job called sys.exit({end.code!r})") from end


async def _keep_telling(now: Callable[[], Progress], tell: Tell, heartbeat_s: float) -> None:
    """Tell what is new, four times a second at most, and something every `heartbeat_s`."""
    told: Progress | None = None
    done, when = -LEAST_STEP, 0.0
    while True:
        news = now()
        if news != told or anyio.current_time() - when >= heartbeat_s:
            told, when = news, anyio.current_time()
            done = max(news.done, done + LEAST_STEP)
            await tell(Progress(done, news.message[:LONGEST_MESSAGE]))
        await anyio.sleep(INTERVAL_S)
