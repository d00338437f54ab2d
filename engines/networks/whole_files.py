"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

__all__ = ["remove_partial", "write_whole"]


def write_whole(path: str | Path, content: bytes) -> None:
    """Write a file that appears at `path` only once it is complete; an existing one is replaced.

    Raises:
        OSError: it cannot be written.
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def remove_partial(folder: str | Path) -> None:
    """Remove from a folder what `write_whole` left there when its process was killed."""
    for file in Path(folder).glob(".*.partial"):
        file.unlink(missing_ok=True)
