"""The runs that both programs make: every task at its own defaults, and `cases.toml`."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from totalseg_mcp.engine.tasks import TASKS

FOLDER = Path(__file__).parent / "recordings"
TABLE = Path(__file__).with_name("cases.toml")
USUAL_SCAN = {"CT": "ct", "MR": "mr"}
# The finest grids without a crop: on the usual scan these would take minutes.
SMALL_SCAN = {
    "aorta_annulus": "ct_small",
    "aortic_dissection": "ct_small",
    "pulmonary_artery_landmarks": "ct_small",
    "brain_aneurysm": "mr_small",
}


@dataclass(frozen=True)
class Case:
    """One run: a task on a scan, with the options that are not at their defaults.

    `masks` are the files to compare where they overlap; else the label map is compared.
    `note` is what a reader of the comparison should know.
    """

    name: str
    task: str
    scan: str
    options: Mapping[str, Any] = field(default_factory=dict)
    masks: tuple[str, ...] = ()
    note: str = ""

    @property
    def asked(self) -> dict[str, Any]:
        """What the run asks for, by the names of the engine's options."""
        return {"task": self.task, **self.options}

    @property
    def recording(self) -> Path:
        """The reference's label map; of overlapping masks, mask n is bit n."""
        words = self.name.replace(", ", "-").replace(" ", "_")
        return FOLDER / "labels" / f"{words}.nii.gz"


def usual_scan(task: str) -> str:
    """The scan that `task` is recorded on."""
    return SMALL_SCAN.get(task) or USUAL_SCAN[TASKS[task].modality]


def _listed(name: str, entry: dict[str, Any]) -> Case:
    task = entry.pop("task", "total")
    scan = entry.pop("scan", usual_scan(task))
    masks, note = tuple(entry.pop("masks", ())), entry.pop("note", "")
    options = {key: tuple(v) if isinstance(v, list) else v for key, v in entry.items()}
    return Case(name, task, scan, options, masks, note)


def _cases() -> dict[str, Case]:
    table = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    plain = {task: Case(task, task, usual_scan(task)) for task in TASKS}
    return plain | {name: _listed(name, entry) for name, entry in table.items()}


CASES: Mapping[str, Case] = _cases()
