"""The engine on a CUDA GPU; all of it is skipped where there is none."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from model_folder import make_model_folder
from nnunets_own import FASTEST, by_nnunet, scan
from nnunetv2.inference.sliding_window_prediction import compute_gaussian

from totalseg_mcp.engine.image.zoom import zoomed
from totalseg_mcp.engine.ladder import Ladder
from totalseg_mcp.engine.loading import load
from totalseg_mcp.engine.session import Session
from totalseg_mcp.engine.watch import Progress, Watch, watching
from totalseg_mcp.engine.weights import Store
from totalseg_mcp.engine.weights2d import Store2D
from totalseg_mcp.phantom import phantom, view
from totalseg_mcp.phantom import scan as scanned
from totalseg_mcp.schemas import totalsegmentator as in_3d
from totalseg_mcp.schemas import ts2d_segment as in_2d
from totalseg_mcp.tools import totalsegmentator, ts2d_segment

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA GPU here")
GPU = torch.device("cuda", 0)
CACHE = "cuda:0 had too little free memory: its cache was freed."
OTHERS = "cuda:0 had too little free memory: other networks were put out."
HOST = "cuda:0 had too little free memory: outputs were added up in main memory, which is slower."
TO_CPU = "cuda:0 had too little free memory: the CPU took over, which is slower."
# 118 classes in half precision are summed in 16 planes of 200 x 200 voxels, 151 MB; a tile's
# outputs are 2 MB, and the network has less.
WIDE, NARROW_MIB = (200, 200, 20), 100
SMALL, NOTHING_MIB = (33, 50, 29), 1


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    make_model_folder(tmp_path, FASTEST.dataset)
    kept = Session(Store((tmp_path,)))
    yield kept
    kept.put_out(GPU)
    torch.cuda.empty_cache()


def in_use() -> int:
    """Bytes of the GPU that are held by tensors, apart from nnU-Net's Gaussians."""
    gc.collect()
    compute_gaussian.cache_clear()
    return torch.cuda.memory_allocated(GPU)


@contextmanager
def at_most(mib: int) -> Iterator[None]:
    """torch may take no more than so much of the GPU."""
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(GPU).total_memory
    torch.cuda.set_per_process_memory_fraction((mib << 20) / total, GPU)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, GPU)


@pytest.mark.parametrize(
    ("shape", "spacing_mm"),
    [((9, 11, 7), 6.0), ((33, 50, 29), 6.0), ((20, 24, 16), 6.0), ((40, 41, 42), 4.3)],
    ids=["smaller than a tile", "many tiles", "one tile", "resampled by the plans"],
)
@pytest.mark.parametrize("tile_step", [0.5, 0.8])
def test_labels_are_nnunets_own_on_the_same_gpu_voxel_by_voxel(
    tmp_path, shape, spacing_mm, tile_step
):
    folder = make_model_folder(tmp_path, FASTEST.dataset)
    image = scan(shape, spacing_mm)
    ours = load(folder, FASTEST, GPU)(image, tile_step)
    assert len(np.unique(ours)) > 5
    np.testing.assert_array_equal(ours, by_nnunet(folder, image, tile_step, GPU))


def test_outputs_summed_in_main_memory_give_the_same_labels(session):
    ladder = Ladder(session, GPU, cpu_allowed=False)
    on_device = ladder.network(FASTEST)(scan(SMALL), 0.5, False)
    ladder.host = True
    on_host = ladder.network(FASTEST)(scan(SMALL), 0.5, False)
    assert np.mean(on_device == on_host) > 0.999


def test_networks_that_are_put_out_leave_nothing_on_the_gpu(session):
    def run() -> None:
        Ladder(session, GPU, cpu_allowed=False).network(FASTEST)(scan(SMALL), 0.5, False)
        assert session.put_out(GPU) == 1

    run()  # the first time, CUDA's libraries take what they keep
    before = in_use()
    run()
    assert in_use() == before


@pytest.mark.parametrize(
    ("shape", "mib", "steps", "device"),
    [
        (WIDE, NARROW_MIB, [CACHE, OTHERS, HOST], "cuda:0"),
        (SMALL, NOTHING_MIB, [CACHE, OTHERS, HOST, TO_CPU], "cpu"),
    ],
    ids=["the sums do not fit", "nothing fits"],
)
def test_a_gpu_without_memory_is_climbed_down_from_and_serves_the_next_call(
    session, shape, mib, steps, device
):
    image = scan(shape)
    with at_most(mib):
        short = Ladder(session, GPU, cpu_allowed=True)
        labels = short.network(FASTEST)(image, 0.5, False)
    assert (short.steps, short.devices) == (steps, device)
    again = Ladder(session, GPU, cpu_allowed=True)
    assert np.mean(again.network(FASTEST)(image, 0.5, False) == labels) > 0.99
    assert (again.steps, again.devices) == ([], "cuda:0")


@pytest.mark.parametrize("mib", [1024, NOTHING_MIB], ids=["there", "without memory on the CPU"])
def test_a_scan_is_stretched_by_splines_as_on_the_cpu_bit_by_bit(session, mib):
    data, shape = scan((60, 70, 50)).data, (41, 90, 50)
    with at_most(mib):
        found = Ladder(session, GPU, cpu_allowed=False).zoomed(data, shape, 3, 1, np.float64)
    np.testing.assert_array_equal(found, zoomed(data, shape, 3, 1, np.float64))


class StopError(Exception):
    pass


def test_a_job_can_be_stopped_between_tiles_and_leaves_nothing_behind(session):
    network = session.network(FASTEST, GPU)
    whole = network(scan(SMALL), 0.5)
    before = in_use()
    told: list[Progress] = []

    def check() -> None:
        if len(told) > 3:
            raise StopError

    with watching(Watch(told.append, check)), pytest.raises(StopError):
        network(scan(SMALL), 0.5)
    assert in_use() == before
    np.testing.assert_array_equal(network(scan(SMALL), 0.5), whole)


@pytest.fixture
def body(tmp_path: Path) -> Path:
    """A CT of a phantom, of which the demonstration models know what is in it."""
    anatomy = phantom(7)
    image, _ = scanned(anatomy, view(anatomy, "abdomen", (4.0, 4.0, 4.0)))
    file = tmp_path / "body.nii.gz"
    nib.Nifti1Image(image.data.astype(np.int16), image.grid.affine).to_filename(file)
    return file


def in_three(session: Session, body: Path, out: Path, device: str) -> tuple[str, np.ndarray]:
    asked = in_3d.Arguments(
        input_path=str(body),
        output_dir=str(out),
        fastest=True,
        multilabel=True,
        cache=False,
        device=device,
    )
    result = totalsegmentator.run(asked, session)
    return result.device.used, np.asarray(nib.load(out / "segmentation.nii.gz").dataobj)


def in_two(session: Session, body: Path, out: Path, device: str) -> tuple[str, np.ndarray]:
    asked = in_2d.Arguments(
        input_path=str(body), output_dir=str(out), output_type="nifti", device=device
    )
    result = ts2d_segment.run(asked, session)
    masks = [np.asarray(nib.load(file).dataobj) for file in sorted(out.glob("*.nii.gz"))]
    return result.device.used, np.stack(masks)


@pytest.mark.parametrize("tool", [in_three, in_two])
def test_both_tools_find_on_the_gpu_what_they_find_on_the_cpu(
    tool: Callable[..., tuple[str, np.ndarray]], body, tmp_path
):
    demo = Session(Store.demo(), store_2d=Store2D.demo())
    place, on_gpu = tool(demo, body, tmp_path / "gpu", "gpu")
    other, on_cpu = tool(demo, body, tmp_path / "cpu", "cpu")
    assert (place, other) == ("cuda:0", "cpu")
    assert np.count_nonzero(on_cpu) > 1000
    assert np.mean(on_gpu == on_cpu) > 0.999
