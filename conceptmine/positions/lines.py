"""Lines of text from a PGN file, plain or zstd-compressed, in bounded memory."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, cast

import zstandard

from conceptmine.errors import InputError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["text_lines"]

_ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_OTHER_FORMATS: Final = {
    b"\x1f\x8b": "gzip-compressed",
    b"BZh": "bzip2-compressed",
    b"PK\x03\x04": "a zip archive",
    b"7z\xbc\xaf": "a 7z archive",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
}
_CHUNK: Final = 1 << 16
_LONGEST_LINE: Final = 1 << 20
_LARGEST_WINDOW: Final = 1 << 31


class _ZstdStream(io.RawIOBase):
    """Decompressed bytes of all frames of a zstd file; unlike the library's own reader it notices a cut-off end."""

    def __init__(self, source: BinaryIO, path: Path) -> None:
        self._source = source
        self._path = path
        self._decompressor = zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW)
        self._frame: zstandard.ZstdDecompressionObj | None = None
        self._compressed = b""
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        target = memoryview(buffer).cast("B")
        while not self._ready:
            if not self._compressed:
                self._compressed = self._source.read(_CHUNK)
                if not self._compressed:
                    if self._frame is not None:
                        raise InputError(f"{self._path} ends in the middle of its zstd stream: fetch the file again.")
                    return 0
            self._decompress()
        size = min(len(target), len(self._ready))
        target[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size

    def _decompress(self) -> None:
        if self._frame is None:
            self._frame = self._decompressor.decompressobj()
        try:
            self._ready = memoryview(self._frame.decompress(self._compressed))
        except zstandard.ZstdError as error:
            raise InputError(f"{self._path} is not a sound zstd file ({error}): fetch it again.") from None
        self._compressed = b""
        if self._frame.eof:
            self._compressed = self._frame.unused_data
            self._frame = None


def text_lines(path: Path) -> Iterator[str]:
    """Give the lines of a text file, each with its line end as a single newline.

    Each line is read as UTF-8, or as Latin-1 where it is not valid UTF-8 (old databases mix the two); a byte order mark
    is dropped.

    Args:
        path: the file; zstd is recognised by content or by the ending ``.zst``.

    Raises:
        InputError: the file cannot be read, is cut off, is in another format, or has a line of more than a mebibyte.
    """
    try:
        with path.open("rb") as source:
            yield from _decoded(_uncompressed(source, path), path)
    except OSError as error:
        raise InputError(f"Cannot read {path} ({error.strerror}): check the path and its permissions.") from None


def _uncompressed(source: io.BufferedReader, path: Path) -> BinaryIO:
    start = source.peek(4)[:4]
    if start == _ZSTD_MAGIC or path.suffix == ".zst":
        return cast(BinaryIO, io.BufferedReader(_ZstdStream(source, path), _CHUNK))
    for magic, name in _OTHER_FORMATS.items():
        if start.startswith(magic):
            raise InputError(f"{path} is {name}: give PGN as UTF-8 or Latin-1 text, plain or compressed with zstd.")
    return source


def _decoded(source: BinaryIO, path: Path) -> Iterator[str]:
    text = io.TextIOWrapper(source, encoding="latin-1", newline=None)
    while line := text.readline(_LONGEST_LINE):
        if len(line) == _LONGEST_LINE:
            raise InputError(f"{path} has a line of more than {_LONGEST_LINE} characters: it is not a PGN file.")
        if not line.isascii():
            with contextlib.suppress(UnicodeDecodeError):
                line = line.encode("latin-1").decode("utf-8").removeprefix("\ufeff")
        yield line
