"""`totalseg-mcp weights` on the models of TotalSegmentator 2D."""

from pathlib import Path

import pytest
from weights_server import GROUP, INSIDE_2D, MODEL, SAMPLES, answering, shelf, zipped

from totalseg_mcp.engine.models2d import GROUPS, MODELS_2D, Group
from totalseg_mcp.engine.sources import RECORDS, Sources
from totalseg_mcp.engine.weights2d import Store2D
from totalseg_mcp.server.cli import main
from totalseg_mcp.server.serving import session
from totalseg_mcp.server.settings import Settings

TS2D = SAMPLES["2-D"]


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """A home without models; where TotalSegmentator and ts2d would keep theirs is below it."""
    monkeypatch.setenv("TOTALSEG_HOME_DIR", str(tmp_path / "ts"))
    monkeypatch.setenv("TOTALSEG_MCP_TS2D_WEIGHTS", str(tmp_path / "ts2d"))
    return tmp_path


@pytest.fixture
def weights(home, capsys):
    """Runs `weights …`; its status, and what it wrote or refused, line by line."""

    def run(*line: str) -> tuple[int, list[str]]:
        status = main(["weights", *line])
        written = capsys.readouterr()
        refused = [line for line in written.err.splitlines() if line.startswith("totalseg-mcp:")]
        return status, refused or written.out.splitlines()

    return run


def put(group: Group, root: Path) -> None:
    """The network of `group`: that of the sample, under its name."""
    for name, content in TS2D.files.items():
        file = root / name.replace(GROUP.folder, group.folder)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


def shown(lines: list[str]) -> dict[str, list[str]]:
    """The columns of `list` for the 2-D models."""
    columns = [[part.strip() for part in line.split("  ") if part.strip()] for line in lines]
    return {row[0]: row[1:] for row in columns if row and row[0] in MODELS_2D}


def zenodo(handler) -> None:
    """Every network of every model, where Zenodo has it."""
    name = handler.path.split("/")[-1].partition(".zip")[0]
    files = {n.replace(GROUP.folder, GROUPS[name].folder): c for n, c in TS2D.files.items()}
    shelf(zipped(files))(handler)


def test_the_list_shows_what_is_here_of_each_2d_model_and_where_its_licence_is(weights, home):
    for group in MODELS_2D["ts2d-v2"].groups:
        put(group, home / "ts2d")
    put(MODELS_2D["ts2d-v1"].groups[0], home / "ts2d")
    status, lines = weights("list")
    assert status == 0
    assert shown(lines) == {
        "ts2d-v2": ["here", "see Zenodo record 16985939", "5 of 5 networks"],
        "ts2d-v1": ["fetchable", "see Zenodo record 16574232", "1 of 5 networks"],
        "ts2d-v1-bones-soft": ["fetchable", "see Zenodo record 16574232", "0 of 2 networks"],
        "tsxr-v2": ["fetchable", "see Zenodo record 17052912", "0 of 5 networks"],
    }
    assert shown(weights("list", "--offline")[1])["ts2d-v1"][0] == "unavailable"
    assert f"2-D models, in {home / 'ts2d'}:" in lines


def test_a_folder_of_ones_own_comes_before_that_of_ts2d(weights, home):
    first, second, *_ = MODELS_2D["ts2d-v2"].groups
    put(first, home / "own")
    put(second, home / "ts2d")
    _, lines = weights("list", "--weights", str(home / "own"))
    assert shown(lines)["ts2d-v2"][-1] == "2 of 5 networks"
    assert f"2-D models, in {home / 'own'} or {home / 'ts2d'}:" in lines


@pytest.mark.parametrize("how", ["option", "variable"])
@pytest.mark.parametrize("own", [False, True])
def test_all_networks_of_a_model_are_fetched_and_verified(weights, home, how, own, monkeypatch):
    root = home / ("own" if own else "ts2d")
    folder = ["--weights", str(root)] if own else []
    with answering(zenodo) as server:
        monkeypatch.setenv("TOTALSEG_MCP_TS2D_URL", server.address if how == "variable" else "")
        option = ["--ts2d-url", server.address] if how == "option" else []
        status, lines = weights("fetch", "ts2d-v2", *option, *folder)
    groups = MODELS_2D["ts2d-v2"].groups
    assert status == 0
    assert lines == [str(root / group.folder) for group in groups]
    assert server.paths == [
        f"/16985939/files/ts2d-v2-ep4000b2_{name}.zip?download=1"
        for name in ("cardiac", "muscles", "organs", "ribs", "vertebrae")
    ]
    assert all(Store2D((root,)).has(group) for group in groups)
    assert weights("verify", *folder)[0] == 0


def test_zenodo_is_asked_where_nothing_else_is_said():
    assert RECORDS == "https://zenodo.org/records"
    assert Sources().ts2d_url == RECORDS


def test_only_the_groups_that_are_named_are_fetched(weights, home):
    with answering(zenodo) as server:
        line = ["--ts2d-url", server.address, "--groups", "ribs, organs"]
        assert weights("fetch", "ts2d-v2-ep4000b2", *line)[0] == 0
    names = [group.name for group in GROUPS.values() if Store2D((home / "ts2d",)).has(group)]
    assert names == ["organs", "ribs"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (["ts2d-v3"], "no task or 2-D model 'ts2d-v3'. Did you mean ts2d-v2"),
        (["ts2d-v2", "--groups", "rips"], "no group 'rips'. Did you mean ribs"),
        (["total", "--groups", "ribs"], "name one, such as ts2d-v2"),
        (["ts2d-v2", "--fast"], "2-D models have one resolution"),
        (["ts2d-v2", "--offline"], "weights import PATH"),
    ],
)
def test_what_cannot_be_fetched_ends_in_one_line(weights, line, words):
    status, lines = weights("fetch", *line)
    assert (status, len(lines)) == (1, 1)
    assert words in lines[0]


def test_a_folder_with_both_kinds_is_imported_each_to_its_place(weights, home):
    for sample in SAMPLES.values():
        sample.put(home / "mine")
    status, lines = weights("import", str(home / "mine"), "--offline")
    places = [home / "ts" / "nnunet" / "results" / MODEL.inside, home / "ts2d" / GROUP.folder]
    assert (status, lines) == (0, [str(place) for place in places])
    status, lines = weights("verify")
    assert status == 0
    assert [line.split()[0] for line in lines] == ["In", "intact", "In", "intact"]


def test_what_ts2d_has_unpacked_is_found_but_came_without_a_record(weights, home):
    TS2D.put(home / "ts2d")
    status, lines = weights("verify")
    assert status == 1
    assert lines == [
        f"In {home / 'ts2d'}:",
        f"unknown     {GROUP.folder} (it came without a record)",
    ]


def test_a_changed_file_is_named(weights, home):
    (home / "a.zip").write_bytes(TS2D.archive)
    assert weights("import", str(home / "a.zip"))[0] == 0
    (home / "ts2d" / INSIDE_2D / "plans.json").write_bytes(b"[]")
    status, lines = weights("verify")
    assert status == 1
    assert lines[-1].startswith(f"changed     {GROUP.folder} (by weights.lock: r001/")


@pytest.mark.parametrize(
    ("chosen", "places", "demonstration"),
    [(None, ["ts2d"], False), ("own", ["own", "ts2d"], False), ("demo", [], True)],
)
def test_a_server_looks_for_2d_models_where_it_should(home, chosen, places, demonstration):
    (home / "own").mkdir()
    weights = str(home / "own") if chosen == "own" else chosen
    store = session(Settings(weights=weights)).store_2d
    assert store.demonstration == demonstration
    assert store == (
        Store2D.demo() if chosen == "demo" else Store2D(tuple(home / p for p in places))
    )
