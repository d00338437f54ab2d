"""The options of the engine: one frozen value, and the table of how the protocol declares and sets them."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import Any, Protocol

from engines.uci.protocol import shown

__all__ = ["OPTIONS", "Option", "Options", "declarations", "with_option"]


@dataclass(frozen=True)
class Options:
    """What a user can set; the search constants are those of the preset ``lc0``."""

    weights_file: str
    history_fill: str = "fen_only"
    threads: int = 1
    leaves: int = 8
    hash: int = 512
    c_puct: float = 1.745
    c_base: float = 38739.0
    c_factor: float = 3.894
    fpu_reduction: float = 0.33
    policy_temperature: float = 1.0
    two_fold_draws: bool = False
    multipv: int = 1
    show_wdl: bool = False
    chess960: bool = False
    move_overhead: int = 200


# Longer ones are out of every range.
_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,19}", re.ASCII)


class _Kind(Protocol):
    """A type of the protocol: how a default is declared, and what a text means (ValueError with what is expected)."""

    def declare(self, default: Any) -> str: ...

    def read(self, text: str) -> Any: ...


@dataclass(frozen=True)
class _Spin:
    least: int
    most: int

    def declare(self, default: Any) -> str:
        return f"type spin default {default} min {self.least} max {self.most}"

    def read(self, text: str) -> int:
        value = int(text) if _WHOLE_NUMBER.fullmatch(text) else None
        if value is None or not self.least <= value <= self.most:
            raise ValueError(f"a whole number from {self.least} to {self.most}")
        return value


@dataclass(frozen=True)
class _Number:
    """Numbers with a fraction travel as strings, as in lc0: the protocol has no type for them."""

    least: float
    most: float

    def declare(self, default: Any) -> str:
        return f"type string default {default:g}"

    def read(self, text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not self.least <= value <= self.most:
            raise ValueError(f"a number from {self.least:g} to {self.most:g}")
        return value


@dataclass(frozen=True)
class _Check:
    def declare(self, default: Any) -> str:
        return f"type check default {'true' if default else 'false'}"

    def read(self, text: str) -> bool:
        if text.lower() not in ("true", "false"):
            raise ValueError("true or false")
        return text.lower() == "true"


@dataclass(frozen=True)
class _Combo:
    values: tuple[str, ...]

    def declare(self, default: Any) -> str:
        return f"type combo default {default} " + " ".join(f"var {value}" for value in self.values)

    def read(self, text: str) -> str:
        if text.lower() not in self.values:
            raise ValueError(" or ".join(self.values))
        return text.lower()


@dataclass(frozen=True)
class _Text:
    def declare(self, default: Any) -> str:
        return f"type string default {default}"

    def read(self, text: str) -> str:
        if not text or text == "<empty>":
            raise ValueError("a text that is not empty")
        return text


@dataclass(frozen=True)
class Option:
    """An option as the protocol names it, the field of `Options` behind it, and its type."""

    name: str
    field: str
    kind: _Kind


OPTIONS = (
    Option("WeightsFile", "weights_file", _Text()),
    Option("HistoryFill", "history_fill", _Combo(("fen_only", "no"))),
    Option("Threads", "threads", _Spin(1, 128)),
    Option("Leaves", "leaves", _Spin(1, 1024)),
    Option("Hash", "hash", _Spin(16, 16_384)),
    Option("MultiPV", "multipv", _Spin(1, 218)),
    Option("MoveOverhead", "move_overhead", _Spin(0, 10_000)),
    Option("UCI_ShowWDL", "show_wdl", _Check()),
    Option("UCI_Chess960", "chess960", _Check()),
    Option("CPuct", "c_puct", _Number(0, 100)),
    Option("CPuctBase", "c_base", _Number(1, 1e9)),
    Option("CPuctFactor", "c_factor", _Number(0, 1000)),
    Option("FpuReduction", "fpu_reduction", _Number(-100, 100)),
    Option("PolicyTemperature", "policy_temperature", _Number(0.1, 10)),
    Option("TwoFoldDraws", "two_fold_draws", _Check()),
)
_BY_NAME = {option.name.lower(): option for option in OPTIONS}


def declarations(defaults: Options) -> list[str]:
    """The ``option`` lines that answer ``uci``."""
    return [f"option name {option.name} {option.kind.declare(getattr(defaults, option.field))}" for option in OPTIONS]


def with_option(options: Options, name: str, value: str | None) -> Options:
    """The options with one of them set; names are compared without regard to case.

    Raises ``ValueError``, in one sentence, for an unknown name and a value that is missing, of another type or out of
    range.
    """
    option = _BY_NAME.get(name.lower())
    if option is None:
        raise ValueError(f"there is no option {shown(name)}")
    if value is None:
        raise ValueError(f"option {option.name} needs a value")
    try:
        read = option.kind.read(value)
    except ValueError as error:
        raise ValueError(f"option {option.name} is {error}, not {shown(value)}") from None
    return replace(options, **{option.field: read})
