"""Which message of a network file holds the weights of which layer: one list for reading and for writing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from torch import Tensor, nn

from engines.networks.architecture import Network
from engines.networks.config import LONGEST_NAME, NetworkConfig
from engines.networks.leela.container import UnusableFileError
from engines.networks.modules.attention import EncoderLayer, FeedForward, SmolgenLayers
from engines.networks.modules.heads import HeadModules
from engines.networks.modules.residual import Convolution
from engines.networks.shapes import AttentionPolicy, ConvolutionPolicy, PolicyHead

__all__ = [
    "Heads",
    "Stored",
    "convolutions",
    "is_multihead",
    "new_heads",
    "shared_policy_embedding",
    "stored_heads",
    "tensors",
]

# The fields of named heads, by the names that lc0 gives the heads.
_POLICIES: Final = {"vanilla": "vanilla", "optimistic": "optimistic_st", "soft": "soft", "opponent": "opponent"}
_VALUES: Final = {"winner": "winner", "q": "q", "st": "st"}
_MOST_HEADS: Final = 64


class Heads(NamedTuple):
    """The messages of the heads of a file by name. A file with one head of each kind has their fields at the top."""

    policies: dict[str, Any]
    values: dict[str, Any]


class Stored(NamedTuple):
    """Some numbers of a file and where they go."""

    name: str
    message: Any
    """The ``Layer`` message."""
    module: nn.Module
    key: str
    """The name of the parameter in `module`; its numbers are stored in C order."""

    @property
    def tensor(self) -> Tensor:
        """The parameter."""
        found = getattr(self.module, self.key)
        assert isinstance(found, Tensor)
        return found


def stored_heads(weights: Any) -> Heads:
    """Give the heads that a file holds.

    Raises:
        UnusableFileError: too many heads, two of one name, or a name that cannot be shown in a line.
    """
    policies, values = {"vanilla": weights}, {"winner": weights}
    if weights.HasField("policy_heads"):
        policies = _named(weights.policy_heads, _POLICIES, weights.policy_heads.policy_head_map, "policy")
    if weights.HasField("value_heads"):
        values = _named(weights.value_heads, _VALUES, weights.value_heads.value_head_map, "value")
    return Heads(policies, values)


def _named(heads: Any, fields: dict[str, str], entries: Any, kind: str) -> dict[str, Any]:
    found = {name: getattr(heads, field) for name, field in fields.items() if heads.HasField(field)}
    if len(found) + len(entries) > _MOST_HEADS:
        raise UnusableFileError(f"has {len(found) + len(entries)} {kind} heads; there must be at most {_MOST_HEADS}")
    for entry in entries:
        name = entry.key.decode(errors="replace")
        if not (0 < len(name) <= LONGEST_NAME and name.isprintable()):
            raise UnusableFileError(f"has a {kind} head whose name is empty, too long or not printable")
        if name in found:
            raise UnusableFileError(f"has two {kind} heads called {name!r}")
        found[name] = entry.value
    return found


def shared_policy_embedding(weights: Any) -> Any:
    """Give the message that holds the embedding which policy heads share: with the heads, or else at the top."""
    return weights if weights.ip_pol_b.params and not weights.policy_heads.ip_pol_b.params else weights.policy_heads


def is_multihead(config: NetworkConfig) -> bool:
    """Say whether the file of a network must name its heads."""
    return bool(
        len(config.policy_names) > 1
        or len(config.value_names) > 1
        or config.shared_policy_channels
        or config.value.error
        or config.value.categories
    )


def new_heads(weights: Any, config: NetworkConfig) -> Heads:
    """Give empty messages for the heads of a network in a message still to be filled."""
    if not is_multihead(config):
        return Heads({config.policy_name: weights}, {config.value_name: weights})
    return Heads(
        _new_named(weights.policy_heads, config.policy_names, _POLICIES, weights.policy_heads.policy_head_map),
        _new_named(weights.value_heads, config.value_names, _VALUES, weights.value_heads.value_head_map),
    )


def _new_named(heads: Any, names: tuple[str, ...], fields: dict[str, str], entries: Any) -> dict[str, Any]:
    made = {}
    for name in names:
        if name in fields:
            made[name] = getattr(heads, fields[name])
            made[name].SetInParent()
        else:
            entry = entries.add(key=name.encode())
            entry.value.SetInParent()
            made[name] = entry.value
    return made


def convolutions(weights: Any, heads: Heads, network: Network) -> Iterator[tuple[str, Any, nn.Conv2d | Convolution]]:
    """Give ``(name, ConvBlock message, module)`` of every convolution; the file must have all residual messages."""
    config = network.config
    if config.tower is not None:
        yield "input", weights.input, network.input
        for i, (message, block) in enumerate(zip(weights.residual, network.residual_blocks, strict=True), start=1):
            yield f"block{i}.conv1", message.conv1, block.conv1
            yield f"block{i}.conv2", message.conv2, block.conv2
    for prefix, head, message, modules in _policies(heads, network):
        if isinstance(head, ConvolutionPolicy):
            yield f"{prefix}policy_hidden", message.policy1, modules.policy_hidden
            assert isinstance(modules.policy, nn.Conv2d)
            yield f"{prefix}policy", message.policy, modules.policy
        elif not isinstance(head, AttentionPolicy):
            yield f"{prefix}policy_hidden", message.policy, modules.policy_hidden
    if config.attention is not None:
        return
    for prefix, message, modules in _values(heads, network):
        yield f"{prefix}value_conv", message.value, modules.value_conv
    if config.moves_left is not None:
        yield "moves_left_conv", weights.moves_left, network.moves_left_conv


def tensors(weights: Any, heads: Heads, network: Network) -> Iterator[Stored]:
    """Give everything a file stores beside convolutions, in forward order."""
    config = network.config
    if config.tower is not None:
        for i, (message, block) in enumerate(zip(weights.residual, network.residual_blocks, strict=True), start=1):
            if block.se is not None:
                yield from _layer(f"block{i}.se.squeeze", message.se.w1, message.se.b1, block.se.squeeze)
                yield from _layer(f"block{i}.se.expand", message.se.w2, message.se.b2, block.se.expand)
    if config.generated:
        yield Stored("smolgen_weights", weights.smolgen_w, network.smolgen_weights, "weight")
    if config.attention is not None:
        yield from _embedding(weights, network)
        for i, (message, layer) in enumerate(zip(weights.encoder, network.body_encoders, strict=True), start=1):
            yield from _encoder(f"encoder{i}", message, layer)
    if config.shared_policy_channels:
        shared = shared_policy_embedding(weights)
        yield from _layer("policy_embedding", shared.ip_pol_w, shared.ip_pol_b, network.shared_policy_embedding)
    for prefix, head, message, modules in _policies(heads, network):
        yield from _policy(prefix, head, message, modules)
    for prefix, message, modules in _values(heads, network):
        if config.attention is not None:
            name = f"{prefix}value_embedding"
            yield from _layer(name, message.ip_val_w, message.ip_val_b, modules.value_embedding)
        yield from _layer(f"{prefix}value_hidden", message.ip1_val_w, message.ip1_val_b, modules.value_hidden)
        yield from _layer(f"{prefix}value", message.ip2_val_w, message.ip2_val_b, modules.value)
        if hasattr(modules, "value_error"):
            name = f"{prefix}value_error"
            yield from _layer(name, message.ip_val_err_w, message.ip_val_err_b, modules.value_error)
        if hasattr(modules, "value_categories"):
            name = f"{prefix}value_categories"
            yield from _layer(name, message.ip_val_cat_w, message.ip_val_cat_b, modules.value_categories)
    if config.moves_left is not None:
        if config.attention is not None:
            yield from _layer("moves_left_embedding", weights.ip_mov_w, weights.ip_mov_b, network.moves_left_embedding)
        yield from _layer("moves_left_hidden", weights.ip1_mov_w, weights.ip1_mov_b, network.moves_left_hidden)
        yield from _layer("moves_left", weights.ip2_mov_w, weights.ip2_mov_b, network.moves_left)


def _policies(heads: Heads, network: Network) -> Iterator[tuple[str, PolicyHead, Any, HeadModules]]:
    """``(prefix of names, shape, message, modules)`` of every policy head, the one in use first."""
    config = network.config
    yield "", config.policy, heads.policies[config.policy_name], network
    for (name, head), modules in zip(config.other_policies, network.other_policies, strict=True):
        assert isinstance(modules, HeadModules)
        yield f"{name} ", head, heads.policies[name], modules


def _values(heads: Heads, network: Network) -> Iterator[tuple[str, Any, HeadModules]]:
    """``(prefix of names, message, modules)`` of every value head, the one in use first."""
    config = network.config
    yield "", heads.values[config.value_name], network
    for (name, _), modules in zip(config.other_values, network.other_values, strict=True):
        assert isinstance(modules, HeadModules)
        yield f"{name} ", heads.values[name], modules


def _layer(name: str, weight: Any, bias: Any, module: nn.Module) -> Iterator[Stored]:
    """A dense layer, or a layer norm with its gains as weight."""
    yield Stored(f"{name} weight", weight, module, "weight")
    yield Stored(f"{name} bias", bias, module, "bias")


def _embedding(weights: Any, network: Network) -> Iterator[Stored]:
    embedding = network.embedding
    if embedding.board is not None:
        yield from _layer("embedding.board", weights.ip_emb_preproc_w, weights.ip_emb_preproc_b, embedding.board)
    yield from _layer("embedding.dense", weights.ip_emb_w, weights.ip_emb_b, embedding.dense)
    if embedding.norm is not None:
        yield from _layer("embedding.norm", weights.ip_emb_ln_gammas, weights.ip_emb_ln_betas, embedding.norm)
    if embedding.multiply is not None:
        yield Stored("embedding.multiply", weights.ip_mult_gate, embedding, "multiply")
    if embedding.add is not None:
        yield Stored("embedding.add", weights.ip_add_gate, embedding, "add")
    if embedding.feed_forward is not None:
        norm = (weights.ip_emb_ffn_ln_gammas, weights.ip_emb_ffn_ln_betas)
        yield from _feed_forward("embedding.feed_forward", weights.ip_emb_ffn, norm, embedding.feed_forward)


def _policy(prefix: str, head: PolicyHead, message: Any, modules: HeadModules) -> Iterator[Stored]:
    if isinstance(head, AttentionPolicy):
        if head.own_embedding:
            name = f"{prefix}policy_embedding"
            yield from _layer(name, message.ip_pol_w, message.ip_pol_b, modules.policy_embedding)
        layers = modules.encoders("policy_encoder", len(head.encoders))
        for i, (encoder, layer) in enumerate(zip(message.pol_encoder, layers, strict=True), start=1):
            yield from _encoder(f"{prefix}policy_encoder{i}", encoder, layer)
        yield from _layer(f"{prefix}policy_query", message.ip2_pol_w, message.ip2_pol_b, modules.policy_query)
        yield from _layer(f"{prefix}policy_key", message.ip3_pol_w, message.ip3_pol_b, modules.policy_key)
        yield Stored(f"{prefix}policy_promotion", message.ip4_pol_w, modules.policy_promotion, "weight")
    elif not isinstance(head, ConvolutionPolicy):
        yield from _layer(f"{prefix}policy", message.ip_pol_w, message.ip_pol_b, modules.policy)


def _encoder(name: str, message: Any, layer: EncoderLayer) -> Iterator[Stored]:
    mha, attention = message.mha, layer.attention
    yield from _layer(f"{name}.attention.query", mha.q_w, mha.q_b, attention.query)
    yield from _layer(f"{name}.attention.key", mha.k_w, mha.k_b, attention.key)
    yield from _layer(f"{name}.attention.value", mha.v_w, mha.v_b, attention.value)
    yield from _layer(f"{name}.attention.output", mha.dense_w, mha.dense_b, attention.output)
    if attention.smolgen is not None:
        yield from _smolgen(f"{name}.attention.smolgen", mha.smolgen, attention.smolgen)
    yield from _layer(f"{name}.attention.norm", message.ln1_gammas, message.ln1_betas, attention.norm)
    norm = (message.ln2_gammas, message.ln2_betas)
    yield from _feed_forward(f"{name}.feed_forward", message.ffn, norm, layer.feed_forward)


def _feed_forward(name: str, message: Any, norm: tuple[Any, Any], layer: FeedForward) -> Iterator[Stored]:
    yield from _layer(f"{name}.dense1", message.dense1_w, message.dense1_b, layer.dense1)
    yield from _layer(f"{name}.dense2", message.dense2_w, message.dense2_b, layer.dense2)
    yield from _layer(f"{name}.norm", *norm, layer.norm)


def _smolgen(name: str, message: Any, layer: SmolgenLayers) -> Iterator[Stored]:
    yield Stored(f"{name}.compress weight", message.compress, layer.compress, "weight")
    yield from _layer(f"{name}.dense1", message.dense1_w, message.dense1_b, layer.dense1)
    yield from _layer(f"{name}.norm1", message.ln1_gammas, message.ln1_betas, layer.norm1)
    yield from _layer(f"{name}.dense2", message.dense2_w, message.dense2_b, layer.dense2)
    yield from _layer(f"{name}.norm2", message.ln2_gammas, message.ln2_betas, layer.norm2)
