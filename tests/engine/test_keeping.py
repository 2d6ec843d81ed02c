import weakref
from dataclasses import dataclass

import pytest

from totalseg_mcp.engine.keeping import Shelf


@dataclass
class Thing:
    nbytes: int


def fill(shelf: Shelf, *wanted: tuple[str, int]) -> list[str]:
    """The keys that had to be loaded, in order."""
    loaded = []

    def load(key: str, nbytes: int) -> Thing:
        loaded.append(key)
        return Thing(nbytes)

    for key, nbytes in wanted:
        shelf.take(key, lambda key=key, nbytes=nbytes: load(key, nbytes))
    return loaded


def test_what_fits_is_loaded_once():
    shelf = Shelf(100)
    assert fill(shelf, ("a", 60), ("b", 40), ("a", 60), ("b", 40)) == ["a", "b"]
    assert (shelf.nbytes, shelf.loads, shelf.evictions) == (100, 2, 0)


def test_what_was_not_used_for_longest_goes_first():
    shelf = Shelf(100)
    assert fill(shelf, ("a", 40), ("b", 40), ("a", 40), ("c", 40)) == ["a", "b", "c"]
    assert fill(shelf, ("a", 40), ("c", 40)) == []
    assert fill(shelf, ("b", 40)) == ["b"]
    assert (shelf.nbytes, shelf.loads, shelf.evictions) == (80, 4, 2)


def test_one_large_thing_puts_out_as_many_small_ones_as_it_needs():
    shelf = Shelf(100)
    fill(shelf, ("a", 30), ("b", 30), ("c", 30), ("large", 70))
    assert shelf.evictions == 2
    assert fill(shelf, ("c", 30), ("large", 70)) == []


def test_what_is_larger_than_the_budget_stays_for_the_job_alone():
    shelf = Shelf(100)
    assert fill(shelf, ("a", 40), ("huge", 101), ("huge", 101)) == ["a", "huge"]
    assert shelf.nbytes == 101
    shelf.settle()
    assert (shelf.nbytes, shelf.evictions) == (0, 2)
    assert fill(shelf, ("huge", 101)) == ["huge"]


def test_a_budget_of_nothing_keeps_nothing_between_jobs():
    shelf = Shelf(0)
    for _ in range(2):
        assert fill(shelf, ("a", 1), ("a", 1)) == ["a"]
        shelf.settle()
        assert shelf.nbytes == 0


def test_what_is_put_out_is_freed():
    shelf = Shelf(10)
    gone = weakref.ref(shelf.take("a", lambda: Thing(10)))
    assert gone() is not None
    shelf.take("b", lambda: Thing(10))
    assert gone() is None


def test_a_failed_load_changes_nothing():
    shelf = Shelf(100)
    fill(shelf, ("a", 100))

    def fail() -> Thing:
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        shelf.take("b", fail)
    assert fill(shelf, ("a", 100)) == []
    assert (shelf.loads, shelf.evictions) == (1, 0)
