import json
from pathlib import Path

import numpy as np
import pytest
from ibsi_phantom import AXES_MM, EXCESS_KURTOSIS, PHANTOM, PUBLISHED, VOXEL_MM

from totalseg_mcp.engine.image.crop import Box
from totalseg_mcp.engine.image.itk import to_itk
from totalseg_mcp.engine.measure.extraction import extraction
from totalseg_mcp.engine.measure.radiomics import Failure, radiomics, surroundings
from totalseg_mcp.engine.volume import Grid, Labels, Volume
from totalseg_mcp.engine.watch import Progress, Watch, watching

pytest.importorskip("radiomics", reason="pyradiomics is not installed: pip install '.[radiomics]'")
pytestmark = pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")  # pykwalify's

BRAIN = Path(__file__).parent / "pyradiomics" / "brain2.json"


def features_of(image, labels, parameters=None, *, include_incomplete=True):
    """The entry of structure `x`, number 1."""
    how = extraction(parameters or {})
    return radiomics(labels, image, ("x",), how, include_incomplete).structures["x"]


@pytest.fixture
def wavy():
    """A scan with three structures on a tilted grid: a ball, one voxel, and one at the border."""
    turn = np.array([[0.96, -0.28, 0], [0.28, 0.96, 0], [0, 0, 1]]) @ np.diag([-1.0, -1.0, 1.0])
    affine = np.eye(4)
    affine[:3] = np.column_stack([turn @ np.diag([0.7, 0.8, 2.5]), [37.5, -120.25, 804.0]])
    grid = Grid((50, 46, 34), affine)
    i, j, k = np.indices(grid.shape)
    values = 200 * np.sin(i / 5) + 150 * np.cos(j / 7 + k / 3) + (37 * i + 61 * j + 89 * k) % 50
    numbers = np.zeros(grid.shape, np.uint8)
    numbers[((i - 26) / 6) ** 2 + ((j - 24) / 6) ** 2 + ((k - 17) / 3) ** 2 <= 1] = 1
    numbers[40, 38, 28] = 2
    numbers[:5, 10:15, 10:15] = 3
    return Volume(values.astype(np.int16), grid), Labels(numbers, grid, ("x", "dot", "edge", "no"))


@pytest.fixture(scope="module")
def phantom():
    grid = Grid(PHANTOM.shape, np.diag([VOXEL_MM] * 3 + [1]))
    labels = Labels((PHANTOM > 0).astype(np.uint8), grid, ("x",))
    return features_of(Volume(PHANTOM.copy(), grid), labels, {"setting": {"binWidth": 1}})


def test_the_features_are_those_that_pyradiomics_publishes_of_its_test_case():
    known = json.loads(BRAIN.read_text())
    image, mask = np.array(known["image"], np.int16), np.array(known["mask"], np.uint8)
    grid = Grid(image.shape, np.diag([*known["spacing_mm"], 1]))
    found = features_of(
        Volume(image, grid), Labels(mask, grid, ("x",)), {"setting": known["setting"]}
    )
    assert len(known["features"]) == 107
    assert found == pytest.approx(known["features"], rel=1e-9)


@pytest.mark.parametrize("kind", PUBLISHED)
def test_the_features_of_the_digital_phantom_are_those_of_the_ibsi(phantom, kind):
    found = {name: float(f"{phantom[f'original_{kind}_{name}']:.3g}") for name in PUBLISHED[kind]}
    assert found == pytest.approx(PUBLISHED[kind], rel=1e-9)


def test_where_pyradiomics_and_the_ibsi_define_a_feature_otherwise_it_is_pyradiomics(phantom):
    kurtosis = phantom["original_firstorder_Kurtosis"]
    assert kurtosis == pytest.approx(EXCESS_KURTOSIS + 3, abs=5e-4)
    voxels = np.count_nonzero(PHANTOM)
    for name, length_mm in AXES_MM.items():
        found = phantom[f"original_shape_{name}"]
        assert found == pytest.approx(length_mm * np.sqrt((voxels - 1) / voxels), rel=5e-3)


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"setting": {"resampledPixelSpacing": [2, 2, 2], "binWidth": 10}},
        {"setting": {"resampledPixelSpacing": [1.5, 1.5, 0], "interpolator": "sitkLinear"}},
        {"setting": {"normalize": True, "normalizeScale": 100, "binWidth": 5}},
        {"setting": {"normalize": True, "removeOutliers": 2, "resampledPixelSpacing": [2, 2, 2]}},
        {"setting": {"preCrop": True}, "imageType": {"LoG": {"sigma": [2.0]}, "Wavelet": {}}},
    ],
)
def test_the_features_in_a_box_are_those_of_the_whole_scan(wavy, parameters):
    from radiomics.featureextractor import RadiomicsFeatureExtractor

    image, labels = wavy
    theirs = RadiomicsFeatureExtractor(*([parameters] if parameters else []))
    theirs.settings["additionalInfo"] = False
    expected = theirs.execute(to_itk(image), to_itk(Volume(labels.data, labels.grid)), label=1)
    found = features_of(image, labels, parameters)
    assert len(found) >= 107
    assert found == pytest.approx({name: float(v) for name, v in expected.items()}, rel=1e-7)


def test_an_image_lies_where_it_lay_in_itks_own_coordinates(wavy):
    image, _ = wavy
    itk = to_itk(image)
    x, y, z = itk.TransformIndexToPhysicalPoint((3, 5, 7))
    assert (-x, -y, z) == pytest.approx(tuple((image.grid.affine @ [3, 5, 7, 1])[:3]))
    assert itk.GetPixel((3, 5, 7)) == image.data[3, 5, 7]
    assert itk.GetSpacing() == pytest.approx((0.7, 0.8, 2.5))


def test_a_block_on_a_tilted_grid_has_its_volume_and_values(tilted):
    data = np.zeros(tilted.shape, np.uint8)
    data[3:7, 4:7, 3:6] = 1
    values = np.where(data, np.indices(tilted.shape)[0] * 10, -1000).astype(np.int16)
    found = features_of(Volume(values, tilted), Labels(data, tilted, ("x",)))
    assert found["original_shape_VoxelVolume"] == pytest.approx(36 * 0.7 * 0.8 * 2.5)
    assert found["original_firstorder_Mean"] == pytest.approx(45)
    assert found["original_firstorder_Variance"] == pytest.approx(125)


def test_a_structure_that_fails_has_an_error_and_the_others_their_features(wavy):
    image, labels = wavy
    found = radiomics(labels, image, labels.names, extraction({}), include_incomplete=False)
    assert list(found.structures) == ["x", "dot", "edge"], "what is absent has no entry"
    assert isinstance(found.structures["dot"], Failure)
    assert "single voxel" in found.structures["dot"].error
    assert isinstance(found.structures["edge"], Failure)
    assert "border on the side right" in found.structures["edge"].error
    assert found.structures["x"] == features_of(image, labels)


def test_a_structure_that_is_cut_off_is_measured_if_that_is_asked_for(wavy):
    image, labels = wavy
    found = radiomics(labels, image, ("edge",), extraction({}), include_incomplete=True)
    assert list(found.structures) == ["edge"], "and nothing that is not wanted"
    volume = found.structures["edge"]["original_shape_VoxelVolume"]
    assert volume == pytest.approx(125 * 0.7 * 0.8 * 2.5)


@pytest.mark.parametrize("kind", [np.uint8, np.int16])
def test_values_near_the_end_of_their_type_are_binned_like_any_others(kind):
    top = np.iinfo(kind).max
    grid = Grid((6, 6, 6), np.eye(4))
    mask = Labels(np.ones(grid.shape, np.uint8), grid, ("x",))
    values = top - np.indices(grid.shape).sum(0) * 10
    found = features_of(Volume(values.astype(kind), grid), mask)
    assert found == features_of(Volume(values.astype(np.int64), grid), mask)
    assert found["original_firstorder_Entropy"] > 0


def test_too_many_grey_levels_are_refused_before_they_fill_the_memory():
    grid = Grid((6, 6, 6), np.eye(4))
    image = Volume(np.indices(grid.shape).sum(0) * 1e6, grid)
    mask = Labels(np.ones(grid.shape, np.uint8), grid, ("x",))
    failure = features_of(image, mask)
    assert isinstance(failure, Failure)
    assert "600000 grey levels" in failure.error
    assert "binWidth" in failure.error
    only = {"featureClass": {"firstorder": ["Mean"]}}
    assert features_of(image, mask, only) == {"original_firstorder_Mean": 7.5e6}


def test_a_resampling_that_makes_too_many_voxels_is_refused(wavy):
    failure = features_of(*wavy, {"setting": {"resampledPixelSpacing": [0.001, 0.001, 0.001]}})
    assert isinstance(failure, Failure)
    assert "resampledPixelSpacing" in failure.error


def test_resampling_starts_where_a_new_voxel_does():
    """0.7 mm to 1 mm: every tenth voxel; 2.5 mm to 1 mm: every second."""
    grid = Grid((100, 100, 100), np.diag([0.7, 0.7, 2.5, 1]))
    setting = {
        "padDistance": 5,
        "resampledPixelSpacing": [1, 1, 1],
        "interpolator": "sitkBSpline",
    }
    box = surroundings(Box((60, 29, 41), (70, 40, 50)), grid, setting)
    assert box.start == (30, 0, 18), "28 voxels of 0.7 mm or 22 of 2.5 mm are kept at least"
    assert box.stop == (98, 68, 72)
    plain = surroundings(Box((60, 2, 41), (70, 40, 99)), grid, {**setting, "interpolator": None})
    assert plain == Box((55, 0, 36), (75, 45, 100))


class StopError(Exception):
    pass


@pytest.mark.parametrize("checks", [1, 3, 6])
def test_it_can_be_stopped_between_structures_and_between_classes(wavy, checks):
    seen: list[Progress] = []
    left = iter(range(checks))

    def check() -> None:
        if next(left, None) is None:
            raise StopError

    image, labels = wavy
    with watching(Watch(seen.append, check, name="radiomics")), pytest.raises(StopError):
        radiomics(labels, image, labels.names, extraction({}), include_incomplete=True)
    assert [progress.message for progress in seen] == ["radiomics: structure 1 of 3"]


def test_the_settings_say_all_that_is_needed_to_repeat_it():
    settings = extraction({}).settings
    assert settings["pyradiomics"].startswith("v3.")
    assert settings["imageType"] == {"Original": {}}
    assert set(settings["featureClass"]) == {*PUBLISHED}
    assert settings["setting"]["binWidth"] == 25
    assert settings["setting"]["resampledPixelSpacing"] is None
    given = extraction({"setting": {"normalize": True, "binCount": 32}}).settings["setting"]
    assert given["normalize"] is True
    assert given["binCount"] == 32
    assert "binWidth" not in given
    json.dumps(settings, allow_nan=False)


def test_nothing_is_printed(wavy, capfd):
    features_of(*wavy, {"setting": {"binCount": 16}, "featureClass": {"firstorder": None}})
    printed = capfd.readouterr()
    assert (printed.out, printed.err) == ("", "")
