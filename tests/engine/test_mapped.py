"""Weights that stay in their file, and go while they are not used."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from model_folder import make_model_folder

from totalseg_mcp.engine.copies import Copies
from totalseg_mcp.engine.loading import Ways, load
from totalseg_mcp.engine.mapped import Mapped, fill, rest
from totalseg_mcp.engine.network2d import mirrored
from totalseg_mcp.engine.tasks import MODELS
from totalseg_mcp.engine.tensorfile import opened, write
from totalseg_mcp.engine.volume import Grid, Volume
from totalseg_mcp.engine.weights import CHECKPOINT

CPU = torch.device("cpu")
FASTEST = MODELS[298]
SMAPS = Path("/proc/self/smaps")
MIB = 2**20


@pytest.fixture(autouse=True)
def _linux():
    if not SMAPS.exists():
        pytest.skip("this system does not tell what is mapped")


@pytest.fixture
def folder(tmp_path) -> Path:
    return make_model_folder(tmp_path / "root", 298)


@pytest.fixture
def copies(tmp_path) -> Copies:
    return Copies((tmp_path / "root",), tmp_path / "cache", lasts=lambda _: True)


@pytest.fixture
def copy(folder, copies) -> Path:
    """Where the copy of the model's checkpoint will be."""
    return copies.places(folder / "fold_0" / CHECKPOINT)[0]


def resident(file: Path) -> int | None:
    """Bytes of `file` that this process has in memory; None if it is not mapped."""
    blocks = re.split(r"^(?=[0-9a-f]+-[0-9a-f]+ )", SMAPS.read_text(), flags=re.MULTILINE)
    sizes = [
        int(size[1]) * 1024
        for block in blocks
        if str(file) in block and (size := re.search(r"^Rss:\s+(\d+) kB", block, re.MULTILINE))
    ]
    return sum(sizes) if sizes else None


def scan() -> Volume:
    values = np.random.default_rng(0).normal(0, 300, (20, 18, 22)).astype(np.float32)
    return Volume(values, Grid(values.shape, np.diag([6.0, 6.0, 6.0, 1.0])))


@pytest.fixture
def large(tmp_path) -> tuple[Path, torch.nn.Linear]:
    """A file of 4 MiB, and a layer whose weights it has."""
    write(tmp_path / "file", {"weight": torch.ones(1024, 1024)}, {})
    tensors, _, pages = opened(tmp_path / "file")
    layer = torch.nn.Linear(1024, 1024, bias=False)
    fill(layer, Mapped(tensors, pages))
    return tmp_path / "file", layer


def test_pages_come_when_they_are_read_and_go_when_they_rest(large):
    file, layer = large
    assert resident(file) >= 4 * MIB  # they were compared with their checksum
    rest(layer)
    assert resident(file) == 0
    assert layer.weight.sum() == 1024 * 1024
    assert resident(file) >= 4 * MIB


def test_a_fold_that_is_asked_for_mirror_images_rests_too(large):
    file, layer = large
    rest(mirrored(layer, (0, 1)))
    assert resident(file) == 0


def test_numbers_of_another_kind_are_copied(tmp_path):
    write(tmp_path / "file", {"weight": torch.full((4, 16), 0.5).half()}, {})
    tensors, _, pages = opened(tmp_path / "file")
    module = torch.nn.Linear(16, 4, bias=False)
    fill(module, Mapped(tensors, pages))
    del tensors, pages
    assert module.weight.dtype == torch.float32
    assert torch.equal(module.weight, torch.full((4, 16), 0.5))
    assert resident(tmp_path / "file") is None


def test_a_network_has_no_page_of_its_weights_between_jobs(folder, copies, copy):
    network = load(folder, FASTEST, CPU, Ways(copies.read))
    assert resident(copy) > 0
    for _ in range(2):
        network(scan(), 0.5)
        assert resident(copy) == 0


def test_labels_are_those_of_weights_in_memory(folder, copies):
    expected = load(folder, FASTEST, CPU)(scan(), 0.5)
    network = load(folder, FASTEST, CPU, Ways(copies.read))
    for _ in range(2):
        assert np.array_equal(network(scan(), 0.5), expected)


def test_a_network_that_waits_counts_by_its_weights(folder, copies):
    mapped, private = load(folder, FASTEST, CPU, Ways(copies.read)), load(folder, FASTEST, CPU)
    assert mapped.nbytes == private.nbytes > 0


@pytest.mark.parametrize("replace", [False, True], ids=["deleted", "replaced"])
def test_a_copy_may_go_while_its_network_waits(folder, copies, copy, tmp_path, replace):
    network = load(folder, FASTEST, CPU, Ways(copies.read))
    expected = network(scan(), 0.5)
    if replace:
        (tmp_path / "other").write_bytes(b"other")
        (tmp_path / "other").replace(copy)
    else:
        copy.unlink()
    assert np.array_equal(network(scan(), 0.5), expected)


def test_the_file_is_let_go_of_with_the_network(folder, copies, copy):
    network = load(folder, FASTEST, CPU, Ways(copies.read))
    assert resident(copy) is not None
    del network
    assert resident(copy) is None


def test_on_another_device_nothing_of_the_file_is_kept(folder, copies, copy):
    network = load(folder, FASTEST, torch.device("meta"), Ways(copies.read))
    assert next(network.folds[0].parameters()).is_meta
    assert resident(copy) is None


def test_where_a_file_may_vanish_weights_are_copied(folder, tmp_path, copy):
    copies = Copies((tmp_path / "root",), tmp_path / "cache", lasts=lambda _: False)
    for _ in range(2):  # the copy is written, and read
        network = load(folder, FASTEST, CPU, Ways(copies.read))
        assert copy.exists()
        assert resident(copy) is None
        assert network(scan(), 0.5).any()


def test_without_a_copy_weights_are_in_memory(folder, copies, copy, tmp_path):
    (tmp_path / "root" / ".totalseg-mcp").write_text("not a folder")
    (tmp_path / "cache").write_text("nor this")
    network = load(folder, FASTEST, CPU, Ways(copies.read))
    assert resident(copy) is None
    assert resident(folder / "fold_0" / CHECKPOINT) is None
    assert network(scan(), 0.5).any()
