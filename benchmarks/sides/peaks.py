"""One job in a process of its own: the most memory that each of its stages had.

    python peaks.py SCAN MODELS OUT TASK

prints a line of JSON, {stage: bytes}, in the order in which the stages came.
"""

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path

from totalseg_mcp.engine.options import Options
from totalseg_mcp.engine.peak import forget, most_resident
from totalseg_mcp.engine.request import Request
from totalseg_mcp.engine.run import run
from totalseg_mcp.engine.session import Session
from totalseg_mcp.engine.watch import Progress, Watch, watching
from totalseg_mcp.engine.weights import Store


@dataclass
class Peaks:
    """The most memory since the last stage began is that stage's."""

    found: dict[str, int] = field(default_factory=dict)
    stage: str = "start"

    def at(self, progress: Progress) -> None:
        """Another stage begins, or the same one goes on."""
        name = progress.message.partition(":")[0]
        if name and name != self.stage:
            self.note()
            self.stage = name

    def note(self) -> None:
        """The stage is over."""
        self.found[self.stage] = max(self.found.get(self.stage, 0), most_resident() or 0)
        forget()


def main() -> None:
    """Run it."""
    scan, models, out = (Path(text) for text in sys.argv[1:4])
    request = Request(
        input_path=scan,
        folder=out,
        options=Options(task=sys.argv[4]),
        device="cpu",
        masks="--masks" in sys.argv,
        multilabel=False,
        statistics=True,
        cache=False,
    )
    peaks = Peaks()
    with watching(Watch(peaks.at, lambda: None)):
        run(request, Session(Store((models,))))
    peaks.note()
    sys.stdout.write(json.dumps(peaks.found) + "\n")


if __name__ == "__main__":
    main()
