"""Which 2-D models are on disk, and where."""

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from totalseg_mcp.engine.errors import MissingWeightsError
from totalseg_mcp.engine.manifest import newest
from totalseg_mcp.engine.models2d import Group


@dataclass(frozen=True, slots=True)
class Store2D:
    """Folders of 2-D models below these roots; the first root that has one wins.

    A group's network is in `<root>/<key>_<group>/<revision>/`, as ts2d unpacks it: model.json,
    and the nnU-Net folder that it names.
    """

    roots: tuple[Path, ...] = ()
    demonstration: bool = False  # not models of TotalSegmentator 2D, but stand-ins of ours

    @classmethod
    def standard(cls) -> "Store2D":
        """The folder where ts2d 1.2.0 keeps its models."""
        return cls((Path.home() / ".ts2d" / "models",))

    @classmethod
    def demo(cls) -> "Store2D":
        """The demonstration models that come with this package."""
        return cls((Path(str(files("totalseg_mcp.weights"))) / "demo2d",), demonstration=True)

    def find(self, group: Group) -> Path:
        """The newest revision of `group`'s network.

        Raises:
            MissingWeightsError: it is not here.
        """
        for root in self.roots:
            if revision := newest(root / group.folder):
                return revision
        looked = " or ".join(str(root) for root in self.roots) or "any folder: none is set"
        raise MissingWeightsError(
            f"The weights of {group.folder} are not in {looked}. Fetch them: "
            f"totalseg-mcp weights fetch {group.model}"
        )
