"""Choosing the last layers of the stand-in models, once: `PYTHONPATH=tests python -m parity.heads`.

The features of a stand-in are smooth but mean nothing. A last layer is made for them as a
nearest-prototype classifier: every structure is given the features of some voxel of the recorded
scan, and the background the voxels with unremarkable features. Structures that others
are cropped to are given only the voxels most like theirs, all in the middle of the scan.
"""

import tempfile
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from parity.cases import CASES, usual_scan
from parity.scans import file_of, store
from parity.stand_ins import FEATURES, HEADS, Head, make_stand_in

from totalseg_mcp.engine.files import read
from totalseg_mcp.engine.image.crop import box_around, crop
from totalseg_mcp.engine.image.orientation import reorient
from totalseg_mcp.engine.image.resample import to_spacing, truncated
from totalseg_mcp.engine.loading import load
from totalseg_mcp.engine.network import Network
from totalseg_mcp.engine.options import Options
from totalseg_mcp.engine.plan import plan
from totalseg_mcp.engine.reach import Reach
from totalseg_mcp.engine.segment import landmarks_in
from totalseg_mcp.engine.tasks import MODELS, TASKS, Model, Task
from totalseg_mcp.engine.views import Views
from totalseg_mcp.engine.volume import Volume

ROUGH_FIRST = (298, 297, 300, 852, 115)
ABSENT = "prostate"  # not found by the rough models, to have an empty crop
BACKGROUND = {803: 0.85, 299: 0.3, 597: 0.3, 301: 0.1}  # shares; elsewhere:
USUAL_BACKGROUND = 0.6
MIDDLE = (0.25, 0.75)  # of each axis: where the structures lie that are cropped to
# Voxels of a structure that is cropped to: about a millilitre, a pair of teeth, or half a body.
SMALL = {298: 6, 297: 50, 852: 50, 115: 800, 300: 300}
SHARPNESS = (1.0, 1.5, 3.0, 6.0)  # how far beyond a voxel its prototype lies
CANDIDATES = 150
CPU = torch.device("cpu")

Features = NDArray[np.float64]  # (FEATURES, z, y, x)


def main() -> None:
    """Make all last layers anew."""
    store()
    chosen: dict[str, Head] = {}
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for model, task in in_order():
            image = image_for(model, task, lambda m: load(root / m.folder / m.subfolder, m, CPU))
            last = head(model, features(root / "features", model, task, image))
            make_stand_in(root, model.dataset, last)
            chosen[str(model.dataset)] = last
    np.savez_compressed(HEADS, **chosen)


def in_order() -> Iterator[tuple[Model, Task]]:
    """Every model with a task that uses it, those first that others are cropped with."""
    users = {
        dataset: task
        for task in reversed(TASKS.values())
        for run in task.models.values()
        for dataset in run
    }
    for dataset in (*ROUGH_FIRST, *sorted(set(users) - set(ROUGH_FIRST))):
        yield MODELS[dataset], users[dataset]


def image_for(model: Model, task: Task, networks: Callable[[Model], Network]) -> Volume:
    """What `model` sees of its recorded scan."""
    scan = read(file_of(usual_scan(task.name)), Reach()).volume
    region = plan(Options(task.name)).region
    if region:
        box = box_around(landmarks_in(Views(scan), region, networks).look, region.margin_mm)
        assert box is not None, f"{task.name}: nothing to crop to"
        scan = truncated(crop(scan, box))
    upright = reorient(scan, "RAS")
    return to_spacing(upright, model.spacing_mm) if model.spacing_mm else upright


def features(root: Path, model: Model, task: Task, image: Volume) -> Features:
    """What enters the last layer, over the image on the grid of the plans."""
    empty = np.zeros((len(model.names) + 1, FEATURES + 1), np.float32)
    network = load(make_stand_in(root, model.dataset, empty), model, CPU)
    for module in network.folds:
        last = torch.nn.Conv3d(FEATURES, FEATURES, 1)
        torch.nn.init.dirac_(last.weight)
        torch.nn.init.zeros_(last.bias)
        module.decoder.seg_layers[-1] = last
    data, _, _ = network.configuration.preprocessor_class(verbose=False).run_case_npy(
        np.ascontiguousarray(image.data.transpose(2, 1, 0), np.float32)[None],
        None,
        {"spacing": list(reversed(image.grid.spacing_mm))},
        network.plans,
        network.configuration,
        network.dataset,
    )
    found: Features = network.logits(torch.from_numpy(data), task.tile_step).double().numpy()
    return found


def head(model: Model, found: Features) -> Head:
    """The last layer of `model`."""
    rng = np.random.default_rng(model.dataset)
    flat = found.reshape(FEATURES, -1).T
    mean = flat.mean(0)
    size, axes = np.linalg.eigh(np.cov(flat.T) + 1e-6 * np.eye(FEATURES))
    whiten = axes / np.sqrt(size)
    seen = (flat - mean) @ whiten
    rows = prototypes(seen, len(model.names), BACKGROUND.get(model.dataset, USUAL_BACKGROUND), rng)
    if model.dataset in SMALL:
        rows = with_small(rows, seen, found.shape[1:], model, rng)
    weight = rows[:, :-1] @ whiten.T
    made = np.column_stack([weight, rows[:, -1] - weight @ mean])
    if ABSENT in model.names and model.dataset in SMALL:
        made[1 + model.names.index(ABSENT)] = (*[0] * FEATURES, -100)
    return made.astype(np.float32)


def prototypes(
    seen: Features, count: int, background: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """A row for background and each of `count` structures, on whitened features `seen`.

    Each structure is given a voxel far from the middle of all features, and each
    next one the voxel farthest from those that are given already.
    """
    length = (seen**2).sum(1)
    low, high = np.quantile(length, [background, 0.98])
    pool = seen[(length >= low) & (length <= high)]
    pool = pool[rng.permutation(len(pool))[: max(CANDIDATES, 4 * count)]]
    given = [pool[0]]
    distance = ((pool - given[0]) ** 2).sum(1)
    while len(given) < count:
        given.append(pool[distance.argmax()])
        distance = np.minimum(distance, ((pool - given[-1]) ** 2).sum(1))
    centres = np.array(given)
    offset = -(centres**2).sum(1) / 2
    lift = np.quantile((seen @ centres.T + offset).max(1), background)
    rows = np.column_stack([centres, offset - lift])
    return np.vstack([np.zeros(rows.shape[1]), rows])


def with_small(
    rows: NDArray[np.float64],
    seen: Features,
    shape: tuple[int, ...],
    model: Model,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """`rows` where the structures that others are cropped to have a few voxels in the middle."""
    small = [model.names.index(name) + 1 for name in cropped_to(model)]
    rows = rows.copy()
    rows[small] = (*[0] * FEATURES, -100)
    places = np.indices(shape).reshape(3, -1)
    first, last = (np.array(shape)[:, None] * share for share in MIDDLE)
    central = ((places >= first) & (places < last)).all(0)
    middle = np.flatnonzero(central)
    count = SMALL[model.dataset]
    taken = np.zeros(len(seen), bool)
    for row in small:
        others = (seen @ rows[:, :-1].T + rows[:, -1]).max(1)
        best, won = np.inf, taken
        for voxel, beyond in product(rng.permutation(middle)[:CANDIDATES], SHARPNESS):
            direction = beyond * seen[voxel]
            margin = seen @ direction - others
            threshold = np.partition(margin, -count)[-count]
            inside = margin >= threshold
            spread = np.ptp(places[:, inside], axis=1).max()
            cost = spread + 100 * (~central[inside]).mean() + 100 * taken[inside].mean()
            if cost < best:
                best, won = cost, inside
                rows[row] = (*direction, -threshold + 1e-3)
        taken = taken | won
    return rows


def cropped_to(model: Model) -> list[str]:
    """The structures of `model` that a recorded run is cropped to, or kept near."""
    regions = [plan(Options(**case.asked)).region for case in CASES.values()]
    wanted = {
        name
        for region in regions
        if region and region.plan and region.plan.models == (model,)
        for name in (*region.to, *(region.keep.to if region.keep else ()))
    }
    return [name for name in model.names if name in wanted - {ABSENT}]


if __name__ == "__main__":
    main()
