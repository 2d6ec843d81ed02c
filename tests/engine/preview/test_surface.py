"""The surfaces from the front. Sizes are those of balls and boxes, colours the SNOMED table's."""

import numpy as np
import pytest

from totalseg_mcp.engine.image.orientation import reorient
from totalseg_mcp.engine.preview.layers import layers
from totalseg_mcp.engine.preview.surface import surface
from totalseg_mcp.engine.tasks import TASKS
from totalseg_mcp.engine.tasks import labels as names_of
from totalseg_mcp.engine.volume import Grid, Labels
from totalseg_mcp.phantom import phantom, scan, view

NAMES = ("liver", "stomach", "rib_right_6", "body_trunc")
RGB = {"liver": (40, 140, 40), "stomach": (180, 70, 160)}
ALL, MIDDLE = slice(None), slice(30, 70)


def labelled(*boxes, spacing=(2.0, 2.0, 2.0), shape=(100, 100, 100)) -> Labels:
    grid = Grid(shape, np.diag([*spacing, 1.0]))
    data = np.zeros(grid.shape, np.uint8)
    for label, box in boxes:
        data[box] = label
    return Labels(data, grid, NAMES)


def seen(labels: Labels):
    turned = reorient(labels, "LPI")
    made = surface(turned, [int(label) for label in np.unique(labels.data) if label])
    return np.asarray(made.image).astype(float), made.size_mm


def of_colour(shown: np.ndarray, rgb) -> np.ndarray:
    """Where light on `rgb` is seen: light keeps the ratio of red, green and blue."""
    length = np.linalg.norm(shown, axis=-1)
    cosine = shown @ np.array(rgb) / np.maximum(length * np.linalg.norm(rgb), 1e-9)
    return (cosine > 0.985) & (length > 20)


def ball(spacing, radius_mm=40.0) -> Labels:
    shape = tuple(int(120 / edge) for edge in spacing)
    grid = Grid(shape, np.diag([*spacing, 1.0]))
    places_mm = np.indices(shape).T @ np.diag(spacing) + np.array(spacing) / 2 - 60
    distances_mm = np.linalg.norm(places_mm, axis=-1).T
    return Labels((distances_mm < radius_mm).astype(np.uint8), grid, NAMES)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.5, 0.5, 0.5), (1.0, 1.0, 6.0), (3, 1, 1)])
def test_a_ball_is_round_and_of_its_size_whatever_the_voxels(spacing):
    shown, (width_mm, height_mm) = seen(ball(spacing))
    there = shown.max(axis=-1) > 8
    rows, columns = np.flatnonzero(there.any(axis=1)), np.flatnonzero(there.any(axis=0))
    height = (rows[-1] - rows[0] + 1) * height_mm / shown.shape[0]
    width = (columns[-1] - columns[0] + 1) * width_mm / shown.shape[1]
    area = there.mean() * width_mm * height_mm
    assert (width, height) == pytest.approx((80, 80), abs=max(spacing))
    assert area == pytest.approx(np.pi * 40**2, rel=0.05)


def test_a_ball_is_lit_from_above_the_patients_right():
    shown = seen(ball((1.0, 1.0, 1.0)))[0].sum(axis=-1)
    half = shown.shape[0] // 2, shown.shape[1] // 2
    upper_left, lower_right = shown[: half[0], : half[1]], shown[half[0] :, half[1] :]
    assert upper_left.sum() > 1.3 * lower_right.sum()


def test_the_phantoms_liver_is_left_of_its_spleen():
    anatomy = phantom(5)
    _, truth = scan(anatomy, view(anatomy, "upper_abdomen", (4.0, 4.0, 4.0)))
    data = np.zeros(truth.grid.shape, np.uint8)
    for label, name in enumerate(("liver", "spleen"), start=1):
        data[truth.data == truth.names.index(name) + 1] = label
    shown, _ = seen(Labels(data, truth.grid, NAMES))  # the spleen in another colour than green
    liver, spleen = (
        np.flatnonzero(of_colour(shown, RGB[name]).any(axis=0)) for name in ("liver", "stomach")
    )
    assert liver.mean() < shown.shape[1] / 2 < spleen.mean()


@pytest.mark.parametrize(("front", "back"), [("liver", "stomach"), ("stomach", "liver")])
def test_what_lies_in_front_hides_what_lies_behind(front, back):
    near, far = slice(60, 75), slice(20, 45)
    labels = labelled(
        (NAMES.index(back) + 1, (slice(20, 80), far, slice(20, 80))),
        (NAMES.index(front) + 1, (MIDDLE, near, MIDDLE)),
    )
    shown, _ = seen(labels)
    height, width = shown.shape[:2]
    assert of_colour(shown, RGB[front])[height // 2, width // 2]
    assert of_colour(shown, RGB[back])[height // 2, round(width * 0.12)]


def test_the_right_is_left_and_the_head_is_up():
    labels = labelled(
        (1, (slice(60, 80), MIDDLE, slice(60, 80))), (2, (slice(20, 40), MIDDLE, slice(20, 40)))
    )
    shown, _ = seen(labels)
    liver = np.argwhere(of_colour(shown, RGB["liver"])).mean(axis=0)
    stomach = np.argwhere(of_colour(shown, RGB["stomach"])).mean(axis=0)
    assert (liver < stomach).all()


def test_an_organ_is_seen_through_a_rib_but_a_rib_alone_is_solid():
    rib = (3, (slice(10, 90), slice(75, 80), slice(46, 54)))
    organ = (1, (MIDDLE, slice(40, 60), slice(20, 80)))
    alone, before = (
        shown[shown.shape[0] // 2, shown.shape[1] // 2]
        for shown, _ in (seen(labelled(rib)), seen(labelled(rib, organ)))
    )
    assert before[1] / before.sum() > alone[1] / alone.sum() + 0.1, "greener: the liver is green"
    assert alone.max() > 100


def test_what_the_skin_encloses_is_seen_and_skin_alone_is_solid():
    skin = (4, (slice(10, 90),) * 3)
    organ = (1, (MIDDLE, slice(40, 60), MIDDLE))
    shown, _ = seen(labelled(skin, organ))
    height, width = shown.shape[:2]
    assert np.argmax(shown[height // 2, width // 2]) == 1, "green"
    alone, _ = seen(labelled(skin))
    assert alone[height // 2, width // 2].max() > 100


@pytest.mark.parametrize("shape", [(100, 100, 100), (400, 60, 400)])
def test_a_structure_as_thin_as_a_voxel_is_seen_in_its_whole_length(shape):
    rod = (2, (slice(shape[0] // 2, shape[0] // 2 + 1), 30, slice(4, -4)))
    frame = [(1, (slice(0, 6), ALL, ALL)), (1, (slice(-6, None), ALL, ALL))]
    shown, _ = seen(labelled(*frame, rod, shape=shape))
    there = of_colour(shown, RGB["stomach"]).any(axis=1)
    rows = np.flatnonzero(there)
    assert rows[-1] - rows[0] > 0.85 * len(there)
    assert there[rows[0] : rows[-1]].mean() > 0.99


def test_a_single_slice_is_seen_as_thick_as_it_is():
    labels = labelled((1, (MIDDLE, MIDDLE, 0)), spacing=(1, 1, 5), shape=(100, 100, 1))
    shown, (width_mm, height_mm) = seen(labels)
    area = of_colour(shown, RGB["liver"]).mean() * width_mm * height_mm
    assert area == pytest.approx(40 * 5, rel=0.3)


def test_nothing_makes_no_surface():
    assert surface(reorient(labelled(), "LPI"), []) is None


@pytest.mark.parametrize("task", sorted(TASKS))
def test_every_structure_of_every_task_is_in_one_layer_and_the_last_is_solid(task):
    names = names_of(task)
    made = layers(range(1, len(names) + 1), names)
    assert sorted(label for layer in made for label in layer.labels) == [*range(1, len(names) + 1)]
    assert made[-1].opacity == (1.0, 1.0)
