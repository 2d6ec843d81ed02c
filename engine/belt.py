"""The sums of tiles in the planes that a sliding window is on."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from totalseg_mcp.engine.errors import NotReadyError

# Finished planes that are handed on together: so many at least, and on a CPU no more outputs than
# its caches hold; other devices need enough to be busy.
FEWEST_PLANES = 4
OUTPUTS_AT_ONCE = {"cpu": 2**20}
MANY_OUTPUTS = 2**25


@dataclass(slots=True, eq=False)
class Belt:
    """The sums of a fold's outputs in the planes that the window is on, which go round in it."""

    total: torch.Tensor  # [class, plane, y, x]
    weights: torch.Tensor  # [plane, y, x]

    @classmethod
    def under(cls, outputs: torch.Tensor, planes: int, across: tuple[int, ...]) -> "Belt":
        """An empty one, of half precision, for outputs like these."""
        total = outputs.new_zeros((len(outputs), planes, *across), dtype=torch.half)
        return cls(total, outputs.new_zeros((planes, *across), dtype=torch.half))

    def add(self, outputs: torch.Tensor, weight: torch.Tensor, at: tuple[slice, ...]) -> None:
        """Outputs that have been weighted by `weight`, `at` their place in the image."""
        done = 0
        for place in self._round(at[0]):
            now = slice(done, done + place.stop - place.start)
            there = self.total[(slice(None), place, *at[1:])]
            there.copy_(outputs[:, now].add_(there))  # rounded once
            self.weights[(place, *at[1:])] += weight[now]
            done = now.stop

    def take(self, planes: slice) -> torch.Tensor:
        """The weighted mean in `planes`, which do not go round; they may be overwritten."""
        first = planes.start % self.total.shape[1]
        here = slice(first, first + planes.stop - planes.start)
        mean = finite(self.total[:, here].div(self.weights[here]))
        self.total[:, here] = 0
        self.weights[here] = 0
        return mean

    def pieces(self, planes: slice) -> Iterator[slice]:
        """`planes` in parts that `take` takes."""
        first = planes.start
        outputs = OUTPUTS_AT_ONCE.get(self.total.device.type, MANY_OUTPUTS)
        most = max(FEWEST_PLANES, outputs // self.total[:, 0].numel())
        for place in self._round(planes):
            for start in range(place.start, place.stop, most):
                count = min(most, place.stop - start)
                yield slice(first, first + count)
                first += count

    def _round(self, planes: slice) -> list[slice]:
        """Where `planes` of the image are: in one part, or where they go round in two."""
        around = self.total.shape[1]
        start = planes.start % around
        stop = start + planes.stop - planes.start
        if stop <= around:
            return [slice(start, stop)]
        return [slice(start, around), slice(0, stop - around)]


def mean(belts: list[Belt], planes: slice) -> torch.Tensor:
    """The mean of what `belts` have in `planes`, summed in their order."""
    first, *others = (belt.take(planes) for belt in belts)
    for other in others:
        first += other
    return first.div_(len(belts)) if others else first


def finite(outputs: torch.Tensor) -> torch.Tensor:
    """`outputs`; raises NotReadyError where they are infinite or no numbers."""
    if not all(torch.isfinite(extreme) for extreme in torch.aminmax(outputs)):
        raise NotReadyError(
            "The network's output is not finite: it overflowed half precision, or the weights are "
            "damaged. Fetch the published weights again."
        )
    return outputs
