"""Licence numbers of TotalSegmentator: their form, where they are found, what needs one.

A number is a secret: it goes to the licence server with the order of a licensed model,
and nowhere else.
"""

import json
import re
from pathlib import Path

from totalseg_mcp.engine.errors import BadRequestError, NotReadyError

FORM = re.compile(r"[!-~]{18}")  # TotalSegmentator 2.18.0 looks at the length only
VARIABLE = "TOTALSEG_MCP_LICENSE"
WHERE = (
    "A number is free for non-commercial use: "
    "https://backend.totalsegmentator.com/license-academic/ (for a commercial one, see https://github.com/wasserth/TotalSegmentator)"
)
HIDDEN = "(hidden)"
# A name such as license_number or licenceNumber, what separates it from its value, the value.
NAMED = re.compile(
    r"""(licen[cs]e[\w-]*["'\\]*\s*[:=,]\s*[("'\\]*)([^\s"'\\,})]+)""", re.IGNORECASE
)


class LicenceNumber:
    """A licence number of the right form, which no `repr`, `str` or dump of it shows.

    Raises:
        BadRequestError: the text cannot be one.
    """

    __slots__ = ("_number",)

    def __init__(self, text: str) -> None:
        number = text.strip()
        if not FORM.fullmatch(number):
            raise BadRequestError(
                f"This is not a licence number of TotalSegmentator: it has {len(number)} "
                "characters, and such a number has 18, without spaces (aca_…). " + WHERE + "."
            )
        self._number = number

    def reveal(self) -> str:
        """The number itself, for the licence server only."""
        return self._number

    def __repr__(self) -> str:
        return f"LicenceNumber{HIDDEN}"


def without_numbers(text: str) -> str:
    """`text` with whatever is named as a licence number in it hidden.

    >>> without_numbers("{'license_number': 'aca_12345678901234', 'fast': True}")
    "{'license_number': '(hidden)', 'fast': True}"
    """
    return NAMED.sub(rf"\1{HIDDEN}", text)


def number_in(config: Path) -> LicenceNumber | None:
    """The number that TotalSegmentator keeps in its config.json; None where it keeps none.

    Raises:
        NotReadyError: the file cannot be read, or what it has is not a licence number.
    """
    try:
        kept = json.loads(config.read_text(encoding="utf-8"))
        text = kept.get("license_number") or ""
        return LicenceNumber(text) if text else None
    except FileNotFoundError:
        return None
    except BadRequestError:
        raise NotReadyError(
            f"The license_number in {config} does not have 18 characters without spaces. Correct "
            f"it there, or set {VARIABLE}."
        ) from None
    except (OSError, ValueError, AttributeError):
        raise NotReadyError(
            f"The licence number in {config} cannot be read. Mend that file, or set {VARIABLE}."
        ) from None
