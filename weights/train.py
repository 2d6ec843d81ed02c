"""Train the demonstration network on phantoms, within a given time.

    python -m totalseg_mcp.weights.train --pool /tmp/phantoms --samples 800 --minutes 60

The time decides the learning rate, so that any machine ends with a finished network; a run that
was stopped goes on from its last state.
"""

import argparse
import logging
from pathlib import Path

import numpy as np
import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet
from torch import nn

from totalseg_mcp.phantom import NAMES
from totalseg_mcp.weights import folder, samples
from totalseg_mcp.weights.learning import Patches, Run, ahead, features, learn

POINTS = 50_000  # voxels of a patch that the loss looks at
COARSE_SHARE = 0.3  # weight of the losses at half and quarter resolution

log = logging.getLogger("train")


def loss_of(module: PlainConvUNet, image: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Cross entropy at three resolutions, rare structures weighing more, plus soft Dice."""
    with torch.autocast("cpu", torch.bfloat16):
        *_, coarse, middle, fine = features(module, image)
    counts = torch.bincount(truth.flatten(), minlength=len(NAMES) + 1).float()
    rarity = (counts + 20).pow(-0.3)
    loss = sampled(module.decoder.seg_layers[-1], fine[0].flatten(1), truth.flatten(), rarity)
    for layer, seen, step in ((-2, middle, 2), (-3, coarse, 4)):
        logits = module.decoder.seg_layers[layer](seen.float())[0].flatten(1).T
        some = truth[step // 2 :: step, step // 2 :: step, step // 2 :: step].flatten()
        loss = loss + COARSE_SHARE * nn.functional.cross_entropy(logits, some, rarity)
    return loss


def sampled(
    head: nn.Conv3d, seen: torch.Tensor, truth: torch.Tensor, rarity: torch.Tensor
) -> torch.Tensor:
    """Cross entropy plus soft Dice over the structures present, at voxels drawn by rarity.

    `seen` is [feature, voxel]; all 118 outputs at every voxel would cost more than the network.
    """
    chance = rarity[truth]
    chance = chance / chance.sum()
    chosen = torch.multinomial(chance, POINTS, replacement=True)
    points = seen[:, chosen].float().T
    logits = nn.functional.linear(points, head.weight.flatten(1), head.bias)
    target, stands_for = truth[chosen], 1 / (chance[chosen] * POINTS)
    weighted = logits.softmax(1) * stands_for[:, None]
    own = weighted.gather(1, target[:, None]).flatten()
    hit = torch.zeros(len(rarity)).index_add(0, target, own)
    counts = torch.bincount(truth, minlength=len(rarity)).float()
    dice = (2 * hit + 1) / (weighted.sum(0) + counts + 1)
    present = (counts > 0).nonzero().flatten()[1:]
    # Adding the chances' logarithm undoes the drawing: the outputs are those of even sampling.
    entropy = nn.functional.cross_entropy(logits + rarity.log(), target)
    loss: torch.Tensor = entropy + 1 - dice[present].mean()
    return loss


def patches(pool: list[samples.Sample], stats: dict[str, float], seed: int) -> Patches:
    """Normalised patches for ever."""
    rng = np.random.default_rng(seed)
    pick = np.random.default_rng(seed + 1)

    def one() -> tuple[torch.Tensor, torch.Tensor]:
        image, truth = samples.patch(pool[int(pick.integers(len(pool)))], rng)
        clipped = np.clip(image, stats["percentile_00_5"], stats["percentile_99_5"])
        normal = np.nan_to_num((clipped - stats["mean"]) / stats["std"], nan=0.0)
        tensor = torch.from_numpy(normal.astype(np.float32))[None, None]
        return tensor, torch.from_numpy(truth.astype(np.int64))

    return ahead(one)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pool", type=Path, required=True, help="folder for the phantoms' scans")
    parser.add_argument("--samples", type=int, default=800)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--model", type=Path, default=folder.MODEL, help="where the folder goes")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    samples.fill(arguments.pool, arguments.samples, arguments.threads)
    pool = samples.load(arguments.pool)
    stats = samples.intensities(np.concatenate([hu[truth > 0][::7] for hu, truth in pool]))
    log.info("%d samples, %s", len(pool), stats)
    module = folder.DESIGN.network(len(NAMES) + 1)
    run = Run(arguments.pool / "state.pth", module, loss_of)

    def keep(run: Run) -> None:
        run.save()
        folder.write(run.mean, stats, NAMES, arguments.model)

    learn(run, patches(pool, stats, 1000 + run.steps), arguments.minutes, keep)


if __name__ == "__main__":
    main()
