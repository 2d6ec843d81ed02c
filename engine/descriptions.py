"""The dataset.json and plans.json of a model: read, and found fit to run a network by."""

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager
from pydantic import AliasChoices, BaseModel, Field, ValidationError, model_validator

from totalseg_mcp.engine.errors import NotReadyError

Axes = Annotated[list[Literal[0, 1, 2]], Field(min_length=3, max_length=3)]
# Two for a 2-D network.
Voxels = Annotated[list[Annotated[int, Field(gt=0)]], Field(min_length=2, max_length=3)]
Millimetres = Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=2, max_length=3)]
Scheme = Literal[
    "CTNormalization",
    "ZScoreNormalization",
    "NoNormalization",
    "RescaleTo01Normalization",
    "RGBTo01Normalization",
]


class Dataset(BaseModel):
    """What is used of dataset.json."""

    channel_names: Annotated[dict[str, Any], Field(min_length=1)]


class Intensities(BaseModel):
    """What CTNormalization uses of a channel's statistics."""

    mean: float
    std: float
    percentile_00_5: float
    percentile_99_5: float


class Plans(BaseModel):
    """What is used of plans.json, beside the configuration; old plans say "by modality"."""

    transpose_forward: Axes
    transpose_backward: Axes
    intensities: Annotated[
        dict[str, dict[str, Any]],
        Field(
            validation_alias=AliasChoices(
                "foreground_intensity_properties_per_channel",
                "foreground_intensity_properties_by_modality",
            )
        ),
    ]


class Architecture(BaseModel):
    """Which network, as nnU-Net builds it."""

    network_class_name: str
    arch_kwargs: dict[str, Any]
    required: Annotated[list[str], Field(validation_alias="_kw_requires_import")]


class Configuration(BaseModel):
    """What is used of a configuration, once what it inherits is filled in."""

    patch_size: Voxels
    spacing: Millimetres
    normalization_schemes: list[Scheme]
    use_mask_for_norm: list[bool]
    preprocessor_name: str
    architecture: Architecture
    resampling_fn_data: str
    resampling_fn_data_kwargs: dict[str, Any]
    resampling_fn_probabilities: str
    resampling_fn_probabilities_kwargs: dict[str, Any]

    @model_validator(mode="after")
    def _of_one_kind(self) -> "Configuration":
        if len(self.patch_size) != len(self.spacing):
            raise ValueError("patch_size and spacing are not of one dimension")
        return self


def described(folder: Path, name: str) -> tuple[PlansManager, ConfigurationManager, dict[str, Any]]:
    """The plans, the configuration called `name` in them, and dataset.json.

    Raises:
        NotReadyError: a file is not JSON, or lacks what the network needs.
    """
    dataset, plans = folder / "dataset.json", folder / "plans.json"
    dataset_content = _read(dataset, Dataset)
    manager = PlansManager(_read(plans, Plans))
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Detected old nnU-Net plans format")
            configuration = manager.get_configuration(name)
        used = Configuration.model_validate(configuration.configuration)
        _try_channels(used, manager, dataset_content)
        _ = configuration.resampling_fn_data, configuration.resampling_fn_probabilities
        if configuration.preprocessor_class is None:
            raise ValueError(f"there is no {used.preprocessor_name}")
    except ValidationError as error:
        raise _unfit(plans, f"configurations.{name}.{_first(error)}") from None
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        reason = f"its configuration {name} is missing or broken ({error})"
        raise _unfit(plans, reason) from error
    return manager, configuration, dataset_content


def layout(dataset: Mapping[str, Any], folder: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of a network's channels, and of its structures in the order of its outputs.

    Raises:
        NotReadyError: dataset.json does not number its labels from 0 to their count.
    """
    channels = sorted(dataset["channel_names"].items(), key=lambda item: int(item[0]))
    labels = dataset.get("labels", {})
    by_number = {number: name for name, number in labels.items() if isinstance(number, int)}
    if sorted(by_number) != list(range(len(labels))) or len(labels) < 2:
        raise _unfit(folder / "dataset.json", "labels are not numbered 0, 1, 2, …")
    names = tuple(by_number[number] for number in range(1, len(labels)))
    return tuple(str(name) for _, name in channels), names


def _try_channels(used: Configuration, plans: PlansManager, dataset: dict[str, Any]) -> None:
    """Look up what every channel is normalised by; raises as dictionaries and models do."""
    schemes = zip(
        dataset["channel_names"], used.normalization_schemes, used.use_mask_for_norm, strict=True
    )
    for number, (_, scheme, _) in enumerate(schemes):
        measured = plans.foreground_intensity_properties_per_channel[str(number)]
        if scheme == "CTNormalization":
            Intensities.model_validate(measured)


def _read(file: Path, kind: type[BaseModel]) -> dict[str, Any]:
    """The content of a JSON file, which has what `kind` asks for."""
    try:
        content: dict[str, Any] = json.loads(file.read_bytes())
        kind.model_validate(content)
    except ValidationError as error:
        raise _unfit(file, _first(error)) from None
    except (OSError, ValueError, RecursionError) as error:
        raise _unfit(file, f"it is not JSON ({error})") from error
    return content


def _first(error: ValidationError) -> str:
    """The first thing that is wrong, and where."""
    detail = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(str(part) for part in detail['loc'])}: {detail['msg']}"


def _unfit(file: Path, why: str) -> NotReadyError:
    return NotReadyError(
        f"{file} does not describe a network that can run: {why}. Remove its folder and fetch the "
        "published weights again."
    )
