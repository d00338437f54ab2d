"""Files and folders that are either whole or not there.

A file is written under a temporary name in its own folder, forced to disk and then renamed over its final name; on one
file system a rename happens entirely or not at all, so that a killed process leaves the old file or the new one.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

__all__ = ["atomic_folder", "atomic_path", "remove_partial", "write_bytes"]

_PARTIAL_SUFFIX: Final = ".partial"


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Give a temporary path to write to, which becomes `target` when the block ends without an exception.

    Args:
        target: the final name; its folder must exist. A file of that name is replaced.

    Yields:
        A path in the same folder. If the block raises, what was written there is removed and `target` is untouched.
    """
    partial = _partial_name(target)
    try:
        yield partial
        _sync_file(partial)
        partial.replace(target)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    _sync_folder(target.parent)


def write_bytes(target: Path, content: bytes) -> None:
    """Write `content` to `target` atomically."""
    with atomic_path(target) as partial:
        partial.write_bytes(content)


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """Give a new temporary folder to fill with files, which becomes `target` when the block ends without an exception.

    Args:
        target: the final name; its parent must exist. A folder of that name is replaced.

    Yields:
        An empty folder beside `target`. If the block raises, it is removed and `target` is untouched.
    """
    partial = _partial_name(target)
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        yield partial
        for path in partial.iterdir():
            _sync_file(path)
        _sync_folder(partial)
        # A folder cannot be renamed over one with files in it.
        replaced = _partial_name(target.with_name(f"{target.name}.old"))
        if target.exists():
            target.replace(replaced)
        partial.replace(target)
        shutil.rmtree(replaced, ignore_errors=True)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    _sync_folder(target.parent)


def remove_partial(folder: Path) -> int:
    """Remove what interrupted writers left anywhere below `folder`; gives the number of files and folders removed.

    Only for whoever holds the folder's lock: a file that another process is writing looks the same.
    """
    leftovers = sorted(folder.rglob(f".*{_PARTIAL_SUFFIX}"))
    for path in leftovers:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return len(leftovers)


def _partial_name(target: Path) -> Path:
    return target.with_name(f".{target.name}.{os.getpid()}{_PARTIAL_SUFFIX}")


def _sync_file(path: Path) -> None:
    with path.open("rb+") as written:
        os.fsync(written.fileno())


def _sync_folder(folder: Path) -> None:
    """Force the renaming itself to disk, where the system can open folders."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
