"""The table in docs/parity.md: `make parity` compares all runs, and writes their rows anew.

`PYTHONPATH=tests python -m parity.report NAME ...` compares those runs alone and leaves the other
rows as they are.
"""

import argparse
import re
import tempfile
from pathlib import Path

import numpy as np
from parity.cases import CASES, Case
from parity.comparison import compare, recordings, stand_ins
from parity.record import job

from totalseg_mcp.engine.tasks import TASKS
from totalseg_mcp.engine.weights import Store

DOCUMENT = Path(__file__).parents[2] / "docs" / "parity.md"
MARKS = re.compile(r"(<!-- recorded runs -->\n).*?(<!-- end of recorded runs -->)", re.S)
HEADING = (
    "| task | options | scan | voxels | labels | cropped to | differing | agreement | remark |\n"
    "|---|---|---|---|---|---|---|---|---|"
)
NOT_OPTIONS = {"input", "output", "task", "ml", "repair"}


def main() -> None:
    """Compare, and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="runs to compare; all without")
    asked = parser.parse_args().names or list(CASES)
    with tempfile.TemporaryDirectory() as name:
        store = stand_ins(Path(name) / "models")
        for number, case in enumerate(CASES[name] for name in asked):
            put(case, measured(case, store, Path(name) / str(number)))


def put(case: Case, result: str) -> None:
    """Write the row of `case` into the document, and leave the others."""
    text = DOCUMENT.read_text(encoding="utf-8")
    rows = dict(known_rows(text)) | {first_cells(case): result}
    lines = [
        f"{about(each)} | {rows[first_cells(each)]} | {each.note} |" for each in CASES.values()
    ]
    table = "\n".join([HEADING, *lines])
    DOCUMENT.write_text(MARKS.sub(lambda m: f"{m[1]}\n{table}\n\n{m[2]}", text), encoding="utf-8")


def known_rows(text: str) -> list[tuple[str, str]]:
    """What the document says of each run: its first cells, and the two with the result."""
    known = {first_cells(case): " | " for case in CASES.values()}
    marked = MARKS.search(text)
    assert marked, f"{DOCUMENT} has no place for the table"
    for line in marked[0].splitlines():
        cells = line.split(" | ")
        start = " | ".join(cells[:2])
        if start in known:
            known[start] = f"{cells[6]} | {cells[7]}"
    return list(known.items())


def measured(case: Case, store: Store, folder: Path) -> str:
    """The two cells that say how well the runs agree."""
    compared = compare(case, store, folder)
    return f"{compared.differing:,} | {100 * compared.agreement:.6g} %"


def first_cells(case: Case) -> str:
    """Task and options, in the reference's words: what a row is known by."""
    options = {k: v for k, v in job(case, Path()).items() if k not in NOT_OPTIONS}
    if case.masks:
        options["separate files"] = True
    words = [k if v is True else f"{k} {shown(v)}" for k, v in options.items()]
    place = f" ({case.scan})" if "scan" in case.name else ""
    return f"| {case.task} | {', '.join(words)}{place}"


def shown(value: object) -> str:
    """An option's value."""
    return " ".join(value) if isinstance(value, list) else str(value)


def about(case: Case) -> str:
    """The cells that say what was recorded."""
    known = recordings()["runs"][case.name]
    labels = sum(value != "0" for value in known["counts"])
    there = "" if case.masks else f" of {len(TASKS[case.task].names)}"
    crops = known["crops"]
    share = f"{np.prod(crops[-1][1]) / np.prod(crops[-1][0]):.0%}" if crops else ""
    size = f"{np.prod(known['shape']):,}"
    return f"{first_cells(case)} | {case.scan} | {size} | {labels}{there} | {share}"


if __name__ == "__main__":
    main()
