"""What was measured, as values and as a file."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.sides.processes import Size


@dataclass(frozen=True)
class Call:
    """One answer: seconds by the clock, of processor time, and by stage where they are known.

    The first of a process counts from the start of that process.
    """

    wall: float
    cpu: float
    stages: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Trial:
    """One process of a program: its calls in order, and the most memory that it took.

    `listed` are the seconds to the list of tools, for servers; `load` the machine's average over
    the minute before, at the start and at the end; `written` the bytes of all files of a call.
    """

    case: str
    program: str
    calls: tuple[Call, ...]
    size: Size
    load: tuple[float, float]
    listed: float | None = None
    written: int = 0


@dataclass(frozen=True)
class Refusal:
    """A program whose result was not ours, and in what: its times do not count."""

    case: str
    program: str
    reason: str


@dataclass(frozen=True)
class Slope:
    """Seconds of our stages for a network, a scan and masks of `classes` structures."""

    classes: int
    seconds: Mapping[str, float]
    load: float


@dataclass(frozen=True)
class Measured:
    """All that the pages are made of; `about` is the machine, the threads, versions, the date."""

    about: Mapping[str, str]
    trials: tuple[Trial, ...] = ()
    slopes: tuple[Slope, ...] = ()
    refused: tuple[Refusal, ...] = ()

    def with_case(
        self, case: str, trials: Sequence[Trial], refused: Sequence[Refusal] = ()
    ) -> "Measured":
        """The same with these trials of `case`, and who was left out, in place of others."""
        kept = (trial for trial in self.trials if trial.case != case)
        others = (refusal for refusal in self.refused if refusal.case != case)
        return replace(self, trials=(*kept, *trials), refused=(*others, *refused))

    def of(self, case: str, program: str) -> list[Trial]:
        """The trials of `program` in `case`."""
        return [t for t in self.trials if (t.case, t.program) == (case, program)]

    def save(self, file: Path) -> None:
        """As JSON."""
        file.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")


def load(file: Path) -> Measured:
    """What `save` has written."""
    known = json.loads(file.read_text(encoding="utf-8"))
    trials = tuple(_trial(entry) for entry in known["trials"])
    slopes = tuple(Slope(**entry) for entry in known["slopes"])
    refused = tuple(Refusal(**entry) for entry in known["refused"])
    return Measured(known["about"], trials, slopes, refused)


def _trial(known: dict[str, Any]) -> Trial:
    calls = tuple(Call(**call) for call in known["calls"])
    before, after = known["load"]
    return Trial(
        **{**known, "calls": calls, "size": Size(**known["size"]), "load": (before, after)}
    )
