import numpy as np
import pytest
import torch
from model_folder import make_model_folder
from nnunets_own import FASTEST, by_nnunet, scan

from totalseg_mcp.engine.loading import load
from totalseg_mcp.engine.tasks import MODELS
from totalseg_mcp.engine.volume import Grid, Volume
from totalseg_mcp.engine.watch import Progress, Watch, watching

CPU = torch.device("cpu")


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


class StopError(Exception):
    pass


def test_a_job_can_be_stopped_in_the_middle_of_a_tile(tmp_path):
    network = load(make_model_folder(tmp_path, 298), FASTEST, CPU)
    asked = 0

    def check() -> None:
        nonlocal asked
        asked += 1
        if asked == 4:  # the tile's beginning, and three of its layers
            raise StopError

    told: list[Progress] = []
    with watching(Watch(told.append, check)), pytest.raises(StopError):
        network(scan((10, 10, 10)), 0.5)
    assert [progress.message for progress in told] == [": tile 1 of 1"]
