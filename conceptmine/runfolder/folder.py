"""A run on disk: how it starts, what it goes through, and how it goes on after a kill."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import pyarrow as pa
from numpy.typing import NDArray
from pydantic import JsonValue, ValidationError

from conceptmine.errors import InputError
from conceptmine.runfolder.atomic import remove_partial, write_bytes
from conceptmine.runfolder.lock import LOCK_NAME, FolderLock
from conceptmine.runfolder.manifest import (
    MANIFEST_NAME,
    Manifest,
    StageRecord,
    current_versions,
    file_checksum,
    input_file,
    read_manifest,
)
from conceptmine.runfolder.tables import read_arrays, read_rows, write_arrays, write_rows

__all__ = ["RunFolder"]

_SCRATCH: Final = "scratch"
_FUNNEL: Final = ("candidates", "supported", "teachable", "novel")


class RunFolder:
    """A run folder that this process may write to; made by `create` or `open`, and a context manager.

    Leaving the context releases the folder, whether the run is complete or not.

    Attributes:
        path: the folder.
        manifest: what is in ``manifest.json`` now.
    """

    def __init__(self, path: Path, manifest: Manifest, lock: FolderLock) -> None:
        self.path = path
        self.manifest = manifest
        self._lock = lock

    @classmethod
    def create(
        cls,
        path: Path,
        *,
        arguments: Mapping[str, JsonValue],
        seed: int,
        inputs: Mapping[str, Path],
        stages: Sequence[str],
    ) -> Self:
        """Start a run in a new or empty folder.

        Args:
            path: the folder; it and its parents are made.
            arguments: every argument of the run, defaults included.
            seed: of all the run's randomness.
            inputs: role in the run -> file; the files are checksummed.
            stages: names of all stages, in order.

        Raises:
            InputError: the folder is not empty, in use or cannot be made, or an input cannot be read. Then nothing is
                left behind.
            ValueError: arguments that JSON cannot hold, or a stage twice.
        """
        try:
            manifest = Manifest(
                arguments=dict(arguments),
                seed=seed,
                versions=current_versions(),
                inputs={role: input_file(Path(file)) for role, file in inputs.items()},
                stages=[StageRecord(name=name) for name in stages],
            )
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
        _refuse_used(path)
        made = _make_folders(path)
        try:
            lock = FolderLock(path)
        except BaseException:
            _remove_folders(made)
            raise
        try:
            # Looked at again under the lock: another run may have started here since.
            _refuse_used(path)
            write_bytes(path / MANIFEST_NAME, manifest.to_json())
        except BaseException:
            lock.release()
            _remove_folders(made)
            raise
        return cls(path, manifest, lock)

    @classmethod
    def open(cls, path: Path, *, verify_inputs: bool = True) -> Self:
        """Open a run to go on with it or to add to it; what an interrupted writer left is removed.

        Args:
            path: the folder.
            verify_inputs: check that every input file still has the content the run started with. A command that only
                reads the run's own files can do without.

        Raises:
            InputError: not a run folder, in use, a damaged manifest, or an input that is gone or has changed.
        """
        read_manifest(path)
        lock = FolderLock(path)
        try:
            manifest = read_manifest(path)
            if verify_inputs:
                _verify_inputs(manifest)
            remove_partial(path)
            run = cls(path, manifest, lock)
            if not run.pending:
                run._remove_scratch()
        except BaseException:
            lock.release()
            raise
        return run

    def close(self) -> None:
        """Let other processes in; calling it again does nothing."""
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pending(self) -> tuple[str, ...]:
        """Names of the stages that are still to run, in order."""
        return tuple(stage.name for stage in self.manifest.stages if stage.state == "pending")

    @property
    def changed_versions(self) -> dict[str, tuple[str, str]]:
        """Package -> (version the run started with, version now), for those that differ."""
        then, now = self.manifest.versions, current_versions()
        names = sorted(then.keys() | now.keys())
        both = {name: (then.get(name, "absent"), now.get(name, "absent")) for name in names}
        return {name: pair for name, pair in both.items() if pair[0] != pair[1]}

    @property
    def scratch(self) -> Path:
        """Folder for big intermediate files; it is removed when the last stage is done."""
        folder = self.path / _SCRATCH
        folder.mkdir(exist_ok=True)
        return folder

    def is_done(self, stage: str) -> bool:
        """Whether a stage's results are all on disk.

        Raises:
            ValueError: the run has no such stage.
        """
        return self._stage(stage).state == "done"

    def complete(
        self, stage: str, counts: Mapping[str, int], seconds: float, *, funnel: Mapping[str, int] | None = None
    ) -> None:
        """Mark a stage as done, once all it has to write is on disk.

        Args:
            stage: the first pending stage.
            counts: what it counted, for the reader of the manifest.
            seconds: wall time it took.
            funnel: new values for any of `candidates`, `supported`, `teachable`, `novel`.

        Raises:
            ValueError: the stage is unknown, already done or not the next one, or a value is out of range.
        """
        if self._stage(stage).state == "done":
            raise ValueError(f"Stage {stage} is already done.")
        if stage != self.pending[0]:
            raise ValueError(f"Stage {stage} cannot be done before stage {self.pending[0]}.")
        funnel = funnel or {}
        if unknown := sorted(funnel.keys() - set(_FUNNEL)):
            raise ValueError(f"There is no filter called {unknown[0]}; the filters are {', '.join(_FUNNEL)}.")
        done = StageRecord(name=stage, state="done", counts=dict(counts), seconds=seconds)
        stages = [done if record.name == stage else record for record in self.manifest.stages]
        # Validated as a whole: a copy of a model with changed fields is not.
        manifest = Manifest(**{**dict(self.manifest), "stages": stages, **funnel})
        write_bytes(self.path / MANIFEST_NAME, manifest.to_json())
        self.manifest = manifest
        if not self.pending:
            self._remove_scratch()

    def write_table(self, name: str, rows: Iterable[Mapping[str, Any]], schema: pa.Schema) -> int:
        """Write ``<name>.parquet`` into the folder; see `write_rows`."""
        return write_rows(self.path / f"{name}.parquet", rows, schema)

    def read_table(self, name: str, schema: pa.Schema | None = None) -> list[dict[str, Any]]:
        """Read ``<name>.parquet`` of the folder; see `read_rows`."""
        return read_rows(self.path / f"{name}.parquet", schema)

    def write_arrays(self, name: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Write ``<name>.safetensors`` into the folder; see `tables.write_arrays`."""
        write_arrays(self.path / f"{name}.safetensors", arrays)

    def read_arrays(self, name: str) -> dict[str, NDArray[Any]]:
        """Read ``<name>.safetensors`` of the folder; see `tables.read_arrays`."""
        return read_arrays(self.path / f"{name}.safetensors")

    def _stage(self, name: str) -> StageRecord:
        for record in self.manifest.stages:
            if record.name == name:
                return record
        names = ", ".join(record.name for record in self.manifest.stages)
        raise ValueError(f"The run has no stage {name}; its stages are {names}.")

    def _remove_scratch(self) -> None:
        shutil.rmtree(self.path / _SCRATCH, ignore_errors=True)


def _refuse_used(path: Path) -> None:
    if path.exists() and not path.is_dir():
        raise InputError(f"{path} is a file: choose another --out for the run folder.")
    if (path / MANIFEST_NAME).exists():
        raise InputError(
            f"{path} already holds a run: choose another --out, or go on with that run by `conceptmine resume {path}`."
        )
    if path.is_dir() and any(entry.name != LOCK_NAME for entry in path.iterdir()):
        raise InputError(f"{path} is not empty and holds no run: choose another --out.")


def _make_folders(path: Path) -> list[Path]:
    """Make a folder and its parents; gives those that were made, deepest first."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        _remove_folders(missing)
        raise InputError(f"Cannot make the folder {path} ({error.strerror}): choose another --out.") from None
    return missing


def _remove_folders(folders: Iterable[Path]) -> None:
    for folder in folders:
        try:
            folder.rmdir()
        except FileNotFoundError:
            continue
        except OSError:
            # Somebody else has put something there meanwhile.
            return


def _verify_inputs(manifest: Manifest) -> None:
    for role, recorded in manifest.inputs.items():
        path = Path(recorded.path)
        if not path.is_file():
            raise InputError(f"The run's input {path} ({role}) is gone: put it back to resume, or start a new run.")
        if path.stat().st_size != recorded.bytes or file_checksum(path) != recorded.sha256:
            raise InputError(
                f"The run's input {path} ({role}) has changed since the run began: restore the original to resume, or "
                "start a new run."
            )
