import json
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from totalseg_mcp.engine.errors import BadRequestError, NotReadyError, OutOfReachError
from totalseg_mcp.engine.measure.radiomics import Failure, Radiomics
from totalseg_mcp.engine.reach import Reach
from totalseg_mcp.schemas.totalsegmentator import Arguments
from totalseg_mcp.tools.radiomics import features_by_structure, radiomics_warnings
from totalseg_mcp.tools.totalsegmentator import run

pytestmark = pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")  # pykwalify's


@pytest.fixture
def call(scan_file: Path, tmp_path: Path):
    """The arguments of a call for the features of a few structures."""

    def arguments(**given: object) -> Arguments:
        paths = {"input_path": str(scan_file), "output_dir": str(tmp_path / "out")}
        some = {"fastest": True, "radiomics": True, "roi_subset": SOME}
        return Arguments.model_validate({**paths, **some, **given})

    return arguments


SOME = ["liver", "spleen", "heart", "aorta", "brain", "sacrum", "colon", "stomach"]


@pytest.fixture
def needs_pyradiomics():
    pytest.importorskip("radiomics", reason="pyradiomics is not installed")


@pytest.mark.usefixtures("needs_pyradiomics")
def test_features_come_by_structure_with_the_settings_and_the_same_as_a_file(call, session):
    result = run(call(stats_include_incomplete=True, multilabel=True), session)
    assert result.found
    assert list(result.radiomics) == result.found
    assert result.radiomics_settings["setting"]["binWidth"] == 25
    measured = [entry for entry in result.radiomics.values() if isinstance(entry, dict)]
    assert measured
    assert all(len(entry) == 107 for entry in measured)
    assert all(entry["original_shape_VoxelVolume"] > 0 for entry in measured)
    stored = json.loads(Path(result.radiomics_file).read_text())
    shown = json.loads(result.model_dump_json())
    assert stored == {"settings": shown["radiomics_settings"], "structures": shown["radiomics"]}
    assert result.radiomics_file not in result.segmentation_files


@pytest.mark.usefixtures("needs_pyradiomics")
def test_features_agree_with_the_statistics(call, session):
    given = {"statistics": True, "stats_include_incomplete": True, "skip_saving": True}
    result = run(call(**given), session)
    measured = {n: entry for n, entry in result.radiomics.items() if isinstance(entry, dict)}
    assert measured
    for name, features in measured.items():
        known = result.statistics[name]
        volume, mean = (features[f"original_{f}"] for f in ("shape_VoxelVolume", "firstorder_Mean"))
        assert volume == pytest.approx(known.volume_mm3, rel=1e-5)
        assert mean == pytest.approx(known.mean_intensity, rel=1e-5, abs=1e-5)


@pytest.mark.usefixtures("needs_pyradiomics")
def test_what_the_border_cuts_off_has_an_error_and_a_warning_and_no_numbers(call, session):
    result = run(call(statistics=True), session)
    cut = {name for name, entry in result.statistics.items() if entry.complete is False}
    assert cut
    for name in cut:
        assert "border" in result.radiomics[name].error
    assert any("radiomics" in w and all(n in w for n in cut) for w in result.warnings)


@pytest.mark.usefixtures("needs_pyradiomics")
def test_a_parameter_file_decides_what_is_computed(call, session, tmp_path):
    file = tmp_path / "p.yaml"
    file.write_text("setting:\n  binWidth: 50\nfeatureClass:\n  firstorder: [Mean, Entropy]\n")
    result = run(call(radiomics_parameters=str(file), stats_include_incomplete=True), session)
    names = {"original_firstorder_Mean", "original_firstorder_Entropy"}
    measured = [entry for entry in result.radiomics.values() if isinstance(entry, dict)]
    assert measured
    assert all(entry.keys() == names for entry in measured)
    assert result.radiomics_settings["setting"]["binWidth"] == 50


@pytest.mark.usefixtures("needs_pyradiomics")
def test_wrong_parameters_are_refused_before_any_work(call, session, tmp_path):
    file = tmp_path / "p.yaml"
    file.write_text("setting:\n  binWidht: 50\n")
    with pytest.raises(BadRequestError, match="binWidht"):
        run(call(radiomics_parameters=str(file)), session)
    assert session.weight_reads == 0
    assert not (tmp_path / "out").exists()


def test_a_missing_pyradiomics_is_refused_before_any_work(call, session, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "radiomics", None)
    with pytest.raises(NotReadyError, match="pip install"):
        run(call(), session)
    assert session.weight_reads == 0
    assert not (tmp_path / "out").exists()
    assert run(call(radiomics=False), session).found is not None


def test_a_parameter_file_outside_the_allowed_folders_is_refused(call, session, tmp_path):
    session.reach = Reach((tmp_path,))
    with pytest.raises(OutOfReachError, match=r"/etc/p\.yaml"):
        run(call(radiomics_parameters="/etc/p.yaml"), session)


def test_a_parameter_file_without_radiomics_is_a_mistake_of_the_call(call):
    with pytest.raises(ValidationError, match="needs radiomics=true"):
        call(radiomics=False, radiomics_parameters="/data/p.yaml")


@pytest.mark.parametrize(("structures", "shown"), [(10, True), (11, False)])
def test_more_than_ten_structures_are_in_the_file_only_and_the_result_says_so(structures, shown):
    found = Radiomics({f"s{n}": {"original_shape_VoxelVolume": 1.0} for n in range(structures)}, {})
    assert (features_by_structure(found) is not None) is shown
    assert any("radiomics.json" in warning for warning in radiomics_warnings(found)) is not shown


def test_structures_without_features_are_named():
    found = Radiomics({"liver": Failure("too small"), "spleen": {}}, {})
    (warning,) = radiomics_warnings(found)
    assert "No radiomics features of 1 structures: liver." in warning
    assert features_by_structure(None) is None
    assert radiomics_warnings(None) == []
