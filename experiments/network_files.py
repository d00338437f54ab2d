"""What can befall a network file: damaged files out of whole ones, to try readers on.

Bits flipped and pieces cut or moved, in the compressed bytes or in the message; fields dropped, doubled, renumbered,
resized or exchanged between messages and networks; and files that are small and would unpack to much.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import nn

from engines.networks import (
    ConvolutionPolicy,
    Network,
    NetworkConfig,
    Tower,
)
from engines.networks.leela.schema import MAGIC, message_fields
from engines.networks.leela.writing import serialise_network

# --- messages as trees ------------------------------------------------------------------------------------------------

VARINT, EIGHT_BYTES, SIZED, FOUR_BYTES = 0, 1, 2, 5
_WIRE_TYPES = (VARINT, EIGHT_BYTES, SIZED, 3, 4, FOUR_BYTES, 6, 7)


@dataclass
class Field:
    """A field as it stands in a file: number, wire type, and a number, bytes or a message."""

    number: int
    wire_type: int
    value: int | bytes | Message


@dataclass
class Message:
    """The fields of a message in the order of the file."""

    name: str
    fields: list[Field] = field(default_factory=list)

    def copy(self) -> Message:
        """A copy, of submessages as well."""
        return Message(
            self.name,
            [
                Field(part.number, part.wire_type, part.value.copy() if isinstance(part.value, Message) else part.value)
                for part in self.fields
            ],
        )

    def walk(self) -> Iterator[Message]:
        """This message and all below."""
        yield self
        for part in self.fields:
            if isinstance(part.value, Message):
                yield from part.value.walk()


def parse_message(data: bytes, name: str = "Net") -> Message:
    """Read a whole message; it must be well-formed."""
    message, at = Message(name), 0
    while at < len(data):
        tag, at = _read_varint(data, at)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == VARINT:
            value, at = _read_varint(data, at)
            message.fields.append(Field(number, wire_type, value))
            continue
        size, at = _read_varint(data, at) if wire_type == SIZED else ({EIGHT_BYTES: 8, FOUR_BYTES: 4}[wire_type], at)
        piece = data[at : at + size]
        at += size
        below = message_fields(name).get(number) if wire_type == SIZED else None
        message.fields.append(Field(number, wire_type, piece if below is None else parse_message(piece, below)))
    return message


def serialise_message(message: Message) -> bytes:
    """Write a message."""
    pieces = []
    for part in message.fields:
        pieces.append(_varint(part.number << 3 | part.wire_type))
        if isinstance(part.value, int):
            pieces.append(_varint(part.value))
            continue
        content = serialise_message(part.value) if isinstance(part.value, Message) else part.value
        if part.wire_type == SIZED:
            pieces.append(_varint(len(content)))
        pieces.append(content)
    return b"".join(pieces)


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)


def _sized(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | SIZED) + _varint(len(content)) + content


# --- what can befall a message ----------------------------------------------------------------------------------------

_NUMBERS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 64, 99, 132, 134, 65537, 2**31 - 1, 2**32 - 1, 2**63, 2**64 - 1, 2**70)
_FLOATS = (0.0, -0.0, 1.0, -1.0, 1e-45, -1e-9, 1e30, -3e38, 3.4e38, float("inf"), float("-inf"), float("nan"))
_NAMES = (b"", b"vanilla", b"winner", b"a\nb", b"\xff\xfe", b"x" * 5000, "♞".encode(), b"\x00", b"q")

Change = Callable[[np.random.Generator, Message, Message], None]
"""Changes a message, given another network's message as well."""


def _pick(generator: np.random.Generator, among: Sequence[Any]) -> Any:
    return among[int(generator.integers(len(among)))]


def _some_message(generator: np.random.Generator, message: Message) -> Message:
    found = [part for part in message.walk() if part.fields]
    return _pick(generator, found) if found else message


def _some_field(
    generator: np.random.Generator, message: Message, wanted: Callable[[Field], bool] = lambda part: True
) -> tuple[Message, int] | None:
    places = [(part, i) for part in message.walk() for i, candidate in enumerate(part.fields) if wanted(candidate)]
    return _pick(generator, places) if places else None


def _drop(generator: np.random.Generator, message: Message, other: Message) -> None:
    if place := _some_field(generator, message):
        del place[0].fields[place[1]]


def _double(generator: np.random.Generator, message: Message, other: Message) -> None:
    if place := _some_field(generator, message):
        parent, i = place
        again = Message("", [parent.fields[i]]).copy().fields[0]
        parent.fields.insert(int(generator.integers(len(parent.fields) + 1)), again)


def _renumber(generator: np.random.Generator, message: Message, other: Message) -> None:
    if place := _some_field(generator, message):
        place[0].fields[place[1]].number = int(_pick(generator, (*range(48), 2**29 - 1, 2**40)))


def _retype(generator: np.random.Generator, message: Message, other: Message) -> None:
    if place := _some_field(generator, message):
        place[0].fields[place[1]].wire_type = _pick(generator, _WIRE_TYPES)


def _is_content(part: Field) -> bool:
    return part.wire_type == SIZED and isinstance(part.value, bytes)


def _resize(generator: np.random.Generator, message: Message, other: Message) -> None:
    if place := _some_field(generator, message, _is_content):
        part = place[0].fields[place[1]]
        content = part.value
        assert isinstance(content, bytes)
        half = content[: len(content) // 2]
        sizes = (b"", content[:1], content[:-1], content[:-2], half, content + b"\0\0", content * 2)
        part.value = _pick(generator, sizes)


def _set_number(generator: np.random.Generator, message: Message, other: Message) -> None:
    if place := _some_field(generator, message, lambda part: part.wire_type == VARINT):
        place[0].fields[place[1]].value = _pick(generator, _NUMBERS)


def _add_number(generator: np.random.Generator, message: Message, other: Message) -> None:
    parent = _some_message(generator, message)
    names = ("Net", "Format", "NetworkFormat", "Weights", "Layer")
    parent = _pick(generator, [part for part in message.walk() if part.name in names] or [parent])
    number = {"Layer": 4, "Format": 1}.get(parent.name, int(generator.integers(1, 48)))
    parent.fields.append(Field(number, VARINT, _pick(generator, _NUMBERS)))


def _set_float(generator: np.random.Generator, message: Message, other: Message) -> None:
    if place := _some_field(generator, message, lambda part: part.wire_type == FOUR_BYTES):
        place[0].fields[place[1]].value = struct.pack("<f", _pick(generator, _FLOATS))


def _exchange(generator: np.random.Generator, message: Message, other: Message) -> None:
    first, second = _some_field(generator, message), _some_field(generator, message)
    if first and second:
        one, two = first[0].fields[first[1]], second[0].fields[second[1]]
        one.value, two.value, one.wire_type, two.wire_type = two.value, one.value, two.wire_type, one.wire_type
        if any(part is one.value or part is two.value for part in (first[0], second[0])):  # no message in itself
            one.value, one.wire_type = b"", SIZED


def _exchange_alike(generator: np.random.Generator, message: Message, other: Message) -> None:
    """Two submessages of one kind change places, within the network or with another one."""
    source = message if generator.random() < 0.5 else other.copy()
    ours, theirs = _some_message(generator, message), _some_message(generator, source)
    for _ in range(20):
        if ours.name == theirs.name:
            break
        theirs = _some_message(generator, source)
    if ours.name == theirs.name:
        ours.fields, theirs.fields = theirs.copy().fields, ours.copy().fields


def _empty(generator: np.random.Generator, message: Message, other: Message) -> None:
    _some_message(generator, message).fields.clear()


def _shuffle(generator: np.random.Generator, message: Message, other: Message) -> None:
    parent = _some_message(generator, message)
    parent.fields = [parent.fields[i] for i in generator.permutation(len(parent.fields))]


def _repeat(generator: np.random.Generator, message: Message, other: Message) -> None:
    """A submessage many times, or an empty one, or its content as something unknown."""
    if place := _some_field(generator, message, lambda part: isinstance(part.value, Message)):
        parent, i = place
        part = parent.fields[i]
        assert isinstance(part.value, Message)
        if len(serialise_message(part.value)) > 1000 or generator.random() < 0.5:
            part = Field(part.number, SIZED, b"")
        parent.fields.extend([part] * int(_pick(generator, (1, 2, 63, 600, 3000))))


def _add_head(generator: np.random.Generator, message: Message, other: Message) -> None:
    """A head with a name, strange ones among them."""
    for heads, number in (("PolicyHeads", 7), ("ValueHeads", 4)):
        for parent in [part for part in message.walk() if part.name == heads]:
            given = [part for part in parent.fields if isinstance(part.value, Message)]
            entry = _sized(1, _pick(generator, _NAMES))
            if given and generator.random() < 0.7:
                entry += _sized(2, serialise_message(_pick(generator, given).value))
            parent.fields.append(Field(number, SIZED, entry))


def _set_text(generator: np.random.Generator, message: Message, other: Message) -> None:
    text = _pick(generator, (b"\xff\xfe\xc3", b"x" * 2_000_000, "©\n".encode() * 1000, b"\x00"))
    message.fields.append(Field(2, SIZED, text))
    message.fields.append(Field(5, SIZED, _sized(6, text)))


def _spoil_weights(generator: np.random.Generator, message: Message, other: Message) -> None:
    """Some bytes of one layer's numbers."""
    if place := _some_field(generator, message, lambda part: _is_content(part) and len(part.value) > 3):  # type: ignore[arg-type]
        part = place[0].fields[place[1]]
        content = bytearray(part.value)  # type: ignore[arg-type]
        at = int(generator.integers(len(content) - 1))
        content[at : at + 2] = _pick(generator, (b"\xff\xff", b"\0\0", b"\x00\x7c", b"\x80\x7f", b"\xff\x7e"))
        part.value = bytes(content)


CHANGES: tuple[Change, ...] = (
    _drop, _double, _renumber, _retype, _resize, _set_number, _add_number, _set_float, _exchange, _exchange_alike,
    _empty, _shuffle, _repeat, _add_head, _set_text, _spoil_weights,
)  # fmt: skip


# --- what can befall bytes --------------------------------------------------------------------------------------------


def _flip_bits(generator: np.random.Generator, content: bytes, other: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(int(generator.integers(1, 9))):
        # Most of a file is weights: the structure is at its ends.
        reach = _pick(generator, (100, 4000, len(content)))
        at = int(generator.integers(min(reach, len(content))))
        at = len(content) - 1 - at if generator.random() < 0.3 else at
        changed[at] ^= 1 << int(generator.integers(8))
    return bytes(changed)


def _cut_short(generator: np.random.Generator, content: bytes, other: bytes) -> bytes:
    return content[: int(generator.integers(len(content)))]


def _cut_out(generator: np.random.Generator, content: bytes, other: bytes) -> bytes:
    at, size = int(generator.integers(len(content))), int(_pick(generator, (1, 2, 100, 10_000)))
    return content[:at] + content[at + size :]


def _insert(generator: np.random.Generator, content: bytes, other: bytes) -> bytes:
    at = int(generator.integers(len(content)))
    piece = _pick(generator, (b"\0", b"\xff" * 11, b"\x80" * 1000, b"\x0b" * 5000, content[:50], other[:5000]))
    return content[:at] + piece + content[at:]


def _splice(generator: np.random.Generator, content: bytes, other: bytes) -> bytes:
    return content[: int(generator.integers(len(content)))] + other[int(generator.integers(len(other))) :]


def _append(generator: np.random.Generator, content: bytes, other: bytes) -> bytes:
    return content + _pick(generator, (b"\0" * 100, b"junk", other, content))


BYTES = (_flip_bits, _cut_short, _cut_out, _insert, _splice, _append)


# --- small files that unpack to much ----------------------------------------------------------------------------------

_HEADER = _varint(1 << 3 | FOUR_BYTES) + struct.pack("<I", MAGIC)
_WEIGHTS, _POLICY_HEADS = 10, 45


def _gzip(pieces: Sequence[bytes], times: int) -> bytes:
    """`times` times the pieces after the first one, which stands at the beginning; as one gzip member."""
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    begin, *rest = pieces
    return packer.compress(begin) + b"".join(packer.compress(piece) for piece in rest * times) + packer.flush()


def _of_empty_messages(number: int, inside: int | None = None) -> bytes:
    """Sixty million bytes of empty submessages of the weights, or of a message in them."""
    content = _sized(number, b"") * 100
    count = 60_000_000 // len(content)
    content = content * count
    content = content if inside is None else _sized(inside, content)
    return _gzip((_HEADER + _sized(_WEIGHTS, content),), 0)


def _large_zeros() -> bytes:
    """A network of zeros, of the largest size that may unpack freely: it loads."""
    config = NetworkConfig(Tower(800, 2), policy=ConvolutionPolicy(80))
    network = Network(config, seed=None)
    for module in network.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            module.register_parameter(name, nn.Parameter(torch.zeros(parameter.shape), requires_grad=False))
    return serialise_network(network, encoding="float16")


BOMBS: Mapping[str, Callable[[], bytes]] = {
    "zeros": lambda: _gzip((b"", bytes(1 << 20)), 1 << 8),
    "zeros in members": lambda: gzip.compress(bytes(1 << 24), 1) * 128,
    "empty members": lambda: gzip.compress(b"") * 20_000,
    "empty residual blocks": lambda: _of_empty_messages(2),
    "empty encoders": lambda: _of_empty_messages(27),
    "empty weights": lambda: _gzip((_HEADER, _sized(_WEIGHTS, b"") * 100_000), 60),
    "empty heads": lambda: _of_empty_messages(7, _POLICY_HEADS),
    "dimensions": lambda: _gzip((_HEADER + _sized(_WEIGHTS, _sized(5, _sized(5, bytes(60_000_000)))),), 0),
    "single dimensions": lambda: _gzip((_HEADER + _sized(_WEIGHTS, _sized(5, b"\x28\x01" * 30_000_000)),), 0),
    "licence": lambda: _gzip((_HEADER + _sized(2, bytes(60_000_000)),), 0),
    "unknown field": lambda: _gzip((_HEADER + _sized(99, bytes(60_000_000)),), 0),
    "unknown numbers": lambda: _gzip((_HEADER, b"\xf8\x07\x01" * 100_000), 200),
    "long number": lambda: _gzip((_HEADER + b"\x80" * 60_000_000,), 0),
    "groups": lambda: _gzip((_HEADER + b"\x0b" * 60_000_000,), 0),
    "zero weights": _large_zeros,
    "weights again and again": lambda: _gzip(
        (_HEADER, _sized(_WEIGHTS, _sized(5, _sized(3, bytes(600_000))))), 100
    ),
}  # fmt: skip
"""Small files of much content, by what it is."""


@cache
def bomb(name: str) -> bytes:
    """Give one of `BOMBS`."""
    return BOMBS[name]()


# --- files ------------------------------------------------------------------------------------------------------------


class Mutator:
    """Makes damaged files, each from a seed and a number.

    Args:
        files: whole files by name.
        seed: of all choices.
        bombs: the share of `BOMBS` among the files.
    """

    def __init__(self, files: Mapping[str, bytes], seed: int, bombs: float = 0.01) -> None:
        self._files = dict(files)
        self.plain = {name: gzip.decompress(content) for name, content in files.items()}
        """The messages of the whole files."""
        self._messages = {name: parse_message(content) for name, content in self.plain.items()}
        self._seed = seed
        self._bombs = bombs

    def file(self, number: int) -> tuple[str, bytes]:
        """Give file `number`: what befell it, and its bytes."""
        generator = np.random.default_rng([self._seed, number])
        if generator.random() < self._bombs:
            name = _pick(generator, list(BOMBS))
            return f"bomb: {name}", bomb(name)
        name, other = (_pick(generator, list(self._files)) for _ in range(2))
        kind = generator.random()
        if kind < 0.15:
            change = _pick(generator, BYTES)
            return f"{name}: {change.__name__} in the file", change(generator, self._files[name], self._files[other])
        if kind < 0.3:
            change = _pick(generator, BYTES)
            content = change(generator, self.plain[name], self.plain[other])
            return f"{name}: {change.__name__} in the message", _stored(generator, content)
        message, done = self._messages[name].copy(), []
        for _ in range(int(_pick(generator, (1, 1, 1, 2, 3)))):
            change = _pick(generator, CHANGES)
            change(generator, message, self._messages[other])
            done.append(change.__name__)
        return f"{name}: {', '.join(done)}", _stored(generator, serialise_message(message))


def _stored(generator: np.random.Generator, content: bytes) -> bytes:
    return gzip.compress(content, int(_pick(generator, (0, 0, 1))), mtime=0)
