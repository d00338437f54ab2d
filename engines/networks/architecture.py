"""Policy/value networks in the family of AlphaZero and Leela: a body of convolutions or encoders, and its heads.

A network takes 112 planes of 8 × 8 squares and gives a policy, a value and, if it has that head, the plies left. Its
layers have names, in forward order; which, and what they give, is listed in ``docs/layers.md``. What a layer gives is
what stands after its activation function or its norm; it can be read (`Network.forward_with`) and replaced (the
argument ``edit``). What a layer gives on each square is [n, channels, 8, 8], whether convolutions or encoders made it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from typing import Final, NamedTuple, TypeAlias, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from engines.chess.encoding import INPUT_PLANES
from engines.networks.config import USUAL_HEADS, NetworkConfig
from engines.networks.modules.activations import activation_called
from engines.networks.modules.attention import EncoderLayer
from engines.networks.modules.embedding import Embedding
from engines.networks.modules.heads import (
    HeadModules,
    add_moves_left,
    add_policy,
    add_value,
    attention_policy_logits,
    encoder_layer,
)
from engines.networks.modules.precision import in_type_of
from engines.networks.modules.residual import Convolution, ResidualBlock
from engines.networks.shapes import AttentionPolicy, ConvolutionPolicy

__all__ = ["Edits", "Network", "NetworkOutput", "edited", "set_tensor"]

Edits: TypeAlias = Mapping[str, Callable[[Tensor], Tensor]]
"""By layer name, what to do with that layer's output before the network goes on: a function from tensor to tensor."""

_Head = TypeVar("_Head")

_GENERATED_WEIGHTS: Final = 64 * 64

# Plies left when nothing is known yet. A rectified output that starts at zero would have no gradient.
_INITIAL_MOVES_LEFT: Final = 50.0
# First weights of the last layers, relative to those that keep the variance: the first policy is near uniform.
_INITIAL_OUTPUT_SCALE: Final = 0.05


class NetworkOutput(NamedTuple):
    """What a network gives for n positions, from the view of the side to move."""

    policy: Tensor
    """[n, 1858] logits over all moves of the policy, legal or not."""
    value: Tensor
    """[n, 3] logits of win, draw, loss; or, for a scalar value, [n, 1] in [-1, 1]."""
    moves_left: Tensor | None
    """[n] plies to the end of the game, not negative; None without that head."""


class Network(HeadModules):
    """A policy/value network.

    Args:
        config: its shape.
        batch_norm: put batch normalisation after each convolution that an activation function follows, as training
            wants it; `folded` then gives the equal network without.
        seed: seed of the first weights; None leaves all parameters on torch's device "meta", without memory, for a
            caller that sets them (`set_tensor`).
    """

    input: Convolution
    embedding: Embedding
    smolgen_weights: nn.Linear

    def __init__(self, config: NetworkConfig, batch_norm: bool = False, *, seed: int | None = 0) -> None:
        super().__init__()
        self.config = config
        self.layer_names = config.layer_names
        self._activation = activation_called(config.activation)
        if config.tower is not None:
            filters = config.tower.filters
            self.input = Convolution(INPUT_PLANES, filters, 3, batch_norm=batch_norm)
            for i, hidden in enumerate(config.tower.block_se_channels, start=1):
                self.add_module(f"block{i}", ResidualBlock(filters, hidden, self._activation, batch_norm=batch_norm))
        if config.generated:
            self.smolgen_weights = nn.Linear(config.generated, _GENERATED_WEIGHTS, bias=False, device="meta")
        if config.attention is not None:
            body = config.attention
            self.embedding = Embedding(
                config.embedded_planes,
                body,
                self._activation,
                activation_called(config.feed_forward_activation),
            )
            for i, encoder in enumerate(body.encoders, start=1):
                layer = encoder_layer(config, body.channels, encoder, body.skip_scale, body.epsilon)
                self.add_module(f"encoder{i}", layer)
        if config.shared_policy_channels:
            self.shared_policy_embedding = nn.Linear(config.channels, config.shared_policy_channels, device="meta")
        add_policy(self, config.policy, config, batch_norm=batch_norm)
        add_value(self, config.value, config, batch_norm=batch_norm)
        if config.moves_left is not None:
            add_moves_left(self, config.moves_left, config, batch_norm=batch_norm)
        self.other_policies, self.other_values = nn.ModuleList(), nn.ModuleList()
        for _, policy in config.other_policies:
            self.other_policies.append(HeadModules())
            add_policy(self._last(self.other_policies), policy, config, batch_norm=batch_norm)
        for _, value in config.other_values:
            self.other_values.append(HeadModules())
            add_value(self._last(self.other_values), value, config, batch_norm=batch_norm)
        if seed is not None:
            self._initialise(seed)

    @property
    def residual_blocks(self) -> list[ResidualBlock]:
        """The blocks of the tower in forward order."""
        blocks = 0 if self.config.tower is None else self.config.tower.blocks
        return [cast(ResidualBlock, getattr(self, f"block{i}")) for i in range(1, blocks + 1)]

    @property
    def body_encoders(self) -> list[EncoderLayer]:
        """The encoders of the body in forward order."""
        return self.encoders("encoder", 0 if self.config.attention is None else len(self.config.attention.encoders))

    @property
    def policy_encoders(self) -> list[EncoderLayer]:
        """The encoders of the policy head in use, in forward order."""
        head = self.config.policy
        return self.encoders("policy_encoder", len(head.encoders) if isinstance(head, AttentionPolicy) else 0)

    def embedding_of_policy(self) -> nn.Linear:
        """Give the first layer of an attention policy: its own, or the one that several heads share."""
        head = self.config.policy
        assert isinstance(head, AttentionPolicy)
        return self.policy_embedding if head.own_embedding else self.shared_policy_embedding

    def forward(self, planes: Tensor, edit: Edits | None = None) -> NetworkOutput:
        """Evaluate positions.

        Args:
            planes: [n, 112, 8, 8], of any floating-point type; they are brought to that of the first layer.
            edit: by layer name, a function that replaces that layer's output; it must keep the shape. The functions
                act within the pass only, nothing is left behind in the module.

        Returns:
            Policy logits, value and plies left.

        Raises:
            ValueError: `edit` names no layer of this network, or changes a shape.
        """
        if edit is not None:
            self.check_layers(edit)
        return self._outputs(planes, _Pass(edit, None))

    def forward_with(
        self, planes: Tensor, layers: Collection[str], edit: Edits | None = None
    ) -> tuple[NetworkOutput, dict[str, Tensor]]:
        """Evaluate positions and give what chosen layers give on the way.

        Args:
            planes: as for `forward`.
            layers: names of layers.
            edit: as for `forward`; an edited layer is given as the network goes on with it.

        Returns:
            ``(output, outputs of the chosen layers)``, in the order of `layers`: [n, channels, 8, 8] for what lies on
            squares; [n, units] for dense layers, the policy (1858 logits), the value and the plies left ([n, 1]).

        Raises:
            ValueError: as for `forward`, and for a name in `layers` that is not a layer.
        """
        self.check_layers(layers)
        if edit is not None:
            self.check_layers(edit)
        state = _Pass(edit, frozenset(layers))
        output = self._outputs(planes, state)
        return output, {name: state.taken[name] for name in layers}

    def layer_outputs(self, planes: Tensor, layers: Collection[str]) -> dict[str, Tensor]:
        """Give what `forward_with` gives for `layers`, leaving out the heads that are not asked for."""
        self.check_layers(layers)
        state = _Pass(None, frozenset(layers))
        body = self._body(planes, state)
        heads = {"policy": self._policy, "value": self._value, "moves_left": self._moves_left}
        for name, head in heads.items():
            if any(layer.startswith(name) for layer in layers):
                head(body, state)
        return {name: state.taken[name] for name in layers}

    def check_layers(self, names: Iterable[str]) -> None:
        """Raise ValueError if a name is not one of `layer_names`."""
        for name in names:
            if name not in self.layer_names:
                raise ValueError(f"There is no layer {name!r}; the layers are {', '.join(self.layer_names)}.")

    def folded(self) -> Network:
        """Give a new network, in evaluation mode, that equals this one and has no batch normalisation.

        Its weights are copies, on the same device and of the same type; they take no gradients.
        """
        plain = Network(self.config, batch_norm=False, seed=None)
        sources = dict(self.named_modules())
        for name, module in plain.named_modules():
            source = sources[name]
            if isinstance(module, Convolution):
                weight, bias = cast(Convolution, source).folded_weights()
                set_tensor(module.conv, "weight", weight)
                set_tensor(module.conv, "bias", bias)
            elif not _in_convolution(name, sources):
                for key, tensor in source.named_parameters(recurse=False):
                    set_tensor(module, key, tensor.detach().clone())
                for key, tensor in source.named_buffers(recurse=False):
                    module.register_buffer(key, tensor, persistent=False)
        return plain.eval()

    def with_heads(self, policy: str | None = None, value: str | None = None) -> Network:
        """Give a network with other heads in use; its weights are this one's, not copies.

        Args:
            policy: the name of a policy head; None keeps the one in use.
            value: the name of a value head; None keeps the one in use.

        Raises:
            ValueError: there is no such head.
        """
        config = self.config
        policies = _exchanged(config.policy_name, config.policy, config.other_policies, policy, "policy")
        values = _exchanged(config.value_name, config.value, config.other_values, value, "value")
        chosen = replace(
            config,
            policy_name=policies[0][0], policy=policies[0][1], other_policies=policies[1:],
            value_name=values[0][0], value=values[0][1], other_values=values[1:],
        )  # fmt: skip
        other = Network(chosen, seed=None)
        for name, child in self.named_children():
            if not name.startswith(("policy", "value", "other_")):
                other.add_module(name, child)
        for kind, names in (("policy", config.policy_names), ("value", config.value_names)):
            others = "other_policies" if kind == "policy" else "other_values"
            containers = dict(zip(names, [self, *getattr(self, others)], strict=True))
            new_names = chosen.policy_names if kind == "policy" else chosen.value_names
            for name, target in zip(new_names, [other, *getattr(other, others)], strict=True):
                for child_name, child in containers[name].named_children():
                    if child_name.startswith(kind):
                        target.add_module(child_name, child)
                if kind == "policy" and hasattr(containers[name], "_policy_index"):
                    target.register_buffer("_policy_index", containers[name]._policy_index, persistent=False)
        for module in (other, other.other_policies, other.other_values, *other.other_policies, *other.other_values):
            module.training = self.training
        return other

    def only_heads_in_use(self) -> Network:
        """Give a network with the heads in use alone, under their usual names; its weights are this one's, not copies.

        A file of it has these heads as those that every program chooses.
        """
        config = replace(self.config, other_policies=(), other_values=())
        shared = isinstance(config.policy, AttentionPolicy) and not config.policy.own_embedding
        if shared:
            config = replace(config, policy=replace(cast(AttentionPolicy, config.policy), own_embedding=True))
        config = replace(config, policy_name=USUAL_HEADS[0], value_name=USUAL_HEADS[1])
        alone = Network(config, seed=None)
        for name, child in self.named_children():
            if not name.startswith(("other_", "shared_")):
                alone.add_module(name, child)
        if shared:
            alone.policy_embedding = self.shared_policy_embedding
        if hasattr(self, "_policy_index"):
            alone.register_buffer("_policy_index", self._policy_index, persistent=False)
        alone.training = self.training
        return alone

    def _body(self, planes: Tensor, state: _Pass) -> Tensor:
        """What the heads read: [n, channels, 8, 8] from a tower, tokens [n, 64, channels] from an attention body."""
        x = planes
        if self.config.tower is not None:
            x = state.at("input", self._activation(self.input(planes)))
            for i, block in enumerate(self.residual_blocks, start=1):
                x = state.at(f"block{i}", block(x))
        if self.config.attention is None:
            return x
        tokens = state.on_squares("embedding", self.embedding(_tokens(x)))
        return self._encoded(tokens, "encoder", self.body_encoders, state)

    def _encoded(self, tokens: Tensor, name: str, encoders: list[EncoderLayer], state: _Pass) -> Tensor:
        shared = self.smolgen_weights if self.config.generated else None
        for i, encoder in enumerate(encoders, start=1):
            tokens = state.on_squares(f"{name}{i}_attention", encoder.attention(tokens, shared))
            tokens = state.on_squares(f"{name}{i}", encoder.feed_forward(tokens))
        return tokens

    def _outputs(self, planes: Tensor, state: _Pass) -> NetworkOutput:
        body = self._body(planes, state)
        policy = self._policy(body, state)
        value = self._value(body, state)
        return NetworkOutput(policy, value, self._moves_left(body, state)[:, 0] if self.config.moves_left else None)

    def _policy(self, body: Tensor, state: _Pass) -> Tensor:
        head = self.config.policy
        if isinstance(head, AttentionPolicy):
            logits = self._attention_policy(body if self.config.attention else _tokens(body), state)
        else:
            hidden = state.at("policy_hidden", self._activation(self.policy_hidden(body)))
            hidden = in_type_of(self.policy.weight, hidden)
            if isinstance(head, ConvolutionPolicy):
                logits = self.policy(hidden).permute(0, 2, 3, 1).flatten(1).index_select(1, self._policy_index)
            else:
                logits = self.policy(hidden.flatten(1))
        return state.at("policy", logits)

    def _attention_policy(self, tokens: Tensor, state: _Pass) -> Tensor:
        activation = activation_called(self.config.policy_activation)
        x = state.on_squares("policy_embedding", activation(self.embedding_of_policy()(tokens)))
        x = self._encoded(x, "policy_encoder", self.policy_encoders, state)
        x = in_type_of(self.policy_query.weight, x)
        query = state.on_squares("policy_query", self.policy_query(x))
        key = state.on_squares("policy_key", self.policy_key(x))
        return attention_policy_logits(query, key, self.policy_promotion, self._policy_index)

    def _value(self, body: Tensor, state: _Pass) -> Tensor:
        value = self.value(in_type_of(self.value.weight, self._hidden("value", body, state)))
        return state.at("value", torch.tanh(value) if self.config.value.scalar else value)

    def _moves_left(self, body: Tensor, state: _Pass) -> Tensor:
        hidden = in_type_of(self.moves_left.weight, self._hidden("moves_left", body, state))
        return state.at("moves_left", functional.relu(self.moves_left(hidden)))

    def _hidden(self, head: str, body: Tensor, state: _Pass) -> Tensor:
        """The planes and the hidden layer of a head."""
        if self.config.attention is None:
            conv = self.get_submodule(f"{head}_conv")
            planes = state.at(f"{head}_conv", self._activation(conv(body)))
        else:
            embedding = self.get_submodule(f"{head}_embedding")
            planes = state.on_squares(f"{head}_embedding", self._activation(embedding(body)))
        return state.at(f"{head}_hidden", self._activation(self.get_submodule(f"{head}_hidden")(planes.flatten(1))))

    def _initialise(self, seed: int) -> None:
        """Set first weights: variance-keeping (He et al. 2015), small in the last layers so that nothing is claimed."""
        generator = torch.Generator().manual_seed(seed)
        for module in self.modules():
            for name, parameter in list(module.named_parameters(recurse=False)):
                set_tensor(module, name, torch.zeros(parameter.shape)).requires_grad_()
            for name, buffer in list(module.named_buffers(recurse=False)):
                if buffer.device.type == "meta":  # the statistics of batch normalisation
                    start = torch.ones if name == "running_var" else torch.zeros
                    module.register_buffer(name, start(buffer.shape, dtype=buffer.dtype))
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.normal_(module.weight, std=math.sqrt(2 / module.weight[0].numel()), generator=generator)
            elif isinstance(module, nn.BatchNorm2d | nn.LayerNorm):
                nn.init.ones_(module.weight)
            elif isinstance(module, Embedding) and module.multiply is not None:
                nn.init.ones_(module.multiply)
        with torch.no_grad():
            for block in self.residual_blocks:
                # Without normalisation each block would double the variance of the tower.
                if block.conv2.norm is None:
                    block.conv2.conv.weight.mul_(1 / math.sqrt(len(self.residual_blocks)))
                if block.se is not None:
                    block.se.expand.weight.mul_(_INITIAL_OUTPUT_SCALE)
            attention = isinstance(self.config.policy, AttentionPolicy)
            outputs = [self.policy_query if attention else self.policy, self.value]
            for output in [*outputs, *([self.moves_left] if self.config.moves_left else [])]:
                output.weight.mul_(_INITIAL_OUTPUT_SCALE)
            if self.config.moves_left:
                self.moves_left.bias.fill_(_INITIAL_MOVES_LEFT)

    @staticmethod
    def _last(containers: nn.ModuleList) -> HeadModules:
        return cast(HeadModules, containers[-1])


def set_tensor(module: nn.Module, name: str, tensor: Tensor) -> nn.Parameter:
    """Make a tensor, which is kept and not copied, a parameter of a module; it takes no gradients."""
    parameter = nn.Parameter(tensor, requires_grad=False)
    module.register_parameter(name, parameter)
    return parameter


def _in_convolution(name: str, modules: Mapping[str, nn.Module]) -> bool:
    return isinstance(modules.get(name.rpartition(".")[0]), Convolution)


def _tokens(x: Tensor) -> Tensor:
    """[n, channels, 8, 8] as [n, 64, channels]."""
    return x.flatten(2).transpose(1, 2)


def _exchanged(
    name: str, head: _Head, others: Iterable[tuple[str, _Head]], wanted: str | None, kind: str
) -> tuple[tuple[str, _Head], ...]:
    """All heads of a kind by name, the wanted one first."""
    heads = {name: head, **dict(others)}
    wanted = name if wanted is None else wanted
    if wanted not in heads:
        raise ValueError(f"There is no {kind} head {wanted!r}; there is {', '.join(map(repr, heads))}.")
    return ((wanted, heads.pop(wanted)), *heads.items())


class _Pass:
    """What is to happen at the layers during one forward pass, and what was taken."""

    __slots__ = ("edit", "taken", "wanted")

    def __init__(self, edit: Edits | None, wanted: frozenset[str] | None) -> None:
        self.edit = edit
        self.wanted = frozenset() if wanted is None else wanted
        self.taken: dict[str, Tensor] = {}

    def at(self, name: str, x: Tensor) -> Tensor:
        """Give the output of a layer as the network goes on with it."""
        if self.edit is not None and name in self.edit:
            x = edited(name, self.edit[name], x)
        if name in self.wanted:
            self.taken[name] = x
        return x

    def on_squares(self, name: str, tokens: Tensor) -> Tensor:
        """The same for a layer that gives tokens [n, 64, channels], seen as [n, channels, 8, 8]."""
        if name not in self.wanted and (self.edit is None or name not in self.edit):
            return tokens
        return _tokens(self.at(name, tokens.transpose(1, 2).reshape(tokens.shape[0], tokens.shape[2], 8, 8)))


def edited(name: str, edit: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Give what an edit makes of the output `x` of the layer `name`, in its type; ValueError for another shape."""
    y = edit(x)
    if y.shape != x.shape:
        raise ValueError(f"The edit of layer {name!r} made {list(y.shape)} of {list(x.shape)}.")
    return y.to(x.dtype)
