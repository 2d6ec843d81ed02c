"""A progress bar: one growing line on a terminal, a line now and then in a log."""

import shutil
import sys
from typing import TextIO

from totalseg_mcp.engine.watch import Progress

WIDTH = 24
LINES = 20  # in a log, at most


class Bar:
    """Shows progress; `close` it when nothing more comes."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stderr  # results go to stdout
        self._lines = -1

    def show(self, progress: Progress) -> None:
        """Show how far it is."""
        text = f"{drawn(progress.done)} {progress.message}"
        if self._out.isatty():
            columns = shutil.get_terminal_size().columns - 1
            self._write(f"\r{text[:columns]:<{columns}}")
        elif int(progress.done * LINES) > self._lines:
            self._lines = int(progress.done * LINES)
            self._write(f"{text}\n")

    def close(self) -> None:
        """Leave the line."""
        if self._out.isatty():
            self._write("\n")

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()


def drawn(share: float) -> str:
    """The bar and the percentage.

    >>> drawn(0.5)
    '[############............]  50 %'
    """
    full = round(share * WIDTH)
    return f"[{'#' * full}{'.' * (WIDTH - full)}] {share:4.0%}".replace("%", " %")
