import pytest
import torch

from totalseg_mcp.engine.pace import Pace, pace


class Queue:
    """A device that has done nothing unless somebody waits for it."""

    def __init__(self) -> None:
        self.given = self.done = 0

    def mark(self) -> "Place":
        return Place(self, self.given)


class Place:
    def __init__(self, queue: Queue, tiles: int) -> None:
        self.queue, self.tiles = queue, tiles

    def synchronize(self) -> None:
        self.queue.done = max(self.queue.done, self.tiles)


def test_one_tile_waits_while_another_is_computed_and_no_more():
    queue = Queue()
    tile_done = Pace(queue.mark)
    behind = []
    for queue.given in range(1, 6):
        tile_done()
        behind.append(queue.given - queue.done)
    assert behind == [1, 1, 1, 1, 1]


@pytest.mark.parametrize("images", [1, 2])
def test_on_a_cpu_there_is_nothing_to_wait_for(images, monkeypatch):
    monkeypatch.setattr(torch.accelerator, "synchronize", lambda device: pytest.fail("waited"))
    for _ in range(images):
        assert pace(torch.device("cpu"))() is None
