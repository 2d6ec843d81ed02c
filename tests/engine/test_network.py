import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from model_folder import make_model_folder
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from numpy.typing import NDArray

from totalseg_mcp.engine.errors import NotReadyError
from totalseg_mcp.engine.network import choose_device, load
from totalseg_mcp.engine.tasks import MODELS
from totalseg_mcp.engine.volume import Grid, Volume

CPU = torch.device("cpu")
FASTEST = MODELS[298]


def scan(shape: tuple[int, int, int], spacing_mm: float = 6.0) -> Volume:
    """Blobs between air and bone, without symmetry."""
    i, j, k = np.indices(shape)
    waves = np.sin(i / 3 + 0.2 * j) + np.cos(j / 4 - 0.1 * k) + np.sin(k / 5 + 0.3 * i)
    affine = np.diag([spacing_mm] * 3 + [1.0])
    return Volume((waves * 400 - 100).astype(np.int32), Grid(shape, affine))


def by_nnunet(folder: Path, image: Volume, tile_step: float) -> NDArray[np.integer]:
    """The label map that nnU-Net's own predictor gives, [i, j, k]."""
    network = load(folder, FASTEST, CPU)
    predictor = nnUNetPredictor(
        tile_step_size=tile_step,
        use_mirroring=False,
        perform_everything_on_device=False,
        device=CPU,
        allow_tqdm=False,
    )
    states = [module.state_dict() for module in network.folds]
    predictor.manual_initialization(
        network.folds[0],
        network.plans,
        network.configuration,
        states,
        dict(network.dataset),
        FASTEST.trainer,
        None,
    )
    data = image.data.transpose(2, 1, 0).astype(np.float32)[None]
    spacing = [float(mm) for mm in reversed(image.grid.spacing_mm)]
    found = predictor.predict_single_npy_array(data, {"spacing": spacing}, None, None, False)
    return np.asarray(found).transpose(2, 1, 0)


@pytest.mark.parametrize(
    ("shape", "spacing_mm"),
    [((9, 11, 7), 6.0), ((33, 50, 29), 6.0), ((20, 24, 16), 6.0), ((40, 41, 42), 4.3)],
    ids=["smaller than a tile", "many tiles", "one tile", "resampled by the plans"],
)
@pytest.mark.parametrize("tile_step", [0.5, 0.8])
def test_labels_are_nnunets_own_voxel_by_voxel(tmp_path, shape, spacing_mm, tile_step):
    folder = make_model_folder(tmp_path, 298)
    image = scan(shape, spacing_mm)
    ours = load(folder, FASTEST, CPU)(image, tile_step)
    assert len(np.unique(ours)) > 5
    np.testing.assert_array_equal(ours, by_nnunet(folder, image, tile_step))


def test_zeros_around_the_image_are_left_out_as_nnunet_does(tmp_path):
    folder = make_model_folder(tmp_path, 298)
    inner = scan((20, 22, 18)).data + 2000
    image = Volume(np.pad(inner, 6), Grid((32, 34, 30), np.diag([6.0, 6.0, 6.0, 1.0])))
    ours = load(folder, FASTEST, CPU)(image, 0.8)
    np.testing.assert_array_equal(ours, by_nnunet(folder, image, 0.8))


def test_several_folds_are_averaged(tmp_path):
    model = MODELS[315]
    folder = make_model_folder(tmp_path, 315)
    network = load(folder, model, CPU)
    data = torch.from_numpy(scan((20, 24, 16)).data.astype(np.float32))[None] / 400
    alone = [
        load(folder, model.model_copy(update={"folds": (fold,)}), CPU).logits(data, 0.5)
        for fold in range(len(network.folds))
    ]
    assert len(alone) > 1
    mean = torch.stack([logits.float() for logits in alone]).mean(0)
    torch.testing.assert_close(network.logits(data, 0.5).float(), mean, rtol=2e-3, atol=2e-3)


class Explosive:
    """Runs code when it is unpickled."""

    def __init__(self, witness: Path):
        self.witness = witness

    def __reduce__(self):
        return Path.touch, (self.witness,)


def test_a_checkpoint_that_would_run_code_is_refused_and_does_not_run(tmp_path):
    witness = tmp_path / "exploded"
    folder = make_model_folder(tmp_path, 298, extra=Explosive(witness))
    with pytest.raises(NotReadyError, match="cannot be loaded safely"):
        load(folder, FASTEST, CPU)
    assert not witness.exists()
    pickle.loads(pickle.dumps(Explosive(witness)))
    assert witness.exists(), "the trap works where pickle is trusted"


def test_the_numpy_scalars_of_a_training_log_are_no_obstacle(tmp_path):
    log = {"_best_ema": np.float64(0.9), "losses": [np.float32(0.1)]}
    folder = make_model_folder(tmp_path, 298, logging=log)
    assert load(folder, FASTEST, CPU).folds


def test_weights_stored_in_half_precision_load_as_single(tmp_path):
    folder = make_model_folder(tmp_path, 298)
    file = folder / "fold_0" / "checkpoint_final.pth"
    stored = torch.load(file, weights_only=True)
    stored["network_weights"] = {k: v.half() for k, v in stored["network_weights"].items()}
    torch.save(stored, file)
    parameters = load(folder, FASTEST, CPU).folds[0].parameters()
    assert {p.dtype for p in parameters} == {torch.float32}


def test_a_damaged_checkpoint_is_refused(tmp_path):
    folder = make_model_folder(tmp_path, 298)
    file = folder / "fold_0" / "checkpoint_final.pth"
    file.write_bytes(file.read_bytes()[:2000])
    with pytest.raises(NotReadyError, match="cannot be loaded safely"):
        load(folder, FASTEST, CPU)


def test_weights_of_another_task_are_refused(tmp_path):
    folder = make_model_folder(tmp_path, 315)
    with pytest.raises(NotReadyError, match="do not fit the 117 structures"):
        load(folder, FASTEST.model_copy(update={"configuration": "3d_fullres"}), CPU)


def test_plans_may_name_network_classes_only(tmp_path):
    folder = make_model_folder(tmp_path, 298)
    plans = json.loads((folder / "plans.json").read_text())
    plans["configurations"]["3d_fullres"]["architecture"]["network_class_name"] = "os.system"
    (folder / "plans.json").write_text(json.dumps(plans))
    with pytest.raises(NotReadyError, match=r"os\.system"):
        load(folder, FASTEST, CPU)


def test_the_cpu_is_used_when_asked_for_without_remark():
    assert choose_device("cpu") == (CPU, None)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_without_a_gpu_the_default_runs_elsewhere_and_says_so_but_a_named_gpu_is_refused():
    device, why = choose_device("gpu")
    assert device.type != "cuda"
    assert why is not None
    with pytest.raises(NotReadyError, match="no CUDA GPU number 3"):
        choose_device("gpu:3")
