"""Running a case: all its programs in turn, each time in a fresh process."""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.agreement import DisagreementError
from benchmarks.calls.alike import compared
from benchmarks.calls.cases import Case
from benchmarks.calls.measured import Refusal, Trial
from benchmarks.calls.programs import OURS, PROGRAMS, RESULT, Place
from benchmarks.calls.scans import file_of
from benchmarks.machine import load
from benchmarks.sides.processes import SIZE, size_in


@dataclass(frozen=True)
class Track:
    """Where cases run: scans, networks, home folder, peer; `wait` is called before every trial."""

    inputs: Path
    networks: Path
    home: Path
    peer: Path | None
    threads: str
    wait: Callable[[], None]

    def place(self, case: Case, out: Path) -> Place:
        """For one trial of `case`."""
        return Place(self.inputs / file_of(case.scan), out, self.environment(case), self.peer)

    def environment(self, case: Case) -> Mapping[str, str]:
        """The variables of every program: the same models, as many threads, no network."""
        return {
            **os.environ,
            "TOTALSEG_HOME_DIR": str(self.home),
            "TOTALSEG_WEIGHTS_PATH": str(self.networks / case.network),
            "OMP_NUM_THREADS": self.threads,
            "TQDM_DISABLE": "1",
            "PYTHONPATH": "",
        }


def trials(name: str, case: Case, track: Track) -> tuple[list[Trial], list[Refusal]]:
    """All rounds of `case`; whoever does not come to the same as ours in the first is left out.

    Raises:
        FailedError, RuntimeError: one of them failed.
    """
    programs = [program for program in case.programs if PROGRAMS[program].there]
    done: list[Trial] = []
    refused: list[Refusal] = []
    for turn in range(case.rounds):
        first = turn % len(programs)
        with tempfile.TemporaryDirectory(dir=track.inputs.parent) as folder:
            for program in programs[first:] + programs[:first]:
                done.append(_trial(name, program, case, track, Path(folder) / program))
                sys.stderr.write(f"{name}, {program}: {done[-1].calls[-1].wall:.2f} s\n")
            if turn == 0:
                refused = list(_refused(name, case, programs, Path(folder)))
        out = {refusal.program for refusal in refused}
        programs = [program for program in programs if program not in out]
        done = [trial for trial in done if trial.program not in out]
    return done, refused


def _trial(name: str, program: str, case: Case, track: Track, out: Path) -> Trial:
    out.mkdir()
    track.wait()
    before = load()
    answers = PROGRAMS[program].run(case, track.place(case, out))
    return Trial(
        case=name,
        program=program,
        calls=answers.calls,
        size=size_in(out / SIZE),
        load=(before, load()),
        listed=answers.listed,
        written=sum(file.stat().st_size for file in (out / RESULT).rglob("*")),
    )


def _refused(name: str, case: Case, programs: list[str], folder: Path) -> Iterator[Refusal]:
    """Every program whose result is not ours."""
    for program in programs:
        if program == OURS:
            continue
        try:
            compared(program, case)(folder / OURS / RESULT, folder / program / RESULT)
        except DisagreementError as error:
            sys.stderr.write(f"{name}, {program}: left out, {error}\n")
            yield Refusal(name, program, str(error))
