"""Rays against surfaces whose place is known by arithmetic: trilinear densities are exact."""

import numpy as np
import pytest

from totalseg_mcp.engine.preview.rays import first_hits

SHAPE = (12, 20, 14)
COLUMNS = np.linspace(1.2, 9.7, 17, dtype=np.float32)
ROWS = np.linspace(1.4, 11.3, 19, dtype=np.float32)


def hits(density, surface=0.5):
    padded = np.zeros(SHAPE, np.float32)
    inner = (slice(1, -1),) * 3
    padded[inner] = density[inner]
    return first_hits(padded, COLUMNS, ROWS, surface)


def test_a_tilted_plane_is_met_exactly():
    i, j, k = np.indices(SHAPE, dtype=np.float32)
    density = np.clip(0.5 + 0.1 * (j - 8 - 0.3 * i + 0.2 * k), 0.0, None)
    met = hits(density)
    columns, rows = COLUMNS[met.pixels % 17], ROWS[met.pixels // 17]
    inside = (columns > 1.5) & (rows > 1.5) & (columns < 9.5) & (rows < 11)
    expected = 8 + 0.3 * columns - 0.2 * rows
    assert inside.sum() > 200
    assert met.points[1][inside] == pytest.approx(expected[inside], abs=1e-4)


def test_the_nearest_of_two_walls_is_met_and_the_other_through_the_hole():
    density = np.zeros(SHAPE, np.float32)
    density[:, 5] = density[:, 12] = 1
    density[4:8, 5, 4:9] = 0
    met = hits(density)
    depths = dict(zip(met.pixels.tolist(), met.points[1].tolist(), strict=True))
    ray = {
        (column, row): row_at * 17 + column_at
        for column_at, column in enumerate(COLUMNS.tolist())
        for row_at, row in enumerate(ROWS.tolist())
    }
    through = [n for (column, row), n in ray.items() if 4 <= column <= 7 and 4 <= row <= 8]
    beside = [n for (column, row), n in ray.items() if 8.1 < column < 9.5 and 9.1 < row < 11]
    assert [depths[n] for n in through] == pytest.approx([11.5] * len(through))
    assert [depths[n] for n in beside] == pytest.approx([4.5] * len(beside))
    assert len(through) > 10
    assert len(beside) > 1


def test_rays_that_meet_nothing_are_left_out():
    density = np.zeros(SHAPE, np.float32)
    density[5:, 6:9] = 1
    met = hits(density)
    assert met.points[0].min() >= 4.5 - 1e-5
    assert len(met.pixels) == len(set(met.pixels.tolist())) == (COLUMNS > 4.5).sum() * len(ROWS)
