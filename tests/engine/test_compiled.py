"""OpenVINO in place of torch; where it is not installed, what needs it is skipped."""

import json
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet
from model_folder import ARCHITECTURE, make_model_folder, network
from torch import nn

from totalseg_mcp.engine import compiled as compiled_module
from totalseg_mcp.engine import loading
from totalseg_mcp.engine.compiled import compiled
from totalseg_mcp.engine.likeness import UncompiledError
from totalseg_mcp.engine.loading import Ways, load
from totalseg_mcp.engine.norms import PooledNorm
from totalseg_mcp.engine.tasks import MODELS
from totalseg_mcp.engine.tracing import trace
from totalseg_mcp.engine.volume import Grid, Volume
from totalseg_mcp.engine.watch import Progress, Watch, watching
from totalseg_mcp.engine.weights import Store
from totalseg_mcp.phantom import phantom, view
from totalseg_mcp.phantom import scan as scanned

CPU = torch.device("cpu")
FASTEST = MODELS[298]
AGREEMENT = 0.999
installed = pytest.mark.skipif(find_spec("openvino") is None, reason="openvino is not installed")


def scan(shape: tuple[int, int, int]) -> Volume:
    """Blobs between air and bone, without symmetry."""
    i, j, k = np.indices(shape)
    waves = np.sin(i / 3 + 0.2 * j) + np.cos(j / 4 - 0.1 * k) + np.sin(k / 5 + 0.3 * i)
    affine = np.diag([6.0, 6.0, 6.0, 1.0])
    return Volume((waves * 400 - 100).astype(np.int32), Grid(shape, affine))


def conversions(root):
    return sorted(root.glob(".totalseg-mcp/openvino/*"))


@pytest.mark.parametrize("rank", [2, 3])
def test_means_of_means_normalise_as_torch_does(rank):
    torch.manual_seed(0)
    values = 5 + torch.randn(2, 3, *[24] * rank, dtype=torch.double)
    norm = {2: nn.InstanceNorm2d, 3: nn.InstanceNorm3d}[rank](3, affine=True).double()
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    torch.testing.assert_close(PooledNorm(norm, [12] * rank)(values), norm(values))


@installed
def test_its_reporter_is_not_imported(tmp_path):
    (tmp_path / "openvino_telemetry.py").write_text("raise SystemExit('it would report')")
    code = "from totalseg_mcp.engine.engines import openvino; print(openvino().__name__)"
    path = [str(tmp_path), *sys.path]
    ended = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:] = {path!r}; {code}"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (ended.returncode, ended.stdout) == (0, "openvino\n"), ended.stderr


@installed
@pytest.mark.parametrize(
    ("dataset", "shape"),
    [(298, (9, 11, 7)), (298, (33, 50, 29)), (315, (7, 6, 5))],
    ids=["smaller than a tile", "many tiles", "several folds"],
)
def test_labels_are_those_of_torch(tmp_path, dataset, shape):
    model, folder = MODELS[dataset], make_model_folder(tmp_path, dataset)
    torchs = load(folder, model, CPU)(scan(shape), 0.5)
    network = load(folder, model, CPU, Ways(cpu="openvino"))
    assert network.degraded is None
    assert network.engine.startswith("openvino 20")
    assert len(np.unique(torchs)) > 1
    assert (network(scan(shape), 0.5) == torchs).mean() >= AGREEMENT


@installed
def test_the_demonstration_model_sees_the_same_in_a_phantom():
    folder = Store.demo().find(FASTEST)
    body = phantom(20)
    image, _ = scanned(body, view(body, "thorax_abdomen", (6.0, 6.0, 6.0)))
    torchs, ours = (
        load(folder, FASTEST, CPU, Ways(cpu=cpu))(image, 0.5) for cpu in ("torch", "openvino")
    )
    assert not conversions(folder.parents[1]), "nothing is written into the package"
    assert len(np.unique(torchs)) > 40
    assert (ours == torchs).mean() >= AGREEMENT


@installed
def test_a_network_of_two_dimensions_gives_what_torch_gives():
    torch.manual_seed(1)
    flat = {
        "kernel_sizes": [[3, 3]] * 2,
        "strides": [[1, 1], [2, 2]],
        "conv_op": nn.Conv2d,
        "norm_op": nn.InstanceNorm2d,
        "nonlin": nn.LeakyReLU,
    }
    flat_network = PlainConvUNet(input_channels=2, num_classes=5, **(ARCHITECTURE | flat)).eval()
    tile = torch.randn(1, 2, 48, 32)
    with torch.inference_mode():
        expected = flat_network(tile)
        found = compiled(trace(flat_network, 2, [2, 2]), [48, 32])(tile)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@installed
def test_it_computes_in_single_precision_with_as_many_threads_as_torch(tmp_path):
    fold = load(make_model_folder(tmp_path, 298), FASTEST, CPU, Ways(cpu="openvino")).folds[0]
    assert fold.model.get_property("INFERENCE_PRECISION_HINT").to_string() == "f32"
    threads = fold.model.get_property("INFERENCE_NUM_THREADS")
    assert threads == min(torch.get_num_threads(), compiled_module.processors())


class StopError(Exception):
    pass


@installed
def test_a_job_can_be_stopped_in_a_tile_and_the_next_one_is_not_disturbed(tmp_path, monkeypatch):
    network = load(make_model_folder(tmp_path, 298), FASTEST, CPU, Ways(cpu="openvino"))
    expected = network(scan((10, 10, 10)), 0.5)
    monkeypatch.setattr(compiled_module, "POLL_MS", 0)
    asked = 0

    def check() -> None:
        nonlocal asked
        asked += 1
        if asked == 2:  # the tile's beginning, and while it is computed
            raise StopError

    told: list[Progress] = []
    with watching(Watch(told.append, check)), pytest.raises(StopError):
        network(scan((10, 10, 10)), 0.5)
    assert [progress.message for progress in told] == [": tile 1 of 1"]
    np.testing.assert_array_equal(network(scan((10, 10, 10)), 0.5), expected)


@pytest.fixture
def no_conversion(monkeypatch):
    """From now on converting fails."""

    def refuse(*_):
        raise UncompiledError("not again")

    return lambda: monkeypatch.setattr(loading, "trace", refuse)


@installed
def test_a_model_is_converted_once_and_that_is_told(tmp_path, no_conversion):
    folder = make_model_folder(tmp_path, 298)
    told: list[Progress] = []
    with watching(Watch(told.append, lambda: None)):
        first = load(folder, FASTEST, CPU, Ways(cpu="openvino"))(scan((16, 16, 16)), 0.5)
    assert told[0].message == "convert model 298 for OpenVINO, once"
    assert len(conversions(tmp_path)) == 1
    no_conversion()
    again = load(folder, FASTEST, CPU, Ways(cpu="openvino"))
    assert again.degraded is None
    np.testing.assert_array_equal(again(scan((16, 16, 16)), 0.5), first)


@installed
@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("network.bin", lambda content: content[:-1] + bytes([content[-1] ^ 1])),
        ("network.xml", lambda content: content[: len(content) // 2]),
        ("head.npz", lambda content: b""),
        ("digests", lambda content: content[:-1]),
    ],
    ids=["a bit", "the end", "all", "digests"],
)
def test_a_damaged_conversion_is_made_again(tmp_path, no_conversion, name, damage):
    folder = make_model_folder(tmp_path, 298)
    load(folder, FASTEST, CPU, Ways(cpu="openvino"))
    file = conversions(tmp_path)[0] / name
    file.write_bytes(damage(file.read_bytes()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loading, "trace", lambda *given: made.append(given) or trace(*given))
        made: list[object] = []
        assert load(folder, FASTEST, CPU, Ways(cpu="openvino")).degraded is None
    assert len(made) == len(conversions(tmp_path)) == 1
    no_conversion()
    assert load(folder, FASTEST, CPU, Ways(cpu="openvino")).degraded is None


@installed
def test_other_weights_are_another_conversion(tmp_path):
    folder = make_model_folder(tmp_path / "one", 298, seed=0)
    load(folder, FASTEST, CPU, Ways(cpu="openvino"))
    other = make_model_folder(tmp_path / "two", 298, seed=1)
    checkpoint = "fold_0/checkpoint_final.pth"
    (folder / checkpoint).write_bytes((other / checkpoint).read_bytes())
    ours = load(folder, FASTEST, CPU, Ways(cpu="openvino"))(scan((16, 16, 16)), 0.5)
    assert len(conversions(tmp_path / "one")) == 2
    torchs = load(other, FASTEST, CPU)(scan((16, 16, 16)), 0.5)
    assert (ours == torchs).mean() >= AGREEMENT


@installed
def test_beside_weights_that_cannot_be_written_it_goes_to_the_users_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = make_model_folder(tmp_path, 298)
    (tmp_path / ".totalseg-mcp").write_text("in the way, for root may write everywhere")
    assert load(folder, FASTEST, CPU, Ways(cpu="openvino")).degraded is None
    (kept,) = (tmp_path / "cache" / "totalseg-mcp" / "openvino").iterdir()
    assert set(json.loads((kept / "digests").read_text())) == {
        "head.npz",
        "network.bin",
        "network.xml",
    }


@installed
def test_where_nothing_can_be_kept_it_runs_all_the_same(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    folder = make_model_folder(tmp_path, 298)
    (tmp_path / ".totalseg-mcp").write_text("in the way")
    network = load(folder, FASTEST, CPU, Ways(cpu="openvino"))
    assert network.degraded is None
    torchs = load(folder, FASTEST, CPU)(scan((16, 16, 16)), 0.5)
    assert (network(scan((16, 16, 16)), 0.5) == torchs).mean() >= AGREEMENT


@installed
def test_a_model_that_cannot_be_converted_runs_in_torch_and_says_so(tmp_path, no_conversion):
    folder = make_model_folder(tmp_path, 298)
    no_conversion()
    network = load(folder, FASTEST, CPU, Ways(cpu="openvino"))
    assert network.engine.startswith("torch")
    assert network.degraded is not None
    assert "not again" in network.degraded
    expected = load(folder, FASTEST, CPU)(scan((16, 16, 16)), 0.5)
    np.testing.assert_array_equal(network(scan((16, 16, 16)), 0.5), expected)


@installed
def test_a_conversion_that_computes_something_else_is_refused(monkeypatch):
    monkeypatch.setattr(PooledNorm, "mean", lambda _, values: values.mean() * 0 + 1)
    with pytest.raises(UncompiledError, match="differ by"):
        trace(network(FASTEST).eval(), 1, [2, 2, 2])
