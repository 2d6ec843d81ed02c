"""What networks see of a volume."""

import numpy as np
import pytest

from totalseg_mcp.engine.image.project import plane_of, project
from totalseg_mcp.engine.segment2d import of_projections, of_volume
from totalseg_mcp.engine.volume import Grid, Volume


def scan() -> Volume:
    """Depth 3, LAS: its first column is the patient's right, its first row the feet."""
    values = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    return Volume(values, Grid((2, 3, 4), np.diag([-1.0, 1.0, 1.0, 1.0])))


def test_a_volume_is_seen_from_the_front():
    mean, highest = of_volume(scan())(("mean", "max")).data
    # Of (i, k) the values are 12 i + k + 0, 4 and 8; rows run from the head, columns from the left.
    i, k = np.meshgrid([1, 0], [3, 2, 1, 0])
    np.testing.assert_array_equal(mean, 12 * i + k + 4)
    np.testing.assert_array_equal(highest, 12 * i + k + 8)


@pytest.mark.parametrize("ready", [(), ("mean",), ("mean", "max")])
def test_what_was_not_expected_is_made_of_the_volume_read_once_more(ready):
    reads = []

    def again() -> Volume:
        reads.append("again")
        return scan()

    projections = {how: project(scan(), how) for how in ready}
    seen = of_projections(projections, plane_of(scan().grid), again)
    for how in ready:
        np.testing.assert_array_equal(seen((how,)).data[0], projections[how])
    (lowest,) = seen(("min",)).data
    seen(("min",))
    assert reads == ["again"]
    np.testing.assert_array_equal(lowest, of_volume(scan())(("max",)).data[0] - 8)
