"""Modules whose import waits until something in them is used."""

import subprocess
import sys
from importlib import import_module

import pytest

from totalseg_mcp.engine.sparing import spare

MODULE = """
from seldom_used.part import NUMBER

def __getattr__(name):
    if name == "made_up":
        return NUMBER + 1
    raise AttributeError(name)
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package called `seldom_used`, spared, with a part that has a number."""
    folder = tmp_path / "seldom_used"
    folder.mkdir()
    (folder / "__init__.py").write_text(MODULE)
    (folder / "part.py").write_text("NUMBER = 7\n")
    monkeypatch.syspath_prepend(tmp_path)
    spare(["seldom_used"])
    yield folder
    for name in [name for name in sys.modules if name.startswith("seldom_used")]:
        del sys.modules[name]


def waits() -> bool:
    return "seldom_used.part" not in sys.modules


def test_a_spared_module_is_imported_when_it_is_used_not_when_it_is_wanted(package):
    for _ in range(2):
        module = import_module("seldom_used")
        assert waits()
    assert module.__name__ == "seldom_used"
    assert module.NUMBER == 7
    assert not waits()
    assert module.made_up == 8
    with pytest.raises(AttributeError, match="nowhere"):
        _ = module.nowhere


def test_importing_a_part_imports_the_whole(package):
    assert import_module("seldom_used.part").NUMBER == 7
    assert import_module("seldom_used").NUMBER == 7


def test_a_module_that_fails_is_tried_again(package):
    (package / "__init__.py").write_text("raise OSError('no room')")
    module = import_module("seldom_used")
    with pytest.raises(OSError, match="no room"):
        _ = module.NUMBER
    (package / "__init__.py").write_text(MODULE + "# longer than before")
    assert module.NUMBER == 7


def test_what_is_imported_or_missing_stays_as_it_is():
    spare(["sys", "no_module_of_this_name"])
    assert import_module("sys") is sys
    assert "no_module_of_this_name" not in sys.modules


def test_a_network_can_be_loaded_without_what_is_spared():
    told = (
        "from totalseg_mcp.engine.sparing import SELDOM, spare; spare(); import sys\n"
        "import totalseg_mcp.engine.loading\n"
        "import nnunetv2.preprocessing.preprocessors.default_preprocessor\n"
        "parts = 'SimpleITK._SimpleITK', 'pandas.core', 'tifffile.tifffile', 'skimage.io._io'\n"
        "assert not set(parts) & set(sys.modules), set(parts) & set(sys.modules)\n"
        "import SimpleITK, pandas\n"
        "assert SimpleITK.Image(2, 2, SimpleITK.sitkUInt8).GetSize() == (2, 2)\n"
        "assert pandas.Series([1, 2]).sum() == 3\n"
    )
    subprocess.run([sys.executable, "-c", told], check=True)
