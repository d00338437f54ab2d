"""Options: declared, checked, and each of them does something."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from engines import search
from engines.search import PRESETS
from engines.uci.options import OPTIONS, Options, declarations, with_option
from engines.uci.thinking import Thinker

DEFAULTS = Options(weights_file="net")


def test_the_defaults_are_those_of_the_preset() -> None:
    preset = PRESETS["lc0"]
    for name in ("c_puct", "c_base", "c_factor", "fpu_reduction", "policy_temperature", "two_fold_draws"):
        assert getattr(DEFAULTS, name) == getattr(preset, name)


def test_every_field_is_one_option() -> None:
    assert sorted(option.field for option in OPTIONS) == sorted(field.name for field in fields(Options))
    assert len({option.name.lower() for option in OPTIONS}) == len(OPTIONS)


def test_declarations_follow_the_protocol() -> None:
    lines = declarations(DEFAULTS)
    assert "option name WeightsFile type string default net" in lines
    assert "option name Hash type spin default 512 min 16 max 16384" in lines
    assert "option name UCI_ShowWDL type check default false" in lines
    assert "option name HistoryFill type combo default fen_only var fen_only var no" in lines
    assert "option name CPuct type string default 1.745" in lines


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_a_declared_default_can_be_set(option: Any) -> None:
    text = option.kind.declare(getattr(DEFAULTS, option.field)).split("default ")[1].split()[0]
    assert with_option(DEFAULTS, option.name, text) == DEFAULTS


@pytest.mark.parametrize(
    ("name", "value", "field", "read"),
    [
        ("hash", "64", "hash", 64),
        ("MULTIPV", " 5 ".strip(), "multipv", 5),
        ("UCI_ShowWDL", "True", "show_wdl", True),
        ("HistoryFill", "no", "history_fill", "no"),
        ("CPuct", "2.5", "c_puct", 2.5),
        ("WeightsFile", "C:\\my nets\\a.pb.gz", "weights_file", "C:\\my nets\\a.pb.gz"),
    ],
)
def test_a_value_is_read(name: str, value: str, field: str, read: object) -> None:
    assert getattr(with_option(DEFAULTS, name, value), field) == read


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("Ponder", "true", "there is no option 'Ponder'"),
        ("Hash", None, "option Hash needs a value"),
        ("Hash", "8", "option Hash is a whole number from 16 to 16384, not '8'"),
        ("Hash", "9" * 9000, "option Hash is a whole number from 16 to 16384"),
        ("Hash", "64.5", "option Hash is a whole number"),
        ("Hash", "²", "option Hash is a whole number"),
        ("Hash", "+-6", "option Hash is a whole number"),
        ("UCI_ShowWDL", "1", "option UCI_ShowWDL is true or false, not '1'"),
        ("HistoryFill", "always", "option HistoryFill is fen_only or no"),
        ("CPuct", "nan", "option CPuct is a number from 0 to 100"),
        ("CPuct", "much", "option CPuct is a number from 0 to 100"),
        ("PolicyTemperature", "0", "option PolicyTemperature is a number from 0.1 to 10"),
        ("WeightsFile", "<empty>", "option WeightsFile is a text that is not empty"),
    ],
)
def test_what_cannot_be_set_is_said(name: str, value: str | None, message: str) -> None:
    with pytest.raises(ValueError) as error:
        with_option(DEFAULTS, name, value)
    assert message in str(error.value)


def test_search_options_reach_the_searcher(monkeypatch: pytest.MonkeyPatch, hashing: Callable[..., Any]) -> None:
    made: list[dict[str, Any]] = []
    loaded: list[tuple[str, str]] = []

    class Spy(search.Searcher):
        def __init__(self, agent: Any, **settings: Any) -> None:
            made.append(settings)
            super().__init__(agent, **settings)

    def load(weights: str, history_fill: str) -> Any:
        loaded.append((weights, history_fill))
        return hashing()

    monkeypatch.setattr(search, "Searcher", Spy)
    thinker = Thinker(load)
    options = DEFAULTS
    thinker.prepare(options)
    for name, value in (("MultiPV", "3"), ("UCI_ShowWDL", "true"), ("UCI_Chess960", "true"), ("MoveOverhead", "5")):
        options = with_option(options, name, value)
    thinker.prepare(options)
    assert len(made) == 1, "nothing to set up anew"
    changes = {
        "Threads": ("2", "threads", 2),
        "Leaves": ("4", "leaves", 4),
        "Hash": ("32", "megabytes", 32),
        "CPuct": ("2", "c_puct", 2.0),
        "CPuctBase": ("1000", "c_base", 1000.0),
        "CPuctFactor": ("1", "c_factor", 1.0),
        "FpuReduction": ("0.5", "fpu_reduction", 0.5),
        "PolicyTemperature": ("2", "policy_temperature", 2.0),
        "TwoFoldDraws": ("true", "two_fold_draws", True),
    }
    for name, (value, argument, read) in changes.items():
        options = with_option(options, name, value)
        thinker.prepare(options)
        assert made[-1][argument] == read
    assert len(made) == 1 + len(changes)
    assert loaded == [("net", "fen_only")]
    thinker.prepare(with_option(options, "HistoryFill", "no"))
    thinker.prepare(with_option(options, "WeightsFile", "other"))
    assert loaded[1:] == [("net", "no"), ("other", "fen_only")]


def test_the_documentation_has_every_option() -> None:
    page = (Path(__file__).parents[3] / "docs" / "uci.md").read_text(encoding="utf-8")
    for option in OPTIONS:
        assert f"| `{option.name}` |" in page
