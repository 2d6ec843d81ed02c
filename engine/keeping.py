"""Things that stay in memory while there is room, whatever they are."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar


class Measured(Protocol):
    """Knows how many bytes of memory it needs while it is kept."""

    @property
    def nbytes(self) -> int:
        """Bytes."""
        ...


T = TypeVar("T", bound=Measured)


@dataclass(slots=True)
class Shelf:
    """What is on one device: together at most `budget` bytes, once a job is over.

    A key always stands for the same kind of thing. `loads` and `evictions` count since the start.
    """

    budget: int
    loads: int = 0
    evictions: int = 0
    _kept: OrderedDict[Hashable, Any] = field(default_factory=OrderedDict)

    def take(self, key: Hashable, load: Callable[[], T]) -> T:
        """What `key` stands for, loaded only if it is not here.

        Others go, the longest unused first, until there is room for it; if it needs more than
        the budget it is alone, and stays until the next `settle`.
        """
        if key not in self._kept:
            self._kept[key] = load()
            self.loads += 1
        self._kept.move_to_end(key)
        self._put_out(sparing=1)
        taken: T = self._kept[key]
        return taken

    def settle(self) -> None:
        """Put out, the longest unused first, what is beyond the budget."""
        self._put_out(sparing=0)

    def clear(self) -> int:
        """Put out all that is here, and say how many they were."""
        gone = len(self._kept)
        self._kept.clear()
        self.evictions += gone
        return gone

    @property
    def nbytes(self) -> int:
        """Bytes of all that is here."""
        return sum(kept.nbytes for kept in self._kept.values())

    def _put_out(self, sparing: int) -> None:
        while len(self._kept) > sparing and self.nbytes > self.budget:
            self._kept.popitem(last=False)
            self.evictions += 1
