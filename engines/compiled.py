"""How the hot paths are compiled: numba, cached on disk, without the interpreter lock.

numba's own cache notices an edit only in the file that holds a function, not in the files whose functions were inlined into
it.  The kernels call each other across modules, so here a cached function is valid only for the exact sources of all kernels.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numba

Function = TypeVar("Function", bound=Callable[..., Any])

KERNEL_FOLDERS = ("chess", "search")


@lru_cache(maxsize=1)
def kernel_sources_digest() -> str:
    """SHA-256 over the source text of every module that may hold compiled functions (hex, 64 characters)."""
    digest = hashlib.sha256()
    here = Path(__file__).parent
    for folder in KERNEL_FOLDERS:
        for source in sorted((here / folder).glob("*.py")):
            digest.update(source.name.encode())
            digest.update(source.read_bytes())
    return digest.hexdigest()


def kernel(function: Function) -> Function:
    """Compile ``function`` with numba: no Python objects, no interpreter lock, no wrap-around checks beyond numpy's, cached."""
    compiled = numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    index = getattr(compiled._cache, "_cache_file", None)
    if hasattr(index, "_source_stamp"):
        index._source_stamp = kernel_sources_digest()
    return compiled  # type: ignore[no-any-return]
