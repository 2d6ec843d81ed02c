"""Timing whole calls: `make bench` (this program alone) and `make bench-peers` (beside the others).

Every trial is a process of its own; the programs of a case take turns, and who was first is last
in the next round. The first round compares all results with ours: no figure where they differ.
What was measured goes to `--measured`, after every case, and from there to the pages.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path

from parity.record import CONFIGURATION, environment

from benchmarks.calls.cases import BY_DEVICE, CPU, GPU, chosen
from benchmarks.calls.classes import slopes
from benchmarks.calls.measured import Measured, load
from benchmarks.calls.networks import make_networks
from benchmarks.calls.page import on_gpu
from benchmarks.calls.scans import make_scans
from benchmarks.calls.trials import Track, trials
from benchmarks.inputs import make_inputs
from benchmarks.machine import description, gpus, wait_for_quiet
from benchmarks.race import Side
from benchmarks.report import listed
from benchmarks.run import HERE, versions

MEASURED = HERE / "measured.json"
THREADS = str(os.cpu_count())  # as TotalSegmentator sets them, whatever OMP_NUM_THREADS says
CLASSES = "classes"
NAMES = [*(name for cases in BY_DEVICE.values() for name in cases), CLASSES]


def main() -> None:
    """Measure."""
    asked = arguments()
    with tempfile.TemporaryDirectory() as name:
        work = asked.work or Path(name)
        track = prepared(asked, work)
        known = load(asked.measured) if asked.add else Measured({})
        known = replace(known, about=about(track, work))
        for case, what in chosen(asked.only, asked.peers, asked.device).items():
            what = replace(what, rounds=asked.rounds or what.rounds)
            known = known.with_case(case, *trials(case, what, track))
            known.save(asked.measured)
        if CLASSES in (asked.only or [CLASSES]) and asked.device == CPU:
            known = replace(known, slopes=tuple(slopes(track.inputs, track.wait)))
            known.save(asked.measured)
    sys.stderr.write(f"written: {asked.measured}\n")
    if asked.device == GPU:
        sys.stdout.write(on_gpu(known))


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", action="store_true", help="TotalSegmentator takes part, too")
    parser.add_argument("--reference", type=Path, help="Python of an environment with it")
    parser.add_argument("--device", choices=BY_DEVICE, default=CPU, help="where the networks run")
    parser.add_argument("--work", type=Path, help="a folder for everything in between")
    parser.add_argument("--measured", type=Path, default=MEASURED, help="the file to write")
    parser.add_argument("--add", action="store_true", help="keep its other cases")
    parser.add_argument("--only", nargs="+", choices=NAMES, metavar="NAME")
    parser.add_argument("--rounds", type=int, help="of every case; as many as it asks for")
    parser.add_argument(
        "--most-load", type=float, default=4.0, help="wait (up to 2 minutes a run) while it is more"
    )
    return parser.parse_args()


def prepared(asked: argparse.Namespace, work: Path) -> Track:
    """All inputs below `work`, and the peers' environment."""
    track = Track(
        inputs=work / "inputs",
        networks=work / "networks",
        home=work / "home",
        peer=(asked.reference or peer(work)) if asked.peers else None,
        threads=THREADS,
        wait=partial(wait_for_quiet, asked.most_load),
    )
    track.home.mkdir(parents=True, exist_ok=True)
    (track.home / "config.json").write_text(json.dumps(CONFIGURATION))
    make_inputs(track.inputs)
    make_scans(track.inputs)
    make_networks(track.networks)
    return track


def peer(work: Path) -> Path:
    """The interpreter of an environment with TotalSegmentator, its MCP server and its preview."""
    python = environment(work / "environment")
    pip = [str(python), "-m", "pip", "install", "--quiet", "--requirement"]
    subprocess.run([*pip, str(HERE / "requirements.txt")], check=True)
    return python


def about(track: Track, work: Path) -> dict[str, str]:
    """The machine, the threads, the versions and the day."""
    sides = {"ours": Side(Path(sys.executable), HERE / "sides" / "ours.py", {"PYTHONPATH": ""})}
    if track.peer:
        sides["reference"] = Side(track.peer, HERE / "sides" / "reference.py", {"PYTHONPATH": ""})
    return {
        "date": date.today().isoformat(),
        "machine": "; ".join([description(), *gpus()]),
        "threads": track.threads,
        **{name: listed(versions(side, work)) for name, side in sides.items()},
    }


if __name__ == "__main__":
    main()
