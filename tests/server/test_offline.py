"""With --offline nothing is connected to, whoever asks for what."""

import socket

import anyio
import pytest
from mcp import Client
from weights_server import ARCHIVE, NUMBER

from totalseg_mcp.server.app import build
from totalseg_mcp.server.cli import main, parser
from totalseg_mcp.server.serving import session
from totalseg_mcp.server.settings import settings
from totalseg_mcp.tools import TOOLS


class ConnectedError(BaseException):
    """Not to be caught by anything that is tested."""


@pytest.fixture
def guard(monkeypatch):
    """Whatever connects, or only asks for an address, fails the test."""

    def connected(*given: object, **_: object) -> None:
        raise ConnectedError(given)

    for name in ("getaddrinfo", "gethostbyname", "create_connection"):
        monkeypatch.setattr(socket, name, connected)
    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, connected, raising=False)


FETCH = [["total"], ["total", "--fast"], ["liver_segments", "body"], ["tissue_types"]]


@pytest.fixture
def there(tmp_path, monkeypatch):
    monkeypatch.setenv("TOTALSEG_MCP_LICENSE", NUMBER)
    (tmp_path / "model.zip").write_bytes(ARCHIVE)
    return ["--weights", str(tmp_path / "root")]


@pytest.mark.parametrize("tasks", FETCH)
def test_without_it_the_guard_is_met(guard, there, tasks):
    with pytest.raises(ConnectedError):
        main(["weights", "fetch", *tasks, *there])


@pytest.mark.parametrize("how", ["option", "variable"])
@pytest.mark.parametrize("tasks", FETCH)
def test_no_command_connects(guard, there, tasks, how, monkeypatch, tmp_path):
    monkeypatch.setenv("TOTALSEG_MCP_OFFLINE", "1" if how == "variable" else "0")
    offline = [*there, "--offline"] if how == "option" else there
    assert main(["weights", "fetch", *tasks, *offline]) == 1
    assert main(["weights", "import", str(tmp_path / "model.zip"), *offline]) == 0
    assert main(["weights", "list", *offline]) == 0
    assert main(["weights", "verify", *offline]) == 0
    assert main(["weights", "path", *offline]) == 0


@pytest.mark.anyio
@pytest.mark.parametrize("offline", [True, False])
async def test_no_call_connects(guard, scan_file, tmp_path, offline):
    (tmp_path / "root").mkdir()
    line = ["serve", "--weights", str(tmp_path / "root"), "--fetch-weights", "--device", "cpu"]
    chosen = settings(parser().parse_args([*line, *["--offline"] * offline]), {})
    call = {"input_path": str(scan_file), "output_dir": str(tmp_path / "out"), "fastest": True}
    licensed = {**call, "fastest": False, "task": "tissue_types", "license_number": NUMBER}
    server = build(TOOLS, session(chosen))
    with anyio.fail_after(60):
        if not offline:
            with pytest.raises((ConnectedError, BaseExceptionGroup)) as met:
                async with Client(server) as client:
                    await client.call_tool("totalsegmentator", call)
            assert "ConnectedError" in repr(met.value)
            return
        async with Client(server) as client:
            answers = [await client.call_tool("totalsegmentator", c) for c in (call, licensed)]
    assert all(answer.is_error for answer in answers)
    assert all("The server is offline" in answer.content[0].text for answer in answers)


def test_the_guard_guards(guard):
    with pytest.raises(ConnectedError):
        socket.create_connection(("127.0.0.1", 9))
