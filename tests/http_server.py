"""A server process on a free port of this machine."""

import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

Process = subprocess.Popen[bytes]


@contextmanager
def http_server(arguments: Sequence[str], *more: str) -> Iterator[tuple[str, Process]]:
    """The HOST:PORT of a Python program that takes it between `arguments` and `more`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    with subprocess.Popen([sys.executable, *arguments, address, *more]) as process:
        try:
            end = time.monotonic() + 60
            while not healthy(address):
                assert process.poll() is None, "the server ended"
                assert time.monotonic() < end, "the server does not answer"
                time.sleep(0.05)
            yield address, process
        finally:
            process.kill()


def healthy(address: str) -> bool:
    try:
        urllib.request.urlopen(f"http://{address}/health", timeout=5).close()
    except OSError:
        return False
    return True
