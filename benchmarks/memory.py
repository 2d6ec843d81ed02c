"""How much memory a large scan needs, by stage, under a limit that ends the run.

    PYTHONPATH=tests .venv/bin/python -m benchmarks.memory --limit 8

makes a CT-like scan of 512 x 512 x 1000 voxels and the five networks of `total` with few features
and real tiles, and runs the job in a process of its own. A watchdog asks the system five times a
second how much memory that process has had at most, and kills it beyond the limit. Linux only.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from isal import igzip
from model_folder import ARCHITECTURE, fold_numbers, network, plans, write_model_folder
from nibabel.nifti1 import Nifti1Header
from scipy.ndimage import gaussian_filter

from totalseg_mcp.engine.peak import most_resident
from totalseg_mcp.engine.tasks import MODELS, task_named

GIB = 2**30
SHAPE = (512, 512, 1000)
SPACING_MM = (0.8, 0.8, 1.0)
BLOCK = 128  # voxels, repeated
PATCH = (128, 128, 128)  # of TotalSegmentator's 1.5 mm models
FEW = {**ARCHITECTURE, "features_per_stage": [2, 2]}
PAUSE_S = 0.2
HERE = Path(__file__).parent


def main() -> None:
    """Measure, and print a table."""
    asked = arguments()
    with tempfile.TemporaryDirectory() as name:
        work = asked.work or Path(name)
        scan, models = work / "scan.nii.gz", work / "models"
        if not scan.exists():
            make_scan(scan, tuple(asked.shape), tuple(asked.spacing))
            make_models(models, asked.task)
        peaks = measured(scan, models, work / f"out-{os.getpid()}", asked)
    voxels = np.prod(asked.shape)
    for stage, most in peaks.items():
        sys.stdout.write(f"| {stage} | {most / GIB:.2f} GiB | {most / voxels:.1f} |\n")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", type=int, nargs=3, default=SHAPE)
    parser.add_argument("--spacing", type=float, nargs=3, default=SPACING_MM, metavar="MM")
    parser.add_argument("--task", default="total")
    parser.add_argument("--limit", type=float, default=8.0, help="GiB")
    parser.add_argument("--work", type=Path, help="keeps scan and models for the next time")
    parser.add_argument("--masks", action="store_true", help="write a mask per structure")
    return parser.parse_args()


def make_scan(path: Path, shape: tuple[int, ...], spacing_mm: tuple[float, ...]) -> None:
    """Blobs between air and bone, repeated; int16, zipped."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(0).standard_normal((BLOCK,) * 3)
    blobs = gaussian_filter(noise, 4, mode="wrap")
    block = np.clip(blobs / blobs.std() * 400 + 50, -1000, 1500).astype(np.int16)
    header = Nifti1Header()
    header.set_data_dtype(np.int16)
    header.set_data_shape(shape)
    header.set_sform(np.diag([*spacing_mm, 1.0]), code="scanner")
    header.set_zooms(spacing_mm)
    header.set_xyzt_units("mm")
    repeats = -(-np.array(shape) // BLOCK)
    plane = np.tile(block, (*repeats[:2], 1))[: shape[0], : shape[1]]
    with igzip.open(path, "wb", compresslevel=1) as file:
        file.write(header.binaryblock + bytes(4))
        for k in range(shape[2]):
            file.write(plane[:, :, k % BLOCK].tobytes(order="F"))


def make_models(folder: Path, task: str) -> None:
    """The task's networks: its tiles and classes, hardly any features."""
    for dataset in task_named(task).models["default"]:
        model = MODELS[dataset]
        folds = [network(model, FEW).state_dict() for _ in fold_numbers(model)]
        write_model_folder(folder, model, plans(model, PATCH, FEW), folds)


def measured(scan: Path, models: Path, out: Path, asked: argparse.Namespace) -> dict[str, int]:
    """The most memory of each stage; ends with an error if it is beyond the limit."""
    program = [sys.executable, str(HERE / "sides" / "peaks.py"), str(scan), str(models), str(out)]
    program += [asked.task, *(["--masks"] if asked.masks else [])]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as job:
        while job.poll() is None:
            most = most_resident(Path(f"/proc/{job.pid}/status")) or 0
            if most > asked.limit * GIB:
                job.kill()
                sys.exit(f"killed: it had {most / GIB:.2f} GiB, more than {asked.limit:g}")
            time.sleep(PAUSE_S)
        said, _ = job.communicate()
    if job.returncode:
        sys.exit(f"the job failed with {job.returncode}")
    found: dict[str, int] = json.loads(said)
    return found


if __name__ == "__main__":
    main()
