"""Argument types that tools share: forgiving in what they accept, exact in what they mean."""

import json
import re
from typing import Annotated, get_args

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, WithJsonSchema

from totalseg_mcp.engine.errors import BadRequestError
from totalseg_mcp.engine.licence import LicenceNumber
from totalseg_mcp.engine.models2d import MODELS_2D, model_named
from totalseg_mcp.engine.request import Format
from totalseg_mcp.engine.request2d import Format2D
from totalseg_mcp.engine.tasks import TASKS, unknown

SMALL_BLOBS_MM3 = 200.0  # what TotalSegmentator 2.18.0 removes unless told otherwise
ALIASES = {"dicom": "dicom_rtstruct"}  # as in TotalSegmentator 2.18.0
DEVICE = re.compile(r"cpu|mps|gpu(:\d+)?")


def _tasks(names: list[str]) -> list[str]:
    """`names` without repeats."""
    if strangers := [name for name in names if name not in TASKS]:
        raise ValueError(" ".join(unknown("task", name, tuple(TASKS)) for name in strangers))
    return list(dict.fromkeys(names))


def _device(name: str) -> str:
    if not DEVICE.fullmatch(name):
        raise ValueError(f"There is no device {name!r}. Use 'gpu', 'gpu:N', 'cpu' or 'mps'.")
    return name


def _names(given: object) -> object:
    """A list of names, from a list, a JSON list in a string, or a comma-separated string.

    Text that begins like a JSON list and is none is a ValueError.

    >>> _names("liver, spleen")
    ['liver', 'spleen']
    >>> _names('["liver"]')
    ['liver']
    """
    if not isinstance(given, str):
        return given
    if given.lstrip().startswith("["):
        try:
            return json.loads(given)
        except json.JSONDecodeError:
            raise ValueError(f"{given!r} is no list. Say 'liver,spleen'.") from None
    return [name.strip() for name in given.split(",") if name.strip()]


def _formats(given: object) -> object:
    """Names as `_names` takes them, without repeats, 'dicom' as what it stands for.

    >>> _formats("nifti, dicom,dicom_rtstruct")
    ['nifti', 'dicom_rtstruct']
    """
    names = _names(given)
    if not isinstance(names, list):
        return names
    return list(dict.fromkeys(ALIASES.get(str(name), name) for name in names))


def _formats_2d(given: object) -> object:
    names = _names(given)
    return list(dict.fromkeys(names)) if isinstance(names, list) else names


def _model_2d(name: str) -> str:
    try:
        return model_named(name).name
    except BadRequestError as error:
        raise ValueError(str(error)) from None


def _licence(given: object) -> LicenceNumber | None:
    """A licence number, or None for nothing; no error shows what was given."""
    if given is None or isinstance(given, LicenceNumber):
        return given
    if not isinstance(given, str):
        raise ValueError("A licence number is text of 18 characters.")
    try:
        return LicenceNumber(given) if given.strip() else None
    except BadRequestError as error:
        raise ValueError(str(error)) from None


def _small_blobs(given: object) -> object:
    """A size in mm³, from that, or from yes or no.

    >>> _small_blobs(True), _small_blobs(False), _small_blobs(350)
    (200.0, None, 350)
    """
    if isinstance(given, bool):
        return SMALL_BLOBS_MM3 if given else None
    return given


Device = Annotated[
    str,
    AfterValidator(_device),
    WithJsonSchema({"type": "string", "pattern": f"^({DEVICE.pattern})$"}),
]
# One validator for a number and for none, so that no branch of a union repeats the value.
License = Annotated[
    LicenceNumber | None,
    PlainValidator(_licence),
    WithJsonSchema({"anyOf": [{"type": "string", "writeOnly": True}, {"type": "null"}]}),
]
Names = Annotated[
    list[str],
    BeforeValidator(_names),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]
# The enum is what the model sees; the message of the check offers the nearest names.
TaskNames = Annotated[
    list[str],
    BeforeValidator(_names),
    AfterValidator(_tasks),
    Field(min_length=1),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "enum": list(TASKS)},
                {"type": "string", "pattern": ","},
                {"type": "array", "items": {"type": "string"}, "minItems": 1},
            ]
        }
    ),
]
FORMAT_NAMES = [*get_args(Format), *ALIASES]
Formats = Annotated[
    list[Format],
    BeforeValidator(_formats),
    Field(min_length=1),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "examples": FORMAT_NAMES},
                {"type": "array", "items": {"enum": FORMAT_NAMES}, "minItems": 1},
            ]
        }
    ),
]
Model2DName = Annotated[
    str, AfterValidator(_model_2d), WithJsonSchema({"type": "string", "enum": list(MODELS_2D)})
]
Formats2D = Annotated[
    list[Format2D],
    BeforeValidator(_formats_2d),
    Field(min_length=1),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "examples": list(get_args(Format2D))},
                {"type": "array", "items": {"enum": list(get_args(Format2D))}, "minItems": 1},
            ]
        }
    ),
]
SmallBlobs = Annotated[
    Annotated[float, Field(gt=0, allow_inf_nan=False)] | None,
    BeforeValidator(_small_blobs),
    WithJsonSchema({"anyOf": [{"type": "boolean"}, {"type": "number", "exclusiveMinimum": 0}]}),
]
