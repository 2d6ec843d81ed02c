"""Which structures are drawn as glass, so that what lies behind them is seen."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

OPAQUE = (1.0, 1.0)
# From the outside in: opacity where something solid is behind and where nothing is, and how the
# names of the structures begin.
GLASS: tuple[tuple[tuple[float, float], tuple[str, ...]], ...] = (
    ((0.10, 0.2), ("body", "skin", "subcutaneous_fat", "face", "head", "subarachnoid_space")),
    ((0.18, 0.3), ("skeletal_muscle", "abdominal_cavity", "thoracic_cavity")),
    (
        (0.40, 0.85),
        (
            *("rib_", "costal_cartilages", "sternum", "clavicula_", "scapula_", "skull"),
            *("lower_jawbone", "upper_jawbone", "mandible"),
        ),
    ),
    (
        (0.30, 0.4),
        (
            *("lung_left", "lung_right", "lung_upper_", "lung_middle_", "lung_lower_"),
            *("lung_pleural", "pleural_", "pericardium", "mediastinum"),
            *("frontal_lobe", "parietal_lobe", "occipital_lobe", "temporal_lobe"),
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Layer:
    """Labels that are drawn alike.

    `opacity` is that of a surface seen face on, in front of something solid and elsewhere.
    """

    labels: tuple[int, ...]
    opacity: tuple[float, float]


def layers(found: Sequence[int], names: Sequence[str]) -> tuple[Layer, ...]:
    """The labels `found`, from the outside in; the innermost ones are always solid.

    >>> [layer.labels for layer in layers([1, 2, 3], ["rib_left_1", "liver", "skin"])]
    [(3,), (1,), (2,)]
    >>> layers([1], ["rib_left_1", "liver", "skin"])
    (Layer(labels=(1,), opacity=(1.0, 1.0)),)
    """
    grouped: dict[tuple[float, float], list[int]] = {opacity: [] for opacity, _ in GLASS}
    grouped[OPAQUE] = []
    for label in found:
        grouped[_opacity(names[label - 1])].append(label)
    present = [Layer(tuple(labels), opacity) for opacity, labels in grouped.items() if labels]
    return (*present[:-1], *(replace(innermost, opacity=OPAQUE) for innermost in present[-1:]))


def _opacity(name: str) -> tuple[float, float]:
    return next((opacity for opacity, kinds in GLASS if name.startswith(kinds)), OPAQUE)
