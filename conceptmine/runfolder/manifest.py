"""What a run was asked to do, with what, and how far it has come: the contents of ``manifest.json``."""

from __future__ import annotations

import hashlib
import math
import platform
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, field_validator, model_validator

from conceptmine.errors import InputError

__all__ = [
    "MANIFEST_NAME",
    "InputFile",
    "Manifest",
    "StageRecord",
    "current_versions",
    "file_checksum",
    "input_file",
    "read_manifest",
]

MANIFEST_NAME: Final = "manifest.json"
_FORMAT: Final = 1
_PACKAGES: Final = (
    "chess",
    "highspy",
    "numba",
    "numpy",
    "pyarrow",
    "pydantic",
    "safetensors",
    "scipy",
    "torch",
    "zstandard",
)

Count = Annotated[int, Field(ge=0)]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class InputFile(_Strict):
    """A file the run reads: its absolute path, its SHA-256 (64 hex digits) and its size in bytes."""

    path: str
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    bytes: Count


class StageRecord(_Strict):
    """A stage of the pipeline: whether its tables are written, what it counted, and how long it took in seconds."""

    name: Annotated[str, Field(min_length=1)]
    state: Literal["pending", "done"] = "pending"
    counts: dict[str, Count] = {}
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0


class Manifest(_Strict):
    """The whole manifest.

    Attributes:
        format: version of this layout.
        arguments: every argument of the run, defaults included, as JSON values.
        seed: the seed from which all randomness of the run derives.
        versions: of conceptmine, Python and the packages whose versions can change a result.
        inputs: role of a file in the run -> the file.
        stages: in the order in which they run.
        candidates: concepts mined.
        supported: of these, those that hold up on games they were not mined from.
        teachable: of these, those that a student learns.
        novel: of these, those that the human basis does not explain.
    """

    format: Literal[1] = _FORMAT
    arguments: dict[str, JsonValue]
    seed: int
    versions: dict[str, str]
    inputs: dict[str, InputFile]
    stages: list[StageRecord]
    candidates: Count = 0
    supported: Count = 0
    teachable: Count = 0
    novel: Count = 0

    @field_validator("arguments")
    @classmethod
    def _finite(cls, arguments: dict[str, JsonValue]) -> dict[str, JsonValue]:
        # JSON has no NaN or infinity; writing null instead would change the argument without a word.
        for number in _floats(arguments):
            if not math.isfinite(number):
                raise ValueError(f"an argument is {number}, which JSON cannot hold")
        return arguments

    @model_validator(mode="after")
    def _consistent(self) -> Manifest:
        names = [stage.name for stage in self.stages]
        if len(set(names)) != len(names):
            raise ValueError("two stages have the same name")
        done = [stage.state == "done" for stage in self.stages]
        if done != sorted(done, reverse=True):
            raise ValueError("a stage is done although one before it is pending")
        if not self.candidates >= self.supported >= self.teachable >= self.novel:
            raise ValueError("the counts of the filters are cumulative and cannot grow")
        return self

    def to_json(self) -> bytes:
        """The manifest as UTF-8 JSON; equal manifests give equal bytes."""
        return (self.model_dump_json(indent=2) + "\n").encode()


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a run folder, which may be in use.

    Raises:
        InputError: not a run folder, or its manifest is damaged or of another format.
    """
    path = folder / MANIFEST_NAME
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{folder} is not a run folder (no {MANIFEST_NAME} in it): give the --out of a run.") from None
    except OSError as error:
        raise InputError(f"Cannot read {path} ({error.strerror}): check its permissions.") from None
    try:
        return Manifest.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file as a whole"
        raise InputError(
            f"{path} is not a readable run manifest ({place}: {first['msg']}): restore the file, or start a new run "
            "in another folder."
        ) from None


def file_checksum(path: Path) -> str:
    """SHA-256 of a file's content as 64 hex digits.

    Raises:
        InputError: there is no such file, or it cannot be read.
    """
    try:
        with path.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"Cannot read {path} ({error.strerror}): check the path and its permissions.") from None


def input_file(path: Path) -> InputFile:
    """Record a file as an input of a run.

    Raises:
        InputError: there is no such file, or it cannot be read.
    """
    absolute = path.absolute()
    checksum = file_checksum(absolute)
    return InputFile(path=str(absolute), sha256=checksum, bytes=absolute.stat().st_size)


def current_versions() -> dict[str, str]:
    """Versions of conceptmine, Python and the packages that can change a result; "absent" for what is not installed."""
    versions = {"conceptmine": _version("conceptmine"), "python": platform.python_version()}
    return versions | {package: _version(package) for package in _PACKAGES}


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "absent"


def _floats(value: JsonValue) -> Iterator[float]:
    if isinstance(value, float):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _floats(item)
    elif isinstance(value, list):
        for item in value:
            yield from _floats(item)
