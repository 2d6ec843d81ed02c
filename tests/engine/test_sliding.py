from itertools import product

import pytest
import torch
from nnunetv2.inference.sliding_window_prediction import (
    compute_gaussian,
    compute_steps_for_sliding_window,
)

from totalseg_mcp.engine.errors import NotReadyError
from totalseg_mcp.engine.sliding import Slider, Way, Window

CPU = torch.device("cpu")
CLASSES = 5
Shape = tuple[int, ...]


class Fold:
    """Outputs between -3 and 3 that depend on where in its tile a voxel is, and how many asked."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.asked = 0

    def __call__(self, tile: torch.Tensor) -> torch.Tensor:
        self.asked += 1
        size = tile[0, 0].numel()
        places = torch.arange(size).reshape(tile.shape[2:]) * 0.37 + self.seed
        return torch.stack([3 * torch.sin(tile[0, 0] * (c + 1) + places) for c in range(CLASSES)])[
            None
        ]


def image(shape: Shape) -> torch.Tensor:
    return torch.rand((1, *shape), generator=torch.Generator().manual_seed(1)) * 7


def whole(fold: Fold, data: torch.Tensor, window: Window) -> torch.Tensor:
    """What nnU-Net does: the sums of the whole image, divided when all tiles are in."""
    shape = data.shape[1:]
    weight = compute_gaussian(window.patch, sigma_scale=1 / 8, value_scaling_factor=10, device=CPU)
    total = torch.zeros((CLASSES, *shape), dtype=torch.half)
    weights = torch.zeros(shape, dtype=torch.half)
    for corner in product(*compute_steps_for_sliding_window(shape, window.patch, window.step)):
        tile = tuple(slice(a, a + n) for a, n in zip(corner, window.patch, strict=True))
        total[(slice(None), *tile)] += fold(data[(slice(None), *tile)][None])[0] * weight
        weights[tile] += weight
    return total / weights


@pytest.mark.parametrize(
    ("shape", "patch"),
    [
        ((16, 20, 12), (16, 12, 12)),
        ((17, 12, 13), (16, 12, 12)),
        ((83, 20, 12), (16, 12, 12)),
        ((100, 13), (24, 12)),
    ],
    ids=["one row of tiles", "rows one plane apart", "many rows", "a picture"],
)
@pytest.mark.parametrize("step", [0.5, 0.8])
@pytest.mark.parametrize("host", [False, True], ids=["on the device", "in main memory"])
def test_finished_planes_are_bit_by_bit_those_of_the_whole_image(
    shape: Shape, patch: Shape, step: float, host: bool
):
    data, window = image(shape), Window(patch, step)
    parts = list(Slider(window, CPU, host=host)((Fold(3),), data))
    assert [planes.start for planes, _ in parts] == [0, *(p.stop for p, _ in parts[:-1])]
    assert torch.equal(torch.cat([part for _, part in parts], 1), whole(Fold(3), data, window))


def test_folds_are_averaged_in_half_precision_in_their_order():
    data, window = image((50, 20, 12)), Window((16, 12, 12), 0.5)
    folds = tuple(Fold(seed) for seed in (3, 4, 9))
    first, second, third = (whole(fold, data, window) for fold in folds)
    parts = [part for _, part in Slider(window, CPU)(folds, data)]
    assert torch.equal(torch.cat(parts, 1), (first + second + third) / 3)


class Together:
    """A fold that takes tiles as they come, and how many came each time."""

    def __init__(self, seed: int) -> None:
        self.fold = Fold(seed)
        self.asked: list[int] = []

    def __call__(self, tiles: torch.Tensor) -> torch.Tensor:
        self.asked.append(len(tiles))
        return torch.cat([self.fold(tile[None]) for tile in tiles])


def test_tiles_that_are_computed_together_are_added_up_as_alone():
    """Four rows of three tiles; seven tiles have 2016 pixels."""
    data, window, together = image((60, 24)), Window((24, 12), 0.5), Together(3)
    parts = Slider(window, CPU, Way(voxels=2300))((together,), data)
    assert torch.equal(torch.cat([part for _, part in parts], 1), whole(Fold(3), data, window))
    assert together.asked == [7, 5]


def test_folds_take_turns_when_tiles_are_computed_together():
    data, window = image((60, 24)), Window((24, 12), 0.5)
    folds = Together(3), Together(4)
    parts = Slider(window, CPU, Way(voxels=2300))(folds, data)
    first, second = (whole(Fold(seed), data, window) for seed in (3, 4))
    assert torch.equal(torch.cat([part for _, part in parts], 1), (first + second) / 2)
    assert [fold.asked for fold in folds] == [[3] * 4, [3] * 4]


def test_an_image_smaller_than_a_tile_loses_its_padding_again():
    data = image((5, 20, 7))
    padded = torch.nn.functional.pad(data, (2, 3, 0, 0, 5, 6))
    window = Window((16, 12, 12), 0.5)
    parts = [part for _, part in Slider(window, CPU)((Fold(3),), data)]
    expected = whole(Fold(3), padded, window)[:, 5:10, :, 2:9]
    assert torch.equal(torch.cat(parts, 1), expected)


def test_planes_come_as_soon_as_the_window_has_passed_them():
    fold = Fold(3)
    parts = Slider(Window((16, 12, 12), 0.5), CPU)((fold,), image((80, 12, 12)))
    planes, outputs = next(parts)
    assert fold.asked == 1  # of nine tiles, eight planes apart
    assert (planes.start, outputs.shape) == (0, (CLASSES, planes.stop, 12, 12))
    assert planes.stop <= 8


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), 1e5, -1e5])
def test_one_output_that_half_precision_cannot_hold_is_an_error(value: float):
    class Overflowing(Fold):
        def __call__(self, tile: torch.Tensor) -> torch.Tensor:
            outputs = super().__call__(tile)
            outputs[0, CLASSES - 1, 7, 3, 5] = value
            return outputs

    with pytest.raises(NotReadyError, match="not finite"):
        list(Slider(Window((16, 12, 12), 0.5), CPU)((Overflowing(3),), image((16, 12, 12))))
