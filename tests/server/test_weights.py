from pathlib import Path

import pytest
from model_folder import make_model_folder
from weights_server import (
    ARCHIVE,
    FILES,
    INSIDE,
    LICENSED,
    NUMBER,
    answering,
    sending,
    shelf,
    zipped,
)

from totalseg_mcp.engine.models2d import MODELS_2D
from totalseg_mcp.engine.tasks import MODELS, TASKS
from totalseg_mcp.engine.weights import FLAGS, Store
from totalseg_mcp.server.cli import main


@pytest.fixture
def weights(tmp_path, capsys, monkeypatch):
    """Runs `weights …` on a folder; its status, and what it wrote or refused, line by line."""
    monkeypatch.setenv("TOTALSEG_HOME_DIR", str(tmp_path / "home"))
    monkeypatch.setenv("TOTALSEG_MCP_TS2D_WEIGHTS", str(tmp_path / "ts2d"))

    def run(*line: str) -> tuple[int, list[str]]:
        status = main(["weights", *line, "--weights", str(tmp_path / "root")])
        written = capsys.readouterr()
        refused = [line for line in written.err.splitlines() if line.startswith("totalseg-mcp:")]
        return status, refused or written.out.splitlines()

    return run


def rows(lines: list[str]) -> dict[str, list[str]]:
    """The columns of `list`, by task."""
    columns = [[part.strip() for part in line.split("  ") if part.strip()] for line in lines[1:]]
    return {row[0]: row[1:] for row in columns if len(row) == 4}


def test_the_list_says_what_is_here_and_what_can_be_had_under_which_licence(weights, tmp_path):
    make_model_folder(tmp_path / "root", 298)
    make_model_folder(tmp_path / "root", LICENSED.dataset)
    (tmp_path / "root" / MODELS[297].folder / MODELS[297].subfolder).mkdir(parents=True)
    status, lines = weights("list")
    shown = rows(lines)
    assert status == 0
    assert shown["total --fastest"] == ["here", "Apache-2.0", "1 of 1 models"]
    assert shown["total --fast"] == ["fetchable", "Apache-2.0", "0 of 1 models"]
    assert shown["liver_segments"] == ["fetchable", "Apache-2.0", "1 of 2 models"]
    assert shown["tissue_types"] == ["here", "licence number", "1 of 1 models"]
    assert shown["coronary_arteries"] == ["licensed", "licence number", "1 of 2 models"]
    assert shown["brain_aneurysm"] == ["fetchable", "CC BY-NC 4.0", "0 of 1 models"]
    assert any("license-academic" in line for line in lines)


def test_the_list_leaves_no_task_out(weights):
    _, lines = weights("list")
    shown = rows(lines)
    tasks = {f"{t.name}{FLAGS[r]}" for t in TASKS.values() for r in t.models}
    assert set(shown) == tasks | set(MODELS_2D)
    assert {row[0] for row in shown.values()} == {"fetchable", "licensed"}
    licensed = {name for name, row in shown.items() if row[0] == "licensed"}
    assert licensed == {name for name, task in TASKS.items() if task.licence == "commercial"}


def test_offline_nothing_is_said_to_be_fetchable(weights, tmp_path):
    make_model_folder(tmp_path / "root", 298)
    shown = rows(weights("list", "--offline")[1])
    assert {row[0] for row in shown.values()} == {"here", "unavailable"}
    assert shown["total"] == ["unavailable", "Apache-2.0", "0 of 5 models"]


def test_what_is_here_is_not_fetched_again(weights, tmp_path):
    folder = make_model_folder(tmp_path / "root", 298)
    status, lines = weights("fetch", "total", "--fastest", "--offline")
    assert (status, lines[-1]) == (0, str(folder))


@pytest.mark.parametrize("how", ["option", "variable"])
def test_a_mirror_serves_several_tasks_at_once(weights, tmp_path, how, monkeypatch):
    def answer(handler):
        name = handler.path.split("/")[-1].removesuffix(".zip")
        model = next(m for m in MODELS.values() if m.folder == name)
        inside = f"{model.folder}/{model.subfolder}"
        shelf(zipped({n.replace(INSIDE, inside): c for n, c in FILES.items()}))(handler)

    with answering(answer) as server:
        monkeypatch.setenv("TOTALSEG_MCP_WEIGHTS_URL", server.address if how == "variable" else "")
        option = ["--base-url", server.address] if how == "option" else []
        status, lines = weights("fetch", "total_v3", "total", "--fastest", *option)
    assert status == 0
    store = Store((tmp_path / "root",))
    assert lines[-2:] == [str(store.find(MODELS[837])), str(store.find(MODELS[298]))]
    assert weights("verify")[0] == 0


@pytest.mark.parametrize("line", [["totl"], ["body", "--fastest"], ["total", "--offline"]])
def test_what_cannot_be_fetched_ends_in_one_line(weights, line):
    status, lines = weights("fetch", *line)
    assert (status, len(lines)) == (1, 1)


def test_a_licensed_model_is_fetched_with_the_number_of_the_environment(
    weights, monkeypatch, tmp_path
):
    inside = f"{LICENSED.folder}/{LICENSED.subfolder}"
    archive = zipped({name.replace(INSIDE, inside): c for name, c in FILES.items()})
    with answering(sending(archive)) as server:
        monkeypatch.setenv("TOTALSEG_MCP_LICENSE_URL", server.url)
        status, told = weights("fetch", "tissue_types")
        assert status == 1
        assert "license-academic" in told[0]
        assert server.asked == []
        monkeypatch.setenv("TOTALSEG_MCP_LICENSE", NUMBER)
        status, told = weights("fetch", "tissue_types")
    assert status == 0
    assert NUMBER not in "".join(told)
    assert NUMBER.encode() in server.asked[0][2]


def test_a_number_of_the_wrong_form_ends_in_one_line_without_it(weights, monkeypatch, capsys):
    monkeypatch.setenv("TOTALSEG_MCP_LICENSE", f"{NUMBER}5")
    assert main(["weights", "list"]) == 2
    (text,) = capsys.readouterr().err.splitlines()
    assert "18" in text
    assert NUMBER not in text


def test_import_verify_and_path_go_together(weights, tmp_path):
    (tmp_path / "model.zip").write_bytes(ARCHIVE)
    folder = str(tmp_path / "root" / INSIDE)
    assert weights("path")[1] == [str(tmp_path / "root"), str(tmp_path / "ts2d")]
    assert weights("import", str(tmp_path / "model.zip"), "--offline")[1][-1] == folder
    status, lines = weights("verify")
    assert status == 0
    assert lines[-1].startswith("intact")
    (tmp_path / "root" / INSIDE / "plans.json").write_bytes(b"[]")
    status, lines = weights("verify")
    assert status == 1
    assert lines[-1].startswith("changed")
    assert "plans.json" in lines[-1]


def test_what_came_without_a_record_is_not_verified(weights, tmp_path):
    make_model_folder(tmp_path / "root", 298)
    status, lines = weights("verify")
    assert status == 1
    assert lines[-1].startswith("unknown")


def test_the_usual_paths_are_totalsegmentators_and_that_of_ts2d(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("TOTALSEG_WEIGHTS_PATH", str(tmp_path))
    monkeypatch.delenv("TOTALSEG_MCP_TS2D_WEIGHTS", raising=False)
    assert main(["weights", "path"]) == 0
    usual = Path.home() / ".ts2d" / "models"
    assert capsys.readouterr().out.splitlines() == [str(tmp_path), str(usual)]
