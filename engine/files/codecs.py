"""Unpacking what pydicom and Pillow cannot: lossless and 12-bit JPEG, and JPEG-LS.

A decoding plugin of pydicom, whose names for the parts of one it has.
"""

import struct

import imagecodecs
from pydicom import uid
from pydicom.pixels.decoders.base import DecodeRunner, get_decoder

LABEL = "imagecodecs"
CODECS: dict[str, str] = {
    uid.JPEGExtended12Bit: "jpeg8_decode",
    uid.JPEGLossless: "jpeg8_decode",
    uid.JPEGLosslessSV1: "jpeg8_decode",
    uid.JPEGLSLossless: "jpegls_decode",
    uid.JPEGLSNearLossless: "jpegls_decode",
}
DECODER_DEPENDENCIES = dict.fromkeys(CODECS, (LABEL,))
# Markers of JPEG and JPEG-LS after which a frame's size stands: SOF0 to SOF15, SOF55.
FRAME_STARTS = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}


def is_available(syntax: str) -> bool:
    """Whether frames packed as `syntax` are unpacked here."""
    return syntax in CODECS


def decode_frame(packed: bytes, runner: DecodeRunner) -> bytes:
    """The values of one frame, in the container that its header names.

    Raises:
        ValueError: the frame is not of the size that its header names.
    """
    if _size(packed) != (runner.rows, runner.columns):  # before memory is taken for it
        raise ValueError("the frame is of another size than its header says")
    image = getattr(imagecodecs, CODECS[runner.transfer_syntax])(packed)
    unused = runner.bits_allocated - runner.bits_stored
    sign = "i" if runner.pixel_representation else "u"
    values = image.astype(f"<{sign}{runner.bits_allocated // 8}")
    return bytes(values << unused >> unused)


def _size(packed: bytes) -> tuple[int, int]:
    """Rows and columns, by the JPEG's own markers."""
    at = 2
    while at + 9 <= len(packed):
        marker, length = struct.unpack_from(">xBH", packed, at)
        if marker in FRAME_STARTS:
            rows, columns = struct.unpack_from(">HH", packed, at + 5)
            return rows, columns
        at += 2 + length
    raise ValueError("no frame in it")


def register() -> None:
    """Make pydicom use this module, if it does not yet."""
    for syntax in CODECS:
        decoder = get_decoder(uid.UID(syntax))
        if LABEL not in decoder.available_plugins:
            decoder.add_plugin(LABEL, (__name__, decode_frame.__name__))
