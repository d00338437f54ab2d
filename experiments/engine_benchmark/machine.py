"""The machine that numbers were taken on."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

_TELLING_FLAGS = ("avx2", "bmi2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_tile", "amx_bf16")
_PACKAGES = ("numpy", "numba", "torch", "chess")


def describe_machine() -> dict[str, Any]:
    """Processor, flags that matter here, cores, load and versions; what the system does not tell is left out."""
    facts: dict[str, Any] = {"system": f"{platform.system()} {platform.machine()}", "cores": os.cpu_count()}
    try:
        lines = [line.partition(":") for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()]
        said = {key.strip(): value.strip() for key, _, value in reversed(lines)}
    except OSError:
        said = {}
    facts["processor"] = said.get("model name") or platform.processor() or "unknown"
    if "flags" in said:
        has = set(said["flags"].split())
        facts["flags"] = [flag for flag in _TELLING_FLAGS if flag in has]
    facts["load"] = round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None
    facts["python"] = platform.python_version()
    facts["versions"] = {package: metadata.version(package) for package in _PACKAGES}
    return facts


def machine_line(before: dict[str, Any], after: dict[str, Any]) -> str:
    """One line for a header, with the load at the beginning and at the end."""
    versions = ", ".join(f"{name} {version}" for name, version in before["versions"].items())
    flags = f" ({', '.join(before['flags'])})" if before.get("flags") else ""
    return (
        f"{before['processor']}{flags}, {before['cores']} cores, load {before['load']} at the beginning and "
        f"{after['load']} at the end; {before['system']}, Python {before['python']}, {versions}."
    )
