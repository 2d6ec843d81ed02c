"""The wheel holds everything, and serves from any folder."""

import json
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.packaging
HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "0"},
    },
}
READY = {"jsonrpc": "2.0", "method": "notifications/initialized"}
LIST = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = tmp_path_factory.mktemp("source") / "totalseg-mcp"
    unwanted = shutil.ignore_patterns(".*", "build", "*.egg-info", "__pycache__", "demo-output")
    shutil.copytree(ROOT, source, ignore=unwanted, symlinks=True)
    out = source / "dist"
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out)]
    subprocess.run([*command, str(source)], check=True, capture_output=True, timeout=300)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a fresh environment with the wheel.

    Its dependencies are those of this one, without this one's editable install.
    """
    home = tmp_path_factory.mktemp("environment")
    venv.create(home, with_pip=False, symlinks=True)
    site = home / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    with ZipFile(wheel) as archive:
        archive.extractall(site / "site-packages")
    (site / "site-packages" / "borrowed.pth").write_text(sysconfig.get_path("purelib"))
    return home / "bin" / "python"


def listed_tools(python: Path, cwd: Path) -> set[str]:
    """The names of the tools of a server that is started in `cwd`."""
    with subprocess.Popen(
        [str(python), "-m", "totalseg_mcp", "serve"],
        cwd=cwd,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        assert server.stderr is not None
        for message in (HELLO, READY, LIST):
            server.stdin.write(json.dumps(message) + "\n")
        server.stdin.flush()
        server.stdout.readline()
        answer = server.stdout.readline()
        server.stdin.close()
        assert answer, server.stderr.read()
    return {tool["name"] for tool in json.loads(answer)["result"]["tools"]}


def test_every_file_that_git_knows_of_a_package_is_in_the_wheel(wheel):
    packages = ("engine", "phantom", "schemas", "server", "tools", "weights")
    tracked = subprocess.run(
        ["git", "ls-files", *packages], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split()
    held = set(ZipFile(wheel).namelist())
    assert tracked
    assert [file for file in tracked if f"totalseg_mcp/{file}" not in held] == []


def test_the_wheel_serves_from_a_folder_with_its_own_tools_and_engine(python, tmp_path):
    for name in ("tools", "engine", "server", "schemas"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise ImportError('not this one')")
    assert "totalsegmentator" in listed_tools(python, tmp_path)


def test_the_wheel_has_the_demonstration_models(python, tmp_path):
    code = (
        "import totalseg_mcp.engine.weights as w, totalseg_mcp.engine.tasks as t;"
        "print(w.Store.demo().find(t.MODELS[298]))"
    )
    command = [str(python), "-c", code]
    done = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
    folder = Path(done.stdout.strip())
    assert python.parents[1] in folder.parents
    assert (folder / "fold_0" / "checkpoint_final.pth").stat().st_size > 100_000
