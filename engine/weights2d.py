"""Which 2-D models are on disk, and where."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from totalseg_mcp.engine.errors import MissingWeightsError
from totalseg_mcp.engine.manifest import MANIFEST, UnfitError, manifest, newest, revisions
from totalseg_mcp.engine.models2d import Group
from totalseg_mcp.engine.presence import first_missing
from totalseg_mcp.engine.weights import DESCRIPTIONS, elsewhere

VARIABLE = "TOTALSEG_MCP_TS2D_WEIGHTS"


@dataclass(frozen=True, slots=True)
class Store2D:
    """Folders of 2-D models below these roots; the first root that has one wins.

    A group's network is in `<root>/<key>_<group>/<revision>/`, as ts2d unpacks it: model.json,
    and the nnU-Net folder that it names.
    """

    roots: tuple[Path, ...] = ()
    demonstration: bool = False  # not models of TotalSegmentator 2D, but stand-ins of ours

    @classmethod
    def standard(cls, environ: Mapping[str, str] = os.environ) -> "Store2D":
        """The folder where ts2d keeps its models."""
        return cls((standard_root_2d(environ),))

    @classmethod
    def first_in(cls, root: Path, environ: Mapping[str, str] = os.environ) -> "Store2D":
        """A folder of the operator's, and then the one where ts2d keeps its models."""
        return cls(tuple(dict.fromkeys((root, standard_root_2d(environ)))))

    @classmethod
    def demo(cls) -> "Store2D":
        """The demonstration models that come with this package."""
        return cls((Path(str(files("totalseg_mcp.weights"))) / "demo2d",), demonstration=True)

    def has(self, group: Group) -> bool:
        """Whether a revision of `group`'s network is here, with all its files."""
        return any(whole_2d(folder) for folder in self._places(group))

    def find(self, group: Group) -> Path:
        """The newest revision of `group`'s network that has all its files.

        Raises:
            MissingWeightsError: none is here, or files of it are missing or damaged.
        """
        for folder in self._places(group):
            if revision := whole_2d(folder):
                return revision
        if self.demonstration:
            raise MissingWeightsError(
                f"The server runs on demonstration weights, which do not cover {group.called} "
                f"({group.folder}). Have the operator start the server with the weights of "
                f"TotalSegmentator 2D. {advice_2d(group)}"
            )
        for folder in self._places(group):
            if folder.exists():
                raise MissingWeightsError(
                    f"The model in {folder} is incomplete: {lacking_2d(folder)}. "
                    f"{self._advice(group)}"
                )
        looked = " or ".join(str(root) for root in self.roots) or "any folder: none is set"
        raise MissingWeightsError(
            f"The weights of {group.called} ({group.folder}) are not in {looked}. "
            f"{self._advice(group)}"
        )

    def _places(self, group: Group) -> Iterator[Path]:
        for root in self.roots:
            yield root / group.folder

    def _advice(self, group: Group) -> str:
        return advice_2d(group) + elsewhere(self.roots, standard_root_2d(os.environ))


def standard_root_2d(environ: Mapping[str, str]) -> Path:
    """Where ts2d 1.2.0 keeps its models, unless a variable of ours says otherwise."""
    if path := environ.get(VARIABLE):
        return Path(path).expanduser()
    return Path.home() / ".ts2d" / "models"


def whole_2d(folder: Path) -> Path | None:
    """The newest revision in the folder of a group that has all its files; None without one."""
    return next((one for one in revisions(folder) if _fault(one) is None), None)


def lacking_2d(folder: Path) -> str | None:
    """Why no revision in the folder of a group can run, by its newest; None if one can."""
    if whole_2d(folder):
        return None
    latest = newest(folder)
    return f"{latest.name}: {_fault(latest)}" if latest else "it has no revision such as r001"


def advice_2d(group: Group) -> str:
    """How to get the weights of `group`, and those that it runs with."""
    return f"Fetch them: totalseg-mcp weights fetch {group.model}"


def _fault(revision: Path) -> str | None:
    """Why the network in `revision` cannot run; None if it has all its files."""
    if missing := first_missing(revision, [revision / MANIFEST]):
        return missing
    try:
        said = manifest(revision)
    except UnfitError as error:
        return error.fault
    return first_missing(revision, [said.folder / name for name in DESCRIPTIONS])
