"""Progress, cancellation, the clock and the log of the job running in this context.

Work that takes time says where it is (`stage`) and walks its loops through
`track`. Nobody needs to be watching: a function can be called from a test or a
notebook with nothing set up.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is: `done` from 0 to 1."""

    done: float
    message: str


@dataclass(frozen=True, slots=True)
class Watch:
    """Whom a job tells of its progress, and who may stop it.

    `check` stops the job by raising; `start` to `stop` is the part of the job that
    is running now.
    """

    report: Callable[[Progress], None]
    check: Callable[[], None]
    start: float = 0.0
    stop: float = 1.0
    name: str = ""

    def at(self, fraction: float, detail: str = "") -> None:
        """Note that `fraction` of this part is done."""
        self.check()
        done = self.start + fraction * (self.stop - self.start)
        self.report(Progress(done, f"{self.name}{detail}"))

    def part(self, name: str, start: float, stop: float) -> "Watch":
        """The watch of what goes on from `start` to `stop` of this part."""
        width = self.stop - self.start
        return Watch(
            self.report, self.check, self.start + start * width, self.start + stop * width, name
        )


def _ignore(*_: object) -> None:
    pass


_current: ContextVar[Watch] = ContextVar("watch", default=Watch(_ignore, _ignore))  # noqa: B039 (frozen)
_notes: ContextVar[list[str] | None] = ContextVar("notes", default=None)
_clock: ContextVar[dict[str, float] | None] = ContextVar("clock", default=None)


@contextmanager
def watching(watch: Watch) -> Iterator[None]:
    """Make `watch` the one that `stage` and `track` tell."""
    token = _current.set(watch)
    try:
        yield
    finally:
        _current.reset(token)


def allow_stop() -> None:
    """Let the job be stopped here; for work too long between two items of a `track`."""
    _current.get().check()


def advance(fraction: float, detail: str) -> None:
    """Note that `fraction` of the stage is done; for work that is no loop over items."""
    _current.get().at(fraction, f": {detail}")


@contextmanager
def noted() -> Iterator[list[str]]:
    """What was noted of the work in this block, in order."""
    notes: list[str] = []
    token = _notes.set(notes)
    try:
        yield notes
    finally:
        _notes.reset(token)


def note(text: str) -> None:
    """A line for the log of the job that is running: what was done, with its figures."""
    if (notes := _notes.get()) is not None:
        notes.append(text)


@contextmanager
def clocked() -> Iterator[dict[str, float]]:
    """The seconds spent in each stage, by name; a stage that comes twice adds up."""
    seconds: dict[str, float] = {}
    token = _clock.set(seconds)
    try:
        yield seconds
    finally:
        _clock.reset(token)


@contextmanager
def stage(name: str, start: float, stop: float) -> Iterator[None]:
    """A named part of the work, from `start` to `stop` of the part around it."""
    seconds = _clock.get()
    began = time.perf_counter()
    with watching(_current.get().part(name, start, stop)):
        _current.get().at(0)
        try:
            yield
        finally:
            if seconds is not None:
                seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - began


def track(items: Sequence[T], noun: str) -> Iterator[T]:
    """Yield `items`, noting the progress and allowing a stop before each.

    Stages and tracks inside the loop's body share the item's part of the progress.
    """
    outer = _current.get()
    for number, item in enumerate(items):
        name = f"{outer.name}: {noun} {number + 1} of {len(items)}"
        part = outer.part(name, number / len(items), (number + 1) / len(items))
        part.at(0)
        _current.set(part)
        try:
            yield item
        finally:
            if _current.get() is part:  # a loop left by an error is closed after its stage
                _current.set(outer)
