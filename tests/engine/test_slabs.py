from typing import Any

import pytest
import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet, ResidualEncoderUNet

from totalseg_mcp.engine import slabs
from totalseg_mcp.engine.slabs import SLAB, by_slabs

KINDS: dict[str, tuple[Any, dict[str, Any]]] = {
    "plain": (PlainConvUNet, {"n_conv_per_stage": 1}),
    "residual": (ResidualEncoderUNet, {"n_blocks_per_stage": 1}),
}


def network(kind: str, features: int, classes: int, axes: int) -> torch.nn.Module:
    """A network of two stages with weights drawn at random, always the same."""
    torch.manual_seed(features)
    made, blocks = KINDS[kind]
    convolution = {2: torch.nn.Conv2d, 3: torch.nn.Conv3d}[axes]
    norm = {2: torch.nn.InstanceNorm2d, 3: torch.nn.InstanceNorm3d}[axes]
    module: torch.nn.Module = made(
        input_channels=1,
        n_stages=2,
        features_per_stage=[features, features],
        conv_op=convolution,
        kernel_sizes=3,
        strides=[1, 2],
        num_classes=classes,
        n_conv_per_stage_decoder=1,
        conv_bias=True,
        norm_op=norm,
        norm_op_kwargs={"eps": 1e-5, "affine": True},
        nonlin=torch.nn.LeakyReLU,
        deep_supervision=False,
        **blocks,
    ).eval()
    return module


@pytest.fixture(params=[1, 2], ids=["one thread", "two threads"])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("features", "classes", "tile"),
    [
        (8, 118, (24, 112, 128)),
        (32, 26, (8, 128, 128)),
        (4, 5, (16, 16, 16)),
        (4, 26, (8, 16, 1024)),
        (32, 9, (256, 256)),
        (8, 5, (32, 64)),
    ],
    ids=["tiny", "true features", "small tile", "long tile", "picture", "small picture"],
)
@torch.inference_mode()
def test_outputs_of_slabs_are_bit_by_bit_those_of_the_whole(kind, features, classes, tile, threads):
    module = network(kind, features, classes, len(tile))
    image = torch.randn((1, 1, *tile), generator=torch.Generator().manual_seed(1))
    whole = module(image)[0]
    parts = [part.clone() for part in by_slabs(module, image)]
    assert len(tile) == 2 or all(part[0].numel() <= SLAB for part in parts)
    assert torch.equal(torch.cat(parts, 1), whole)
    assert torch.equal(module(image)[0], whole)


@torch.inference_mode()
@pytest.mark.parametrize("ends", ["with a wide layer", "unlike nnU-Net's", "in an unknown order"])
def test_a_network_that_ends_otherwise_is_asked_for_the_whole(ends, monkeypatch):
    module = network("plain", 4, 3, 3)
    if ends == "with a wide layer":
        module.decoder.seg_layers[-1] = torch.nn.Conv3d(4, 3, 3, padding=1)
    elif ends == "unlike nnU-Net's":
        module = torch.nn.Sequential(module)
    else:
        monkeypatch.setattr(slabs, "order_of", lambda *shape: None)
    image = torch.randn(1, 1, 16, 64, 64)
    (outputs,) = by_slabs(module, image)
    assert torch.equal(outputs, module(image)[0])
