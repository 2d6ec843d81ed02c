"""The frames of an enhanced DICOM file, each with the header that a file of its own would have."""

from collections.abc import Collection

from pydicom import Dataset

FRAMES = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
# What is called otherwise where it is said of a frame, and how it is called of a file.
FRAME_NAMES = {
    "FrameType": "ImageType",
    "EffectiveEchoTime": "EchoTime",
    "FrameAcquisitionNumber": "AcquisitionNumber",
    "TemporalPositionIndex": "TemporalPositionIdentifier",
    "NominalCardiacTriggerDelayTime": "TriggerTime",
}


def frames_of(header: Dataset, wanted: Collection[str]) -> list[Dataset]:
    """A header for each frame, as if it were a file of its own, with the elements `wanted`.

    Raises:
        ValueError: not every frame is described.
    """
    shared, each = (header[name].value if name in header else [] for name in FRAMES)
    if len(each) != int(header.NumberOfFrames):
        raise ValueError("not as many frames as are described")
    common = Dataset()
    common.update({element.tag: element for element in header if element.keyword not in FRAMES})
    for groups in shared:
        common.update(_flat(groups, wanted))
    frames = []
    for groups in each:
        frame = Dataset()
        frame.update(common)
        frame.update(_flat(groups, wanted))
        frames.append(frame)
    return frames


def _flat(groups: Dataset, wanted: Collection[str]) -> Dataset:
    """The elements of a frame's functional groups, under the names of those of a file."""
    flat = Dataset()
    for group in groups:
        for element in group.value[0] if group.VR == "SQ" and group.value else ():
            name = FRAME_NAMES.get(element.keyword, element.keyword)
            if name in wanted:
                setattr(flat, name, element.value)
    return flat
