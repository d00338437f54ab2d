"""Unpacking a network file, within limits."""

from __future__ import annotations

import gzip
import io
import zlib
from typing import Any, Final

from google.protobuf.message import DecodeError

from engines.networks.leela.schema import MAGIC, new_file

__all__ = ["LARGEST_FILE", "UnusableFileError", "unpack"]

LARGEST_FILE: Final = 1 << 30
"""Bytes of the largest uncompressed network accepted: three times the largest that Leela has published."""

_GZIP_MAGIC: Final = b"\x1f\x8b"
_PIECE: Final = 1 << 24


class UnusableFileError(Exception):
    """Why a file cannot be used, worded to follow its name."""


def unpack(content: bytes) -> Any:
    """Give the ``Net`` message of a file.

    Args:
        content: the file's bytes, gzip-compressed.

    Raises:
        UnusableFileError: it is none, or damaged, or too large.
    """
    message = new_file()
    try:
        message.ParseFromString(_decompressed(content))
    except (DecodeError, UnicodeDecodeError):
        raise UnusableFileError(
            "is not a Leela network, or is damaged: its protobuf message cannot be parsed"
        ) from None
    if message.magic != MAGIC:
        raise UnusableFileError(f"is not a Leela network: it begins with {message.magic:#x} instead of {MAGIC:#x}")
    return message


def _decompressed(content: bytes) -> bytes:
    if not content.startswith(_GZIP_MAGIC):
        what = "is empty" if not content else "is not gzip-compressed"
        raise UnusableFileError(f"{what}; a Leela network file (.pb.gz) is expected")
    pieces, size = [], 0
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as stream:
            while piece := stream.read(_PIECE):
                pieces.append(piece)
                size += len(piece)
                if size > LARGEST_FILE:
                    raise UnusableFileError(f"unpacks to more than {LARGEST_FILE >> 20} MiB; it is no chess network")
    except (EOFError, OSError, zlib.error):
        raise UnusableFileError("is a damaged gzip file, perhaps cut short; fetch it again") from None
    return b"".join(pieces)
