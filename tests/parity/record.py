"""Recording anew what TotalSegmentator 2.18.0 does: `make recordings`.

Installs the reference program in an environment of its own, runs it on the stored scans with the
stand-in models, without any network, and stores its label maps and what is known about them. It
takes about half an hour. With `--python PATH` an existing environment is used, with `--only NAME`
those runs alone are made; with `--work DIR` an interrupted recording goes on where it stopped.
"""

import argparse
import gzip
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

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from parity.cases import CASES, FOLDER, Case
from parity.scans import SCANS, file_of, store
from parity.stand_ins import digest, make_stand_in, stored_heads

HERE = Path(__file__).parent
REQUIREMENTS = HERE / "requirements.txt"
RECORDINGS = FOLDER / "recordings.json"
# Its import needs torchvision, and nnU-Net imports every trainer to find one by name.
UNNEEDED = "nnunetv2/training/nnUNetTrainer/primus"
CONFIGURATION = {
    "totalseg_id": "totalseg_RECORDING",
    "send_usage_stats": False,
    "prediction_counter": 1,
    "statistics_disclaimer_shown": True,
    "license_number": "recording_no_licen",  # of the right form: no weights are fetched with it
}
RESTORE = {"labels": "higher_order_resampling_LEGACY", "logits": "higher_order_resampling"}
SAME_NAME = ("robust_crop", "resampling_order", "save_lowres", "v1_order")
OTHER_NAME = {
    "body_only": "body_seg",
    "split": "force_split",
    "small_blobs_mm3": "remove_small_blobs",
}
REPAIRED = {"teeth": "keep the device's name"}


def main() -> None:
    """Record."""
    asked = arguments()
    with tempfile.TemporaryDirectory() as name:
        work = asked.work or Path(name)
        store()
        python = asked.python or environment(work / "environment")
        cases = [CASES[name] for name in asked.only] or list(CASES.values())
        runs = run_reference(python, cases, work)
        keep(cases, work, runs)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", type=Path, help="of an environment with the reference program")
    parser.add_argument("--work", type=Path, help="a folder for everything in between")
    parser.add_argument("--only", nargs="+", default=[], choices=CASES, metavar="NAME")
    return parser.parse_args()


def environment(folder: Path) -> Path:
    """The interpreter of a new environment with the reference program."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--requirement"]
        subprocess.run([*pip, str(REQUIREMENTS)], check=True)
        (packages,) = folder.glob("lib/python*/site-packages")
        shutil.rmtree(packages / UNNEEDED, ignore_errors=True)
    return python


def run_reference(python: Path, cases: list[Case], work: Path) -> Mapping[str, Any]:
    """Run the reference program on `cases`; its files lie in `work`/out."""
    home, models, out = work / "home", work / "models", work / "out"
    for folder in (home, out):
        folder.mkdir(parents=True, exist_ok=True)
    (home / "config.json").write_text(json.dumps(CONFIGURATION))
    shutil.rmtree(models, ignore_errors=True)
    for dataset in stored_heads():
        make_stand_in(models, int(dataset))
    jobs = {case.name: job(case, out) for case in cases}
    (work / "jobs.json").write_text(json.dumps(jobs))
    subprocess.run(
        [str(python), str(HERE / "reference.py"), str(work / "jobs.json"), str(out)],
        check=True,
        env=os.environ
        | {
            "TOTALSEG_HOME_DIR": str(home),
            "TOTALSEG_WEIGHTS_PATH": str(models),
            "nnUNet_def_n_proc": "1",
            "TQDM_DISABLE": "1",
        },
    )
    said: Mapping[str, Any] = json.loads((out / "runs.json").read_text())
    return said


def job(case: Case, out: Path) -> dict[str, Any]:
    """The arguments of the reference's API for `case`."""
    options = dict(case.options)
    robust = options.pop("robust", False)
    subset = options.pop("roi_subset", None)
    resolution = options.pop("resolution", "default")
    restore = options.pop("restore", None)
    made: dict[str, Any] = {
        "input": str(file_of(case.scan)),
        "output": str(written_to(case, out)),
        "task": case.task,
        "ml": not case.masks,
    }
    if subset:
        made["roi_subset_robust" if robust else "roi_subset"] = list(subset)
    if resolution != "default":
        made[resolution] = True
    if restore:
        made[RESTORE[restore]] = True
    if case.task in REPAIRED:
        made["repair"] = REPAIRED[case.task]
    return made | {OTHER_NAME.get(name, name): value for name, value in options.items()}


def written_to(case: Case, out: Path) -> Path:
    """The file (or, with masks, the folder) that the reference writes for `case`."""
    name = case.recording.name
    return out / (name.removesuffix(".nii.gz") if case.masks else name)


def keep(cases: list[Case], work: Path, said: Mapping[str, Any]) -> None:
    """Store the label maps of `cases`, and what is known about them."""
    known = json.loads(RECORDINGS.read_text()) if RECORDINGS.exists() else {"runs": {}}
    for case in cases:
        image, labels = reference_image(case, work / "out")
        case.recording.parent.mkdir(parents=True, exist_ok=True)
        plain = nib.Nifti1Image(labels, image.affine, image.header)
        case.recording.write_bytes(gzip.compress(plain.to_bytes(), 9, mtime=0))
        known["runs"][case.name] = facts(case, labels, image) | said["runs"][case.name]
    known["runs"] = {name: known["runs"][name] for name in CASES if name in known["runs"]}
    known["versions"] = said["versions"] | {"python": sys.version.split()[0]}
    known["scans"] = {name: sha256(file_of(name).read_bytes()) for name in SCANS}
    known["models"] = {dataset: digest(int(dataset)) for dataset in stored_heads()}
    RECORDINGS.write_text(json.dumps(known, indent=1) + "\n")


def reference_image(case: Case, out: Path) -> tuple[nib.Nifti1Image, NDArray[np.uint8]]:
    """An image that the reference wrote for `case`, and its labels (masks as bits)."""
    path = written_to(case, out)
    if not case.masks:
        image = nib.load(path)
        assert isinstance(image, nib.Nifti1Image)
        return image, np.asanyarray(image.dataobj).astype(np.uint8)
    images = [nib.load(path / f"{name}.nii.gz") for name in case.masks]
    bits = [np.asanyarray(image.dataobj).astype(np.uint8) << n for n, image in enumerate(images)]
    return images[0], np.bitwise_or.reduce(bits)


def facts(case: Case, labels: NDArray[np.uint8], image: nib.Nifti1Image) -> dict[str, Any]:
    """What is known of a recorded label map."""
    values, counts = np.unique(labels, return_counts=True)
    return {
        "task": case.task,
        "scan": case.scan,
        "options": {**case.options, **({"masks": case.masks} if case.masks else {})},
        "repair": REPAIRED.get(case.task),
        "shape": list(labels.shape),
        "affine": image.affine.tolist(),
        "sha256": sha256(np.asfortranarray(labels).tobytes("F")),
        "counts": {str(value): int(count) for value, count in zip(values, counts, strict=True)},
    }


def sha256(content: bytes) -> str:
    """The digest of `content`."""
    return hashlib.sha256(content).hexdigest()


if __name__ == "__main__":
    main()
