"""Amounts of memory as people write them."""

import re
from collections.abc import Mapping

UNITS: Mapping[str, int] = {
    "B": 1,
    **{f"{letter}iB": 1 << 10 * power for power, letter in enumerate("KMGT", 1)},
    **{f"{letter}B": 10 ** (3 * power) for power, letter in enumerate("KMGT", 1)},
}
WRITTEN = re.compile(rf"(\d+(?:\.\d+)?)\s*({'|'.join(UNITS)})")


def size(text: str) -> int:
    """Bytes.

    >>> size("8GiB"), size("1.5 MB"), size("0")
    (8589934592, 1500000, 0)

    Raises:
        ValueError: It is not a number with a unit; only 0 needs none.
    """
    if text.strip() == "0":
        return 0
    found = WRITTEN.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is not an amount of memory, such as 8GiB, 4096MiB or 0.")
    return int(float(found[1]) * UNITS[found[2]])
