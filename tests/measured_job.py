"""A job in a process of its own, and the memory that it had: a line of JSON.

    python measured_job.py MODELS FOLDER

The first job, on a small scan, imports everything; the second is the one that is measured.
"""

import json
import sys
from pathlib import Path

import nibabel as nib
import numpy as np

from totalseg_mcp.engine.options import Options
from totalseg_mcp.engine.peak import most_resident, resident
from totalseg_mcp.engine.request import Request
from totalseg_mcp.engine.run import run
from totalseg_mcp.engine.session import Session
from totalseg_mcp.engine.weights import Store

SHAPES = {"small": (24, 24, 24), "large": (96, 96, 200)}
SPACING_MM = 3.0  # the model's own


def main() -> None:
    """Run it."""
    models, folder = Path(sys.argv[1]), Path(sys.argv[2])
    session = Session(Store((models,)))
    for name, shape in SHAPES.items():
        scan = folder / f"{name}.nii.gz"
        values = np.random.default_rng(0).integers(-900, 900, shape).astype(np.int16)
        nib.Nifti1Image(values, np.diag([SPACING_MM] * 3 + [1])).to_filename(scan)
        del values
        before = resident()
        request = Request(
            scan, folder / name, Options(resolution="fast"), "cpu", force=True, multilabel=True
        )
        outcome = run(request, session)
    memory = outcome.memory
    told = {"before": before, "peak": memory.peak, "needed": memory.needed}
    sys.stdout.write(json.dumps({**told, "available": memory.available, "later": most_resident()}))


if __name__ == "__main__":
    main()
