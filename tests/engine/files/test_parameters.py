import pytest

from totalseg_mcp.engine.errors import BadRequestError
from totalseg_mcp.engine.files.parameters import read_parameters

SETTINGS = {"setting": {"binWidth": 10.5, "resampledPixelSpacing": [1, 1, 1]}, "imageType": {}}
YAML = """\
# as in pyradiomics' examples
setting:
  binWidth: 10.5
  resampledPixelSpacing: [1, 1, 1]
imageType: {}
"""
JSON = '\n{"setting": {"binWidth": 10.5, "resampledPixelSpacing": [1, 1, 1]}, "imageType": {}}'


@pytest.fixture
def file(tmp_path):
    return tmp_path / "parameters.yaml"


def needs_yaml():
    pytest.importorskip("ruamel.yaml", reason="the YAML reader comes with pyradiomics")


def test_json_is_read_whatever_the_file_is_called(file):
    file.write_text(JSON)
    assert read_parameters(file) == SETTINGS


def test_yaml_is_read(file):
    needs_yaml()
    file.write_text(YAML)
    assert read_parameters(file) == SETTINGS


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"setting": ', "cannot be read"),
        ('{"setting": {"binWidth": NaN}}', "finite"),
        ("x" * 200_000, "larger than 100000 bytes"),
    ],
)
def test_what_is_no_parameter_file_is_refused(file, text, said):
    file.write_text(text)
    with pytest.raises(BadRequestError, match=said) as error:
        read_parameters(file)
    assert str(file) in str(error.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("setting: [1, 2", "cannot be read"),
        ("setting:\n  binWidth: .inf", "finite"),
        ("- setting", "by name"),
        ("just words", "by name"),
        ("", "by name"),
        ("setting: &a {binWidth: 5}\nimageType: *a", "references"),
        ("setting: !!python/object/apply:os.system ['true']", "cannot be read"),
        ("setting: {binWidth: 1, binWidth: 2}", "duplicate key"),
        ("[" * 20_000, "cannot be read"),
    ],
)
def test_what_is_no_parameter_file_in_yaml_is_refused(file, text, said):
    needs_yaml()
    file.write_text(text)
    with pytest.raises(BadRequestError, match=said):
        read_parameters(file)


def test_what_is_no_file_is_refused(tmp_path):
    with pytest.raises(BadRequestError, match="cannot be read"):
        read_parameters(tmp_path / "none.yaml")
    with pytest.raises(BadRequestError, match="cannot be read"):
        read_parameters(tmp_path)
