"""Train the five demonstration networks of TotalSegmentator 2D on phantoms.

    python -m totalseg_mcp.weights.train2d --pool /tmp/projections --samples 1200 \
        --device cuda --batch 16 --minutes 6 ribs

Each group of structures has a network of its own, which learns by itself; several may be trained
at the same time. A run that was stopped goes on from its last state.
"""

import argparse
import logging
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet
from numpy.typing import NDArray
from torch import nn

from totalseg_mcp.weights import folder2d, projections, samples
from totalseg_mcp.weights.folder2d import DESIGN, GROUPS
from totalseg_mcp.weights.learning import CPU, Patches, Run, ahead, features, learn
from totalseg_mcp.weights.patches2d import Projection, masks, on, patch

COARSE = 4  # the step of the resolution at which the outputs are judged once more
COARSE_SHARE = 0.3
EVERY = 2  # of the rows are judged at full resolution: the next says much the same, at a price
FEWEST = 400.0  # pixels: a smaller structure weighs as if it had these
DICE_SHARE = 2.0  # of the soft Dice, which is what the networks are judged by in the end
RARE = -4.0  # what an output starts from: none of the structures is likely
BACKGROUND = 0  # the output that says that none of the group's structures is here
# How much a pixel counts for the background that really is background, of one that is not. The
# background clears the structures where it is likely, and would clear all thin ones: this takes
# 3 off its logits.
AWAY = math.exp(-3)

log = logging.getLogger("train")


def targets(masks: torch.Tensor) -> torch.Tensor:
    """First where none of the structures is, then where each is.

    `masks` is `(structure, row, column)`.
    """
    return torch.cat((~masks.any(0, keepdim=True), masks)).float()


def loss_of(module: PlainConvUNet, image: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Each output judged by itself, at full and quarter resolution."""
    with torch.autocast(image.device.type, torch.bfloat16):
        *_, coarse, _, fine = features(module, image)
    head, low = module.decoder.seg_layers[-1], module.decoder.seg_layers[-3]
    first = int(torch.randint(EVERY, ()))
    seen, there = (value[..., first::EVERY, :] for value in (fine, truth))
    some = nn.functional.avg_pool2d(truth, COARSE)
    loss = overlapping(head(seen.float()), there)
    return loss + COARSE_SHARE * overlapping(low(coarse.float()), some)


def overlapping(logits: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Sigmoid cross entropy, small structures weighing as much as large ones, plus soft Dice.

    For the background entropy only, little of it where it is right.
    """
    area = truth.sum((0, 2, 3))
    weight = torch.ones_like(area)
    weight[BACKGROUND] = AWAY
    entropy = nn.functional.binary_cross_entropy_with_logits(
        logits, truth, reduction="none", pos_weight=weight[:, None, None]
    )
    chance = logits.sigmoid()
    hit = (chance * truth).sum((0, 2, 3))
    dice = (2 * hit + 1) / (chance.sum((0, 2, 3)) + area + 1)
    own = entropy.sum((0, 2, 3)) / (area * weight + FEWEST)
    there = (area > 0).float()
    there[BACKGROUND] = 0
    missed = (there * (1 - dice)).sum() / there.sum().clamp(min=1)
    loss: torch.Tensor = own.mean() + DICE_SHARE * missed
    return loss


def patches(pool: list[Projection], group: str, batch: int, seed: int) -> Patches:
    """Batches for ever."""
    rng = np.random.default_rng(seed)

    def one() -> tuple[torch.Tensor, torch.Tensor]:
        drawn = [patch(pool[int(rng.integers(len(pool)))], rng) for _ in range(batch)]
        images, bits = zip(*drawn, strict=True)
        truth = [targets(masks(shown, GROUPS[group])) for shown in bits]
        return torch.stack(images), torch.stack(truth)

    return ahead(one)


def intensities(pool: Sequence[projections.Sample]) -> list[dict[str, float]]:
    """nnU-Net's statistics of the pixels with a structure, in HU: of mean and maximum."""

    def shown(channel: int) -> NDArray[np.float32]:
        return np.concatenate([image[channel][bits.any(axis=0)][::7] for image, bits in pool])

    return [samples.intensities(shown(n)) for n in range(len(folder2d.CHANNELS))]


def starting(group: str, state: Path, device: torch.device) -> Run:
    """A run of the group's network, new or as `state` has it."""
    module = DESIGN.network(1 + len(GROUPS[group]))
    for head in module.decoder.seg_layers:
        nn.init.constant_(head.bias, RARE)
    return Run(state, module, loss_of, device)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("group", choices=list(GROUPS))
    parser.add_argument("--pool", type=Path, required=True, help="folder for the projections")
    parser.add_argument("--samples", type=int, default=1200)
    parser.add_argument("--minutes", type=float, default=6.0)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", type=torch.device, default=CPU)
    parser.add_argument("--root", type=Path, default=folder2d.DEMO, help="where the folders go")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    samples.fill(arguments.pool, arguments.samples, arguments.threads, projections.make)
    pool = projections.load(arguments.pool)
    shown = intensities(pool)
    there = [on(arguments.device, sample) for sample in pool]
    state = arguments.pool / f"{arguments.group}.pth"
    run = starting(arguments.group, state, arguments.device)
    log.info("%s, %d samples", arguments.group, len(pool))

    def keep(run: Run) -> None:
        run.save()
        folder2d.write(arguments.group, run.mean, shown, arguments.root)

    drawn = patches(there, arguments.group, arguments.batch, 1000 + run.steps)
    learn(run, drawn, arguments.minutes, keep)


if __name__ == "__main__":
    main()
