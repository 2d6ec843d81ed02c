"""Train the five demonstration networks of TotalSegmentator 2D on phantoms.

    python -m totalseg_mcp.weights.train2d --pool /tmp/projections --samples 1000 all --minutes 25
    python -m totalseg_mcp.weights.train2d --pool /tmp/projections organs --minutes 6

First one network learns all five groups of structures; then each group's network starts from it,
with its own outputs, and learns on by itself. A run that was stopped goes on from its last state.
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

from totalseg_mcp.phantom import NAMES
from totalseg_mcp.weights import folder2d, projections, samples
from totalseg_mcp.weights.folder2d import DESIGN, GROUPS
from totalseg_mcp.weights.learning import Loss, Patches, Run, ahead, features, learn
from totalseg_mcp.weights.patches2d import patch

BATCH = 2
COARSE = 4  # the step of the resolution at which the outputs are judged once more
COARSE_SHARE = 0.3
EVERY = 2  # of the rows are judged at full resolution: the next says much the same, at a price
FEWEST = 400.0  # pixels: a smaller structure weighs as if it had these
DICE_SHARE = 2.0  # of the soft Dice, which is what the networks are judged by in the end
OWN_PEAK_RATE = 2e-3  # of a group's network, which has learned before
RARE = -4.0  # what an output starts from: none of the structures is likely
# How much a pixel counts for the background that really is background, of one that is not. The
# background clears the structures where it is likely, and would clear all thin ones: this takes
# 3 off its logits.
AWAY = math.exp(-3)
ALL = "all"

log = logging.getLogger("train")


def targets(masks: torch.Tensor, groups: Sequence[str]) -> torch.Tensor:
    """Of each group first where none of its structures is, then where each is: `(…, row, column)`.

    `masks` is `(117, row, column)`.
    """
    out = []
    for group in groups:
        own = masks[[NAMES.index(name) for name in GROUPS[group]]]
        out += [~own.any(0, keepdim=True), own]
    return torch.cat(out).float()


def rows(group: str) -> slice:
    """Which outputs of the network of all groups are the group's."""
    sizes = {name: 1 + len(members) for name, members in GROUPS.items()}
    start = sum(sizes[name] for name in list(GROUPS)[: list(GROUPS).index(group)])
    return slice(start, start + sizes[group])


def part(weights: dict[str, torch.Tensor], group: str) -> dict[str, torch.Tensor]:
    """The weights of the network of all groups, with the group's outputs only."""
    return {
        key: value[rows(group)] if ".seg_layers." in key else value
        for key, value in weights.items()
    }


def backgrounds(groups: Sequence[str]) -> list[int]:
    """Which outputs say that none of a group's structures is here."""
    sizes = [1 + len(GROUPS[group]) for group in groups]
    return [sum(sizes[:n]) for n in range(len(sizes))]


def loss_for(groups: Sequence[str]) -> Loss:
    """Each output judged by itself, at full and quarter resolution."""
    nothing = backgrounds(groups)

    def loss_of(module: PlainConvUNet, image: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            *_, coarse, _, fine = features(module, image)
        head, low = module.decoder.seg_layers[-1], module.decoder.seg_layers[-3]
        first = int(torch.randint(EVERY, ()))
        seen, there = (value[..., first::EVERY, :] for value in (fine, truth))
        loss = overlapping(head(seen.float()), there, nothing)
        some = nn.functional.avg_pool2d(truth, COARSE)
        return loss + COARSE_SHARE * overlapping(low(coarse.float()), some, nothing)

    return loss_of


def overlapping(logits: torch.Tensor, truth: torch.Tensor, nothing: list[int]) -> torch.Tensor:
    """Sigmoid cross entropy, small structures weighing as much as large ones, plus soft Dice.

    The outputs in `nothing` are backgrounds: entropy only, little of it where they are right.
    """
    area = truth.sum((0, 2, 3))
    weight = torch.ones(len(area))
    weight[nothing] = AWAY
    entropy = nn.functional.binary_cross_entropy_with_logits(
        logits, truth, reduction="none", pos_weight=weight[:, None, None]
    )
    chance = logits.sigmoid()
    hit = (chance * truth).sum((0, 2, 3))
    dice = (2 * hit + 1) / (chance.sum((0, 2, 3)) + area + 1)
    own = entropy.sum((0, 2, 3)) / (area * weight + FEWEST)
    there = area > 0
    there[nothing] = False
    missed = 1 - dice[there].mean() if there.any() else torch.zeros(())
    loss: torch.Tensor = own.mean() + DICE_SHARE * missed
    return loss


def patches(pool: list[projections.Sample], groups: Sequence[str], seed: int) -> Patches:
    """Batches for ever."""
    rng = np.random.default_rng(seed)

    def one() -> tuple[torch.Tensor, torch.Tensor]:
        drawn = [patch(pool[int(rng.integers(len(pool)))], rng) for _ in range(BATCH)]
        images, masks = zip(*drawn, strict=True)
        truth = [targets(torch.from_numpy(mask), groups) for mask in masks]
        return torch.from_numpy(np.stack(images)), torch.stack(truth)

    return ahead(one)


def intensities(pool: Sequence[projections.Sample]) -> list[dict[str, float]]:
    """nnU-Net's statistics of the pixels with a structure, in HU: of mean and maximum."""

    def shown(channel: int) -> NDArray[np.float32]:
        return np.concatenate([image[channel][bits.any(axis=0)][::7] for image, bits in pool])

    return [samples.intensities(shown(n)) for n in range(len(folder2d.CHANNELS))]


def starting(group: str, pool: Path) -> Run:
    """A group's run starts from what the network of all groups has learned."""
    groups = tuple(GROUPS) if group == ALL else (group,)
    module = DESIGN.network(sum(1 + len(GROUPS[name]) for name in groups))
    state = pool / f"{group}.pth"
    if group == ALL:
        for head in module.decoder.seg_layers:
            nn.init.constant_(head.bias, RARE)
        return Run(state, module, loss_for(groups))
    learned = torch.load(pool / f"{ALL}.pth", weights_only=True)["mean"]
    module.load_state_dict(part(learned, group))
    return Run(state, module, loss_for(groups), OWN_PEAK_RATE)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("group", choices=[ALL, *GROUPS])
    parser.add_argument("--pool", type=Path, required=True, help="folder for the projections")
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--minutes", type=float, default=6.0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--root", type=Path, default=folder2d.DEMO, help="where the folders go")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    samples.fill(arguments.pool, arguments.samples, arguments.threads, projections.make)
    pool = projections.load(arguments.pool)
    run = starting(arguments.group, arguments.pool)
    groups = tuple(GROUPS) if arguments.group == ALL else (arguments.group,)
    log.info("%s, %d samples", arguments.group, len(pool))

    def keep(run: Run) -> None:
        run.save()
        for group in groups:
            weights = part(run.mean, group) if arguments.group == ALL else run.mean
            folder2d.write(group, weights, intensities(pool), arguments.root)

    learn(run, patches(pool, groups, 1000 + run.steps), arguments.minutes, keep)


if __name__ == "__main__":
    main()
