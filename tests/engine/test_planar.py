"""Winograd's way in place of torch in two dimensions; skipped where numba is not installed."""

from importlib.util import find_spec

import numpy as np
import pytest
import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet, ResidualEncoderUNet
from parity.cases_2d import CASES_2D
from parity.comparison import AGREEMENT
from parity.comparison_2d import compare_2d, stand_ins_2d
from parity.stand_ins_2d import architecture
from torch import nn

from totalseg_mcp.engine import engines
from totalseg_mcp.engine.errors import NotReadyError
from totalseg_mcp.engine.likeness import UncompiledError
from totalseg_mcp.engine.loading import Ways, load_2d
from totalseg_mcp.engine.network2d import Mirrored
from totalseg_mcp.engine.watch import Watch, watching

if find_spec("numba"):
    from totalseg_mcp.engine.planar import fold, kernels, program
    from totalseg_mcp.engine.planar.crew import crew
    from totalseg_mcp.engine.planar.fold import planar
    from totalseg_mcp.engine.planar.program import translated

CPU = torch.device("cpu")
CHANNELS, CLASSES = 2, 5
STRIDE = [4, 4]  # of the deepest layer
installed = pytest.mark.skipif(find_spec("numba") is None, reason="numba is not installed")


def close(found, expected):
    """Up to rounding; that of Winograd's way is 1e-5 of what is added up."""
    return torch.testing.assert_close(
        found, expected, rtol=1e-4, atol=3e-5 * max(1.0, float(expected.std()))
    )


def computed(module, images, threads=2):
    """What the layers make of it."""
    outputs = translated(nn.Sequential(module))(
        np.ascontiguousarray(images.permute(0, 2, 3, 1).numpy()), crew(threads)
    )
    return torch.from_numpy(outputs).permute(0, 3, 1, 2)


@installed
@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize(
    ("shape", "channels"),
    [
        ((1, 64, 64), (8, 8)),
        ((3, 16, 16), (70, 9)),
        ((2, 6, 5), (8, 130)),
        ((1, 33, 301), (16, 64)),
        ((20, 4, 4), (9, 65)),
        ((17, 1, 1), (8, 8)),
    ],
    ids=["squares", "channels in two panels", "odd sides", "parts of rows", "one piece", "a pixel"],
)
def test_convolutions_by_winograds_way_are_torchs(shape, channels, threads):
    torch.manual_seed(2)
    layer = nn.Conv2d(*channels, 3, padding=1)
    images = torch.randn(shape[0], channels[0], *shape[1:])
    with torch.inference_mode():
        close(computed(layer, images, threads), layer(images))


@installed
@pytest.mark.parametrize(
    ("layer", "size"),
    [
        (nn.Conv2d(5, 70, 3, padding=1), (9, 12)),
        (nn.Conv2d(66, 8, 3, padding=1, stride=2), (16, 15)),
        (nn.Conv2d(64, 3, 1), (5, 300)),
        (nn.Conv2d(4, 6, (1, 3), padding=(0, 1), stride=(1, 2)), (7, 8)),
        (nn.Conv2d(4, 6, (5, 3), padding=(2, 1), bias=False), (7, 8)),
        (nn.Conv2d(8, 8, 3), (12, 12)),
        (nn.Conv2d(8, 8, 3, padding=1), (8, 8)),
    ],
    ids=["few channels", "steps", "one pixel", "oblong", "large", "no padding", "few pieces"],
)
def test_convolutions_in_the_usual_way_are_torchs(layer, size):
    images = torch.randn(2, layer.in_channels, *size)
    with torch.inference_mode():
        close(computed(layer, images), layer(images))


@installed
@pytest.mark.parametrize("size", [(2, 2), (1, 3)])
@pytest.mark.parametrize("out", [3, 64, 100])
def test_transposed_convolutions_are_torchs(size, out):
    network = nn.Sequential(nn.ConvTranspose2d(6, out, size, stride=size), nn.Conv2d(out, 4, 1))
    images = torch.randn(2, 6, 7, 9)
    with torch.inference_mode():
        close(computed(network, images), network(images))


@installed
def test_every_tile_has_a_norm_of_its_own_whatever_it_is_computed_with():
    """The images differ in brightness a thousand times; means are far above the deviations."""
    torch.manual_seed(3)
    network = nn.Sequential(
        nn.Conv2d(8, 16, 3, padding=1), nn.InstanceNorm2d(16), nn.LeakyReLU(), nn.Conv2d(16, 3, 1)
    )
    images = 50 + torch.randn(3, 8, 32, 24) * torch.tensor([1.0, 30.0, 1000.0])[:, None, None, None]
    with torch.inference_mode():
        close(computed(network, images), network(images))


def unet(**changed):
    """A network with random weights, norms and biases."""
    torch.manual_seed(1)
    parts = {"conv_op": nn.Conv2d, "norm_op": nn.InstanceNorm2d, "nonlin": nn.LeakyReLU}
    arguments = architecture((8, 16, 24), 2) | parts | changed
    made = PlainConvUNet(input_channels=CHANNELS, num_classes=CLASSES, **arguments).eval()
    for part in made.modules():
        if isinstance(part, nn.InstanceNorm2d):
            nn.init.normal_(part.weight)
            nn.init.normal_(part.bias)
    return made


@installed
@pytest.mark.parametrize(
    ("patch", "changed"),
    [
        ((48, 32), {}),
        ((128, 96), {}),
        ((48, 32), {"kernel_sizes": [[1, 3], [3, 3], [5, 3]], "strides": [[1, 1], [1, 2], [2, 2]]}),
        ((48, 32), {"nonlin": nn.ReLU, "nonlin_kwargs": {}, "conv_bias": False}),
        ((48, 32), {"norm_op": None, "norm_op_kwargs": None}),
        ((48, 32), {"dropout_op": nn.Dropout2d, "dropout_op_kwargs": {"p": 0.3}}),
    ],
    ids=["small", "large", "oblong", "other nonlinearity, no biases", "no norms", "dropout"],
)
def test_outputs_are_those_of_torch(patch, changed):
    network, tiles = unet(**changed), torch.randn(3, CHANNELS, *patch)
    with torch.inference_mode():
        close(planar(network, CHANNELS, STRIDE)(tiles), network(tiles))


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return stand_ins_2d(tmp_path_factory.mktemp("stand-ins"))


@installed
@pytest.mark.parametrize("case", CASES_2D.values(), ids=lambda case: case.name)
def test_masks_are_those_of_ts2d(case, store, tmp_path):
    compared = compare_2d(case, store, tmp_path, "winograd")
    assert compared.outcome.engine.startswith("numba")
    assert compared.agreement >= AGREEMENT, f"{compared.differing} pixels differ"


@installed
@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ([nn.Conv2d(2, 2, 3, groups=2)], "groups=2"),
        ([nn.Conv2d(2, 2, 3, padding=1, padding_mode="reflect")], "reflect"),
        ([nn.Conv2d(2, 2, 3, padding="same")], "same"),
        ([nn.ConvTranspose2d(2, 2, 2, stride=2, padding=1)], "padding"),
        ([nn.ConvTranspose2d(2, 2, 3, stride=2)], "steps"),
        ([nn.Conv2d(2, 2, 1), nn.InstanceNorm2d(2, track_running_stats=True)], "statistics"),
        ([nn.ConvTranspose2d(2, 2, 2, stride=2), nn.InstanceNorm2d(2)], "after ConvTranspose2d"),
        ([nn.Conv2d(2, 2, 1), nn.ReLU(), nn.ReLU()], "after ReLU"),
        ([nn.Conv2d(2, 2, 1), nn.LeakyReLU(-0.1)], "negative_slope=-0.1"),
        ([nn.Conv2d(2, 2, 1), nn.ReLU()], "no convolution"),
        ([nn.MaxPool2d(2)], "MaxPool2d"),
    ],
    ids=lambda parts: type(parts[-1]).__name__ if isinstance(parts, list) else parts,
)
def test_what_it_does_not_know_is_named(parts, said):
    with pytest.raises(UncompiledError, match=said):
        translated(nn.Sequential(*parts))


@installed
def test_a_sum_is_not_known():
    kinds = {"conv_op": nn.Conv2d, "norm_op": nn.InstanceNorm2d, "nonlin": nn.LeakyReLU}
    arguments = architecture((8, 16), 1) | kinds | {"n_blocks_per_stage": [1, 1]}
    del arguments["n_conv_per_stage"]
    residual = ResidualEncoderUNet(input_channels=CHANNELS, num_classes=CLASSES, **arguments)
    with pytest.raises(UncompiledError, match="add"):
        translated(residual.eval())


@installed
def test_a_network_that_is_computed_otherwise_is_refused(monkeypatch):
    monkeypatch.setitem(program.PARTS, nn.InstanceNorm2d, program.without)
    with pytest.raises(UncompiledError, match="differ by"):
        planar(unet(), CHANNELS, STRIDE)


@installed
def test_one_network_of_an_architecture_is_held_to_torch(monkeypatch):
    asked = []
    monkeypatch.setattr(fold, "HELD", set())
    monkeypatch.setattr(fold, "refuse_another", lambda *outputs: asked.append(outputs))
    for changed in ({}, {"conv_bias": False}, {"nonlin": nn.ReLU, "nonlin_kwargs": {}}, {}):
        planar(unet(**changed), CHANNELS, STRIDE)
    assert len(asked) == 2


@installed
def test_a_model_that_it_cannot_run_runs_in_torch_and_says_so(store, monkeypatch):
    def refuse(*_):
        raise UncompiledError("no such layer")

    monkeypatch.setattr(fold, "planar", refuse)
    network = load_2d(revisions(store)[0], CPU, Ways(cpu="winograd")).network
    assert network.engine.startswith("torch")
    assert "no such layer" in network.degraded
    assert "Winograd" in network.degraded


def revisions(store):
    return sorted(file.parent for file in store.roots[0].glob("*/*/model.json"))


class StopError(Exception):
    pass


@installed
def test_a_job_is_stopped_between_layers_and_the_next_one_is_not_disturbed():
    asked = []

    def stop():
        asked.append(None)
        if len(asked) > 5:
            raise StopError

    tile = torch.randn(1, CHANNELS, 48, 32)
    computing = planar(unet(), CHANNELS, STRIDE)
    expected = computing(tile)
    with watching(Watch(lambda _: None, stop)), pytest.raises(StopError):
        computing(tile)
    assert torch.equal(computing(tile), expected)


@installed
def test_what_a_tile_gives_is_not_overwritten_by_the_next():
    computing = planar(unet(), CHANNELS, STRIDE)
    first = computing(torch.randn(1, CHANNELS, 48, 32))
    kept = first.clone()
    computing(torch.randn(1, CHANNELS, 48, 32))
    assert torch.equal(first, kept)


@pytest.mark.parametrize(
    ("there", "cpu", "flat", "solid"),
    [
        ({"openvino", "numba"}, "auto", "numba", "openvino"),
        ({"openvino"}, "auto", "openvino", "openvino"),
        ({"numba"}, "auto", "numba", None),
        (set(), "auto", None, None),
        ({"openvino", "numba"}, "torch", None, None),
        ({"openvino", "numba"}, "openvino", "openvino", "openvino"),
        ({"openvino", "numba"}, "winograd", "numba", None),
    ],
)
def test_the_fastest_that_is_installed_and_takes_so_many_dimensions(
    monkeypatch, there, cpu, flat, solid
):
    monkeypatch.setattr(engines, "find_spec", lambda package: package in there or None)
    found = [engines.chosen(cpu, dimensions) for dimensions in (2, 3)]
    assert [engine and engine.package for engine in found] == [flat, solid]


@pytest.mark.parametrize("cpu", ["openvino", "winograd"])
def test_choosing_what_is_not_installed_is_refused_with_the_command(monkeypatch, cpu):
    monkeypatch.setattr(engines, "find_spec", lambda _: None)
    with pytest.raises(NotReadyError, match=rf"pip install .*\[{cpu}\].*--cpu torch"):
        engines.require(cpu)


@installed
def test_mirror_images_are_looked_at_too(store):
    """Some of the stand-ins were trained with mirroring; their folds are asked several times."""
    mirrored = next(
        revision
        for revision in revisions(store)
        if isinstance(load_2d(revision, CPU).network.folds[0], Mirrored)
    )
    data = torch.randn(2, 60, 50, generator=torch.Generator().manual_seed(3))
    torchs, ours = (
        load_2d(mirrored, CPU, Ways(cpu=cpu)).network.logits(data, 0.5).float()
        for cpu in ("torch", "winograd")
    )
    np.testing.assert_allclose(ours, torchs, atol=4e-3 * float(torchs.std()))


@installed
def test_what_is_compiled_is_kept_in_the_users_cache(monkeypatch, tmp_path):
    planar(unet(), CHANNELS, STRIDE)
    assert kernels.compiled_before()
    file = tmp_path / "no folder"
    file.touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(file))
    assert kernels.chosen_folder() is None
