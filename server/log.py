"""The server's log: on stderr, and without licence numbers."""

import logging

from totalseg_mcp.engine.licence import without_numbers


class Discreet(logging.Formatter):
    """Hides the value of whatever is named as a licence number, traces included."""

    def format(self, record: logging.LogRecord) -> str:
        """The lines of one record."""
        return without_numbers(super().format(record))


def start_log(level: str) -> None:
    """Log from `level` on, such as "info", to stderr."""
    handler = logging.StreamHandler()
    handler.setFormatter(Discreet("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler])
