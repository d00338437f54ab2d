"""How the hot paths are compiled: numba, cached on disk, without the interpreter lock.

numba's own cache notices an edit only in the file that holds a function, not in the files whose functions were inlined
into it.  The kernels call each other across modules, so here a cached function is valid only for the exact sources of
all kernels.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from numba.core import cgutils
from numba.extending import intrinsic

Function = TypeVar("Function", bound=Callable[..., Any])

KERNEL_FOLDERS = ("chess", "networks", "search", "selfplay")
"""Folders beside this file that hold compiled functions; a test keeps the list complete."""


@lru_cache(maxsize=1)
def kernel_sources_digest() -> str:
    """SHA-256 over the source text of this module and of all that may hold compiled functions (64 hex characters)."""
    here = Path(__file__).parent
    sources = [Path(__file__)]
    for folder in KERNEL_FOLDERS:
        sources += sorted((here / folder).rglob("*.py"))
    digest = hashlib.sha256()
    for source in sources:
        digest.update(source.relative_to(here).as_posix().encode())
        digest.update(source.read_bytes())
    return digest.hexdigest()


def kernel(function: Function) -> Function:
    """Compile ``function`` with numba, cached: no Python objects, no interpreter lock, numpy's error model."""
    return _compile(function)


def inlined(function: Function) -> Function:
    """Compile ``function`` as `kernel` does, and as a part of every kernel that calls it.

    A call hands over each array by its seven fields: where a function runs a million times a second, that shows.
    """
    return _compile(function, forceinline=True)


def merged(function: Function) -> Function:
    """Compile ``function`` with the kernel that calls it, as if it were written there; for large ones called once.

    They are not compiled a second time by themselves, which an installation's first search would wait for.
    """
    return _compile(function, inline="always")


def _compile(function: Function, **options: Any) -> Function:
    compile_to: Any = numba.njit  # numba's annotations leave some of its options out
    compiled = compile_to(cache=True, nogil=True, error_model="numpy", no_cfunc_wrapper=True, **options)(function)
    # numba has no public way to say what a cached function depends on; without this attribute its own rule holds.
    index: Any = getattr(getattr(compiled, "_cache", None), "_cache_file", None)
    if hasattr(index, "_source_stamp"):
        index._source_stamp = kernel_sources_digest()
    return cast(Function, compiled)


@intrinsic
def borrowed(typing_context: Any, array: Any) -> Any:
    """The same array, but not counted as a reference to its memory: for kernels that take many views of it.

    Each view and each call would else count up and down with a locked instruction, which in a tree search costs more
    than everything else together.  The array that is passed in must outlive the result: an argument of a kernel does.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        found = context.make_array(signature.args[0])(context, builder, value=arguments[0])
        found.meminfo = cgutils.get_null_value(found.meminfo.type)
        found.parent = cgutils.get_null_value(found.parent.type)
        return found._getvalue()

    return array(array), generate
