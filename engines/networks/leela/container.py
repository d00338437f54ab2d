"""Unpacking a network file, within limits: what a file costs is known before anything is made of it."""

from __future__ import annotations

import gzip
import io
import zlib
from typing import Any, Final

from google.protobuf.message import DecodeError

from engines.networks.leela.schema import MAGIC, message_fields, new_file

__all__ = ["FREELY_UNPACKED", "LARGEST_FILE", "MOST_FIELDS", "UnusableFileError", "is_compressed", "unpack"]

LARGEST_FILE: Final = (1 << 31) - 1
"""Bytes of the largest uncompressed network accepted, which is protobuf's own limit; Leela's largest have 370 MB."""

FREELY_UNPACKED: Final = 1 << 26
"""Bytes that any file may unpack to. Beyond, trained weights show in the ratio: they hardly compress."""

_MOST_TIMES: Final = 16
MOST_FIELDS: Final = 100_000
"""Fields of the largest message accepted, submessages included; Leela's largest networks have some 5,000."""

_GZIP_MAGIC: Final = b"\x1f\x8b"
_PIECE: Final = 1 << 24


class UnusableFileError(Exception):
    """Why a file cannot be used, worded to follow its name."""


def is_compressed(content: bytes) -> bool:
    """Say whether these bytes begin as those of every network file do."""
    return content.startswith(_GZIP_MAGIC)


def unpack(content: bytes) -> Any:
    """Give the ``Net`` message of a file.

    Args:
        content: the file's bytes, gzip-compressed.

    Raises:
        UnusableFileError: it is none, or damaged, or too large.
    """
    data = _decompressed(content)
    _check_fields(data)
    message = new_file()
    try:
        message.ParseFromString(data)
    except DecodeError:
        raise _not_parsed() from None
    if message.magic != MAGIC:
        raise UnusableFileError(f"is not a Leela network: it begins with {message.magic:#x} instead of {MAGIC:#x}")
    return message


def _decompressed(content: bytes) -> bytearray:
    if not is_compressed(content):
        what = "is empty" if not content else "is not gzip-compressed"
        raise UnusableFileError(f"{what}; a Leela network file (.pb.gz) is expected")
    data = bytearray()
    most = min(LARGEST_FILE, max(FREELY_UNPACKED, _MOST_TIMES * len(content)))
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as stream:
            while piece := stream.read(min(_PIECE, most + 1 - len(data))):
                data += piece
                if len(data) > most:
                    raise UnusableFileError(
                        f"has {len(content):,} bytes and unpacks to more than {most >> 20} MiB; it is no chess network"
                    )
    except (EOFError, OSError, zlib.error):
        raise UnusableFileError("is a damaged gzip file, perhaps cut short; fetch it again") from None
    return data


def _check_fields(data: bytearray) -> None:
    """Walk through a message without making anything: protobuf makes a hundred bytes of an empty submessage of two.

    Raises:
        UnusableFileError: too many fields, or a length that points beyond its message.
    """
    left = MOST_FIELDS
    waiting = [(0, len(data), "Net")]
    while waiting:
        at, end, name = waiting.pop()
        submessages = message_fields(name)
        while at < end:
            left -= 1
            if left < 0:
                raise UnusableFileError(f"has more than {MOST_FIELDS:,} fields; it is no chess network")
            tag, at = _varint(data, at)
            wire_type = tag & 7
            if wire_type == 0:
                _, at = _varint(data, at)
            elif wire_type == 1:
                at += 8
            elif wire_type == 2:
                size, start = _varint(data, at)
                at = start + size
                if at <= end and tag >> 3 in submessages:
                    waiting.append((start, at, submessages[tag >> 3]))
            elif wire_type == 5:
                at += 4
            else:
                raise _not_parsed()
        if at > end:
            raise _not_parsed()


def _varint(data: bytearray, at: int) -> tuple[int, int]:
    """A number of up to ten bytes, seven bits each and the lowest first, and where the next field goes on."""
    number = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            break
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
    raise _not_parsed()


def _not_parsed() -> UnusableFileError:
    return UnusableFileError("is not a Leela network, or is damaged: its protobuf message cannot be parsed")
