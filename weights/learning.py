"""Training within a given time, for any U-Net of nnU-Net's kind."""

import logging
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet
from torch import nn

PEAK_RATE = 2.5e-3
WARM_UP = 0.04
SAVE_EVERY_S = 300
AHEAD = 3  # batches
CPU = torch.device("cpu")

T = TypeVar("T")
Loss = Callable[[PlainConvUNet, torch.Tensor, torch.Tensor], torch.Tensor]
Patches = Iterator[tuple[torch.Tensor, torch.Tensor]]

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


def ahead(one: Callable[[], T]) -> Iterator[T]:
    """What `one` makes, for ever, made in another thread before it is asked for."""
    with ThreadPoolExecutor(1) as workers:
        waiting = [workers.submit(one) for _ in range(AHEAD)]
        while True:
            yield waiting.pop(0).result()
            waiting.append(workers.submit(one))


class Run:
    """A training run: network, its running mean, optimiser, and the time spent."""

    def __init__(
        self, state: Path, module: PlainConvUNet, loss: Loss, device: torch.device = CPU
    ) -> None:
        self.state, self.module, self.loss = state, module.to(device), loss
        self.mean = {k: v.clone() for k, v in self.module.state_dict().items()}
        self.optimiser = torch.optim.AdamW(
            self.module.parameters(), lr=PEAK_RATE, weight_decay=1e-2
        )
        self.steps, self.spent_s = 0, 0.0
        if state.exists():
            kept = torch.load(state, map_location=device, weights_only=True)
            self.module.load_state_dict(kept["module"])
            self.mean, self.steps, self.spent_s = kept["mean"], kept["steps"], kept["spent_s"]
            self.optimiser.load_state_dict(kept["optimiser"])

    def step(self, image: torch.Tensor, truth: torch.Tensor, done: float) -> torch.Tensor:
        """One batch; returns its loss."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate(done)
        loss = self.loss(self.module, image, truth)
        self.optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.module.parameters(), 3.0)
        self.optimiser.step()
        self.steps += 1
        keep = min(0.995, 1 - 1 / (1 + self.steps / 8))
        now = self.module.state_dict()
        torch._foreach_lerp_([self.mean[key] for key in now], list(now.values()), 1 - keep)
        return loss.detach()

    def save(self) -> None:
        """The state to go on from."""
        kept = {"module": self.module.state_dict(), "mean": self.mean, "steps": self.steps}
        kept |= {"optimiser": self.optimiser.state_dict(), "spent_s": self.spent_s}
        torch.save(kept, self.state)


def learn(run: Run, patches: Patches, minutes: float, keep: Callable[[Run], None]) -> None:
    """Until the time is up; `keep` is called now and then, and at the end."""
    started, saved, losses = time.monotonic() - run.spent_s, time.monotonic(), []
    for image, truth in patches:
        run.spent_s = time.monotonic() - started
        if run.spent_s > minutes * 60:
            break
        losses.append(run.step(image, truth, run.spent_s / (minutes * 60)))
        if run.steps % 50 == 0:
            mean = torch.stack(losses).mean().item()
            log.info("%d steps, %.0f s, loss %.3f", run.steps, run.spent_s, mean)
            losses.clear()
        if time.monotonic() - saved > SAVE_EVERY_S:
            keep(run)
            saved = time.monotonic()
    keep(run)
