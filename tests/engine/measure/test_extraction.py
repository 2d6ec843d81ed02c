import sys
import tomllib
from pathlib import Path

import pytest

from totalseg_mcp.engine.errors import BadRequestError, NotReadyError
from totalseg_mcp.engine.measure.extraction import PACKAGE, extraction, how_to_install

ignore_pykwalify = pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")


def test_the_package_that_is_named_is_the_one_that_the_extra_installs():
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text("utf-8"))
    assert project["project"]["optional-dependencies"]["radiomics"] == [PACKAGE]


def test_without_pyradiomics_the_command_that_installs_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "radiomics", None)
    with pytest.raises(NotReadyError) as error:
        extraction({})
    command = f"{sys.executable} -m pip install 'pyradiomics-bhklab>=3.1.4,<4'"
    assert command in str(error.value)
    assert "C compiler" in str(error.value)


@pytest.mark.parametrize(
    ("running", "doubt"), [((3, 11), False), ((3, 13), False), ((3, 15), True)]
)
def test_a_python_that_it_was_not_tried_with_is_said_to_be_so(monkeypatch, running, doubt):
    monkeypatch.setattr(sys, "version_info", (*running, 0))
    said = how_to_install("No module named 'radiomics'")
    assert f"Python {running[0]}.{running[1]} does not have" in said
    assert ("not been tried" in said) is doubt


@ignore_pykwalify
@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"setting": {"binWidth": -3}}, "binWidth"),
        ({"setting": {"binwidth": 3}}, "Key 'binwidth' was not defined"),
        ({"settings": {}}, "Key 'settings' was not defined"),
        ({"setting": None}, "is not a dict"),
        ({"imageType": {"Waveletts": {}}}, "Waveletts is not recognized"),
        ({"imageType": {"LBP3D": {}}}, "LBP3D is not available"),
        ({"featureClass": {"glcm": ["Men"]}}, "Men"),
        ({"setting": {"resampledPixelSpacing": [1, 1]}}, "three numbers"),
        ({"setting": {"interpolator": "cubic"}}, "cubic"),
    ],
)
def test_parameters_that_pyradiomics_does_not_know_are_refused_in_its_words(parameters, said):
    pytest.importorskip("radiomics", reason="pyradiomics is not installed")
    with pytest.raises(BadRequestError, match="radiomics_parameters") as error:
        extraction(parameters)
    assert said in str(error.value)
    assert "\n" not in str(error.value)
