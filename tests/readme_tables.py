"""The README's tables, made from the schemas and from the engine's tables.

`python tests/readme_tables.py` rewrites them.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from totalseg_mcp.engine.plan import ROUGH
from totalseg_mcp.engine.tasks import MODELS, TASKS, Task
from totalseg_mcp.schemas import ts2d_segment
from totalseg_mcp.schemas.totalsegmentator import Arguments, TotalSegmentatorResult

README = Path(__file__).parents[1] / "README.md"


def default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "required"
    if field.default is None or isinstance(field.default, bool):
        return f"`{json.dumps(field.default)}`"
    return f"`{field.default}`"


def parameters(model: type[BaseModel]) -> Iterator[str]:
    yield "\n| parameter | default | what it does |\n|---|---|---|"
    for name, field in model.model_fields.items():
        yield f"| `{name}` | {default(field)} | {field.description} |"


def results(model: type[BaseModel]) -> Iterator[str]:
    yield "\n| field | what it says |\n|---|---|"
    for name, field in model.model_fields.items():
        yield f"| `{name}` | {field.description} |"


LICENCES = {
    "open": "open",
    "commercial": "licence number",
    "non-commercial": "CC BY-NC, no number",
}


def spacing(number: int) -> str:
    """The model's grid in mm."""
    edges = MODELS[number].spacing_mm
    if edges is None:
        return "its own"
    shown = [f"{edge:.3g}" for edge in edges]
    return shown[0] if len(set(shown)) == 1 else " × ".join(shown)


def near(task: Task) -> str:
    """What is looked near first, and what finds it."""
    if task.crop is None:
        return ""
    some = ", ".join(task.crop.to[:3]) + (", …" if task.crop.to[3:] else "")
    if task.crop.task:
        return f"{some} by `{task.crop.task}`"
    _, resolution = ROUGH[task.modality, task.crop.robust]
    return f"{some} at 3 mm" if resolution == "fast" else some


def tasks() -> Iterator[str]:
    yield "\n| task | for | structures | grid (mm) | fast, fastest (mm) | looks near | weights |"
    yield "|---|---|---|---|---|---|---|"
    for name, task in TASKS.items():
        coarse = (spacing(task.models[r][0]) for r in ("fast", "fastest") if r in task.models)
        cells = (
            f"`{name}`",
            task.modality,
            str(len(task.names)),
            spacing(task.models["default"][0]),
            ", ".join(coarse) or "-",
            near(task),
            LICENCES[task.licence],
        )
        yield f"| {' | '.join(cells)} |"


TABLES = {
    "tasks": "\n".join(tasks()),
    "parameters": "\n".join(parameters(Arguments)),
    "result": "\n".join(results(TotalSegmentatorResult)),
    "parameters of ts2d_segment": "\n".join(parameters(ts2d_segment.Arguments)),
    "result of ts2d_segment": "\n".join(results(ts2d_segment.Ts2dResult)),
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
