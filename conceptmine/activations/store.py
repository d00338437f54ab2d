"""Activations of many positions on disk, of which any rows can be read without loading the rest."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Final, Literal, Self
from urllib.parse import quote

import chess
import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from conceptmine.activations.capture import (
    ActivationDtype,
    ActivationSource,
    PackedBatch,
    captured_batches,
    check_layers,
)
from conceptmine.errors import InputError
from conceptmine.runfolder import atomic_folder

__all__ = ["ActivationStore"]

_HEADER_NAME: Final = "activations.json"
_FORMAT: Final = 1
# On disk always little endian, whatever the machine.
_STORED: Final[dict[ActivationDtype, str]] = {"float16": "<f2", "float32": "<f4"}


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class _Layer(_Strict):
    name: str
    width: Annotated[int, Field(ge=1)]
    file: Annotated[str, Field(pattern=r"^[^/\\]+$")]


class _Header(_Strict):
    format: Literal[1] = _FORMAT
    agent: str
    agent_sha256: str
    history_fill: str
    positions_sha256: str
    dtype: ActivationDtype
    count: Annotated[int, Field(ge=1)]
    layers: list[_Layer]


class ActivationStore:
    """A folder with the activations of some layers of one agent for a list of positions; made by `write` or `open`.

    Each layer is one file of raw numbers, row after row, and ``activations.json`` says what they are.
    """

    def __init__(self, folder: Path, header: _Header) -> None:
        self._folder = folder
        self._header = header
        self._maps = {
            layer.name: np.memmap(
                folder / layer.file, dtype=_STORED[header.dtype], mode="r", shape=(header.count, layer.width)
            )
            for layer in header.layers
        }

    @classmethod
    def write(
        cls,
        folder: Path,
        agent: ActivationSource,
        boards: Iterable[chess.Board],
        layers: Sequence[str],
        *,
        dtype: ActivationDtype = "float16",
        batch_size: int = 256,
        progress: Callable[[int], None] | None = None,
    ) -> Self:
        """Capture activations and store them, holding one batch in memory at a time.

        Args:
            folder: the store's folder; its parent must exist. A store that is there already is replaced, at the end.
            agent: from `engines.load_agent`.
            boards: at least one standard chess board, read one by one.
            layers: names out of ``agent.layers``.
            dtype: type of the stored numbers; float16 keeps three digits and values up to 65,504.
            batch_size: boards to evaluate at once.
            progress: called with the number of boards just stored.

        Raises:
            InputError: the folder holds something else; or as `capture`. Then nothing is left behind.
            TypeError, ValueError: as `capture`.
        """
        if folder.exists() and not (folder / _HEADER_NAME).is_file() and (folder.is_file() or any(folder.iterdir())):
            raise InputError(f"{folder} holds something that is not an activation store: choose another folder.")
        names = check_layers(agent, layers)
        files = {name: f"{quote(name, safe='')}.bin" for name in names}
        widths: dict[str, int] = {}
        count = 0
        positions = hashlib.sha256()
        with atomic_folder(folder) as partial:
            with ExitStack() as opened:
                sinks: dict[str, BinaryIO] = {
                    name: opened.enter_context((partial / file).open("wb")) for name, file in files.items()
                }
                for batch in captured_batches(agent, boards, names, batch_size=batch_size, dtype=dtype):
                    positions.update(_input_bytes(batch))
                    for name, activations in batch.activations.items():
                        widths[name] = activations.shape[1]
                        sinks[name].write(np.ascontiguousarray(activations, dtype=_STORED[dtype]).data)
                    count += len(batch.masks)
                    if progress is not None:
                        progress(len(batch.masks))
            header = _Header(
                agent=agent.name,
                agent_sha256=agent.sha256,
                history_fill=agent.history_fill,
                positions_sha256=positions.hexdigest(),
                dtype=dtype,
                count=count,
                layers=[_Layer(name=name, width=widths[name], file=files[name]) for name in names],
            )
            (partial / _HEADER_NAME).write_text(header.model_dump_json(indent=2) + "\n", encoding="utf-8")
        return cls(folder, header)

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open a store for reading.

        Raises:
            InputError: not a store, or one whose files are missing or of the wrong size.
        """
        path = folder / _HEADER_NAME
        try:
            header = _Header.model_validate_json(path.read_bytes())
        except OSError:
            raise InputError(f"{folder} is not an activation store (no {_HEADER_NAME} in it): capture again.") from None
        except ValidationError as error:
            reason = error.errors(include_url=False)[0]["msg"]
            raise InputError(f"{path} is not a readable header ({reason}): capture the activations again.") from None
        for layer in header.layers:
            file = folder / layer.file
            expected = header.count * layer.width * np.dtype(_STORED[header.dtype]).itemsize
            found = file.stat().st_size if file.is_file() else 0
            if found != expected:
                raise InputError(f"{file} has {found} bytes instead of {expected}: capture the activations again.")
        return cls(folder, header)

    def __len__(self) -> int:
        """Number of positions."""
        return self._header.count

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers stored."""
        return tuple(layer.name for layer in self._header.layers)

    @property
    def agent_sha256(self) -> str:
        """Checksum of the network that the activations are of."""
        return self._header.agent_sha256

    @property
    def positions_sha256(self) -> str:
        """Checksum of the network's inputs, in order: equal for equal lists of positions with equal histories."""
        return self._header.positions_sha256

    @property
    def dtype(self) -> ActivationDtype:
        """Type of the stored numbers."""
        return self._header.dtype

    def width(self, layer: str) -> int:
        """Numbers a position has at a layer, d."""
        return int(self._map(layer).shape[1])

    def rows(self, layer: str, indices: ArrayLike | None = None) -> NDArray[np.float32]:
        """Activations of some positions, read from disk for these alone.

        Args:
            layer: one of `layers`.
            indices: integers [k] in [0, n), in any order and with repeats; None for all positions.

        Returns:
            float32 [k, d]; for all positions it may be a read-only view of the file.

        Raises:
            InputError: the layer is not stored, or an index is out of range.
        """
        stored = self._map(layer)
        if indices is None:
            return np.asarray(stored, dtype=np.float32)
        wanted = np.asarray(indices)
        if wanted.size == 0:
            wanted = wanted.astype(np.int64)
        if wanted.ndim != 1 or not np.issubdtype(wanted.dtype, np.integer):
            raise InputError(f"Row indices must be integers [k], not {wanted.dtype} {list(wanted.shape)}.")
        if wanted.size and not (wanted.min() >= 0 and wanted.max() < len(self)):
            raise InputError(f"Row indices must lie in [0, {len(self)}): {wanted.min()} to {wanted.max()} were given.")
        return np.asarray(stored[wanted], dtype=np.float32)

    def _map(self, layer: str) -> NDArray[Any]:
        if layer not in self._maps:
            raise InputError(f"Layer {layer!r} is not in {self._folder}: choose from {', '.join(self.layers)}.")
        return self._maps[layer]


def _input_bytes(batch: PackedBatch) -> bytes:
    """The network's inputs as bytes, position after position, so that batches of any size give the same stream."""
    masks = np.ascontiguousarray(batch.masks, dtype="<u8").view(np.uint8)
    values = np.ascontiguousarray(batch.values, dtype="<f4").view(np.uint8)
    return np.hstack([masks, values]).tobytes()
