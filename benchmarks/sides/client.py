"""A client that costs nothing: MCP by its lines of JSON, without the package for it."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import IO, Any, Self

PROTOCOL = "2025-06-18"
SERVE = (sys.executable, "-m", "totalseg_mcp", "serve", "--device", "cpu")


def ours(cpu: str = "torch") -> tuple[str, ...]:
    """The command of our server; `cpu` is what runs the networks: torch, openvino or winograd."""
    return (*SERVE, "--cpu", cpu)


class Server:
    """A server, started by `command` with these variables of the environment, as a host would.

    What it logs goes to `log`, or to where this process logs.
    """

    def __init__(
        self, environment: Mapping[str, str], command: Sequence[str], log: IO[str] | None = None
    ) -> None:
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=dict(environment),
            text=True,
        )
        self._asked = 0

    @property
    def pid(self) -> int:
        """Of its process."""
        return self._process.pid

    def __enter__(self) -> Self:
        about = {"name": "benchmark", "version": "1"}
        self._ask(
            "initialize", {"protocolVersion": PROTOCOL, "capabilities": {}, "clientInfo": about}
        )
        self._send({"method": "notifications/initialized"})
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()

    def tools(self) -> list[str]:
        """The names of its tools."""
        return [tool["name"] for tool in self._ask("tools/list", {})["tools"]]

    def call(self, tool: str, arguments: Mapping[str, object]) -> dict[str, Any]:
        """The structured answer of a tool.

        Raises:
            RuntimeError: the call was refused; with the server's words.
        """
        answer = self._ask("tools/call", {"name": tool, "arguments": arguments})
        if answer.get("isError"):
            raise RuntimeError(answer["content"][0]["text"])
        structured: dict[str, Any] = answer["structuredContent"]
        return structured

    def _ask(self, method: str, params: Mapping[str, object]) -> dict[str, Any]:
        self._asked += 1
        self._send({"id": self._asked, "method": method, "params": params})
        assert self._process.stdout
        for line in self._process.stdout:
            message = json.loads(line)
            if message.get("id") == self._asked:
                if "error" in message:
                    raise RuntimeError(message["error"]["message"])
                result: dict[str, Any] = message["result"]
                return result
        raise RuntimeError(f"the server ended with {self._process.wait()} during {method}")

    def _send(self, message: Mapping[str, Any]) -> None:
        assert self._process.stdin
        self._process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        self._process.stdin.flush()
