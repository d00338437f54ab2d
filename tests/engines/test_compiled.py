"""Compiled code is kept on disk: a kept function must never outlive the sources that it was made of."""

from __future__ import annotations

import importlib.util
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np

import engines
from engines.chess.movegen import legal_moves
from engines.compiled import KERNEL_FOLDERS, kernel_sources_digest

HERE = Path(engines.__file__).parent
KERNEL = re.compile(r"^@(kernel|inlined|merged)\b", re.MULTILINE)


def digest_of(folder: Path) -> str:
    """The digest that a copy of the package works out for itself."""
    spec = importlib.util.spec_from_file_location("copied_compiled", folder / "compiled.py")
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return str(module.kernel_sources_digest())


def test_an_edit_of_any_kernel_source_changes_the_digest(tmp_path: Path) -> None:
    copy = tmp_path / "engines"
    shutil.copytree(HERE, copy, ignore=shutil.ignore_patterns("__pycache__", "checkpoints"))
    before = digest_of(copy)
    assert before == kernel_sources_digest()
    seen = {before}
    edited = [path for path in copy.rglob("*.py") if KERNEL.search(path.read_text(encoding="utf-8"))]
    assert len(edited) >= 10
    for path in [*edited, copy / "compiled.py", copy / "chess" / "bits.py"]:
        path.write_text(path.read_text(encoding="utf-8") + "\n# edited\n", encoding="utf-8")
        seen.add(digest_of(copy))
    assert len(seen) == len(edited) + 3
    shutil.rmtree(copy / "arena")
    assert digest_of(copy) in seen, "what holds no kernels does not matter"


def test_every_folder_with_kernels_is_listed() -> None:
    holders = {
        path.relative_to(HERE).parts[0]
        for path in HERE.rglob("*.py")
        if KERNEL.search(path.read_text(encoding="utf-8"))
    }
    assert holders == set(KERNEL_FOLDERS)


def test_kept_functions_carry_the_digest() -> None:
    assert legal_moves._cache._cache_file._source_stamp == kernel_sources_digest()


def test_kernels_run_without_the_interpreter() -> None:
    assert legal_moves.targetoptions["nogil"]
    row = np.zeros(8, dtype=np.uint64)
    row[0], row[5] = 1, 1 | 1 << 63  # kings on a1 and h8
    assert legal_moves(row, np.zeros(256, dtype=np.uint64), 0) == 3
    assert legal_moves.nopython_signatures
