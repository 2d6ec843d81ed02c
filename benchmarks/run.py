"""Measuring this engine and TotalSegmentator 2.18.0 in turn: `make bench-peers`.

Installs the reference program in an environment of its own, unless `--reference PYTHON` names the
interpreter of one; makes the inputs; runs every contest, and writes results.md after each. It takes
about half an hour on a quiet machine. With `--work DIR` environment and inputs stay for the next
time.
"""

import argparse
import json
import os
import sys
import tempfile
from functools import partial
from pathlib import Path

from parity.record import CONFIGURATION, environment

from benchmarks.contests import CONTESTS
from benchmarks.inputs import SHAPE, SPACING_MM, make_inputs, make_models, structures
from benchmarks.machine import description, wait_for_quiet
from benchmarks.race import Side, race
from benchmarks.report import page, put
from benchmarks.sides.job import VERSIONS

HERE = Path(__file__).parent
RESULTS = HERE / "results.md"
THREADS = os.environ.get("OMP_NUM_THREADS", "1")
INPUTS = "a phantom of {} x {} x {} voxels of {} x {} x {} mm with {} of the 117 structures"


def main() -> None:
    """Measure."""
    asked = arguments()
    with tempfile.TemporaryDirectory() as name:
        work = asked.work or Path(name)
        inputs = work / "inputs"
        make_inputs(inputs)
        sides = both_sides(asked.reference or environment(work / "environment"), work)
        about = {
            "machine": description(),
            "threads": THREADS,
            "inputs": INPUTS.format(*SHAPE, *SPACING_MM, structures(inputs)),
        }
        installed = versions(sides[0], work), versions(sides[1], work)
        results = []
        for contest in asked.only or CONTESTS:
            quiet = partial(wait_for_quiet, asked.most_load)
            results.append(race(CONTESTS[contest], sides, inputs, quiet))
            sys.stderr.write(f"{contest}: {results[-1].ratio:.2f}\n")
            put(asked.results, page(results, installed, **about))


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reference", type=Path, help="Python of an environment with it")
    parser.add_argument("--work", type=Path, help="a folder for everything in between")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the page to write")
    parser.add_argument("--only", nargs="+", choices=CONTESTS, metavar="NAME")
    parser.add_argument(
        "--most-load", type=float, default=4.0, help="wait (up to 2 minutes a run) while it is more"
    )
    return parser.parse_args()


def both_sides(python: Path, work: Path) -> tuple[Side, Side]:
    """Ours and the reference, with the same models and as many threads, without a network."""
    home, models = work / "home", work / "models"
    home.mkdir(parents=True, exist_ok=True)
    (home / "config.json").write_text(json.dumps(CONFIGURATION))
    make_models(models)
    shared = {
        "TOTALSEG_HOME_DIR": str(home),
        "TOTALSEG_WEIGHTS_PATH": str(models),
        "OMP_NUM_THREADS": THREADS,
        "TQDM_DISABLE": "1",
        "PYTHONPATH": "",
    }
    scripts = HERE / "sides"
    return (
        Side(Path(sys.executable), scripts / "ours.py", shared),
        Side(python, scripts / "reference.py", shared),
    )


def versions(side: Side, work: Path) -> dict[str, str]:
    """Of a program and of the packages that bear on its speed."""
    with tempfile.TemporaryDirectory(dir=work) as name:
        out = Path(name) / "out"
        side.run("versions", work, out)
        known: dict[str, str] = json.loads((out / VERSIONS).read_text())
    return known


if __name__ == "__main__":
    main()
