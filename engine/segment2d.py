"""From a volume or a picture to layers: the whole way of TotalSegmentator 2D, in order."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from totalseg_mcp.engine.errors import BadImageError, NotReadyError
from totalseg_mcp.engine.image.project import PROJECTIONS, plane_of, project
from totalseg_mcp.engine.models2d import Group, spelt_as_in
from totalseg_mcp.engine.picture import Layers, Picture, Plane
from totalseg_mcp.engine.volume import Volume
from totalseg_mcp.engine.watch import note, stage, track


class Network2D(Protocol):
    """One group's network."""

    @property
    def channels(self) -> tuple[str, ...]:
        """What it wants to see, by name."""

    @property
    def recipe(self) -> str:
        """Equal for networks that want pictures prepared in the same way."""

    def prepare(self, picture: Picture) -> Any:  # noqa: ANN401 (only the network looks into it)
        """What the network makes of a picture before it looks at it."""

    def __call__(
        self,
        prepared: Any,  # noqa: ANN401 (as above)
        picture: Picture,
        threshold: float,
        mirroring: bool,
    ) -> Layers:
        """The structures in `picture`, named as by the network."""


@dataclass(frozen=True, slots=True, eq=False)
class Segmented2D:
    """All layers of one picture, as the first network saw it, and each group's structures."""

    layers: Layers
    picture: Picture
    parts: Mapping[str, tuple[str, ...]]


Networks2D = Callable[[Group], Network2D]
Seen = Callable[[tuple[str, ...]], Picture]


def segment_2d(
    seen: Seen,
    groups: Sequence[Group],
    networks: Networks2D,
    threshold: float = 0.5,
    mirroring: bool = True,
) -> Segmented2D:
    """The structures of `groups` in one picture, group by group, named as in TotalSegmentator.

    `seen` gives the picture with the channels that a network wants.
    """
    prepared: dict[str, Any] = {}
    pictures, found = [], {}
    for group in track(groups, "group"):
        network = networks(group)
        with stage("project", 0.0, 0.2):
            picture = seen(network.channels)
        with stage("prepare", 0.2, 0.4):
            if network.recipe not in prepared:
                prepared[network.recipe] = network.prepare(picture)
        with stage("infer", 0.4, 1.0):
            layers = network(prepared[network.recipe], picture, threshold, mirroring)
        names = tuple(spelt_as_in(group.names, name) for name in layers.names)
        pictures.append(picture)
        found[group.name] = replace(layers, names=names)
    parts = {name: layers.names for name, layers in found.items()}
    return Segmented2D(stacked(list(found.values())), pictures[0], parts)


def stacked(found: Sequence[Layers]) -> Layers:
    """All layers of one picture."""
    return Layers(
        data=np.concatenate([layers.data for layers in found]),
        names=tuple(name for layers in found for name in layers.names),
        confidence=tuple(value for layers in found for value in layers.confidence),
        plane=found[0].plane,
    )


def of_volume(volume: Volume) -> Seen:
    """Projections of `volume`, each made once."""
    return of_projections({}, plane_of(volume.grid), lambda: volume)


def of_projections(
    ready: Mapping[str, NDArray[np.float32]], plane: Plane, volume: Callable[[], Volume]
) -> Seen:
    """Those that are `ready`, and others, each made once of `volume`."""
    made = dict(ready)

    def channel(how: str) -> NDArray[np.float32]:
        if how not in made:
            note(f"{how} projection")
            made[how] = project(volume(), how)
        return made[how]

    def seen(channels: tuple[str, ...]) -> Picture:
        strange = [name for name in channels if name not in PROJECTIONS]
        if strange:
            raise NotReadyError(
                f"The model wants to see {', '.join(strange)}, which is not made of a volume: it "
                "is a model for X-rays. Use a model for CT, such as ts2d-v2, or give an X-ray."
            )
        return Picture(np.stack([channel(how) for how in channels]), channels, plane)

    return seen


def of_picture(picture: Picture) -> Seen:
    """A picture that came as one; its channels are taken in their order, as ts2d does."""

    def seen(channels: tuple[str, ...]) -> Picture:
        if len(channels) != len(picture.channels):
            raise BadImageError(
                f"The picture has {len(picture.channels)} channels, and the model wants "
                f"{len(channels)} ({', '.join(channels)}). Give a 3-D CT, or a projection with "
                "these channels; for an X-ray use model='tsxr-v2'."
            )
        return replace(picture, channels=channels)

    return seen
