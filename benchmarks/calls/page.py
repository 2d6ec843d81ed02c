"""docs/performance.md, from what was measured: `python -m benchmarks.calls.page`."""

import argparse
import sys
from pathlib import Path

from benchmarks.calls import tables
from benchmarks.calls.cases import CASES, ON_GPU
from benchmarks.calls.measured import Measured, load
from benchmarks.calls.plot import draw
from benchmarks.run import HERE, RESULTS

MEASURED = HERE / "measured.json"
PAGE = HERE.parent / "docs" / "performance.md"
TEMPLATE = HERE / "calls" / "performance.template.md"
PLOT = "performance.png"


def page(measured: Measured, results: str, template: str) -> str:
    """The page; `results` is results.md, for the targets that are measured there."""
    shown = (tables.case(name, case, measured) for name, case in CASES.items())
    loads = [load for trial in measured.trials for load in trial.load]
    return template.format(
        **{"reference": tables.ABSENT, **measured.about},
        least=min(loads),
        most=max(loads),
        plot=PLOT,
        targets="\n".join(tables.targets(measured, results)),
        cases="\n".join(filter(None, shown)),
        stages="\n".join(tables.stages(measured)),
        slopes="\n".join([*tables.sizes(measured), "", *tables.classes(measured)]),
        missing="\n".join(tables.missing(measured)),
    )


def on_gpu(measured: Measured) -> str:
    """The tables of the cases on a GPU, with what was run on what."""
    shown = (tables.case(name, case, measured) for name, case in ON_GPU.items())
    stages = tables.stages(measured, ON_GPU)
    about = (f"- {name}: {said}" for name, said in measured.about.items())
    refused = (f"- {r.case}, {r.program}: left out. {r.reason}" for r in measured.refused)
    return "\n".join([*about, *refused, "", *filter(None, shown), *stages, ""])


def main() -> None:
    """Write the page and the plot, or print the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measured", type=Path, default=MEASURED)
    parser.add_argument("--page", type=Path, default=PAGE)
    parser.add_argument("--print", action="store_true", help="to the terminal, and no plot")
    asked = parser.parse_args()
    measured = load(asked.measured)
    text = page(measured, RESULTS.read_text("utf-8"), TEMPLATE.read_text("utf-8"))
    if asked.print:
        sys.stdout.write(text)
        return
    asked.page.write_text(text, encoding="utf-8")
    draw(measured, asked.page.with_name(PLOT))


if __name__ == "__main__":
    main()
