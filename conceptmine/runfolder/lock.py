"""One process at a time in a run folder.

The lock is advisory (``flock`` on a hidden file that names its holder) and is released by the system when the process
ends for whatever reason, so that a killed run never has to be unlocked by hand.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final

from conceptmine.errors import InputError

__all__ = ["LOCK_NAME", "FolderLock"]

LOCK_NAME: Final = ".lock"


class FolderLock:
    """Holds a folder's lock from construction to `release`.

    Args:
        folder: an existing folder.

    Raises:
        InputError: another process (or another object of this one) holds it, or the folder cannot be written to.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOCK_NAME
        self._descriptor: int | None = None
        while self._descriptor is None:
            self._descriptor = self._try_acquire(folder)

    def release(self) -> None:
        """Remove the lock file and let others in; calling it again does nothing."""
        if self._descriptor is None:
            return
        # Removed while still held: whoever opened this file in the meantime finds it gone and opens a new one.
        self._path.unlink(missing_ok=True)
        os.close(self._descriptor)
        self._descriptor = None

    def _try_acquire(self, folder: Path) -> int | None:
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise InputError(f"Cannot write in {folder} ({error.strerror}): choose another folder.") from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not self._is_current(descriptor):
                os.close(descriptor)
                return None
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"{os.getpid()}\n".encode())
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
            os.close(descriptor)
            process = f"process {holder}" if holder else "another process"
            raise InputError(
                f"{folder} is in use by {process}: wait until that run ends, or choose another folder."
            ) from None
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def _is_current(self, descriptor: int) -> bool:
        """Whether the locked file still is the one of that name (its last holder may have removed it)."""
        try:
            named = self._path.stat()
        except FileNotFoundError:
            return False
        return os.path.samestat(named, os.fstat(descriptor))
