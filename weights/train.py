"""Train the demonstration network on phantoms, within a given time.

    python -m totalseg_mcp.weights.train --pool /tmp/phantoms --samples 800 --minutes 60

The time decides the learning rate, so that any machine ends with a finished network; a run that
was stopped goes on from its last state.
"""

import argparse
import logging
import math
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet
from torch import nn

from totalseg_mcp.phantom import NAMES
from totalseg_mcp.weights import folder, samples

PEAK_RATE = 2.5e-3
WARM_UP = 0.04
POINTS = 50_000  # voxels of a patch that the loss looks at
COARSE_SHARE = 0.3  # weight of the losses at half and quarter resolution
SAVE_EVERY_S = 300

log = logging.getLogger("train")


def rate(done: float) -> float:
    """The learning rate when a share `done` of the time has passed."""
    if done < WARM_UP:
        return PEAK_RATE * (0.05 + 0.95 * done / WARM_UP)
    return PEAK_RATE * (0.002 + 0.998 * 0.5 * (1 + math.cos(math.pi * min(done, 1.0))))


def features(module: PlainConvUNet, image: torch.Tensor) -> list[torch.Tensor]:
    """What the last layers of nnU-Net's `PlainConvUNet` see, coarse to fine."""
    skips = module.encoder(image)
    decoder = module.decoder
    seen = [skips[-1]]
    for n, (up, stage) in enumerate(zip(decoder.transpconvs, decoder.stages, strict=True)):
        seen.append(stage(torch.cat((up(seen[-1]), skips[-(n + 2)]), 1)))
    return seen[1:]


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


def patches(
    pool: list[samples.Sample], stats: dict[str, float], seed: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Normalised patches for ever, made two ahead."""
    rng = np.random.default_rng(seed)
    pick = np.random.default_rng(seed + 1)

    def one(n: int) -> tuple[torch.Tensor, torch.Tensor]:
        image, truth = samples.patch(pool[int(pick.integers(len(pool)))], rng)
        clipped = np.clip(image, stats["percentile_00_5"], stats["percentile_99_5"])
        normal = np.nan_to_num((clipped - stats["mean"]) / stats["std"], nan=0.0)
        tensor = torch.from_numpy(normal.astype(np.float32))[None, None]
        return tensor, torch.from_numpy(truth.astype(np.int64))

    with ThreadPoolExecutor(1) as workers:
        waiting = [workers.submit(one, n) for n in range(3)]
        while True:
            yield waiting.pop(0).result()
            waiting.append(workers.submit(one, 0))


class Run:
    """A training run: network, its running mean, optimiser, and the time spent."""

    def __init__(self, state: Path, stats: dict[str, float]) -> None:
        self.state, self.stats = state, stats
        self.module = folder.network(len(NAMES) + 1)
        self.mean = {k: v.clone() for k, v in self.module.state_dict().items()}
        self.optimiser = torch.optim.AdamW(
            self.module.parameters(), lr=PEAK_RATE, weight_decay=1e-2
        )
        self.steps, self.spent_s = 0, 0.0
        if state.exists():
            kept = torch.load(state, weights_only=True)
            self.module.load_state_dict(kept["module"])
            self.mean, self.steps, self.spent_s = kept["mean"], kept["steps"], kept["spent_s"]
            self.optimiser.load_state_dict(kept["optimiser"])

    def step(self, image: torch.Tensor, truth: torch.Tensor, done: float) -> float:
        """One patch; returns its loss."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate(done)
        loss = loss_of(self.module, image, truth)
        self.optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.module.parameters(), 3.0)
        self.optimiser.step()
        self.steps += 1
        keep = min(0.995, 1 - 1 / (1 + self.steps / 8))
        for key, value in self.module.state_dict().items():
            self.mean[key].lerp_(value, 1 - keep)
        return float(loss.detach())

    def save(self, model: Path) -> None:
        """The state to go on from, and the model folder as it is now."""
        kept = {"module": self.module.state_dict(), "mean": self.mean, "steps": self.steps}
        kept |= {"optimiser": self.optimiser.state_dict(), "spent_s": self.spent_s}
        torch.save(kept, self.state)
        folder.write(self.mean, self.stats, NAMES, model)


def train(run: Run, pool: list[samples.Sample], minutes: float, model: Path) -> None:
    """Until the time is up, saving now and then."""
    started, saved, losses = time.monotonic() - run.spent_s, time.monotonic(), []
    for image, truth in patches(pool, run.stats, 1000 + run.steps):
        run.spent_s = time.monotonic() - started
        if run.spent_s > minutes * 60:
            break
        losses.append(run.step(image, truth, run.spent_s / (minutes * 60)))
        if run.steps % 50 == 0:
            log.info("%d steps, %.0f s, loss %.3f", run.steps, run.spent_s, np.mean(losses))
            losses.clear()
        if time.monotonic() - saved > SAVE_EVERY_S:
            run.save(model)
            saved = time.monotonic()
    run.save(model)


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
    stats = samples.intensities(pool)
    log.info("%d samples, %s", len(pool), stats)
    run = Run(arguments.pool / "state.pth", stats)
    train(run, pool, arguments.minutes, arguments.model)


if __name__ == "__main__":
    main()
