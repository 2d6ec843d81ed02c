"""Train the five demonstration networks of TotalSegmentator 2D on phantoms.

    python -m totalseg_mcp.weights.train2d --pool /tmp/projections --samples 1000 all --minutes 25
    python -m totalseg_mcp.weights.train2d --pool /tmp/projections organs --minutes 6

First one network learns all five groups of structures; then each group's network starts from it,
with its own outputs, and learns on by itself. A run that was stopped goes on from its last state.
"""

import argparse
import logging
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
from totalseg_mcp.weights.learning import Patches, Run, ahead, features, learn
from totalseg_mcp.weights.patches2d import patch

BATCH = 2
COARSE = 4  # the step of the resolution at which the outputs are judged once more
COARSE_SHARE = 0.3
POINTS = 10_000  # pixels of a batch's patches that the loss looks at
FEWEST = 400.0  # pixels: a smaller structure weighs as if it had these
OWN_PEAK_RATE = 1e-3  # of a group's network, which has learned before
RARE = -4.0  # what an output starts from: none of the structures is likely
# Taken off the background's logits. Where a thin structure is likely, nothing is likely too, and
# would clear it: Dice on 24 scans of the training was 0.616 without and 0.701 with it.
RESTRAINT = 3.0
HEAD_BIAS = f"seg_layers.{len(DESIGN.architecture['strides']) - 2}.bias"
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


def restrained(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A group's weights, with a background that clears the others only where it is rather sure."""
    first = torch.zeros(len(next(v for k, v in weights.items() if k.endswith(HEAD_BIAS))))
    first[0] = RESTRAINT
    return {k: v - first if k.endswith(HEAD_BIAS) else v for k, v in weights.items()}


def loss_of(module: PlainConvUNet, image: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Cross entropy of each output by itself plus soft Dice, at full and quarter resolution."""
    with torch.autocast("cpu", torch.bfloat16):
        *_, coarse, _, fine = features(module, image)
    head, low = module.decoder.seg_layers[-1], module.decoder.seg_layers[-3]
    inside = (image != 0).any(1).any(0).flatten().nonzero().flatten()
    points = inside[torch.randint(len(inside), (POINTS,))]
    seen, there = (value.flatten(2)[..., points, None] for value in (fine, truth))
    loss = overlapping(head(seen.float()), there)
    some = nn.functional.avg_pool2d(truth, COARSE)
    return loss + COARSE_SHARE * overlapping(low(coarse.float()), some)


def overlapping(logits: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Sigmoid cross entropy, small structures weighing as much as large ones, plus soft Dice."""
    area = truth.sum((0, 2, 3))
    entropy = nn.functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    chance = logits.sigmoid()
    hit = (chance * truth).sum((0, 2, 3))
    dice = (2 * hit + 1) / (chance.sum((0, 2, 3)) + area + 1)
    own = entropy.sum((0, 2, 3)) / (area + FEWEST)
    loss: torch.Tensor = own.mean() + 1 - dice[area > 0].mean()
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
        return Run(state, module, loss_of)
    learned = torch.load(pool / f"{ALL}.pth", weights_only=True)["mean"]
    module.load_state_dict(part(learned, group))
    return Run(state, module, loss_of, OWN_PEAK_RATE)


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
            folder2d.write(group, restrained(weights), intensities(pool), arguments.root)

    learn(run, patches(pool, groups, 1000 + run.steps), arguments.minutes, keep)


if __name__ == "__main__":
    main()
