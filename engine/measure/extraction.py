"""pyradiomics with the settings that are asked for: the only place that imports it.

It is an optional package, so nothing of it is imported before a job asks for it.
"""

import copy
import logging
import math
import sys
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from totalseg_mcp.engine.errors import BadRequestError, NotReadyError
from totalseg_mcp.engine.image.itk import to_itk
from totalseg_mcp.engine.measure.mesh import let_threads_go_on
from totalseg_mcp.engine.volume import Volume
from totalseg_mcp.engine.watch import allow_stop

if TYPE_CHECKING:
    import SimpleITK as sitk  # noqa: N813 (its own name for itself)

PACKAGE = "pyradiomics-bhklab>=3.1.4,<4"  # pyradiomics 3.1 with its packaging repaired
TRIED = ((3, 11), (3, 12), (3, 13))  # Pythons that built it and gave its baseline
BIN_WIDTH = 25  # pyradiomics' own default, which its list of settings leaves out
LARGEST_MATRIX = 2**32  # bytes; beyond it one matrix would take the machine's memory
ANGLES = 13  # directions to a voxel's neighbours, each with a co-occurrence matrix
# pyradiomics 3.1 leaves such an image out without an error where its packages are missing.
UNABLE = {"LBP3D": "it needs a function that SciPy 1.17 no longer has"}


@dataclass(frozen=True, slots=True, eq=False)
class Extraction:
    """What to compute of each structure, and `settings`, by which anybody can repeat it."""

    extractor: Any  # of pyradiomics
    settings: Mapping[str, Any]

    def normalized(self, image: Volume) -> Volume:
        """The whole scan as the features see it: normalised, where the parameters ask for that."""
        wanted = self.settings["setting"]
        if not wanted["normalize"]:
            return image
        import SimpleITK as sitk  # noqa: N813 (its own name for itself)
        from radiomics.imageoperations import normalizeImage

        array = sitk.GetArrayFromImage(normalizeImage(to_itk(image), **wanted))
        return Volume(array.T, image.grid)

    def features(self, image: Volume, mask: Volume) -> dict[str, float | None]:
        """Every feature of the voxels of `image` where `mask` is 1, by pyradiomics' names.

        None where a feature is not defined, such as one of a texture that has no neighbours.

        Raises what pyradiomics raises where it cannot measure at all; see FAILURES.
        """
        with np.errstate(all="ignore"):  # 0 / 0 is its way to "not defined"
            found = self.extractor.execute(to_itk(image), to_itk(mask), label=1)
        values = {name: float(np.real(value)) for name, value in found.items()}
        return {name: value if math.isfinite(value) else None for name, value in values.items()}


def extraction(parameters: Mapping[str, Any]) -> Extraction:
    """All features with pyradiomics' defaults, or what a parameter file of its asks for.

    Filters see the structure's box and `padDistance` voxels around it (its `preCrop`).

    Raises:
        NotReadyError: pyradiomics is not installed.
        BadRequestError: pyradiomics' own schema refuses the parameters.
    """
    extractor = _extractor(dict(parameters))
    _check(extractor)
    extractor.settings |= {"additionalInfo": False, "preCrop": True, "label": 1}
    if not {"binWidth", "binCount"} & extractor.settings.keys():
        extractor.settings["binWidth"] = BIN_WIDTH
    settings = {
        "pyradiomics": version(),
        "imageType": extractor.enabledImagetypes,
        "featureClass": extractor.enabledFeatures,
        "setting": dict(extractor.settings),
    }
    extractor.settings["normalize"] = False  # it is done once, of the whole scan
    return Extraction(extractor, copy.deepcopy(settings))


def version() -> str:
    """That of the installed pyradiomics, such as "v3.1.4".

    Raises:
        NotReadyError: it is not installed, or cannot be imported.
    """
    try:
        import radiomics
        import radiomics.featureextractor
    except ImportError as error:
        raise NotReadyError(how_to_install(str(error))) from error
    radiomics.setVerbosity(60)  # nothing from it itself; errors reach the program's log
    logging.getLogger("radiomics").setLevel(logging.ERROR)
    logging.getLogger("pykwalify").setLevel(logging.CRITICAL + 1)  # it raises what it logs
    return str(radiomics.__version__)


def how_to_install(why: str) -> str:
    """What to do, for the running Python, where pyradiomics cannot be imported because `why`."""
    running = sys.version_info[:2]
    doubt = "" if running in TRIED else " It has not been tried with this version of Python."
    return (
        f"radiomics needs pyradiomics, which this Python {running[0]}.{running[1]} does not have "
        f"({why}). Nothing was done. The operator installs it with `{sys.executable} -m pip "
        f"install '{PACKAGE}'`, which compiles it and needs a C compiler (Debian and Ubuntu: "
        "`apt install build-essential python3-dev`; macOS: `xcode-select --install`; Windows: "
        f"Visual C++ Build Tools).{doubt} Everything else works without it: leave radiomics out."
    )


def _extractor(parameters: dict[str, Any]) -> Any:  # noqa: ANN401 (pyradiomics has no types)
    version()
    from pykwalify.errors import PyKwalifyException

    try:
        return _stoppable()(parameters) if parameters else _stoppable()()
    except (PyKwalifyException, ValueError, TypeError, LookupError) as error:
        why = " ".join(str(getattr(error, "msg", error)).split())
        raise BadRequestError(
            f"radiomics_parameters: pyradiomics refuses them: {why} See pyradiomics' "
            "documentation, 'Customizing the Extraction', for what a parameter file may hold."
        ) from error


def _check(extractor: Any) -> None:  # noqa: ANN401 (pyradiomics has no types)
    """What pyradiomics' schema lets through, and then fails on or leaves out."""
    for name, why in UNABLE.items():
        if name in extractor.enabledImagetypes:
            raise BadRequestError(
                f"radiomics_parameters: the image type {name} is not available: {why}. "
                "Take it out of the file."
            )
    spacing = extractor.settings["resampledPixelSpacing"]
    if spacing is not None and len(spacing) != 3:
        raise BadRequestError(
            f"radiomics_parameters: resampledPixelSpacing is {spacing}; give three numbers (mm)."
        )


@cache
def _stoppable() -> type:
    """The extractor of pyradiomics, made to stop between classes of features when told to."""
    import radiomics
    import SimpleITK as sitk  # noqa: N813 (its own name for itself)
    from radiomics.featureextractor import RadiomicsFeatureExtractor

    let_threads_go_on(radiomics)

    class Stoppable(RadiomicsFeatureExtractor):  # type: ignore[misc] # pyradiomics has no types
        def computeFeatures(  # noqa: N802 (pyradiomics' name)
            self,
            image: "sitk.Image",
            mask: "sitk.Image",
            name: str,
            **settings: Any,  # noqa: ANN401
        ) -> OrderedDict[str, Any]:
            """The features of one image, original or filtered, class by class."""
            if "integer" in image.GetPixelIDTypeAsString():  # bin edges overflow small integers
                image = sitk.Cast(image, sitk.sitkInt64)
            _check_levels(image, mask, self.enabledFeatures, settings)
            found: OrderedDict[str, Any] = OrderedDict()
            for kind, features in self.enabledFeatures.items():
                allow_stop()
                one = copy.copy(self)
                one.enabledFeatures = {kind: features}
                found |= super(Stoppable, one).computeFeatures(image, mask, name, **settings)
            return found

    return Stoppable


def _check_levels(
    image: "sitk.Image", mask: "sitk.Image", kinds: Mapping[str, Any], settings: Mapping[str, Any]
) -> None:
    """Refuse what would fill the memory: matrices as large as the grey levels squared.

    Raises:
        ValueError: what it is, and what to do.
    """
    import SimpleITK as sitk  # noqa: N813 (its own name for itself)

    values = sitk.GetArrayViewFromImage(image)[sitk.GetArrayViewFromImage(mask) == 1]
    spread = float(np.ptp(values.astype(np.float64)))
    levels = settings.get("binCount") or spread / settings.get("binWidth", BIN_WIDTH)
    needed = {"glcm": 8 * ANGLES * levels**2, "glszm": 8 * levels * len(values)}
    large = [kind for kind in kinds if needed.get(kind, 0) > LARGEST_MATRIX]
    if large:
        raise ValueError(
            f"{levels:.0f} grey levels in {len(values)} voxels make {' and '.join(large)} too "
            "large; in radiomics_parameters, set a larger binWidth or leave these classes out"
        )
