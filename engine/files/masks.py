"""Writing label maps as NIfTI: one file with all structures, or one file each."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from nibabel.nifti1 import Nifti1Extension, Nifti1Header
from numpy.typing import NDArray

from totalseg_mcp.engine.files.save import save
from totalseg_mcp.engine.image.boxes import boxes
from totalseg_mcp.engine.scan import Scan
from totalseg_mcp.engine.volume import Labels
from totalseg_mcp.engine.watch import track

# Connectome Workbench's label table, with the colours and the date that TotalSegmentator writes.
TABLE = """\
<?xml version="1.0" encoding="UTF-8"?> <CaretExtension>  <Date>\
<![CDATA[2013-07-14T05:45:09]]></Date>   <VolumeInformation Index="0">   <LabelTable>
{rows}
  </LabelTable>  <StudyMetaDataLinkSet>  </StudyMetaDataLinkSet>  \
<VolumeType><![CDATA[Label]]></VolumeType>   </VolumeInformation></CaretExtension>
              """
ROW = (
    '<Label Key="{key}" Red="{red}" Green="{green}" Blue="{blue}" Alpha="1">'
    "<![CDATA[{name}]]></Label>\n"
)
COLOURS = (
    (255, 0, 0),
    (0, 255, 0),
    (0, 0, 255),
    (255, 255, 0),
    (255, 0, 255),
    (0, 255, 255),
    (255, 128, 0),
    (255, 0, 128),
    (128, 255, 128),
    (0, 128, 255),
    (128, 128, 128),
    (185, 170, 155),
)


def write_labels(
    labels: Labels, scan: Scan, path: Path, wanted: Sequence[str] | None = None
) -> None:
    """One file with the numbers of all structures, and a table of their names.

    uint8, or uint16 if there are more than 255 names. The header is the scan's. The
    table lists `wanted`, or all names.
    """
    table = label_table(labels.names, labels.names if wanted is None else wanted)
    kind = np.uint8 if len(labels.names) < 256 else np.uint16
    header = _header(scan)
    header.extensions.append(Nifti1Extension(0, table.encode()))
    _save(labels.data.astype(kind, order="F"), header, scan, path)


def write_masks(
    labels: Labels,
    scan: Scan,
    folder: Path,
    wanted: Sequence[str] | None = None,
    threads: int = 1,
) -> None:
    """One 0/1 file `<name>.nii.gz` for each structure, also where it is absent.

    uint8; the header is the scan's. For `wanted`, or for all names. At most `threads`
    files are written at the same time: zlib lets go of the interpreter while it packs.
    Can be stopped after every few files.
    """
    names = list(labels.names if wanted is None else wanted)
    numbers = np.asfortranarray(labels.data)  # the order in the file
    around = dict(zip(labels.names, boxes(numbers, len(labels.names)), strict=True))

    def write(name: str) -> None:
        mask = np.zeros(numbers.shape, bool, order="F")
        if (box := around[name]) is not None:
            mask[box] = numbers[box] == labels.names.index(name) + 1
        write_mask(mask, scan, folder / f"{name}.nii.gz")

    few = [names[start : start + threads] for start in range(0, len(names), threads)]
    with ThreadPoolExecutor(threads) as pool:
        for some in track(few, "batch of masks"):
            list(pool.map(write, some))


def write_mask(mask: NDArray[np.bool_], scan: Scan, path: Path) -> None:
    """One 0/1 file; uint8; the header is the scan's."""
    _save(mask.view(np.uint8), _header(scan), scan, path)


def label_table(names: Sequence[str], wanted: Sequence[str]) -> str:
    """The names and colours of `wanted`, keyed by their place in `names` from 1 on."""
    rows = []
    for name in sorted(wanted, key=names.index):
        key = names.index(name) + 1
        red, green, blue = (value / 255 for value in COLOURS[key % len(COLOURS)])
        rows.append(ROW.format(key=key, red=red, green=green, blue=blue, name=name))
    return TABLE.format(rows="".join(rows))


def _header(scan: Scan) -> Nifti1Header:
    """The scan's header: bit-equal geometry and units.

    The display window is cleared: a CT's makes masks look black (TotalSegmentator keeps it).
    """
    header: Nifti1Header = scan.header.copy()
    header["cal_max"] = header["cal_min"] = 0
    return header


def _save(data: NDArray[Any], header: Nifti1Header, scan: Scan, path: Path) -> None:
    if data.shape != scan.volume.grid.shape:
        raise ValueError(f"labels are {data.shape} but the scan is {scan.volume.grid.shape}")
    save(data, header, path)
