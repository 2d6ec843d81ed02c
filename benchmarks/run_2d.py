"""Measuring this engine and ts2d 1.2.0 in turn: `make bench-peers`.

Installs ts2d in an environment of its own, unless `--ts2d PYTHON` names the interpreter of one;
makes the inputs; runs every contest, and writes its part of results.md after each. It takes about
half an hour on a quiet machine, and 8 GB of memory (ts2d's twelve processes). With `--work DIR`
environment and inputs stay for the next time.
"""

import argparse
import os
import sys
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path

from parity.record_2d import environment_2d

from benchmarks.contests_2d import CONTESTS_2D, OURS
from benchmarks.inputs import SHAPE, SPACING_MM, make_inputs
from benchmarks.inputs_2d import make_inputs_2d
from benchmarks.machine import description, wait_for_quiet
from benchmarks.race import Result, Side, race
from benchmarks.report import put
from benchmarks.report_2d import part
from benchmarks.run import HERE, RESULTS, versions

# As many as both programs take by themselves.
THREADS = os.environ.get("OMP_NUM_THREADS", str(os.cpu_count()))
INPUTS = "a phantom of {} x {} x {} voxels of {} x {} x {} mm, seen from the front"


def main() -> None:
    """Measure."""
    asked = arguments()
    with tempfile.TemporaryDirectory() as name:
        work = asked.work or Path(name)
        inputs = work / "inputs"
        make_inputs(inputs)
        make_inputs_2d(inputs)
        sides = both_sides(asked.ts2d or environment_2d(work / "environment_2d"), work)
        installed = versions(sides[0], work), versions(sides[1], work)
        against: dict[str, tuple[Side, Side]] = {
            **dict.fromkeys(CONTESTS_2D, sides),
            **dict.fromkeys(OURS, (sides[0], sides[0])),
        }
        results: dict[str, Result] = {}
        quiet = partial(wait_for_quiet, asked.most_load)
        for name in asked.only or against:
            contest = {**CONTESTS_2D, **OURS}[name]
            contest = replace(contest, rounds=asked.rounds or contest.rounds)
            results[name] = race(contest, against[name], inputs, quiet)
            sys.stderr.write(f"{name}: {results[name].ratio:.2f}\n")
            written = part(
                [results[key] for key in CONTESTS_2D if key in results],
                [results[key] for key in OURS if key in results],
                installed,
                machine=description(),
                threads=THREADS,
                inputs=INPUTS.format(*SHAPE, *SPACING_MM),
            )
            put(asked.results, written, second=True)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ts2d", type=Path, help="Python of an environment with it")
    parser.add_argument("--work", type=Path, help="a folder for everything in between")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the page to write to")
    parser.add_argument("--only", nargs="+", choices=[*CONTESTS_2D, *OURS], metavar="NAME")
    parser.add_argument("--rounds", type=int, help="of every contest; as many as it asks for")
    parser.add_argument(
        "--most-load", type=float, default=4.0, help="wait (up to 2 minutes a run) while it is more"
    )
    return parser.parse_args()


def both_sides(python: Path, work: Path) -> tuple[Side, Side]:
    """Ours and ts2d, with the same models and as many threads, without a network."""
    shared = {"OMP_NUM_THREADS": THREADS, "PYTHONPATH": ""}
    scripts = HERE / "sides"
    return (
        Side(Path(sys.executable), scripts / "ours_2d.py", shared),
        Side(python, scripts / "reference_2d.py", {**shared, "TS2D_TEMP": str(work / "temp")}),
    )


if __name__ == "__main__":
    main()
