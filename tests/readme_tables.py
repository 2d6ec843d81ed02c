"""The README's tables, made from the schemas: `python tests/readme_tables.py` rewrites them."""

import re
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from totalseg_mcp.schemas.totalsegmentator import Arguments, TotalSegmentatorResult

README = Path(__file__).parents[1] / "README.md"


def default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "required"
    shown = {None: "null", True: "true", False: "false"}.get(field.default, field.default)
    return f"`{shown}`"


def parameters(model: type[BaseModel]) -> Iterator[str]:
    yield "\n| parameter | default | what it does |\n|---|---|---|"
    for name, field in model.model_fields.items():
        yield f"| `{name}` | {default(field)} | {field.description} |"


def results(model: type[BaseModel]) -> Iterator[str]:
    yield "\n| field | what it says |\n|---|---|"
    for name, field in model.model_fields.items():
        yield f"| `{name}` | {field.description} |"


TABLES = {
    "parameters": "\n".join(parameters(Arguments)),
    "result": "\n".join(results(TotalSegmentatorResult)),
}


def written(text: str) -> str:
    """`text` with every table between its marks made anew."""
    for name, table in TABLES.items():
        marks = rf"(<!-- {name} -->\n).*?(<!-- end of {name} -->)"
        text, count = re.subn(marks, lambda m, t=table: f"{m[1]}{t}\n\n{m[2]}", text, flags=re.S)
        if count != 1:
            raise ValueError(f"{name}: {count} places for the table")
    return text


if __name__ == "__main__":
    README.write_text(written(README.read_text("utf-8")), "utf-8")
