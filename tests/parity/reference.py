"""The reference's side of the recording: runs in TotalSegmentator's own environment.

`python reference.py JOBS OUT`: JOBS is a JSON object of name -> the arguments of TotalSegmentator's
API, with `repair` where the reference fails without one. Into OUT go the label maps (or folders of
masks), and `runs.json` with what each run said about its crops. Runs that are there are kept.
"""

import contextlib
import importlib.metadata
import io
import json
import re
import sys
import time
from pathlib import Path
from typing import Any

import totalsegmentator.python_api as api

PACKAGES = ("TotalSegmentator", "nnunetv2", "torch", "numpy", "scipy", "scikit-image", "nibabel")
CROP = re.compile(r"cropping from \(([\d, ]+)\) to \(([\d, ]+)\)")


def keep_device_names() -> None:
    """Teeth on the CPU: the reference turns the device's name into None for its crop model."""
    turned = api.convert_device_to_string
    api.convert_device_to_string = lambda device: (
        device if isinstance(device, str) else turned(device)
    )


REPAIRS = {"keep the device's name": keep_device_names}


def run(job: dict[str, Any]) -> dict[str, Any]:
    """One run; what it said about its crops, as (shape before, shape after)."""
    if repair := job.pop("repair", None):
        REPAIRS[repair]()
    said = io.StringIO()
    began = time.perf_counter()
    with contextlib.redirect_stdout(said):
        api.totalsegmentator(**job, device="cpu", nr_thr_saving=1)
    crops = [[shape(before), shape(after)] for before, after in CROP.findall(said.getvalue())]
    empty = "Crop is empty" in said.getvalue()
    return {"crops": crops, "empty": empty, "seconds": round(time.perf_counter() - began, 1)}


def shape(text: str) -> list[int]:
    """Three numbers."""
    return [int(number) for number in text.split(",")]


def main(jobs: Path, out: Path) -> None:
    """All runs."""
    record = out / "runs.json"
    runs = json.loads(record.read_text()) if record.exists() else {"runs": {}}
    runs["versions"] = {name: importlib.metadata.version(name) for name in PACKAGES}
    for name, job in json.loads(jobs.read_text()).items():
        if name not in runs["runs"]:
            runs["runs"][name] = run(job)
            record.write_text(json.dumps(runs, indent=1))
            sys.stderr.write(f"{name}: {runs['runs'][name]}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
