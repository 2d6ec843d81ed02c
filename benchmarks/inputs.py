"""What both sides work on: made from the phantom, the same bits each time."""

import shutil
from pathlib import Path

import numpy as np
from nibabel.affines import from_matvec
from nibabel.nifti1 import Nifti1Image
from numpy.typing import NDArray
from parity.scans import file_of
from parity.stand_ins import make_stand_in
from parity.true_size import image, make_true_size

from benchmarks.sides.job import LABELS, MODEL_LABELS, MODEL_MM, SCAN, SMALL_SCAN, TRUE_SIZE, WINDOW
from totalseg_mcp.engine.image.resample import to_spacing
from totalseg_mcp.engine.image.zoom import zoomed
from totalseg_mcp.engine.tasks import task_named
from totalseg_mcp.engine.threads import threads
from totalseg_mcp.engine.volume import Grid, Volume
from totalseg_mcp.phantom import phantom, scan

SEED = 11  # of the phantom
SHAPE = (512, 512, 300)
SPACING_MM = (0.8, 0.8, 2.5)  # 410 x 410 x 750 mm: from the pelvis to the chin
MIDDLE_MM = (0.0, 10.0, 250.0)  # in the body's own frame
WINDOW_SHAPE = (128, 128, 192)  # two tiles of the true-size network
COARSER = 2  # the phantom is drawn on voxels so much larger, as it takes minutes


def make_inputs(folder: Path) -> None:
    """Write all inputs into `folder`, unless they are there."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / SMALL_SCAN).exists():
        _make_big_scan(folder)
        shutil.copyfile(file_of("ct"), folder / SMALL_SCAN)
    if not (folder / WINDOW).exists():
        make_true_size(folder / TRUE_SIZE)
        np.save(folder / WINDOW, image(WINDOW_SHAPE))


def make_models(folder: Path) -> None:
    """The stand-in for the 3 mm model of `total`: a tiny random network."""
    shutil.rmtree(folder, ignore_errors=True)
    for dataset in task_named("total").models["fast"]:
        make_stand_in(folder, dataset)


def structures(folder: Path) -> int:
    """How many structures the big scan shows."""
    return len(np.unique(np.asarray(Nifti1Image.from_filename(folder / LABELS).dataobj))) - 1


def _make_big_scan(folder: Path) -> None:
    """The CT, its labels, and these as a model with a grid of its own would give them."""
    ct, truth = scan(phantom(SEED), _grid(COARSER))
    grid, workers = _grid(1), threads(None)
    _save(zoomed(ct.data, SHAPE, 1, workers), grid, folder / SCAN)
    labels = zoomed(truth.data, SHAPE, 0, workers)
    _save(labels, grid, folder / LABELS)
    on_model = to_spacing(Volume(labels, grid), MODEL_MM, order=0)
    _save(on_model.data.astype(np.uint8), on_model.grid, folder / MODEL_LABELS)


def _grid(coarser: int) -> Grid:
    """The big scan's field of view, on voxels that are `coarser` times as large."""
    pose = phantom(SEED).pose
    shape = (SHAPE[0] // coarser, SHAPE[1] // coarser, SHAPE[2] // coarser)
    matrix = np.diag(np.multiply(SPACING_MM, coarser))
    middle = np.linalg.inv(pose.matrix) @ MIDDLE_MM + pose.origin_mm
    return Grid(shape, from_matvec(matrix, middle - matrix @ (np.array(shape) - 1) / 2))


def _save(data: NDArray[np.generic], grid: Grid, path: Path) -> None:
    Nifti1Image(data, grid.affine).to_filename(path)
