"""Agents: asked about boards they answer with probabilities over the legal moves, alone or in company."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import chess
import chess.variant
import numpy as np
import pytest
import torch

import engines
from engines.chess import INPUT_FORMATS
from engines.chess.encoding import pack_boards
from engines.chess.moves import policy_index
from engines.networks import Agent, Network, NetworkFormatError, load_agent, shipped_agents, write_network

Make = Callable[..., Network]
MATED = "rnb1kbnr/pppp1ppp/8/4p3/6Pq/5P2/PPPPP2P/RNBQKBNR w KQkq - 1 3"


def some_boards(count: int) -> list[chess.Board]:
    """Boards of one quiet game, with their histories."""
    rng = np.random.default_rng(4)
    board, boards = chess.Board(), []
    while len(boards) < count:
        boards.append(board.copy())
        moves = list(board.legal_moves)
        board.push(moves[rng.integers(len(moves))])
        if not any(board.legal_moves):
            board = chess.Board()
    return boards


@pytest.fixture
def agent(make_network: Make) -> Agent:
    return Agent(make_network(), "small")


def test_policy_is_the_softmax_over_legal_moves(agent: Agent) -> None:
    boards = some_boards(20)
    evaluation = agent.evaluate(boards)
    packed = agent.evaluate_packed(*pack_boards(boards))
    for board, policy, logits in zip(boards, evaluation.policy, packed.logits, strict=True):
        assert list(policy) == list(board.legal_moves)
        assert sum(policy.values()) == pytest.approx(1, abs=1e-12)
        chosen = np.array([logits[policy_index(board, move)] for move in policy], dtype=np.float64)
        expected = np.exp(chosen) / np.exp(chosen).sum()
        assert np.allclose(list(policy.values()), expected, rtol=1e-9)
    assert (evaluation.wdl == packed.wdl).all()
    assert (evaluation.value == packed.value).all()


def test_output_types_and_ranges(agent: Agent) -> None:
    evaluation = agent.evaluate(some_boards(6))
    assert evaluation.wdl.dtype == evaluation.value.dtype == np.float32
    assert evaluation.wdl.shape == (6, 3)
    assert np.allclose(evaluation.wdl.sum(axis=1), 1, atol=1e-6)
    assert np.allclose(evaluation.value, evaluation.wdl[:, 0] - evaluation.wdl[:, 2])
    assert evaluation.moves_left is not None
    assert evaluation.moves_left.shape == (6,)


def test_a_scalar_value_becomes_wins_and_losses(make_network: Make) -> None:
    network = make_network(value="scalar", moves_left=False)
    boards = some_boards(6)
    evaluation = Agent(network, "scalar").evaluate(boards)
    planes = torch.from_numpy(Agent(network, "scalar").activations_packed(*pack_boards(boards), ["value"])["value"])
    assert np.allclose(evaluation.value, planes[:, 0], atol=1e-6)
    assert (evaluation.wdl[:, 1] == 0).all()
    assert np.allclose(evaluation.wdl.sum(axis=1), 1, atol=1e-6)
    assert evaluation.moves_left is None


def test_a_board_gets_the_same_evaluation_in_any_company(agent: Agent) -> None:
    masks, values = pack_boards(some_boards(300))
    together = agent.evaluate_packed(masks, values)
    assert together.moves_left is not None
    for start, stop in [(0, 1), (3, 5), (7, 20), (250, 263), (299, 300)]:
        alone = agent.evaluate_packed(masks[start:stop], values[start:stop])
        assert alone.moves_left is not None
        assert np.allclose(alone.logits, together.logits[start:stop], atol=2e-5)
        assert np.allclose(alone.wdl, together.wdl[start:stop], atol=1e-6)
        assert np.allclose(alone.moves_left, together.moves_left[start:stop], atol=1e-4)


def test_activations_are_flattened_channel_by_channel(agent: Agent) -> None:
    boards = some_boards(3)
    masks, values = pack_boards(boards)
    taken = agent.activations_packed(masks, values, ["block2", "input", "value_hidden"])
    assert list(taken) == ["block2", "input", "value_hidden"]
    assert taken["block2"].dtype == np.float32
    assert {name: array.shape for name, array in taken.items()} == {
        "block2": (3, 8 * 64),
        "input": (3, 8 * 64),
        "value_hidden": (3, 16),
    }
    planes = torch.from_numpy(np.zeros((3, 112, 8, 8), dtype=np.float32))
    for plane in range(112):
        for square in chess.SQUARES:
            bits = (masks[:, plane] >> np.uint64(square)) & np.uint64(1)
            planes[:, plane, square // 8, square % 8] = torch.from_numpy(bits * values[:, plane])
    expected = agent.network.forward_with(planes, ["block2"])[1]["block2"]
    assert np.allclose(taken["block2"].reshape(3, 8, 8, 8), expected, atol=1e-4)


def test_many_positions_are_cut_into_batches(agent: Agent) -> None:
    masks, values = pack_boards(some_boards(4))
    masks, values = np.tile(masks, (150, 1)), np.tile(values, (150, 1))
    taken = agent.activations_packed(masks, values, ["block1"])["block1"]
    assert (taken == np.tile(taken[:4], (150, 1))).all()


def test_no_positions_give_no_rows(agent: Agent) -> None:
    masks, values = pack_boards([])
    assert agent.evaluate_packed(masks, values).logits.shape == (0, 1858)
    assert agent.activations_packed(masks, values, ["block1"])["block1"].shape == (0, 512)


def test_edits_act_and_the_identity_changes_no_bit(agent: Agent) -> None:
    boards = some_boards(3)
    plain = agent.evaluate(boards)
    same = agent.evaluate(boards, edit={"block1": lambda x: x})
    steered = agent.evaluate(boards, edit={"block1": lambda x: x + 1})
    assert same.policy == plain.policy
    assert (same.wdl == plain.wdl).all()
    assert steered.policy != plain.policy


@pytest.mark.parametrize("input_format", [number for number in INPUT_FORMATS if number > 2])
def test_an_agent_of_a_canonical_format_plays_mirrored_games_alike(make_network: Make, input_format: int) -> None:
    agent = Agent(make_network(input_format=input_format), "canonical")
    assert agent.input_format == input_format
    pawns, bare = chess.Board("8/pp3k2/8/2P5/8/1K6/6R1/8 w - - 3 40"), chess.Board("8/5k2/1n6/8/3K4/8/6R1/8 b - - 3 40")
    cases = [(pawns, chess.flip_horizontal), *((bare, turn) for turn in (chess.flip_horizontal, chess.flip_diagonal))]
    for board, turn in cases:
        other = board.transform(turn)
        ours, theirs = agent.evaluate([board]), agent.evaluate([other])
        assert ours.wdl.tolist() == theirs.wdl.tolist()

        def moved(square: int, turn: Callable[[int], int] = turn) -> int:
            return chess.msb(turn(chess.BB_SQUARES[square]))

        policy = {
            chess.Move(moved(move.from_square), moved(move.to_square), move.promotion): probability
            for move, probability in ours.policy[0].items()
        }
        assert policy == pytest.approx(theirs.policy[0])
        assert len(set(policy.values())) > 5


def test_history_fill_matters_for_positions_without_history(make_network: Make) -> None:
    network = make_network()
    boards = [chess.Board("4k3/8/8/8/8/8/4P3/4K3 w - - 0 1"), chess.Board()]
    filled = Agent(network, "a").evaluate(boards)
    empty = Agent(network, "a", history_fill="no").evaluate(boards)
    assert filled.policy[0] != empty.policy[0]
    assert filled.policy[1] == empty.policy[1]


def test_the_network_given_is_neither_changed_nor_watched(make_network: Make) -> None:
    network = make_network(batch_norm=True).train()
    agent = Agent(network, "copy")
    before = agent.evaluate([chess.Board()]).value
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    assert network.training
    assert (agent.evaluate([chess.Board()]).value == before).all()


@pytest.mark.parametrize(("dtype", "bound"), [("float16", 3e-3), ("bfloat16", 2e-2)])
def test_16_bits_are_near_float32(make_network: Make, dtype: str, bound: float) -> None:
    network = make_network(filters=64, blocks=3)
    boards = some_boards(10)
    exact, rough = (Agent(network, "a", dtype=kind).evaluate(boards) for kind in ("float32", dtype))
    assert rough.wdl.dtype == np.float32
    assert 0 < np.abs(exact.value - rough.value).max() < bound
    for expected, found in zip(exact.policy, rough.policy, strict=True):
        assert found == pytest.approx(expected, abs=bound)


def test_a_narrow_network_is_compiled_and_not_rounded_where_bfloat16_is_asked_for(make_network: Make) -> None:
    exact, same = (Agent(make_network(), "a", dtype=dtype) for dtype in ("float32", "bfloat16"))
    boards = some_boards(3)
    assert same.dtype == "bfloat16"
    assert same.evaluate(boards).policy == exact.evaluate(boards).policy


def test_numbers_beyond_float16_are_refused(make_network: Make) -> None:
    network = make_network()
    with torch.no_grad():
        network.block1.conv1.conv.weight.mul_(1e6)
    Agent(network, "a").evaluate([chess.Board()])
    with pytest.raises(ValueError, match="not finite; float16 ends at 65,504: try bfloat16"):
        Agent(network, "a", dtype="float16").evaluate([chess.Board()])


@pytest.mark.parametrize(
    ("boards", "error", "words"),
    [
        ([], ValueError, "no boards to evaluate"),
        (chess.Board(), TypeError, "boards is of type Board; expected a sequence"),
        (7, TypeError, "boards is of type int"),
        ([chess.Board(), chess.STARTING_FEN], TypeError, "Item 1 is of type str; expected a chess.Board"),
        ([chess.Board(MATED)], ValueError, "Board 0 .*has no legal move: the game is over"),
        ([chess.variant.CrazyhouseBoard()], ValueError, "Board 0 is of the variant crazyhouse"),
    ],
)
def test_boards_that_cannot_be_evaluated_are_refused(
    agent: Agent, boards: object, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        agent.evaluate(boards)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_packed_positions_of_wrong_shape_or_type_are_refused(agent: Agent) -> None:
    masks, values = pack_boards([chess.Board()])
    with pytest.raises(ValueError, match=r"must both be \[n, 112\]"):
        agent.evaluate_packed(masks[:, :100], values[:, :100])
    with pytest.raises(ValueError, match="masks must be uint64 and values float32"):
        agent.evaluate_packed(masks, values.astype(np.float64))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="There is no layer 'block9'"):
        agent.activations_packed(masks, values, ["block9"])


def test_unusable_weights_are_refused(make_network: Make) -> None:
    network = make_network()
    with torch.no_grad():
        network.value.weight.fill_(1e38)
    with pytest.raises(ValueError, match="The network of a gives numbers that are not finite"):
        Agent(network, "a").evaluate([chess.Board()])


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"history_fill": "always"}, "history_fill is 'always'; expected 'fen_only' or 'no'"),
        ({"dtype": "float64"}, "dtype is 'float64'; expected 'float32' or 'float16' or 'bfloat16'"),
        ({"device": "abacus"}, "device 'abacus' cannot be used"),
    ],
)
def test_unknown_settings_are_refused(make_network: Make, keywords: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Agent(make_network(), "a", **keywords)  # type: ignore[arg-type]


def test_an_agent_from_a_file(make_network: Make, tmp_path: Path) -> None:
    network = make_network()
    path = tmp_path / "tiny-7.pb.gz"
    write_network(network, path, encoding="float32")
    agent = engines.load_agent(path, policy_head="vanilla")
    assert isinstance(agent, engines.Agent)
    assert agent.name == "tiny-7"
    assert agent.path == path
    assert agent.layers == network.layer_names
    assert agent.config == network.config
    assert len(agent.sha256) == 64
    expected = Agent(network, "a").evaluate([chess.Board()])
    assert agent.evaluate([chess.Board()]).policy == expected.policy
    assert load_agent(str(path)).sha256 == agent.sha256


def test_agents_in_memory_are_told_apart_by_their_weights(make_network: Make) -> None:
    one, again, other = (Agent(make_network(seed=seed), "same name") for seed in (1, 1, 2))
    assert one.sha256 == again.sha256 != other.sha256


def test_a_name_that_is_neither_file_nor_agent(tmp_path: Path) -> None:
    with pytest.raises(NetworkFormatError, match=r"no network file .*nowhere\.pb\.gz and no shipped agent"):
        load_agent(tmp_path / "nowhere.pb.gz")
    with pytest.raises(NetworkFormatError, match="no shipped agent of that name"):
        load_agent("nobody")


def test_heads_that_a_file_does_not_have(make_network: Make, tmp_path: Path) -> None:
    path = tmp_path / "net.pb.gz"
    write_network(make_network(), path)
    with pytest.raises(NetworkFormatError, match="There is no policy head 'optimistic'; there is 'vanilla'"):
        load_agent(path, policy_head="optimistic")


def test_every_shipped_agent_loads() -> None:
    for name in shipped_agents():
        assert load_agent(name).name == name


def test_a_folder_does_not_hide_the_shipped_agent_of_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = shipped_agents()[0]
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).mkdir()
    assert load_agent(name).name == name
    (tmp_path / "other").mkdir()
    with pytest.raises(NetworkFormatError, match="cannot be read"):
        load_agent("other")


def test_importing_the_package_does_not_import_torch() -> None:
    code = "import sys, engines; assert 'torch' not in sys.modules; assert 'load_agent' in dir(engines)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[3])
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = engines.nothing
