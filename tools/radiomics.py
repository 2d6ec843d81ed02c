"""Radiomics features in a result: all of a few structures, or word of where all of them are."""

from totalseg_mcp.engine.measure.radiomics import Failure, Radiomics
from totalseg_mcp.engine.products import RADIOMICS_FILE
from totalseg_mcp.schemas.findings import RadiomicsError, RadiomicsFeatures

MOST = 10  # structures, of about 100 features each; more are too long for an agent to read


def features_by_structure(
    found: Radiomics | None,
) -> dict[str, RadiomicsFeatures | RadiomicsError] | None:
    """What was found, or None where that is nothing or too much."""
    if found is None or len(found.structures) > MOST:
        return None
    return {
        name: RadiomicsError(error=entry.error) if isinstance(entry, Failure) else dict(entry)
        for name, entry in found.structures.items()
    }


def radiomics_warnings(found: Radiomics | None) -> list[str]:
    """Which structures have no features, and where they are if the result is without them."""
    if found is None:
        return []
    failed = [name for name, entry in found.structures.items() if isinstance(entry, Failure)]
    told = []
    if failed:
        told.append(
            f"No radiomics features of {len(failed)} structures: {', '.join(failed)}. Their "
            "entries say why."
        )
    if len(found.structures) > MOST:
        told.append(
            f"The radiomics features of {len(found.structures)} structures are in "
            f"{RADIOMICS_FILE} (radiomics_file) only: too many for the result. roi_subset with "
            f"up to {MOST} structures returns them."
        )
    return told
