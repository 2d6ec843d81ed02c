"""The jobs as TotalSegmentator 2.18.0 does them: runs in its environment.

Functions of the reference are called where it has them; where it has lines in the middle of a
long function (saving), these are repeated here as they are.
"""

import json
import sys
import tempfile
from functools import partial
from multiprocessing import Pool
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from job import (
    LABELS,
    MODEL_LABELS,
    MODEL_MM,
    SCAN,
    SMALL_SCAN,
    TILE_STEP,
    TRUE_SIZE,
    WINDOW,
    Job,
    Stopwatch,
    main,
)
from nibabel.nifti1 import Nifti1Image as Image
from numpy.typing import NDArray

TASK = "total"


def statistics(options: dict[str, bool], inputs: Path, out: Path, watch: Stopwatch) -> None:
    """All 117 structures of the big scan."""
    from totalsegmentator.statistics import get_basic_statistics

    scan, labels = in_memory(inputs / SCAN), np.ascontiguousarray(values(inputs / LABELS))
    with watch.running():
        measured = get_basic_statistics(labels, scan, quiet=True, task=TASK, **options)
    (out / "statistics.json").write_text(json.dumps(measured))


def masks(processes: int, inputs: Path, out: Path, watch: Stopwatch) -> None:
    """117 masks of the big scan, as `nnUNet_predict_image` ends."""
    from totalsegmentator.map_to_binary import class_map
    from totalsegmentator.nnunet import save_segmentation_nifti

    header = Image.from_filename(inputs / SCAN).header.copy()
    header.set_data_dtype(np.uint8)
    labels = np.ascontiguousarray(values(inputs / LABELS))
    image = Image(labels, Image.from_filename(inputs / SCAN).affine)
    with watch.running(), tempfile.TemporaryDirectory(dir=out) as name:
        if processes == 1:
            for number, structure in class_map[TASK].items():
                mask = (labels == number).astype(np.uint8)
                nib.save(Image(mask, image.affine, header), str(out / f"{structure}.nii.gz"))
            return
        folder = Path(name)
        nib.save(image, folder / "s01.nii.gz")
        pool = Pool(processes)
        jobs = [(item, folder, out, "None", header, TASK, True) for item in class_map[TASK].items()]
        results = [pool.starmap_async(save_segmentation_nifti, [job]) for job in jobs]
        for result in results:
            result.get()
        pool.close()
        pool.join()


def resample_in(inputs: Path, out: Path, watch: Stopwatch) -> None:
    """The big scan to the model's spacing."""
    from totalsegmentator.resampling import change_spacing

    scan = in_memory(inputs / SCAN)
    with watch.running():
        image = change_spacing(scan, list(MODEL_MM), order=1, dtype=np.int32, nr_cpus=1)
    np.save(out / "resampled.npy", np.asanyarray(image.dataobj))


def resample_out(inputs: Path, out: Path, watch: Stopwatch) -> None:
    """The labels on the model's grid to the big scan's."""
    from totalsegmentator.resampling import change_spacing

    scan, labels = Image.from_filename(inputs / SCAN), in_memory(inputs / MODEL_LABELS)
    options: dict[str, Any] = {"order": 0, "dtype": np.uint8, "nr_cpus": 1}
    with watch.running():
        image = change_spacing(
            labels, list(MODEL_MM), scan.shape, force_affine=scan.affine, **options
        )
    np.save(out / "resampled.npy", np.asanyarray(image.dataobj))


def window(inputs: Path, out: Path, watch: Stopwatch) -> None:
    """nnU-Net's own predictor with the true-size network, as the reference sets it up."""
    import torch
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    (folder,) = (inputs / TRUE_SIZE).glob("Dataset*/*")
    predictor = nnUNetPredictor(
        tile_step_size=TILE_STEP,
        use_mirroring=False,
        perform_everything_on_device=False,
        device=torch.device("cpu"),
        allow_tqdm=False,
    )
    predictor.initialize_from_trained_model_folder(str(folder), (0,), "checkpoint_final.pth")
    predictor.network.load_state_dict(predictor.list_of_parameters[0])
    data = torch.from_numpy(np.load(inputs / WINDOW))
    with watch.running():
        outputs = predictor.predict_sliding_window_return_logits(data)
    np.save(out / "labels.npy", outputs.argmax(0).numpy().astype(np.uint8))


def command(inputs: Path, out: Path, watch: Stopwatch) -> None:
    """The command line, from the start of the interpreter; timed from outside."""
    from totalsegmentator.bin.TotalSegmentator import main as totalsegmentator

    files = ["-i", str(inputs / SMALL_SCAN), "-o", str(out)]
    sys.argv = ["TotalSegmentator", *files, "--fast", "--device", "cpu"]
    totalsegmentator()


def second_call(inputs: Path, out: Path, watch: Stopwatch) -> None:
    """The Python interface, called twice; the second call counts."""
    from totalsegmentator.python_api import totalsegmentator

    for _ in range(2):
        with watch.running():
            totalsegmentator(inputs / SMALL_SCAN, out, fast=True, device="cpu")


def in_memory(path: Path) -> Image:
    """An image whose values need not be read any more."""
    image = Image.from_filename(path)
    return Image(values(path), image.affine, image.header)


def values(path: Path) -> NDArray[Any]:
    """As stored: in Fortran order."""
    return np.array(np.asarray(Image.from_filename(path).dataobj), order="F")


JOBS: dict[str, Job] = {
    "statistics": partial(statistics, {}),
    "statistics of all": partial(
        statistics, {"exclude_masks_at_border": False, "extra_metrics": True}
    ),
    "masks, 6 processes": partial(masks, 6),
    "masks, 1 process": partial(masks, 1),
    "resample in": resample_in,
    "resample out": resample_out,
    "window": window,
    "command": command,
    "second call": second_call,
}

if __name__ == "__main__":
    main(JOBS, "TotalSegmentator")
