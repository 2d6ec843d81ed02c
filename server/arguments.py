"""From what a client sent to a tool's arguments, or to a text that says what was wrong."""

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from totalseg_mcp.engine.errors import BadRequestError
from totalseg_mcp.engine.licence import FORM, HIDDEN, without_numbers

M = TypeVar("M", bound=BaseModel)

LONGEST_VALUE = 100
SECRET = re.compile("licen[cs]e", re.IGNORECASE)  # however a caller spells license_number


def read(model: type[M], given: Mapping[str, Any]) -> M:
    """The arguments that were given.

    Raises:
        BadRequestError: With one line for each argument that is wrong.
    """
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise BadRequestError(explain(error, tuple(model.model_fields))) from None


def explain(error: ValidationError, known: Sequence[str]) -> str:
    """One line for each argument that is wrong; the known names when one was unknown."""
    complaints: dict[str, list[str]] = {}
    for detail in error.errors(include_url=False):
        complaints.setdefault(_place(detail["loc"]), []).append(_complaint(detail, known))
    lines = [f"{place}: {', or '.join(texts)}" for place, texts in complaints.items()]
    if any(detail["type"] == "extra_forbidden" for detail in error.errors(include_url=False)):
        lines.append(f"The arguments are: {', '.join(known)}.")
    return "\n".join(lines)


def nearest(name: object, known: Sequence[str]) -> str:
    """A guess at what was meant, as the end of a sentence; empty when nothing is near."""
    close = difflib.get_close_matches(str(name), known, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _place(location: tuple[int | str, ...]) -> str:
    """The argument, and the item in it: `roi_subset[2]`.

    Other parts of a location are pydantic's names for the branches of a union.
    """
    if not location:
        return "arguments"
    return f"{location[0]}" + "".join(f"[{part}]" for part in location[1:] if isinstance(part, int))


def _complaint(detail: ErrorDetails, known: Sequence[str]) -> str:
    """What is wrong with one argument, with its value."""
    value = _shown(detail)
    match detail["type"]:
        case "extra_forbidden":
            guess = nearest(detail["loc"][-1], known)
            return f"unknown argument (with the value {value}){guess}"
        case "missing":
            return "required, but missing"
        case "value_error" | "assertion_error":
            return str(detail["ctx"]["error"])
        case "literal_error" | "enum":
            choices = re.findall(r"'([^']*)'", detail["ctx"]["expected"])
            guess = nearest(detail["input"], choices)
            return f"{value} is not one of {', '.join(choices)}{guess}"
    if detail["msg"].startswith("Input "):
        return value + detail["msg"].removeprefix("Input")
    return f"{detail['msg']} (got {value})"


def _shown(detail: ErrorDetails) -> str:
    """The value that was given, unless it is, or may be, a licence number."""
    value, name = detail["input"], str(detail["loc"][-1]) if detail["loc"] else ""
    stray = detail["type"] == "extra_forbidden" and isinstance(value, str)
    if SECRET.search(name) or (stray and FORM.fullmatch(value.strip())):
        return HIDDEN
    text = without_numbers(repr(value))
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"
