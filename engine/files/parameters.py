"""Reading a parameter file of pyradiomics, as YAML or JSON."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from totalseg_mcp.engine.errors import BadRequestError

DEEPEST = 10  # pyradiomics' own settings go to 3
LARGEST = 100_000  # bytes; pyradiomics' longest example has 4,000


def read_parameters(path: Path) -> dict[str, Any]:
    """The settings in the file at `path`; what they mean is for pyradiomics to judge.

    Raises:
        BadRequestError: there is no such file, or it is no YAML or JSON of plain settings.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise BadRequestError(
                f"radiomics_parameters: {path} is larger than {LARGEST} bytes, so it is no "
                "parameter file of pyradiomics. Give its path."
            )
        parsed = _parsed(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BadRequestError(
            f"radiomics_parameters: {path} cannot be read: {' '.join(str(error).split())}. Give "
            "a parameter file of pyradiomics (YAML or JSON)."
        ) from error
    if not isinstance(parsed, dict) or any(map(_endless, _leaves(parsed))):
        raise BadRequestError(
            f"radiomics_parameters: {path} must hold settings by name, all numbers finite, "
            "under 'setting', 'imageType' and 'featureClass'."
        )
    return parsed


def _parsed(text: str) -> Any:  # noqa: ANN401 (whatever the file says)
    """What JSON or YAML says; a ValueError where it is neither, or says things by reference."""
    if text.lstrip().startswith("{"):
        return json.loads(text)
    from ruamel.yaml import YAML  # comes with pyradiomics
    from ruamel.yaml.error import YAMLError
    from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent

    yaml = YAML(typ="safe", pure=True)
    depth = 0
    try:
        for event in yaml.parse(text):
            if isinstance(event, AliasEvent):
                raise ValueError("references (*name) are not supported, write the settings out")
            depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
            if depth > DEEPEST:  # reading on takes time by the square of the depth
                raise ValueError(f"settings are nested more than {DEEPEST} deep")
        return yaml.load(text)
    except YAMLError as error:
        raise ValueError(str(error)) from error


def _leaves(of: object) -> Iterator[object]:
    """The values at the ends of nested dictionaries and lists."""
    if isinstance(of, dict):
        of = list(of.values())
    if isinstance(of, list):
        for part in of:
            yield from _leaves(part)
    else:
        yield of


def _endless(value: object) -> bool:
    return isinstance(value, float) and not math.isfinite(value)
