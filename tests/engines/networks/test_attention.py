"""Attention bodies and policies, held against the formulas written out square by square in float64; named heads."""

from __future__ import annotations

import gzip
import hashlib
import math
from collections.abc import Callable
from typing import Any

import chess
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from engines.chess.moves import POLICY_MOVES
from engines.networks import AttentionPolicy, Network, NetworkFormatError, load_agent, read_network, write_network
from engines.networks.leela.reading import parse_network
from engines.networks.leela.schema import ActivationFunction, NetworkStructure, new_file
from engines.networks.leela.writing import serialise_network
from engines.networks.modules.attention import EncoderLayer, FeedForward, SelfAttention

Numbers = NDArray[np.float64]

ACTIVATIONS: dict[str, Callable[[Numbers], Numbers]] = {
    "none": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "mish": lambda x: x * np.tanh(np.log1p(np.exp(x))),
    "swish": lambda x: x / (1 + np.exp(-x)),
    "relu2": lambda x: np.maximum(x, 0) ** 2,
    "selu": lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x)),
}


def exact(tensor: Tensor) -> Numbers:
    numbers: Numbers = tensor.detach().double().numpy()
    return numbers


def dense(module: nn.Linear, x: Numbers) -> Numbers:
    product: Numbers = x @ exact(module.weight).T
    return product if module.bias is None else product + exact(module.bias)


def normal(module: nn.LayerNorm, x: Numbers, epsilon: float) -> Numbers:
    mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return (x - mean) / np.sqrt(variance + epsilon) * exact(module.weight) + exact(module.bias)


def attended(layer: SelfAttention, x: Numbers, network: Network, alpha: float, epsilon: float) -> Numbers:
    """One position's tokens [64, channels] after attention, head by head."""
    query, key, value = (dense(part, x) for part in (layer.query, layer.key, layer.value))
    depth = query.shape[1] // layer.heads
    bias = np.zeros((layer.heads, 64, 64))
    if layer.smolgen is not None:
        config = network.config
        # lc0 has no activation function there in policies on a tower, whatever the file says.
        act = ACTIVATIONS["none" if config.attention is None else config.smolgen_activation or config.activation]
        parts = layer.smolgen
        y = normal(parts.norm1, act(dense(parts.dense1, dense(parts.compress, x).reshape(-1))), 1e-3)
        y = normal(parts.norm2, act(dense(parts.dense2, y)), 1e-3).reshape(layer.heads, -1)
        bias = dense(network.smolgen_weights, y).reshape(layer.heads, 64, 64)
    mixed = np.empty_like(query)
    for head in range(layer.heads):
        part = slice(head * depth, (head + 1) * depth)
        logits = query[:, part] @ key[:, part].T / math.sqrt(depth) + bias[head]
        weights = np.exp(logits - logits.max(1, keepdims=True))
        mixed[:, part] = weights / weights.sum(1, keepdims=True) @ value[:, part]
    return normal(layer.norm, x + alpha * dense(layer.output, mixed), epsilon)


def fed(layer: FeedForward, x: Numbers, activation: str, alpha: float, epsilon: float) -> Numbers:
    return normal(layer.norm, x + alpha * dense(layer.dense2, ACTIVATIONS[activation](dense(layer.dense1, x))), epsilon)


def squares(x: Numbers) -> Numbers:
    """Tokens [64, channels] as a layer shows them, [channels, 8, 8]."""
    return x.T.reshape(-1, 8, 8)


def written_out(network: Network, board: Numbers) -> dict[str, Numbers]:
    """Every layer of an attention network for one position's planes [112, 8, 8]."""
    config, found = network.config, {}
    act = ACTIVATIONS[config.activation]

    def encoded(name: str, x: Numbers, layers: list[EncoderLayer], alpha: float, epsilon: float) -> Numbers:
        for i, layer in enumerate(layers, start=1):
            x = attended(layer.attention, x, network, alpha, epsilon)
            found[f"{name}{i}_attention"] = squares(x)
            activation = "selu" if config.attention is None else config.ffn_activation or config.activation
            x = fed(layer.feed_forward, x, activation, alpha, epsilon)
            found[f"{name}{i}"] = squares(x)
        return x

    body = config.attention
    if config.tower is not None:
        with torch.no_grad():
            last = f"block{config.tower.blocks}"
            board = exact(network.layer_outputs(torch.from_numpy(board[None]).float(), [last])[last][0])
    x = board.reshape(len(board), 64).T
    if body is not None:
        alpha = (2 * len(body.encoders)) ** -0.25
        embedding = network.embedding
        if body.embedding == "map":
            positions = [[reaches(a, b) for b in chess.SQUARES] for a in chess.SQUARES]
            x = np.concatenate([x, np.array(positions, dtype=float)], axis=1)
        elif body.embedding == "dense":
            x = np.concatenate([x, dense(embedding.board, x[:, :12].reshape(-1)).reshape(64, -1)], axis=1)
        x = act(dense(embedding.dense, x))
        if body.embedding == "dense":
            x = normal(embedding.norm, x, 1e-3)
        x = x * exact(embedding.multiply).T + exact(embedding.add).T if body.gated else x
        if body.embedding == "dense":
            x = fed(embedding.feed_forward, x, config.ffn_activation or config.activation, alpha, 1e-3)
        found["embedding"] = squares(x)
        epsilon = 1e-3 if body.embedding == "dense" else 1e-6
        x = encoded("encoder", x, network.body_encoders, alpha, epsilon)
        for head in ("value", "moves_left") if config.moves_left else ("value",):
            planes = act(dense(getattr(network, f"{head}_embedding"), x))
            found[f"{head}_embedding"] = squares(planes)
            found[f"{head}_hidden"] = act(dense(getattr(network, f"{head}_hidden"), planes.reshape(-1)))
            last = dense(getattr(network, head), found[f"{head}_hidden"])
            found[head] = (
                np.maximum(last, 0) if head == "moves_left" else np.tanh(last) if config.value.scalar else last
            )
    p = ACTIVATIONS[config.activation if body is not None else "selu"](dense(network.embedding_of_policy(), x))
    found["policy_embedding"] = squares(p)
    p = encoded("policy_encoder", p, network.policy_encoders, 1.0, 1e-6)
    query, key = dense(network.policy_query, p), dense(network.policy_key, p)
    found["policy_query"], found["policy_key"] = squares(query), squares(key)
    extra = key @ exact(network.policy_promotion.weight).T
    found["policy"] = np.array([logit(query, key, extra, chess.Move.from_uci(uci)) for uci in POLICY_MOVES])
    return found


def logit(query: Numbers, key: Numbers, extra: Numbers, move: chess.Move) -> float:
    product = float(query[move.from_square] @ key[move.to_square]) / math.sqrt(query.shape[1])
    if move.promotion is None:
        return product
    piece = (chess.QUEEN, chess.ROOK, chess.BISHOP).index(move.promotion)
    return product + float(extra[move.to_square, piece] + extra[move.to_square, 3])


def reaches(origin: int, target: int) -> int:
    """-1 for the square itself, 1 for those a queen or a knight reaches on an empty board."""
    files = abs(chess.square_file(origin) - chess.square_file(target))
    ranks = abs(chess.square_rank(origin) - chess.square_rank(target))
    if files == ranks == 0:
        return -1
    return int(files == 0 or ranks == 0 or files == ranks or {files, ranks} == {1, 2})


def test_attention_is_what_the_formulas_say(family: Network, planes: Tensor) -> None:
    if not isinstance(family.config.policy, AttentionPolicy):
        assert family.config.attention is None  # a tower with other heads: test_architecture has those
        return
    _, taken = family.forward_with(planes, family.layer_names)
    assert tuple(taken) == family.layer_names
    for i in (0, 3):
        expected = written_out(family, exact(planes[i]))
        for name, numbers in expected.items():
            np.testing.assert_allclose(exact(taken[name][i]), numbers, atol=3e-4, rtol=1e-4, err_msg=name)
        missing = {name for name in family.layer_names if name not in expected}
        assert all(family.config.tower is not None for _ in missing), missing


def test_layers_can_be_read_and_replaced_in_every_kind(family: Network, planes: Tensor) -> None:
    with torch.no_grad():
        plain, taken = family.forward_with(planes, family.layer_names)
        for name in family.layer_names:
            assert taken[name].shape[0] == len(planes)
            assert torch.equal(family.layer_outputs(planes, [name])[name], taken[name])
            seen = []

            def note(x: Tensor, seen: list[Tensor] = seen) -> Tensor:
                seen.append(x)
                return x

            same = family(planes, {name: note})
            assert torch.equal(seen[0], taken[name])
            assert torch.equal(same.policy, plain.policy)
            assert torch.equal(same.value, plain.value)
            other = family(planes, {name: lambda x: x + 1})
            unchanged = torch.equal(other.policy, plain.policy) and torch.equal(other.value, plain.value)
            assert unchanged == name.startswith("moves_left"), name


def test_named_heads_are_chosen_and_kept(family: Network, planes: Tensor) -> None:
    names = family.config.policy_names, family.config.value_names
    with torch.no_grad():
        plain = family(planes)
        for policy in names[0]:
            for value in names[1]:
                chosen = family.with_heads(policy, value)
                assert (chosen.config.policy_name, chosen.config.value_name) == (policy, value)
                assert set(chosen.config.policy_names) == set(names[0])
                assert torch.equal(chosen(planes).policy, plain.policy) == (policy == names[0][0])
                assert torch.equal(chosen(planes).value, plain.value) == (value == names[1][0])
                back = chosen.with_heads(names[0][0], names[1][0])
                assert torch.equal(back(planes).policy, plain.policy)
                assert torch.equal(back(planes).value, plain.value)
                assert {p.data_ptr() for p in back.parameters()} == {p.data_ptr() for p in family.parameters()}
    with pytest.raises(ValueError, match="There is no policy head 'pessimistic'; there is 'vanilla'"):
        family.with_heads(policy="pessimistic")
    with pytest.raises(ValueError, match="There is no value head 'loser'; there is 'winner'"):
        family.with_heads(value="loser")


def test_a_file_of_chosen_heads_has_them_as_the_usual_ones(family: Network, planes: Tensor, tmp_path: Any) -> None:
    path = tmp_path / "net.pb.gz"
    for policy in family.config.policy_names:
        for value in family.config.value_names:
            chosen = family.with_heads(policy, value)
            if (policy, value) != ("vanilla", "winner"):
                with pytest.raises(ValueError, match="only_heads_in_use"):
                    write_network(chosen, path)
            alone = chosen.only_heads_in_use()
            assert (alone.config.policy_names, alone.config.value_names) == (("vanilla",), ("winner",))
            write_network(alone, path, encoding="float32")
            again, _ = read_network(path)
            assert again.config == alone.config
            with torch.no_grad():
                ours, theirs = chosen(planes), again(planes)
            torch.testing.assert_close(ours.policy, theirs.policy, atol=1e-4, rtol=1e-4)
            torch.testing.assert_close(ours.value, theirs.value, atol=1e-4, rtol=1e-4)


def test_choosing_heads_leaves_modes_and_devices_alone(family: Network) -> None:
    away = family.to("meta").train()
    away.value_hidden.eval()
    chosen = away.with_heads(away.config.policy_names[-1])
    assert all(tensor.device.type == "meta" for tensor in (*chosen.parameters(), *chosen.buffers()))
    assert all(tensor.device.type == "meta" for tensor in away.only_heads_in_use().buffers())
    assert chosen.training
    assert not away.value_hidden.training
    assert away.value.training


def test_agents_with_other_heads_are_other_agents(family: Network, tmp_path: Any) -> None:
    path = tmp_path / "net.pb.gz"
    write_network(family, path)
    names = [(policy, value) for policy in family.config.policy_names for value in family.config.value_names]
    agents = [load_agent(path, policy_head=policy, value_head=value) for policy, value in names]
    assert len({agent.sha256 for agent in agents}) == len({repr(agent) for agent in agents}) == len(names)
    assert load_agent(path).sha256 == agents[0].sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_heads_in_a_file_are_chosen_by_name(family: Network, planes: Tensor, tmp_path: Any) -> None:
    path = tmp_path / "net.pb.gz"
    write_network(family, path, encoding="float32")
    for policy in family.config.policy_names:
        agent = load_agent(path, policy_head=policy)
        with torch.no_grad():
            ours, theirs = family.with_heads(policy)(planes), agent.network(planes)
        torch.testing.assert_close(ours.policy, theirs.policy, atol=1e-4, rtol=1e-4)
    with pytest.raises(NetworkFormatError, match=r"net\.pb\.gz.*no value head 'loser'"):
        load_agent(path, value_head="loser")


def message_of(network: Network) -> Any:
    message = new_file()
    message.ParseFromString(gzip.decompress(serialise_network(network, encoding="float32")))
    return message


def read(message: Any) -> Network:
    return parse_network(gzip.compress(message.SerializeToString(), 1), "net.pb.gz")[0]


def test_what_older_and_other_files_mean(families: dict[str, Network], planes: Tensor) -> None:
    """Where fields are missing or of another time, what lc0 makes of them."""
    several = message_of(families["several heads"])
    several.weights.ip_pol_w.CopyFrom(several.weights.policy_heads.ip_pol_w)
    several.weights.ip_pol_b.CopyFrom(several.weights.policy_heads.ip_pol_b)
    several.weights.policy_heads.ClearField("ip_pol_w")
    several.weights.policy_heads.ClearField("ip_pol_b")
    expected = families["several heads"](planes).policy
    torch.testing.assert_close(read(several).folded()(planes).policy, expected, atol=1e-4, rtol=1e-4)
    form = several.format.network_format
    for structure in (NetworkStructure.SE_WITH_HEADFORMAT, NetworkStructure.ATTENTION_BODY_WITH_HEADFORMAT):
        form.network = structure  # with both kinds of named heads, the embedding is the dense one
        form.ClearField("input_embedding")
        assert read(several).config == families["several heads"].config
    mapped = message_of(families["map embedding"])
    mapped.format.network_format.network = NetworkStructure.ATTENTION_BODY_WITH_MULTIHEADFORMAT
    mapped.format.network_format.ClearField("input_embedding")
    assert read(mapped).config == families["map embedding"].config
    on_tower = message_of(families["policy encoders"])
    on_tower.format.network_format.ffn_activation = ActivationFunction.RELU_2
    on_tower.format.network_format.smolgen_activation = ActivationFunction.SWISH
    assert read(on_tower).config == families["policy encoders"].config


def test_activation_functions_that_lc0_does_not_have_there_are_refused(families: dict[str, Network]) -> None:
    for field, what in (("ffn_activation", "dense layers of the encoders"), ("smolgen_activation", "smolgen")):
        message = message_of(families["map embedding"])
        setattr(message.format.network_format, field, ActivationFunction.SOFTMAX)
        with pytest.raises(NetworkFormatError, match=f"activation function 9 for the {what}, which is not supported"):
            read(message)


def test_half_a_gate_is_refused(families: dict[str, Network]) -> None:
    message = message_of(families["map embedding"])
    message.weights.ClearField("ip_add_gate")
    with pytest.raises(NetworkFormatError, match="has one of the two gates"):
        read(message)
