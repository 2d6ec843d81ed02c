"""Where weights may come from, as the operator decided."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from totalseg_mcp.engine.licence import LicenceNumber, number_in

RELEASES = "https://github.com/wasserth/TotalSegmentator/releases/download"
RECORDS = "https://zenodo.org/records"
LICENSED = "https://backend.totalsegmentator.com:443/download_weights"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a download waits for a silent server, and before it asks again."""

    silence_s: float = 60.0
    pauses_s: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0)


@dataclass(frozen=True, slots=True)
class Sources:
    """Servers and permissions for the weights.

    Open models are at `<base_url>/<release>/<folder>.zip`, as on GitHub; licensed ones come
    from `licence_url`, for a number; 2-D ones are at `<ts2d_url>/<record>/files/<folder>.zip`, as
    on Zenodo. `lock` has the digests that all archives are held to;
    without it that is `weights.lock` beside the models.
    """

    base_url: str = RELEASES
    ts2d_url: str = RECORDS
    licence_url: str = LICENSED
    offline: bool = False  # no connection, whoever asks
    automatic: bool = False  # fetch what a call lacks
    lock: Path | None = None
    number: LicenceNumber | None = None
    config: Path | None = None  # TotalSegmentator's own, which may have the number
    patience: Patience = field(default_factory=Patience)

    def licence(self) -> LicenceNumber | None:
        """The operator's licence number: ours, else TotalSegmentator's own.

        Raises:
            NotReadyError: TotalSegmentator's configuration cannot be read.
        """
        return self.number or (number_in(self.config) if self.config else None)


def totalsegmentator_home(environ: Mapping[str, str]) -> Path:
    """The folder where TotalSegmentator 2.18.0 keeps its models and its config.json."""
    if path := environ.get("TOTALSEG_HOME_DIR"):
        return Path(path)
    home = Path.home()
    return (Path("/tmp") if home == Path("/") else home) / ".totalsegmentator"  # as it does there
