import pytest
from model_folder import make_model_folder

from totalseg_mcp.server.cli import main


def test_the_list_says_which_models_are_here(tmp_path, capsys):
    make_model_folder(tmp_path, 298)
    assert main(["weights", "list", "--weights", str(tmp_path)]) == 0
    rows = dict(line.split("  ", 1) for line in capsys.readouterr().out.splitlines()[1:])
    assert rows["total --fastest"].strip() == "1 of 1 models"
    assert rows["total"].strip() == "0 of 5 models"


def test_what_is_here_is_not_fetched_again(tmp_path, capsys):
    folder = make_model_folder(tmp_path, 298)
    assert main(["weights", "fetch", "total", "--fastest", "--weights", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(folder)


@pytest.mark.parametrize("line", [["totl"], ["body", "--fastest"]])
def test_what_cannot_be_fetched_ends_in_one_line(tmp_path, capsys, line):
    assert main(["weights", "fetch", *line, "--weights", str(tmp_path)]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1
