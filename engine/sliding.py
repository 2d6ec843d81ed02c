"""The window that slides over an image, and the sums of the tiles that it leaves behind.

Tiles come in nnU-Net's order, from the first plane to the last, and are summed in half precision in
that order: the last bit decides labels where two classes tie, so both are part of the result. A
plane is finished once the window has passed it. Only the planes of one tile are therefore kept, not
those of the image: of a CT of 512 x 512 x 1000 voxels at 1.5 mm, 24 classes have 2 GB, and the
planes of a tile a fifth of that.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby, pairwise, product
from math import prod
from typing import Any, NamedTuple

import torch
from acvl_utils.cropping_and_padding.padding import pad_nd_image
from nnunetv2.inference.sliding_window_prediction import (
    compute_gaussian,
    compute_steps_for_sliding_window,
)

from totalseg_mcp.engine.belt import Belt, mean
from totalseg_mcp.engine.pace import pace
from totalseg_mcp.engine.precision import precision
from totalseg_mcp.engine.watch import track

GAUSSIAN_PEAK = 10  # keeps the half-precision weights away from zero (nnU-Net)

Fold = Any  # a torch module, or what another engine has in its place
Tile = tuple[slice, ...]
# Outputs [class, plane, y, x] in planes that follow each other, and which planes of the image.
Finished = tuple[slice, torch.Tensor]


def batch(fold: Fold, tiles: torch.Tensor) -> Iterator[Iterator[torch.Tensor]]:
    """The outputs of `fold` for `tiles`, which it is given together."""
    return (iter([outputs]) for outputs in fold(tiles))


def each(
    outputs: Callable[[Fold, torch.Tensor], Iterator[torch.Tensor]],
) -> Callable[[Fold, torch.Tensor], Iterator[Iterator[torch.Tensor]]]:
    """What takes a fold and tiles, one after another, from what takes a single one."""
    return lambda fold, tiles: (outputs(fold, tile[None]) for tile in tiles)


def nothing(fold: Fold) -> None:
    """What a torch module gives back when it rests."""


@dataclass(frozen=True, slots=True)
class Way:
    """How folds are asked.

    `outputs` takes a fold and tiles [tile, channel, ...] to the outputs of each, [class, plane,
    ...], some planes after others; they may be overwritten. `rest` is told when a fold has to wait.
    Tiles are given together as long as they have no more than `voxels`; one always is.
    """

    outputs: Callable[[Fold, torch.Tensor], Iterator[Iterator[torch.Tensor]]] = batch
    rest: Callable[[Fold], None] = nothing
    voxels: int = 0


TORCH = Way()


class Window(NamedTuple):
    """Tiles of the size `patch` that overlap by 1 - `step` of it."""

    patch: tuple[int, ...]
    step: float

    def rows(self, shape: tuple[int, ...]) -> list[list[Tile]]:
        """Where the tiles lie in an image of `shape`, x fastest; those with the same planes."""
        starts = compute_steps_for_sliding_window(shape, self.patch, self.step)
        tiles = [
            tuple(slice(start, start + size) for start, size in zip(at, self.patch, strict=True))
            for at in product(*starts)
        ]
        return [list(row) for _, row in groupby(tiles, key=lambda tile: tile[0].start)]


class Step(NamedTuple):
    """A fold looks at a tile; after that all planes before `final` are finished.

    `last` says that another fold comes next, or none.
    """

    fold: int
    tile: Tile
    final: int
    last: bool


def steps(rows: list[list[Tile]], folds: int, planes: int) -> list[Step]:
    """The way of `folds` over an image of so many `planes`: row by row, one fold after another."""
    firsts = [*(row[0][0].start for row in rows), planes]
    way = []
    for row, (first, following) in zip(rows, pairwise(firsts), strict=True):
        for fold in range(folds):
            final = following if fold == folds - 1 else first
            way += [Step(fold, tile, first, False) for tile in row[:-1]]
            way.append(Step(fold, row[-1], final, folds > 1))
    return way


@dataclass(frozen=True, slots=True)
class Slider:
    """Takes folds over images on `device`; with `host`, what is not a tile stays in main memory."""

    window: Window
    device: torch.device
    way: Way = TORCH
    host: bool = False

    @torch.inference_mode()
    def __call__(self, folds: tuple[Fold, ...], data: torch.Tensor) -> Iterator[Finished]:
        """The mean of the outputs of `folds` over `data` [channel, (z,) y, x], half precision.

        In parts [class, plane, (y,) x] that follow each other from the first plane to the last,
        where they were added up. Raises NotReadyError where an output is not finite.
        """
        patch = self.window.patch
        padded, inner = pad_nd_image(data, patch, "constant", {"value": 0}, True, None)
        padded = padded if self.host else padded.to(self.device)
        shape = tuple(padded.shape[1:])
        belts: dict[int, Belt] = {}
        tile_done = pace(self.device)
        done = 0
        way = steps(self.window.rows(shape), len(folds), shape[0])
        answers = self._answers(folds, padded, way)
        try:
            for step, answer in zip(track(way, "tile"), answers, strict=True):
                for outputs, weight, at in self._placed(answer, step.tile):
                    if step.fold not in belts:
                        belts[step.fold] = Belt.under(outputs, patch[0], shape[1:])
                    belts[step.fold].add(outputs, weight, at)
                tile_done()
                if step.last:
                    self.way.rest(folds[step.fold])
                for planes in belts[0].pieces(slice(done, step.final)):
                    yield from inside(planes, mean(list(belts.values()), planes), inner[1:])
                done = step.final
        finally:
            for fold in folds:
                self.way.rest(fold)

    def _answers(
        self, folds: tuple[Fold, ...], padded: torch.Tensor, way: list[Step]
    ) -> Iterator[Iterator[torch.Tensor]]:
        """The outputs for each step, computed when they are asked for."""
        most = max(1, self.way.voxels // prod(self.window.patch))
        for number, same in groupby(way, key=lambda step: step.fold):
            places = [(slice(None), *step.tile) for step in same]
            for start in range(0, len(places), most):
                tiles = torch.stack([padded[place] for place in places[start : start + most]])
                with precision(self.device):
                    yield from self.way.outputs(folds[number], tiles.to(self.device))

    def _placed(
        self, answer: Iterator[torch.Tensor], tile: Tile
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor, Tile]]:
        """Weighted outputs, their weights, and where they are in the image."""
        weight = gaussian(self.window.patch, self.device)
        first = tile[0].start
        for outputs in answer:
            last = first + outputs.shape[1]
            here = weight[first - tile[0].start : last - tile[0].start]
            outputs *= here
            at = (slice(first, last), *tile[1:])
            yield (outputs.cpu(), here.cpu(), at) if self.host else (outputs, here, at)
            first = last


def gaussian(patch: tuple[int, ...], device: torch.device) -> torch.Tensor:
    """How much each voxel of a tile counts, as nnU-Net has it; half precision."""
    weight: torch.Tensor = compute_gaussian(
        patch, sigma_scale=1 / 8, value_scaling_factor=GAUSSIAN_PEAK, device=device
    )
    return weight


def inside(planes: slice, outputs: torch.Tensor, inner: list[slice]) -> Iterator[Finished]:
    """What of `outputs` [class, plane, ...] is not padding; nothing if all is."""
    image, *across = inner
    start, stop = max(planes.start, image.start), min(planes.stop, image.stop)
    if start < stop:
        kept = slice(start - planes.start, stop - planes.start)
        there = slice(start - image.start, stop - image.start)
        yield there, outputs[(slice(None), kept, *across)]
