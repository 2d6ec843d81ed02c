import numpy as np

from totalseg_mcp.engine.image.merge import keep, merge
from totalseg_mcp.engine.volume import Grid, Labels


def row(values: list[int], names: tuple[str, ...]) -> Labels:
    data = np.array(values, np.uint8).reshape(-1, 1, 1)
    return Labels(data, Grid((len(values), 1, 1), np.eye(4)), names)


def test_parts_are_renumbered_by_name_and_later_ones_win():
    first = row([1, 1, 2, 0], ("spleen", "liver"))
    second = row([0, 1, 0, 2], ("rib", "spleen"))
    merged = merge([first, second], ("liver", "rib", "spleen"))
    assert merged.data.ravel().tolist() == [3, 2, 1, 3]


def test_what_the_task_does_not_have_becomes_background():
    merged = merge([row([1, 2], ("cyst", "kidney"))], ("cyst",))
    assert merged.data.ravel().tolist() == [1, 0]


def test_more_than_255_structures_get_two_bytes():
    names = tuple(f"s{n}" for n in range(300))
    labels = Labels(np.full((1, 1, 1), 299, np.uint16), Grid((1, 1, 1), np.eye(4)), names)
    assert merge([labels], names).data.item() == 299


def test_keeping_some_leaves_their_numbers():
    labels = row([1, 2, 3, 0], ("a", "b", "c"))
    assert keep(labels, ("c", "a")).data.ravel().tolist() == [1, 0, 3, 0]
    assert keep(labels, ("a", "b", "c")) is labels
