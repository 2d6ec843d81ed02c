"""Recording anew what ts2d 1.2.0 does: `make recordings`.

Installs ts2d in an environment of its own, runs it with the stand-in models, without any network,
and stores its masks and what is known about them. It takes about ten minutes. With
`--python PATH` an existing environment is used; with `--work DIR` an interrupted recording goes on
where it stopped.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK
from numpy.typing import NDArray
from parity.cases import FOLDER
from parity.cases_2d import CASES_2D, FlatCase
from parity.models_2d import models_2d
from parity.record import UNNEEDED
from parity.scans import store
from parity.scans_2d import SCANS_2D, content_digest, scan_2d
from parity.stand_ins_2d import digest_2d, make_stand_in_2d

HERE = Path(__file__).parent
RECORDINGS_2D = FOLDER / "recordings_2d.json"
# Installed as they are: what they ask for besides is not needed for this.
ALONE = (
    "ts2d==1.2.0",
    "nnunetv2ml==2.6.2",
    "dynamic_network_architectures==0.4.4",
    "timm==1.0.31",
    "huggingface_hub==2.4.0",
    "safetensors",
)


def main() -> None:
    """Record."""
    asked = arguments()
    with tempfile.TemporaryDirectory() as name:
        work = asked.work or Path(name)
        store()
        python = asked.python or environment_2d(work / "environment_2d")
        keep(work, run_reference(python, work))


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", type=Path, help="of an environment with ts2d")
    parser.add_argument("--work", type=Path, help="a folder for everything in between")
    return parser.parse_args()


def environment_2d(folder: Path) -> Path:
    """The interpreter of a new environment with ts2d.

    Its nnU-Net is a fork with the same package name, so that no other program can share it.
    """
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        pip = [str(python), "-m", "pip", "install", "--quiet"]
        listed = ["--requirement", str(HERE / "requirements_2d.txt")]
        subprocess.run([*pip, *listed], check=True)
        subprocess.run([*pip, "--no-deps", "--ignore-requires-python", *ALONE], check=True)
        (packages,) = folder.glob("lib/python*/site-packages")
        shutil.rmtree(packages / UNNEEDED, ignore_errors=True)
    return python


def surroundings(work: Path) -> dict[str, str]:
    """The environment that ts2d runs in: its models are in its home."""
    return {
        "HOME": str(work / "home_2d"),
        "TS2D_TEMP": str(work / "temp"),
        "OMP_NUM_THREADS": "1",
        "nnUNet_def_n_proc": "1",
        "PYTHONPATH": "",
    }


def models_root(work: Path) -> Path:
    """Where ts2d looks for its models."""
    return work / "home_2d" / ".ts2d" / "models"


def run_reference(python: Path, work: Path) -> Mapping[str, Any]:
    """Run ts2d on all cases; its files lie in `work`/out_2d."""
    out = work / "out_2d"
    out.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(models_root(work), ignore_errors=True)
    for model in models_2d().values():
        make_stand_in_2d(models_root(work), model)
    jobs: dict[str, dict[str, Any]] = {}
    for case in CASES_2D.values():
        scan = scan_2d(case.scan, work / "scans")
        jobs.setdefault(case.key, {})[case.name] = {"input": str(scan), "collapse": case.collapsed}
    (work / "jobs_2d.json").write_text(json.dumps(jobs))
    subprocess.run(
        [str(python), str(HERE / "reference_2d.py"), str(work / "jobs_2d.json"), str(out)],
        check=True,
        env=os.environ | surroundings(work),
    )
    said: Mapping[str, Any] = json.loads((out / "runs.json").read_text())
    return said


def keep(work: Path, said: Mapping[str, Any]) -> None:
    """Store the masks of all cases, and what is known about them."""
    runs: dict[str, Any] = {}
    for case in CASES_2D.values():
        known = dict(said["runs"][case.name])
        masks = masks_in(work / "out_2d" / known.pop("file"))
        case.recording.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(case.recording, masks=np.packbits(masks))
        runs[case.name] = {**asked_for(case), **known, **facts(masks)}
    known = {
        "runs": runs,
        "versions": said["versions"] | {"python": sys.version.split()[0]},
        "scans": {name: content_digest(scan_2d(name, work / "scans")) for name in SCANS_2D},
        "models": {key: digest_2d(key) for key in models_2d()},
    }
    RECORDINGS_2D.write_text(in_lines(known))


def in_lines(known: Mapping[str, Mapping[str, Any]]) -> str:
    """JSON with a line for each run, scan and model."""
    parts = [
        f"{json.dumps(part)}: {{\n"
        + ",\n".join(f" {json.dumps(key)}: {json.dumps(value)}" for key, value in entries.items())
        + "\n}"
        for part, entries in known.items()
    ]
    return "{\n" + ",\n".join(parts) + "\n}\n"


def asked_for(case: FlatCase) -> dict[str, Any]:
    """What the run was."""
    return {"key": case.key, "scan": case.scan, "collapsed": case.collapsed}


def masks_in(file: Path) -> NDArray[np.bool_]:
    """[structure, row, column] of an image that ts2d made; a size of 1 is left out."""
    array = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(file))
    rows, columns = (size for size in array.shape[:-1] if size > 1)
    return np.ascontiguousarray(np.moveaxis(array.reshape(rows, columns, -1), -1, 0) > 0)


def facts(masks: NDArray[np.bool_]) -> dict[str, Any]:
    """What is known of recorded masks."""
    return {
        "shape": list(masks.shape),
        "sha256": hashlib.sha256(np.packbits(masks).tobytes()).hexdigest(),
        "counts": masks.sum((1, 2)).tolist(),
    }


if __name__ == "__main__":
    main()
