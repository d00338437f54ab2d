"""How the solver's inner loops are compiled: numba, cached on disk, without the interpreter lock.

numba notices an edit only in the file that holds a function; these call each other across files, so a cached one is
valid only for the exact sources of all compiled files of this folder. `engines.compiled` does the same for the engines;
its kernels keep their sums in the order written, and depend on other files than these.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., Any])


@lru_cache(maxsize=1)
def sources_digest() -> str:
    """SHA-256 over the sources of this folder that are compiled (64 hex characters)."""
    digest = hashlib.sha256()
    for source in sorted(Path(__file__).parent.glob("*.py")):
        text = source.read_bytes()
        if b"@kernel" in text:
            digest.update(source.name.encode() + text)
    return digest.hexdigest()


def kernel(function: Function) -> Function:
    """Compile ``function`` with numba: fused and reordered sums are allowed, NaN and infinity keep their meaning.

    The order of a sum is then fixed by the compiler for a machine, so that equal input gives equal bytes there.
    """
    compile_to: Any = numba.njit
    options = {"cache": True, "nogil": True, "error_model": "numpy", "fastmath": {"contract", "reassoc"}}
    compiled = compile_to(**options)(function)
    index: Any = getattr(getattr(compiled, "_cache", None), "_cache_file", None)
    if hasattr(index, "_source_stamp"):
        index._source_stamp = sources_digest()
    return cast(Function, compiled)


__all__ = ["kernel"]
