"""ncnn in place of torch in two dimensions; where it is not installed, what needs it is skipped."""

from importlib.util import find_spec
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet, ResidualEncoderUNet
from parity.cases_2d import CASES_2D
from parity.comparison import AGREEMENT
from parity.comparison_2d import compare_2d, stand_ins_2d
from parity.stand_ins_2d import architecture
from torch import nn

from totalseg_mcp.engine import engines, loading
from totalseg_mcp.engine.errors import NotReadyError
from totalseg_mcp.engine.layers import translated
from totalseg_mcp.engine.likeness import UncompiledError
from totalseg_mcp.engine.loading import Ways, load_2d
from totalseg_mcp.engine.network2d import Mirrored
from totalseg_mcp.engine.planar import Planar, planar
from totalseg_mcp.engine.watch import Watch, watching

CPU = torch.device("cpu")
CHANNELS, CLASSES = 2, 5
STRIDE = [4, 4]  # of the deepest layer
installed = pytest.mark.skipif(find_spec("ncnn") is None, reason="ncnn is not installed")


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
    network, tile = unet(**changed), torch.randn(1, CHANNELS, *patch)
    with torch.inference_mode():
        expected = network(tile)
        found = planar(network, CHANNELS, patch, STRIDE)(tile)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=2e-5 * float(expected.std()))


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return stand_ins_2d(tmp_path_factory.mktemp("stand-ins"))


@installed
@pytest.mark.parametrize("case", CASES_2D.values(), ids=lambda case: case.name)
def test_masks_are_those_of_ts2d(case, store, tmp_path):
    compared = compare_2d(case, store, tmp_path, "ncnn")
    assert compared.outcome.engine.startswith("ncnn")
    assert compared.agreement >= AGREEMENT, f"{compared.differing} pixels differ"


def test_weights_grow_where_winograds_way_is_taken():
    """By arithmetic: four stages of a network with a convolution each, and no norms."""
    network = nn.Sequential(
        nn.Conv2d(2, 8, 3, padding=1),  # too few channels
        nn.Conv2d(8, 8, 3, padding=1),
        nn.Conv2d(8, 8, 3, padding=1, stride=2),  # too long steps
        nn.Conv2d(8, 8, 3, padding=1),  # on 15 x 16 pixels
    )
    kernels = [2 * 8 * 9, 8 * 8 * 9, 8 * 8 * 9, 8 * 8 * 9]
    each = [4 * (kernel + 8 + 1) for kernel in kernels]  # with biases, and a flag of four bytes
    assert translated(network, 2, (30, 32)).nbytes == each[0] + 4 * each[1] + each[2] + each[3]


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (nn.Conv2d(2, 2, 3, groups=2), "groups=2"),
        (nn.Conv2d(2, 2, 3, padding=1, padding_mode="reflect"), "reflect"),
        (nn.Conv2d(2, 2, 3, padding="same"), "same"),
        (nn.ConvTranspose2d(2, 2, 2, stride=2, padding=1), "padding"),
        (nn.InstanceNorm2d(2, track_running_stats=True), "statistics"),
        (nn.MaxPool2d(2), "MaxPool2d"),
    ],
    ids=lambda part: type(part).__name__,
)
def test_what_it_does_not_know_is_named(part, said):
    with pytest.raises(UncompiledError, match=said):
        translated(nn.Sequential(part), 2, (16, 16))


def test_a_sum_is_not_known():
    residual = ResidualEncoderUNet(
        input_channels=CHANNELS,
        num_classes=CLASSES,
        **{
            key: value
            for key, value in (
                architecture((8, 16), 1)
                | {"conv_op": nn.Conv2d, "norm_op": nn.InstanceNorm2d, "nonlin": nn.LeakyReLU}
            ).items()
            if key != "n_conv_per_stage"
        },
        n_blocks_per_stage=[1, 1],
    )
    with pytest.raises(UncompiledError, match="add"):
        translated(residual.eval(), CHANNELS, (16, 16))


@installed
def test_a_translation_that_computes_something_else_is_refused(monkeypatch):
    from totalseg_mcp.engine import layers

    monkeypatch.setitem(layers.PARTS, nn.InstanceNorm2d, layers.nothing)
    with pytest.raises(UncompiledError, match="differ by"):
        planar(unet(), CHANNELS, (48, 32), STRIDE)


@installed
def test_a_model_that_it_cannot_run_runs_in_torch_and_says_so(store, monkeypatch):
    def refuse(*_):
        raise UncompiledError("no such layer")

    revision = revisions(store)[0]
    monkeypatch.setattr(loading, "planar", refuse)
    network = load_2d(revision, CPU, Ways(cpu="ncnn")).network
    assert network.engine.startswith("torch")
    assert "no such layer" in network.degraded
    assert "ncnn" in network.degraded


def revisions(store):
    return sorted(file.parent for file in store.roots[0].glob("*/*/model.json"))


class Failing:
    """A net that has no memory for its layers."""

    def create_extractor(self):
        return SimpleNamespace(input=lambda *_: 0, extract=lambda _: (-100, None))


@installed
def test_a_tile_that_failed_is_an_error_and_no_result():
    with pytest.raises(NotReadyError, match="-100"):
        Planar(Failing(), 0)(torch.zeros(1, 1, 8, 8))


class StopError(Exception):
    pass


@installed
def test_a_job_is_stopped_before_a_tile_and_the_next_one_is_not_disturbed():
    def stop():
        raise StopError

    tile = torch.randn(1, CHANNELS, 48, 32)
    fold = planar(unet(), CHANNELS, (48, 32), STRIDE)
    expected = fold(tile)
    with watching(Watch(lambda _: None, stop)), pytest.raises(StopError):
        fold(tile)
    assert torch.equal(fold(tile), expected)


@installed
def test_what_a_tile_gives_is_not_overwritten_by_the_next():
    fold = planar(unet(), CHANNELS, (48, 32), STRIDE)
    first = fold(torch.randn(1, CHANNELS, 48, 32))
    kept = first.clone()
    fold(torch.randn(1, CHANNELS, 48, 32))
    assert torch.equal(first, kept)


@pytest.mark.parametrize(
    ("there", "cpu", "flat", "solid"),
    [
        ({"openvino", "ncnn"}, "auto", "ncnn", "openvino"),
        ({"openvino"}, "auto", "openvino", "openvino"),
        ({"ncnn"}, "auto", "ncnn", None),
        (set(), "auto", None, None),
        ({"openvino", "ncnn"}, "torch", None, None),
        ({"openvino", "ncnn"}, "openvino", "openvino", "openvino"),
        ({"openvino", "ncnn"}, "ncnn", "ncnn", None),
    ],
)
def test_the_fastest_that_is_installed_and_takes_so_many_dimensions(
    monkeypatch, there, cpu, flat, solid
):
    monkeypatch.setattr(engines, "find_spec", lambda package: package in there or None)
    found = [engines.chosen(cpu, dimensions) for dimensions in (2, 3)]
    assert [engine and engine.package for engine in found] == [flat, solid]


@pytest.mark.parametrize("cpu", ["openvino", "ncnn"])
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
        for cpu in ("torch", "ncnn")
    )
    np.testing.assert_allclose(ours, torchs, atol=4e-3 * float(torchs.std()))
