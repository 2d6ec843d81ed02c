"""The table of two dimensions in docs/parity.md: `make parity` compares all runs, and writes it."""

import re
import tempfile
from pathlib import Path

from parity.cases_2d import CASES_2D, FlatCase
from parity.comparison_2d import compare_2d, recordings_2d, stand_ins_2d
from parity.report import DOCUMENT

MARKS = re.compile(
    r"(<!-- recorded runs in two dimensions -->\n).*?"
    r"(<!-- end of recorded runs in two dimensions -->)",
    re.S,
)
HEADING = (
    "| asked for | scan | result | pixels | structures | differing | agreement |\n"
    "|---|---|---|---|---|---|---|"
)


def main() -> None:
    """Compare, and write."""
    with tempfile.TemporaryDirectory() as name:
        store = stand_ins_2d(Path(name) / "models")
        rows = []
        for number, case in enumerate(CASES_2D.values()):
            compared = compare_2d(case, store, Path(name) / str(number))
            share = f"{100 * compared.agreement:.6g} %"
            rows.append(f"{about_2d(case)} | {compared.differing:,} | {share} |")
    table = "\n".join([HEADING, *rows])
    text = DOCUMENT.read_text(encoding="utf-8")
    assert MARKS.search(text), f"{DOCUMENT} has no place for the table"
    DOCUMENT.write_text(MARKS.sub(lambda m: f"{m[1]}\n{table}\n\n{m[2]}", text), encoding="utf-8")


def about_2d(case: FlatCase) -> str:
    """The cells that say what was recorded."""
    known = recordings_2d()["runs"][case.name]
    structures, rows, columns = known["shape"]
    there = sum(count > 0 for count in known["counts"])
    result = "2-D" if len(known["size"]) == 2 else "in its place"
    size = f"{columns} x {rows}"
    return f"| {case.key} | {case.scan} | {result} | {size} | {there} of {structures}"


if __name__ == "__main__":
    main()
