"""The whole way there and back, with networks that are plain functions of the image."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from totalseg_mcp.engine.image.orientation import reorient
from totalseg_mcp.engine.landmarks import Landmarks
from totalseg_mcp.engine.options import Options
from totalseg_mcp.engine.plan import Plan, plan
from totalseg_mcp.engine.segment import Network, segment
from totalseg_mcp.engine.tasks import Model
from totalseg_mcp.engine.views import Views
from totalseg_mcp.engine.volume import Grid, Volume
from totalseg_mcp.engine.watch import Progress, Watch, clocked, watching

LIVER = 5  # its label number in the task total
CENTRE_MM = np.array([20.0, -35.0, 850.0])
RADII_MM = np.array([48.0, 30.0, 38.0])


def tilted_grid(shape: tuple[int, int, int] = (80, 70, 60)) -> Grid:
    """LPS, tilted about two axes, 2 x 2.5 x 3 mm, centred near the ball, off the origin."""
    a, b = np.radians([12.0, -8.0])
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_z = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = about_x @ about_z @ np.diag([-2.0, -2.5, 3.0])
    affine[:3, 3] = CENTRE_MM - affine[:3, :3] @ (np.array(shape) / 2)
    return Grid(shape, affine)


def ball(grid: Grid) -> np.ndarray:
    """Where an ellipsoid, fixed in the world, covers the voxels' centres."""
    index = np.indices(grid.shape).reshape(3, -1)
    world = (grid.affine[:3, :3] @ index).T + grid.affine[:3, 3]
    inside = (((world - CENTRE_MM) / RADII_MM) ** 2).sum(1) <= 1
    return inside.reshape(grid.shape)


def scan(grid: Grid) -> Volume:
    return Volume(np.where(ball(grid), 60, -1000).astype(np.int16), grid)


def bright(name: str) -> Callable[[Model], Network]:
    """Models that call every voxel above -500 HU `name`, if that is one of their structures."""

    def network(model: Model) -> Network:
        def labels(image: Volume, tile_step: float, by_class: bool) -> np.ndarray:
            assert image.grid.axcodes == "RAS"
            number = model.names.index(name) + 1 if name in model.names else 0
            return np.where(image.data > -500, number, 0).astype(np.uint8)

        return labels

    return network


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * float((a & b).sum()) / float(a.sum() + b.sum())


FAST = plan(Options("total", "fast"))


def test_labels_come_back_where_the_structure_lies_in_the_patient():
    grid = tilted_grid()
    found = segment(scan(grid), FAST, bright("liver")).labels
    assert found.grid.shape == grid.shape
    np.testing.assert_array_equal(found.grid.affine, grid.affine)
    assert dice(found.data == LIVER, ball(grid)) > 0.96
    volume_mm3 = (found.data == LIVER).sum() * 2.0 * 2.5 * 3.0
    assert volume_mm3 == pytest.approx(4 / 3 * np.pi * RADII_MM.prod(), rel=0.04)


@pytest.mark.parametrize("axcodes", ["RAS", "LPS", "SAL", "PIR", "IRA", "ASR"])
def test_the_order_and_direction_of_the_axes_do_not_matter(axcodes):
    turned = reorient(scan(tilted_grid()), axcodes)
    found = segment(turned, FAST, bright("liver")).labels
    assert found.grid.axcodes == axcodes
    straight = segment(scan(tilted_grid()), FAST, bright("liver")).labels
    np.testing.assert_array_equal(reorient(found, "LPS").data, straight.data)


def test_models_see_the_scan_as_it_was_stretched():
    data = np.random.default_rng(0).integers(-900, 900, (12, 10, 8)).astype(np.int16)
    image = Volume(data, Grid(data.shape, np.diag([6.0, 6.0, 6.0, 1.0])))
    seen = Views(image, lambda data, shape, *_: np.full(shape, 7.9)).of(FAST, None)
    assert seen.data.shape == (24, 20, 16)
    assert (seen.data == 7).all()


def test_a_scan_that_has_the_models_spacing_is_not_resampled():
    grid = Grid((20, 22, 24), np.diag([3.0, 3.0, 3.0, 1.0]))
    image = Volume(np.full(grid.shape, -999.5), grid)
    seen = Views(image).of(FAST, None)
    assert seen.data.dtype == np.float64, "values stay as they are"
    np.testing.assert_array_equal(seen.data, image.data)


def test_resampled_values_are_whole_numbers_cut_off_toward_zero():
    grid = Grid((20, 22, 24), np.diag([2.0, 2.0, 2.0, 1.0]))
    data = np.full(grid.shape, -99.7)
    data[0, 0, 0] = 300.6
    seen = Views(Volume(data, grid)).of(FAST, None)
    assert seen.data.dtype == np.int32
    assert (seen.data[0, 0, 0], seen.data[-1, -1, -1]) == (300, -99)
    assert seen.grid.shape == (13, 15, 16), "round(20 * 2 / 3), round(22 * 2 / 3), 24 * 2 / 3"


SUBSET = plan(Options("total", "default", ("liver",)))


def test_only_the_region_of_a_subset_is_segmented_and_the_rest_is_background():
    seen: list[tuple[int, int, int]] = []

    def network(model: Model) -> Network:
        rough = bright("liver")(model)

        def labels(image: Volume, tile_step: float, by_class: bool) -> np.ndarray:
            seen.append(image.grid.shape)
            return rough(image, tile_step, by_class)

        return labels

    grid = tilted_grid((100, 90, 80))
    found = segment(scan(grid), SUBSET, network).labels
    assert dice(found.data == LIVER, ball(grid)) > 0.96
    rough_mm = np.array(seen[0]) * 6.0
    region_mm = np.array(seen[1]) * 1.5
    tilt_mm = 30.0
    assert np.all(region_mm < rough_mm)
    assert np.all(region_mm <= 2 * RADII_MM + 2 * 20.0 + tilt_mm)


def test_structures_outside_the_subset_are_dropped():
    assert not segment(scan(tilted_grid()), SUBSET, bright("brain")).labels.data.any()


def test_a_region_that_is_not_there_is_reported_and_no_further_model_runs():
    ran: list[int] = []

    def network(model: Model) -> Network:
        ran.append(model.dataset)
        return bright("nothing")(model)

    segmented = segment(scan(tilted_grid()), SUBSET, network)
    assert not segmented.region_found
    assert not segmented.labels.data.any()
    assert ran == [298], "only the rough model"


def test_later_models_win_where_two_overlap():
    chosen = plan(Options("total", "default"))

    def network(model: Model) -> Network:
        return lambda image, step, by_class: np.ones(image.grid.shape, np.uint8)

    found = segment(scan(tilted_grid((12, 12, 12))), chosen, network).labels
    assert set(np.unique(found.data)) == {chosen.names.index(chosen.models[-1].names[0]) + 1}


def test_a_split_image_is_put_together_where_the_slabs_decide():
    """Each slab is called by its number: thirds of 90 slices, in the scan's own direction."""
    grid = Grid((8, 8, 90), np.diag([-3.0, -3.0, 3.0, 1.0]))
    seen: list[int] = []

    def network(model: Model) -> Network:
        def labels(image: Volume, tile_step: float, by_class: bool) -> np.ndarray:
            seen.append(image.grid.shape[2])
            return np.full(image.grid.shape, len(seen), np.uint8)

        return labels

    split = plan(Options("total", "fast", split=True))
    found = segment(Volume(np.zeros(grid.shape, np.int16), grid), split, network).labels
    assert seen == [50, 69, 49]
    assert found.data[4, 4].tolist() == [1] * 30 + [2] * 30 + [3] * 30


def everywhere(number: Callable[[Model], int]) -> Callable[[Model], Network]:
    """Models that call every voxel by the number that a model is given."""

    def network(model: Model) -> Network:
        return lambda image, step, by_class: np.full(image.grid.shape, number(model), np.uint8)

    return network


def test_only_what_is_near_the_heart_is_kept_of_its_chambers():
    """The rough model sees the ball as the heart; the fine one sees an atrium everywhere."""
    chosen = plan(Options("heartchambers_highres"))
    atrium = chosen.names.index("heart_atrium_left") + 1
    rough = bright("heart")

    def network(model: Model) -> Network:
        fine = everywhere(lambda model: atrium)
        return (rough if model.dataset == 297 else fine)(model)

    grid = tilted_grid()
    found = segment(scan(grid), chosen, network).labels.data == atrium
    assert found[ball(grid)].mean() > 0.99
    steps = int(10 / 2.5)  # of 2, 2.5 and 3 mm on average
    reach = binary_dilation(ball(grid), iterations=steps + 2)
    assert not (found & ~reach).any()
    assert found.sum() > 1.3 * ball(grid).sum()


def test_refined_vertebrae_lie_in_what_the_other_model_calls_a_body():
    chosen = plan(Options("vertebrae_pp_refined"))
    fifth = chosen.names.index("vertebrae_L5") + 1
    body = bright("vertebrae_body")
    whole = everywhere(lambda model: fifth)

    def network(model: Model) -> Network:
        return (body if model.dataset == 305 else whole)(model)

    grid = tilted_grid()
    found = segment(scan(grid), chosen, network).labels
    assert dice(found.data == fifth, ball(grid)) > 0.96


def test_structures_get_the_numbers_of_version_1():
    former = plan(Options("total", "fast", v1_order=True))
    assert former.names[3:5] == ("gallbladder", "liver")
    found = segment(scan(tilted_grid()), former, bright("lung_upper_lobe_left"))
    assert set(np.unique(found.labels.data)) == {0, 13}, "10 in version 2"
    assert set(np.unique(found.model_labels.data)) == {0, 13}


def test_landmarks_that_are_given_are_looked_near_and_no_rough_model_runs():
    ran: list[int] = []

    def network(model: Model) -> Network:
        ran.append(model.dataset)
        return bright("liver_segment_1")(model)

    grid = tilted_grid()
    corner = np.zeros(grid.shape, bool)
    corner[:3, :3, :3] = True
    chosen = plan(Options("liver_segments", given_region=True))
    given = Landmarks(Volume(corner, grid))
    assert not segment(scan(grid), chosen, network, given).labels.data.any()
    assert ran == [570]


def test_labels_may_stay_on_the_models_grid():
    kept = plan(Options("total", "fast", save_lowres=True))
    segmented = segment(scan(tilted_grid()), kept, bright("liver"))
    assert segmented.labels.grid.axcodes == "LPS"
    np.testing.assert_allclose(segmented.labels.grid.spacing_mm, (3, 3, 3), rtol=1e-6)
    assert dice(segmented.labels.data == LIVER, ball(segmented.labels.grid)) > 0.95


def progress_of(chosen: Plan) -> list[Progress]:
    told: list[Progress] = []
    with watching(Watch(told.append, lambda: None)), clocked() as seconds:
        segment(scan(tilted_grid((30, 30, 30))), chosen, bright("liver"))
    assert seconds["infer"] > 0
    return told


@pytest.mark.parametrize("chosen", [FAST, SUBSET, plan(Options("total", "default"))])
def test_progress_rises_from_nothing_to_nearly_all(chosen):
    done = [progress.done for progress in progress_of(chosen)]
    assert done == sorted(done)
    assert done[0] == 0.0
    assert done[-1] > 0.9
