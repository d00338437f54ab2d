"""Every mistake that can be seen before a run begins is refused in one sentence; what was asked is kept whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from conceptmine.errors import InputError
from conceptmine.pipeline import STAGES, MiningSettings, checked_settings, mine, resume
from conceptmine.pipeline.context import StageResult
from conceptmine.pipeline.settings import default_layers
from engines.networks import Network, NetworkFormatError, load_agent, read_network, write_network

GAME = "1. e4 e5 2. Nf3 Nc6 3. Bb5 a6 4. Ba4 Nf6 5. O-O Be7 6. Re1 b5 7. Bb3 d6 8. c3 O-O 9. h3 Nb8 10. d4 Nbd7 *\n\n"


@pytest.fixture
def asked(tiny_networks: Mapping[str, Path]) -> dict[str, Any]:
    return {
        "agent": str(tiny_networks["agent"]),
        "weaker": str(tiny_networks["weaker"]),
        "students": None,
        "human": None,
        "roots": 20,
        "simulations": 32,
        "layers": None,
        "seed": 0,
        "device": "cpu",
        "workers": 1,
        "null": False,
    }


def test_what_is_left_out_is_chosen(asked: dict[str, Any]) -> None:
    settings = checked_settings(**asked)
    assert settings.layers == ("block1", "policy_hidden")
    assert settings.students == (asked["weaker"],)
    assert settings.pool > 0


def test_layers_are_taken_as_given_each_once(asked: dict[str, Any]) -> None:
    assert checked_settings(**asked | {"layers": "value_hidden,block1,value_hidden"}).layers == (
        "value_hidden",
        "block1",
    )


def test_the_last_block_and_the_policys_hidden_layer_are_the_default(tiny_networks: Mapping[str, Path]) -> None:
    assert default_layers(load_agent(tiny_networks["agent"])) == ("block1", "policy_hidden")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"roots": 0}, "--roots is 0: give at least 4"),
        ({"roots": -5}, "--roots is -5"),
        ({"simulations": 1}, "--simulations is 1: give at least 16"),
        ({"workers": 0}, "--workers is 0: give at least 1"),
        ({"seed": -1}, "--seed is -1"),
        ({"weaker": None}, "--agent needs --weaker"),
        ({"layers": "block9"}, "has no layer 'block9': choose from input, block1, "),
        ({"human": "no-such-file.pgn"}, "There is no file no-such-file.pgn"),
        ({"human": "."}, "There is no file ."),
    ],
)
def test_a_mistake_is_refused_with_what_to_do(asked: dict[str, Any], change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=r"^[^\n]*$") as refused:
        checked_settings(**asked | change)
    assert message in str(refused.value)


def test_judges_are_kept_by_their_full_paths(
    asked: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("conceptmine.pipeline.settings.check_oracle", lambda program: "an engine")
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "KQvK.rtbw").touch()
    settings = checked_settings(**asked | {"oracle": "./engine", "tablebases": "tables"})
    assert (settings.oracle, settings.tablebases) == (str(tmp_path / "engine"), str(tmp_path / "tables"))


def test_one_network_under_two_names_is_refused(asked: dict[str, Any], tmp_path: Path) -> None:
    copy = tmp_path / "copy.pb.gz"
    copy.write_bytes(Path(asked["agent"]).read_bytes())
    with pytest.raises(InputError, match="the same network"):
        checked_settings(**asked | {"weaker": str(copy)})


def test_students_of_another_input_format_are_refused(asked: dict[str, Any], tmp_path: Path) -> None:
    network, info = read_network(asked["agent"])
    other = Network(replace(network.config, input_format=4))
    write_network(other, tmp_path / "other.pb.gz", info)
    with pytest.raises(InputError, match="format 4, and agent in format 1: name --students of the same format"):
        checked_settings(**asked | {"students": str(tmp_path / "other.pb.gz")})


@pytest.mark.parametrize("role", ["agent", "weaker", "students"])
def test_a_network_that_is_not_there_is_refused(asked: dict[str, Any], role: str) -> None:
    with pytest.raises(NetworkFormatError, match=r"nowhere\.pb\.gz"):
        checked_settings(**asked | {role: "nowhere.pb.gz"})


def test_settings_survive_the_manifest(tiny_settings: MiningSettings) -> None:
    arguments = json.loads(json.dumps(tiny_settings.as_arguments()))
    assert MiningSettings.from_arguments(arguments) == tiny_settings


@pytest.mark.parametrize("change", [{"added": 1}, {"roots": None}, {"roots": "many"}, {"layers": 3}])
def test_settings_of_another_version_are_refused(tiny_settings: MiningSettings, change: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="another version"):
        MiningSettings.from_arguments(tiny_settings.as_arguments() | change)


def test_settings_that_lack_something_are_refused(tiny_settings: MiningSettings) -> None:
    arguments = tiny_settings.as_arguments()
    del arguments["flips"]
    with pytest.raises(InputError, match="another version"):
        MiningSettings.from_arguments(arguments)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no game"),
        (GAME + GAME.replace("4. Ba4", "4. Bh8"), "game 2 (line 3) has the move 4. Bh8, which is not legal"),
        (GAME, "holds 1 games of 20 plies or more: give at least 4"),
        ("1. e4 e5 *\n\n1. d4 d5 *\n", "holds 0 games of 20 plies or more"),
    ],
)
def test_games_that_cannot_be_used_leave_no_folder(
    tiny_settings: MiningSettings, tmp_path: Path, text: str, message: str
) -> None:
    games = tmp_path / "games.pgn"
    games.write_text(text)
    out = tmp_path / "runs" / "one"
    with pytest.raises(InputError) as refused:
        mine(replace(tiny_settings, human=str(games)), out)
    assert message in str(refused.value)
    assert sorted(tmp_path.iterdir()) == [games]


def test_an_empty_folder_that_was_there_is_left_empty(tiny_settings: MiningSettings, tmp_path: Path) -> None:
    games = tmp_path / "games.pgn"
    games.write_text("")
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(InputError, match="holds no game"):
        mine(replace(tiny_settings, human=str(games)), out)
    assert out.is_dir()
    assert not list(out.iterdir())


def test_a_folder_in_use_keeps_what_it_holds(tiny_settings: MiningSettings, tmp_path: Path) -> None:
    letter = tmp_path / "letter.txt"
    letter.write_text("dear")
    with pytest.raises(InputError, match="is not empty"):
        mine(tiny_settings, tmp_path)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["dear"]


@pytest.mark.parametrize(("candidates", "kept"), [(0, False), (3, True)])
def test_a_run_that_turns_out_impossible_is_kept_only_if_it_has_concepts(
    tiny_settings: MiningSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, candidates: int, kept: bool
) -> None:
    def refuse(_: object) -> StageResult:
        raise InputError("The networks agree.")

    monkeypatch.setitem(STAGES, "games", lambda _: StageResult({}, {"candidates": candidates}))  # type: ignore[arg-type]
    monkeypatch.setitem(STAGES, "positions", refuse)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"The networks agree\."):
        mine(tiny_settings, tmp_path / "run")
    assert (tmp_path / "run" / "manifest.json").exists() == kept
    assert (tmp_path / "run").exists() == kept


def _edit(run: Path, change: Any) -> None:
    manifest = json.loads((run / "manifest.json").read_text())
    change(manifest)
    (run / "manifest.json").write_text(json.dumps(manifest))


@pytest.fixture
def begun(tiny_settings: MiningSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run interrupted in its first stage."""

    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setitem(STAGES, "games", interrupted)  # type: ignore[arg-type]
        with pytest.raises(KeyboardInterrupt):
            mine(tiny_settings, tmp_path / "run")
    return tmp_path / "run"


def test_an_interrupted_run_keeps_its_folder(begun: Path) -> None:
    assert (begun / "manifest.json").is_file()


def test_other_versions_than_at_the_start_are_told(begun: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in STAGES:
        monkeypatch.setitem(STAGES, name, lambda _: StageResult({}))  # type: ignore[arg-type]
    _edit(begun, lambda manifest: manifest["versions"].update(numpy="0.9"))
    told = StringIO()
    resume(begun, console=Console(file=told, width=200))
    assert "numpy was 0.9 when the run began and is " in told.getvalue()


def test_a_run_with_other_stages_is_not_resumed(begun: Path) -> None:
    _edit(begun, lambda manifest: manifest["stages"].pop())
    with pytest.raises(InputError, match="another version"):
        resume(begun)


def test_a_run_begun_on_another_device_is_not_resumed_without_it(begun: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    _edit(begun, lambda manifest: manifest["arguments"].update(device="cuda"))
    with pytest.raises(InputError, match="CUDA"):
        resume(begun)
