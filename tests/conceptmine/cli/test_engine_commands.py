"""The engine's commands say what the library says."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import chess
import numpy as np
import pytest
import safetensors
import torch

import engines
from engines.arena import NetworkPlayer, play_match
from engines.networks import Network, load_agent, read_network, write_network
from engines.networks.onnx_export import onnx_model
from engines.search import load_trees
from engines.selfplay.campaign_network import network_config
from engines.selfplay.config import Campaign, NetworkSize
from engines.selfplay.learner import Learner
from engines.selfplay.state import Counters, Saved, save_state
from experiments.small_networks import FAMILIES, small_network

DATASETS = Path(engines.__file__).parents[1] / "datasets"
SMALL = str(Path(engines.__file__).parent / "selfplay" / "small.toml")
OPENING = "e2e4 e7e5 g1f3"
MIDDLE = "r1bqkbnr/pppp1ppp/2n5/4p3/2B1P3/5N2/PPPP1PPP/RNBQK2R b KQkq - 3 3"


@pytest.fixture(scope="module")
def agent(tiny_networks: Mapping[str, Path]) -> engines.Agent:
    return load_agent(tiny_networks["agent"])


def _after(moves: str, fen: str = chess.STARTING_FEN) -> chess.Board:
    board = chess.Board(fen)
    for move in moves.split():
        board.push_uci(move)
    return board


def _json(outcome: Any) -> Any:
    assert (outcome.code, outcome.err) == (0, "")
    return json.loads(outcome.out)


def test_info(command: Callable[..., Any], agent: engines.Agent) -> None:
    facts = _json(command("engine", "info", agent.path, "--json"))
    assert facts["name"] == agent.name
    assert facts["sha256"] == agent.sha256
    assert tuple(facts["layers"]) == agent.layers
    assert facts["architecture"]["tower"]["filters"] == agent.config.channels
    assert facts["parameters"] == sum(part.numel() for part in agent.network.parameters())
    assert agent.sha256[:8] in command("engine", "info", agent.path).out


def _close(answer: dict[str, Any], agent: engines.Agent, board: chess.Board) -> None:
    expected = agent.evaluate([board])
    assert answer["fen"] == board.fen()
    policy = {move.uci(): p for move, p in expected.policy[0].items()}
    assert answer["policy"] == pytest.approx(policy)
    assert list(answer["policy"].values()) == sorted(answer["policy"].values(), reverse=True)
    assert answer["wdl"] == pytest.approx(expected.wdl[0].tolist())
    assert answer["value"] == pytest.approx(float(expected.value[0]))
    assert answer["moves_left"] is None


@pytest.mark.parametrize(
    "moves", [["--moves", *OPENING.split()], ["--moves", OPENING], ["--moves", "e2e4", "--moves", "e7e5 g1f3"]]
)
def test_evaluate_sees_the_moves(command: Callable[..., Any], agent: engines.Agent, moves: list[str]) -> None:
    _close(_json(command("engine", "evaluate", agent.path, *moves, "--json")), agent, _after(OPENING))


def test_evaluate_counts_the_history(command: Callable[..., Any], agent: engines.Agent) -> None:
    played, bare = _after(OPENING), chess.Board(_after(OPENING).fen())
    with_history = _json(command("engine", "evaluate", agent.path, "--moves", OPENING, "--json"))
    without = _json(command("engine", "evaluate", agent.path, "--fen", bare.fen(), "--json"))
    _close(with_history, agent, played)
    _close(without, agent, bare)
    assert with_history["wdl"] != without["wdl"], "the history made no difference"


def test_evaluate_from_a_position_and_moves(command: Callable[..., Any], agent: engines.Agent) -> None:
    words = ["--fen", MIDDLE, "--moves", "g8f6", "e1g1", "--json"]
    _close(_json(command("engine", "evaluate", agent.path, *words)), agent, _after("g8f6 e1g1", MIDDLE))


def test_evaluate_fills_the_history_as_told(command: Callable[..., Any], tiny_networks: Mapping[str, Path]) -> None:
    agent = load_agent(tiny_networks["agent"], history_fill="no")
    words = ["--fen", MIDDLE, "--history-fill", "no", "--json"]
    _close(_json(command("engine", "evaluate", agent.path, *words)), agent, chess.Board(MIDDLE))


def test_evaluate_for_people(command: Callable[..., Any], agent: engines.Agent) -> None:
    outcome = command("engine", "evaluate", agent.path)
    assert outcome.code == 0
    assert len(outcome.out.splitlines()) == 2 + 20


def test_search(command: Callable[..., Any], agent: engines.Agent) -> None:
    answer = _json(command("engine", "search", agent.path, "--fen", MIDDLE, "--simulations", "40", "--json"))
    tree = engines.search(agent, [chess.Board(MIDDLE)], simulations=40)[0]
    assert answer["best_move"] == tree.best_move.uci()
    assert answer["value"] == pytest.approx(tree.value)
    assert answer["line"] == [move.uci() for move in tree.line()]
    assert answer["visits"] == {move.uci(): visits for move, visits in tree.visits.items()}
    assert answer["q"] == pytest.approx({move.uci(): q for move, q in tree.q.items()})
    assert answer["prior"] == pytest.approx({move.uci(): prior for move, prior in tree.prior.items()})
    assert list(answer["visits"].values()) == sorted(answer["visits"].values(), reverse=True)


def test_search_keeps_the_tree(command: Callable[..., Any], agent: engines.Agent, tmp_path: Path) -> None:
    target = tmp_path / "tree.safetensors"
    words = ["--fen", MIDDLE, "--moves", "g8f6", "--simulations", "30", "--save", target, "--json"]
    answer = _json(command("engine", "search", agent.path, *words))
    (tree,) = load_trees(target)
    assert tree.board == _after("g8f6", MIDDLE)
    assert [move.uci() for move in tree.line()] == answer["line"]
    assert {move.uci(): visits for move, visits in tree.visits.items()} == answer["visits"]
    with safetensors.safe_open(target, framework="numpy") as file:
        about = json.loads(file.metadata()["conceptmine.trees"])["about"]
    assert (about["preset"], about["simulations"], about["seed"]) == ("lc0", 30, 0)
    assert (about["agent"], about["agent_sha256"]) == (agent.name, agent.sha256)
    assert about["settings"]["c_puct"] == 1.745


def test_search_for_people(command: Callable[..., Any], agent: engines.Agent) -> None:
    outcome = command("engine", "search", agent.path, "--simulations", "20", "--preset", "alphazero")
    assert outcome.code == 0
    assert "best line 1. " in outcome.out


@pytest.mark.parametrize(
    ("words", "board", "depth"),
    [(["--depth", "3"], chess.Board(), 3), (["--fen", MIDDLE, "--depth", "2"], chess.Board(MIDDLE), 2)],
)
def test_perft_prints_the_count_last(
    command: Callable[..., Any], words: list[str], board: chess.Board, depth: int
) -> None:
    outcome = command("engine", "perft", *words)
    assert outcome.code == 0
    assert int(outcome.out.splitlines()[-1]) == engines.perft(board, depth)
    if board.fen() == chess.STARTING_FEN:
        assert outcome.out.splitlines()[-1] == "8902"


def test_convert_keeps_the_network(command: Callable[..., Any], agent: engines.Agent, tmp_path: Path) -> None:
    target = tmp_path / "copy.pb.gz"
    assert command("engine", "convert", agent.path, target, "--encoding", "float32").code == 0
    copy = load_agent(target)
    board = _after(OPENING)
    before, after = agent.evaluate([board]), copy.evaluate([board])
    assert np.allclose(before.wdl, after.wdl, atol=1e-6)
    assert after.policy[0] == pytest.approx(before.policy[0], abs=1e-6)
    assert list(tmp_path.iterdir()) == [target]


def test_convert_by_way_of_a_checkpoint_gives_the_same_bytes(
    command: Callable[..., Any], agent: engines.Agent, tmp_path: Path
) -> None:
    checkpoint, target, model = tmp_path / "a.safetensors", tmp_path / "a.pb.gz", tmp_path / "a.onnx"
    for source, to in ((agent.path, checkpoint), (checkpoint, target), (checkpoint, model)):
        outcome = command("engine", "convert", source, to)
        assert (outcome.code, outcome.out) == (0, f"{to}\n")
    assert target.read_bytes() == agent.path.read_bytes()  # type: ignore[union-attr]
    assert model.read_bytes() == onnx_model(agent.network, agent.info)


def test_convert_sets_what_a_file_says(command: Callable[..., Any], agent: engines.Agent, tmp_path: Path) -> None:
    target = tmp_path / "copy.pb.gz"
    words = ["--licence", "CC0", "--elo", "1234.5", "--steps", "77"]
    assert command("engine", "convert", agent.path, target, *words).code == 0
    facts = _json(command("engine", "info", target, "--json"))["metadata"]
    assert (facts["licence"], facts["elo"], facts["training_steps"]) == ("CC0", 1234.5, 77)
    assert facts["encodings"] == list(agent.info.encodings)


def test_convert_takes_the_playing_network_out_of_a_campaign(command: Callable[..., Any], tmp_path: Path) -> None:
    campaign = Campaign(network=NetworkSize(filters=8, blocks=1, se_channels=2), games_at_once=1)
    untrained = Network(network_config(campaign), batch_norm=True, seed=1)
    learner = Learner(untrained, weight_decay=0.0, average_decay=0.5, warm_up_steps=1)
    with torch.no_grad():
        learner.average.value.bias.add_(1)
    save_state(tmp_path, learner, Saved(Counters(positions=9, games=2), campaign.as_json()))
    target = tmp_path / "network.pb.gz"
    assert command("engine", "convert", tmp_path / "state.safetensors", target, "--encoding", "float32").code == 0
    network, info = read_network(target)
    assert torch.equal(network.value.bias, learner.average.value.bias)
    assert info.training_parameters.startswith("selfplay: 2 self-play games, 9 positions")
    outcome = command("engine", "info", tmp_path / "state.safetensors")
    assert outcome.code == 2
    assert "is the state of a self-play campaign" in outcome.err


@pytest.mark.parametrize("overlapped", ["true", "false"])
def test_selfplay_ends_by_itself_and_goes_on(overlapped: str, command: Callable[..., Any], tmp_path: Path) -> None:
    config, state = tmp_path / "tiny.toml", tmp_path / "state"
    config.write_text(
        "games_at_once = 4\nsimulations = 2\nfast_simulations = 2\nlongest_game = 20\npositions_per_round = 64\n"
        f"window = 1024\nbatch_size = 8\noverlapped = {overlapped}\n[network]\nfilters = 8\nblocks = 1\n"
    )
    words = ("engine", "selfplay", config, "--minutes", "0.02", "--state", state, "--device", "cpu", "--actors", "2")
    for _ in range(2):
        outcome = command(*words)
        assert (outcome.code, outcome.err) == (0, "")
        last = outcome.out.splitlines()[-1]
        assert re.fullmatch(r"[\d,]+ positions of [\d,]+ games in \d+\.\d minutes in all", last)
    assert (state / "checkpoints" / "selfplay-00000000.pb.gz").exists()
    assert (state / "state.safetensors").exists()


def test_plot(command: Callable[..., Any], tmp_path: Path) -> None:
    state, rated = tmp_path / "state", tmp_path / "rated"
    state.mkdir()
    rated.mkdir()
    shutil.copy(DATASETS / "ladder-campaign" / "metrics.csv", state)
    outcome = command("engine", "plot", state)
    assert (outcome.code, outcome.out.strip(), outcome.err) == (0, str(state / "metrics.png"), "")
    alone = (state / "metrics.png").read_bytes()
    assert alone.startswith(b"\x89PNG")

    player = {"name": "final", "kind": "checkpoint", "positions": 2_000_000, "elo": 400.0, "elo_standard_error": 30.0}
    content = {"anchor": "random", "players": [player], "matches": []}
    (rated / "ladder.json").write_text(json.dumps(content), encoding="utf-8")
    outcome = command("engine", "plot", state, "--ladder", rated, "--out", tmp_path / "page.png")
    assert (outcome.code, outcome.out.strip()) == (0, str(tmp_path / "page.png"))
    assert _height(tmp_path / "page.png") > _height(state / "metrics.png"), "the page has the ladder's panel too"
    assert (state / "metrics.png").read_bytes() == alone

    outcome = command("engine", "plot", state, "--out", tmp_path / "nowhere" / "page.png")
    assert outcome.code == 2
    assert "page.png cannot be written: No such file or directory." in outcome.err


def _height(png: Path) -> int:
    """Pixels, as the file's header says."""
    return int.from_bytes(png.read_bytes()[20:24], "big")


def test_match(command: Callable[..., Any], agent: engines.Agent, tiny_networks: Mapping[str, Path]) -> None:
    other = tiny_networks["student"]
    words = ["--games", "2", "--simulations", "2", "--seed", "3", "--json"]
    answer = _json(command("engine", "match", agent.path, other, *words))
    tally = play_match(NetworkPlayer(agent, 2), NetworkPlayer(load_agent(other), 2), games=2, seed=3).tally
    assert (answer["first"], answer["second"]) == (str(agent.path), str(other))
    assert (answer["wins"], answer["draws"], answer["losses"]) == (tally.wins, tally.draws, tally.losses)
    assert answer["score"] == tally.score
    assert answer["elo"] == tally.elo
    assert answer["elo_standard_error"] == tally.elo_standard_error
    assert answer["wins"] + answer["draws"] + answer["losses"] == sum(answer["endings"].values()) == 2


def test_a_match_until_it_is_clear(command: Callable[..., Any], tmp_path: Path) -> None:
    words = ["--games", "60", "--sprt", "0,300", "--pgn", tmp_path / "games.pgn"]
    answer = _json(command("engine", "match", "material", "random?seed=4", *words, "--json"))
    assert answer["sprt"]["accepted"] == "H1"
    assert answer["sprt"]["log_likelihood_ratio"] >= answer["sprt"]["bounds"][1]
    played = answer["wins"] + answer["draws"] + answer["losses"]
    assert 4 <= played < 60
    text = (tmp_path / "games.pgn").read_text(encoding="utf-8")
    assert text.count('[White "material"]') >= played / 2
    outcome = command("engine", "match", "material", "random?seed=4", *words)
    assert outcome.code == 0
    assert f"SPRT +0 against +300 Elo: +300 accepted after {played} games" in outcome.out
    assert [path.name for path in tmp_path.iterdir()] == ["games.pgn"]


def test_a_book_of_one_s_own(command: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "book").write_text("6k1/5ppp/8/8/8/8/8/R3K3 w - - 0 1\n", encoding="utf-8")
    answer = _json(
        command("engine", "match", "material", "material", "--games", "2", "--openings", tmp_path / "book", "--json")
    )
    assert answer["endings"] == {"checkmate": 2}
    assert (answer["white"], answer["black"], answer["pairs"]) == ([1, 0, 0], [0, 0, 1], [0, 0, 1, 0, 0])


def test_ladder(command: Callable[..., Any], tiny_networks: Mapping[str, Path], tmp_path: Path) -> None:
    networks = [tiny_networks["agent"], tiny_networks["student"]]
    words = ["--games", "2", "--simulations", "1", "--out", tmp_path / "new" / "ladder"]
    answer = _json(command("engine", "ladder", *networks, *words, "--json"))
    assert {player["kind"] for player in answer["players"]} == {"checkpoint", "opponent"}
    assert [player["name"] for player in answer["players"]][2:] == ["random", "material"]
    assert all(player["elo_standard_error"] > 0 for player in answer["players"] if player["name"] != answer["anchor"])
    assert len(answer["matches"]) == 6
    outcome = command("engine", "ladder", *networks, *words)
    assert outcome.code == 0
    assert "Elo above random" in outcome.out
    assert sorted(path.name for path in (tmp_path / "new" / "ladder").iterdir()) == [
        "ladder.csv",
        "ladder.json",
        "ladder.png",
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["evaluate", "NET", "--fen", "nonsense"], "The FEN 'nonsense' cannot be read"),
        (["evaluate", "NET", "--moves", "e2e4", "e7e4"], "Move 2 (e7e4) is not legal"),
        (["evaluate", "NET", "--moves", "castles"], "is not a UCI move"),
        (["evaluate", "NET", "--history-fill", "yes"], "--history-fill is 'yes'"),
        (["evaluate", "NET", "--moves", "f2f3 e7e5 g2g4 d8h4"], "The game is over"),
        (["evaluate", "nowhere.pb.gz"], "There is no network file nowhere.pb.gz"),
        (["search", "NET", "--simulations", "0"], "--simulations is 0"),
        (["search", "NET", "--preset", "alphabeta"], "--preset is 'alphabeta'"),
        (["search", "NET", "--simulations", "2", "--save", "nowhere/tree"], "There is no folder nowhere"),
        (["search", "NET", "--simulations", "2", "--save", "."], "cannot be written"),
        (["perft", "--depth", "-1"], "--depth is -1"),
        (["perft", "--fen", "8/8/8/8/8/8/8/8 w - - 0 1", "--depth", "1"], "is not a legal position"),
        (["convert", "NET", "copy.pt"], "copy.pt does not end in .pb.gz, .safetensors or .onnx"),
        (["convert", "NET", "copy.onnx", "--encoding", "float32"], "--encoding is of .pb.gz files"),
        (["convert", "NET", "copy.onnx", "--value-head", "q"], "There is no value head 'q'"),
        (["convert", "NET", "copy.pb.gz", "--elo", "nan"], "elo is nan; it must be between"),
        (["convert", "nowhere.safetensors", "copy.pb.gz"], "There is no network file nowhere.safetensors"),
        (["convert", "NET", "nowhere/copy.pb.gz"], "There is no folder nowhere"),
        (["convert", "NET", "copy.pb.gz", "--encoding", "int4"], "int4"),
        (["match", "NET", "NET", "--games", "3"], "--games is 3"),
        (["match", "NET", "NET", "--games", "2", "--simulations", "0"], "--simulations is 0"),
        (["match", "NET", "NET", "--games", "2", "--seed", "-1"], "--seed is -1"),
        (["match", "NET", "nowhere"], "There is no network file nowhere"),
        (["match", "NET", "uci:nowhere/stockfish?nodes=1"], "There is no engine nowhere/stockfish"),
        (["match", "NET", "random?level=1"], "has no setting 'level'"),
        (["match", "random", "material", "--games", "5000"], "There are 2,000 openings"),
        (["match", "random", "material", "--sprt", "5"], "--sprt is '5'"),
        (["match", "random", "material", "--sprt", "5,0"], "--sprt 5,0 is no test: the hypotheses are"),
        (["match", "random", "material", "--sprt", "0,5", "--alpha", "2"], "alpha is 2"),
        (["match", "random", "material", "--pgn", "nowhere/games.pgn"], "There is no folder nowhere"),
        (["match", "random", "material", "--pgn", "."], "is a folder"),
        (["match", "random", "material", "--openings", "nowhere"], "The openings file nowhere cannot be read"),
        (["ladder", "nowhere", "--out", "out"], "There is no file or folder nowhere"),
        (["ladder", ".", "--out", "out"], "There is no network"),
        (["ladder", "NET", "--out", "out"], "at least two networks"),
        (["selfplay", "nowhere.toml", "--minutes", "1", "--state", "state"], "nowhere.toml cannot be read"),
        (["selfplay", SMALL, "--minutes", "0", "--state", "state"], "a campaign needs more than 0 minutes, not 0"),
        (["selfplay", SMALL, "--minutes", "1", "--state", "state", "--device", "gpu"], "--device is 'gpu'"),
        (["selfplay", SMALL, "--minutes", "1", "--state", "state", "--actors", "129"], "--actors is 129"),
        (["selfplay", SMALL, "--minutes", "1", "--state", "state", "--actors", "-1"], "--actors is -1"),
        (["plot", "."], "there is no metrics.csv in ."),
        (["plot", ".", "--ladder", "nowhere"], "there is no ladder.json in nowhere"),
        (["plot", ".", "--out", "page.svg"], "page.svg does not end in .png"),
    ],
)
def test_bad_input_of_the_engine(
    command: Callable[..., Any],
    agent: engines.Agent,
    words: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = command("engine", *(agent.path if word == "NET" else word for word in words))
    assert outcome.code == 2
    assert outcome.err.startswith("conceptmine: ")
    assert outcome.err.count("\n") == 1
    assert message in outcome.err
    assert not list(tmp_path.iterdir())


def test_heads_are_chosen_on_the_command_line(command: Callable[..., Any], tmp_path: Path) -> None:
    path, alone = tmp_path / "several.pb.gz", tmp_path / "alone.pb.gz"
    network = small_network(FAMILIES["several heads"])
    write_network(network, path)
    name = network.config.policy_names[-1]
    chosen = _json(command("engine", "evaluate", path, "--policy-head", name, "--json"))
    assert chosen["policy"] != _json(command("engine", "evaluate", path, "--json"))["policy"]
    searched = command("engine", "search", path, "--policy-head", name, "--simulations", "4", "--json")
    prior = _json(searched)["prior"]
    assert prior == pytest.approx({move: chosen["policy"][move] for move in prior}, abs=1e-4)
    assert command("engine", "convert", path, alone, "--policy-head", name, "--encoding", "float32").code == 0
    assert _json(command("engine", "evaluate", alone, "--json"))["policy"] == pytest.approx(chosen["policy"], abs=1e-5)
    architecture = _json(command("engine", "info", alone, "--json"))["architecture"]
    assert (architecture["policy_name"], architecture["other_policies"]) == ("vanilla", [])
    assert f"{name} in use" in " ".join(command("engine", "info", path, "--policy-head", name).out.split())


def test_what_convert_cannot_write_is_said_in_a_sentence(command: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "folder.pb.gz").mkdir()
    model = tmp_path / "net.onnx"
    model.write_bytes(bytes([8, 8]) + b"rest")
    for message, words in [
        ("training_steps is -1", ("convert", "ladder-01", tmp_path / "a.pb.gz", "--steps", "-1")),
        ("folder.pb.gz cannot be written: Is a directory", ("convert", "ladder-01", tmp_path / "folder.pb.gz")),
        ("is an ONNX model", ("info", model)),
    ]:
        outcome = command("engine", *words)
        assert (outcome.code, outcome.err.count("\n")) == (2, 1)
        assert message in outcome.err
    assert {path.name for path in tmp_path.iterdir()} == {"folder.pb.gz", "net.onnx"}
