"""The reference's side of the recording in two dimensions: runs in ts2d's own environment.

`python reference_2d.py JOBS OUT`: JOBS is a JSON object of key -> name of the run -> the arguments
of ts2d's `predict`. Into OUT go an image of every run (`NUMBER.nrrd`, in the order of JOBS) and
`runs.json`. Keys whose runs are all there are left out.
"""

import hashlib
import importlib.metadata
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK
from ts2d.tool import TS2D

PACKAGES = ("ts2d", "nnunetv2ml", "torch", "numpy", "scipy", "scikit-image", "SimpleITK")


def run(tool: TS2D, job: dict[str, Any], file: Path) -> dict[str, Any]:
    """One run, kept in `file`; what is known of its result and of the projections."""
    result = tool.predict(**job)
    segmentation = result.get_segmentation()
    SimpleITK.WriteImage(segmentation, file, True)
    return {
        "file": file.name,
        "names": names(segmentation),
        "size": segmentation.GetSize(),
        "spacing": segmentation.GetSpacing(),
        "origin": segmentation.GetOrigin(),
        "direction": segmentation.GetDirection(),
        "projections": {name: digest(image) for name, image in result.get_projection().items()},
    }


def names(segmentation: SimpleITK.Image) -> list[str]:
    """What the channels show, by the metadata."""
    count = segmentation.GetNumberOfComponentsPerPixel()
    return [segmentation.GetMetaData(f"Segment{n}_Name") for n in range(count)]


def digest(image: SimpleITK.Image) -> str:
    """SHA-256 over the values in single precision, row by row."""
    values = SimpleITK.GetArrayFromImage(image).squeeze().astype("<f4")
    return hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()


def main(jobs: Path, out: Path) -> None:
    """All runs, key by key: starting ts2d takes a minute."""
    record = out / "runs.json"
    said = json.loads(record.read_text()) if record.exists() else {"runs": {}}
    said["versions"] = {name: importlib.metadata.version(name) for name in PACKAGES}
    for key, runs in json.loads(jobs.read_text()).items():
        if runs.keys() <= said["runs"].keys():
            continue
        with TS2D(key, use_remote=False, fetch_remote=False) as tool:
            for name, job in runs.items():
                file = out / f"{len(said['runs'])}.nrrd"
                said["runs"][name] = run(tool, job, file)
        record.write_text(json.dumps(said, indent=1))
        sys.stderr.write(f"{key}: {len(runs)} runs\n")


if __name__ == "__main__":  # its workers import this module
    main(Path(sys.argv[1]), Path(sys.argv[2]))
