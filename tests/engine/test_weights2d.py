import shutil
from pathlib import Path

import pytest
from weights_server import FILES_2D, GROUP, INSIDE_2D, REVISION, SAMPLES

from totalseg_mcp.engine.errors import MissingWeightsError
from totalseg_mcp.engine.models2d import GROUPS
from totalseg_mcp.engine.weights2d import Store2D, standard_root_2d

FETCH = "totalseg-mcp weights fetch ts2d-v2"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    SAMPLES["2-D"].put(tmp_path / "root")
    return tmp_path / "root"


def refusal(store: Store2D, group=GROUP) -> str:
    with pytest.raises(MissingWeightsError) as error:
        store.find(group)
    assert not store.has(group)
    return str(error.value)


def test_a_complete_network_is_found_by_its_revision(root):
    assert Store2D((root,)).find(GROUP) == root / "ts2d-v2-ep4000b2_ribs" / "r001"
    assert Store2D((root,)).has(GROUP)


def test_the_newest_revision_that_is_complete_is_found(root):
    folder = root / GROUP.folder
    for newer in ("r002", "r010"):
        shutil.copytree(folder / "r001", folder / newer)
    assert Store2D((root,)).find(GROUP) == folder / "r010"
    (folder / "r010" / "model.json").unlink()
    assert Store2D((root,)).find(GROUP) == folder / "r002"


def test_the_first_root_that_has_a_whole_network_wins(root, tmp_path):
    broken, other = tmp_path / "a", tmp_path / "b"
    for copy in (broken, other):
        shutil.copytree(root, copy)
    (broken / REVISION / "model.json").unlink()
    assert Store2D((broken, root, other)).find(GROUP) == root / REVISION


@pytest.mark.parametrize("file", FILES_2D)
@pytest.mark.parametrize("harm", [Path.unlink, lambda path: path.write_bytes(b"")])
def test_a_network_that_is_incomplete_is_refused_with_the_file_that_it_lacks(root, file, harm):
    harm(root / file)
    told = refusal(Store2D((root,)))
    name = file.removeprefix(f"{REVISION}/").removeprefix(f"{INSIDE_2D}/"[len(REVISION) + 1 :])
    assert f"{name} is missing or empty" in told
    assert f"{root / GROUP.folder} is incomplete: r001: " in told
    assert FETCH in told


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "model.json: "),
        (b'{"param": {}}', "nnu.task: Field required"),
        (b'{"param": {"nnu.task": 7, "nnu.trainer": "T"}}', "there are 0 folders Dataset007_"),
    ],
)
def test_a_description_that_does_not_fit_is_named(root, content, words):
    (root / REVISION / "model.json").write_bytes(content)
    assert words in refusal(Store2D((root,)))


def test_of_several_broken_revisions_the_newest_is_described(root):
    shutil.copytree(root / REVISION, root / GROUP.folder / "r002")
    (root / REVISION / "model.json").unlink()
    (root / GROUP.folder / "r002" / "model.json").write_bytes(b'{"param": {}}')
    assert "incomplete: r002: model.json: nnu.task" in refusal(Store2D((root,)))


def test_a_folder_without_a_revision_is_not_believed(tmp_path):
    (tmp_path / GROUP.folder).mkdir()
    assert "no revision such as r001" in refusal(Store2D((tmp_path,)))


@pytest.mark.parametrize("group", GROUPS.values(), ids=GROUPS)
def test_what_is_not_there_comes_with_the_command_that_fetches_it(tmp_path, group):
    told = refusal(Store2D((tmp_path,)), group)
    assert f"{group.model} {group.name} ({group.folder}) are not in {tmp_path}" in told
    assert told.endswith(f"totalseg-mcp weights fetch {group.model} --weights {tmp_path}")


def test_the_command_has_no_folder_where_that_is_the_usual_one(tmp_path, monkeypatch):
    monkeypatch.setenv("TOTALSEG_MCP_TS2D_WEIGHTS", str(tmp_path))
    assert refusal(Store2D.standard()).endswith(FETCH)


@pytest.mark.parametrize(
    ("environ", "root"),
    [
        ({}, Path.home() / ".ts2d" / "models"),
        ({"TOTALSEG_MCP_TS2D_WEIGHTS": "/w"}, Path("/w")),
        ({"TOTALSEG_MCP_TS2D_WEIGHTS": "~/w"}, Path.home() / "w"),
    ],
)
def test_models_are_looked_for_where_ts2d_keeps_them(environ, root):
    assert standard_root_2d(environ) == root
    assert Store2D.standard(environ).roots == (root,)
    assert Store2D.first_in(Path("/own"), environ).roots == (Path("/own"), root)
    assert Store2D.first_in(root, environ).roots == (root,)


def test_the_demonstration_says_that_it_does_not_cover_a_network(tmp_path):
    told = refusal(Store2D((tmp_path,), demonstration=True))
    assert "demonstration weights, which do not cover ts2d-v2 ribs" in told
    assert told.endswith(FETCH)
    assert Store2D.demo().demonstration
    assert not Store2D.standard({}).demonstration


def test_the_recorded_reference_models_are_found(shared):
    folder = shared / "parity_ts2d" / "models"
    if not folder.is_dir():
        pytest.skip(f"no reference models at {folder}")
    store = Store2D((folder,))
    assert {name for name, group in GROUPS.items() if store.has(group)} == set(GROUPS)
