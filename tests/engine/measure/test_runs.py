"""Runs of pixels, held to numpy's counts and scipy's labelling, whose neighbours share an edge."""

import numpy as np
import pytest
from scipy.ndimage import label

from totalseg_mcp.engine.measure.runs import Runs

DRAWN = {
    "one pixel": (["#"], 1),
    "nothing": (["..", ".."], 0),
    "corners do not touch": (["#.", ".#"], 2),
    "the end of a row and the start of the next": ([".#", "#."], 2),
    "full rows": (["##", "##"], 1),
    "a ring and what is in it": (["#####", "#...#", "#.#.#", "#...#", "#####"], 2),
    "joined two rows below": (["#.#.#", "#.#.#", "###.#", "....#"], 2),
    "two that hang from one": (["#####", "#...#"], 1),
    "side by side": (["#.#.#"], 3),
}


@pytest.mark.parametrize("name", DRAWN)
def test_pieces_share_no_edge(name):
    drawn, count = DRAWN[name]
    pixels = np.array([[pixel == "#" for pixel in row] for row in drawn])
    assert Runs.of(pixels).pieces == count


@pytest.mark.parametrize("share", [0.05, 0.4, 0.6, 0.95])
@pytest.mark.parametrize("shape", [(1, 200), (200, 1), (37, 53), (90, 120)])
def test_there_are_as_many_pieces_as_scipy_labels(shape, share):
    pixels = np.random.default_rng(11).random(shape) < share
    assert Runs.of(pixels).pieces == label(pixels)[1]


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_runs_have_all_pixels_and_reach_as_far_in_every_row(share):
    pixels = np.random.default_rng(12).random((40, 30)) < share
    runs = Runs.of(pixels)
    assert runs.pixels == pixels.sum()
    rows, columns = runs.tips
    for row in range(40):
        there = np.flatnonzero(pixels[row])
        found = columns[rows == row]
        assert (found.min(), found.max()) == (there[0], there[-1])
