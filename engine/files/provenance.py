"""What made a segmentation, in the words of its file."""

from dataclasses import dataclass
from importlib.metadata import version

PROGRAM = "totalseg-mcp"
REFERENCE = "2.18.0"  # the TotalSegmentator whose weights these are


@dataclass(frozen=True, slots=True)
class Provenance:
    """All texts fit DICOM's 64 characters."""

    task: str
    resolution: str
    demonstration: bool  # weights trained on synthetic phantoms only

    @property
    def algorithm(self) -> str:
        """Its name."""
        return f"TotalSegmentator {self.task}"

    @property
    def version(self) -> str:
        """Of the weights, and of this program."""
        weights = "demonstration" if self.demonstration else REFERENCE
        return f"{weights} weights, {PROGRAM} {self.program_version}"

    @property
    def program_version(self) -> str:
        """Of this program."""
        return version(PROGRAM)

    @property
    def series(self) -> str:
        """The description of the series."""
        return f"{self.algorithm} (research use only)"

    @property
    def content(self) -> str:
        """What a reader must know."""
        if self.demonstration:
            return "DEMONSTRATION WEIGHTS, trained on phantoms: not for any use"
        return "Automatic segmentation, research use only"
