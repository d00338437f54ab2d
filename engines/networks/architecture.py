"""Residual policy/value networks in the family of AlphaZero and Leela: a tower of convolutions and two or three heads.

A network takes 112 planes of 8 × 8 squares and gives a policy, a value and, if it has that head, the plies left. Its
layers have names, in forward order: ``input``, ``block1`` … ``blockN``, ``policy_hidden``, ``policy``, ``value_conv``,
``value_hidden``, ``value`` and, with the third head, ``moves_left_conv``, ``moves_left_hidden``, ``moves_left``. What a
layer gives is what stands after its activation function; it can be read (`ResidualNetwork.forward_with`) and replaced
(the argument ``edit``). Each name is also that of the submodule that holds the layer's weights.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from engines.chess.encoding import INPUT_PLANES
from engines.chess.input_formats import CLASSICAL_112, INPUT_FORMATS
from engines.chess.moves import POLICY_SIZE
from engines.networks.policy_planes import (
    CONVOLUTION_POLICY_INDEX,
    CONVOLUTION_POLICY_PLANES,
    STORED_POLICY_PLANES,
)

__all__ = [
    "Convolution",
    "Edits",
    "NetworkConfig",
    "NetworkOutput",
    "ResidualBlock",
    "ResidualNetwork",
    "SqueezeExcite",
    "edited",
]

Edits: TypeAlias = Mapping[str, Callable[[Tensor], Tensor]]
"""By layer name, what to do with that layer's output before the network goes on: a function from tensor to tensor."""

_SQUARES: Final = 64
_WDL: Final = 3

# Plies left when nothing is known yet. A rectified output that starts at zero would have no gradient.
_INITIAL_MOVES_LEFT: Final = 50.0
# First weights of the last layers, relative to those that keep the variance: the first policy is near uniform.
_INITIAL_OUTPUT_SCALE: Final = 0.05


@dataclass(frozen=True)
class NetworkConfig:
    """The shape of a residual network; enough to build one with empty weights.

    Raises:
        ValueError: a size below one, a name that does not exist, or as many squeeze sizes as there are not blocks.
    """

    filters: int
    """Channels of the tower."""
    blocks: int
    """Residual blocks of the tower; zero is allowed."""
    se_channels: int | tuple[int, ...] = 0
    """Hidden units of the squeeze-and-excitation in each block, one number for all or one a block; 0 is none."""
    activation: str = "relu"
    """``"relu"`` or ``"mish"``, wherever the format does not fix another function."""
    policy: str = "convolution"
    """``"convolution"``: two 3 × 3 convolutions; ``"classical"``: a 1 × 1 convolution and a dense layer."""
    policy_planes: int = STORED_POLICY_PLANES
    """Output channels of the policy's last convolution: at least 73 for ``"convolution"``, the rest unused."""
    value: str = "wdl"
    """``"wdl"``: win, draw and loss; ``"scalar"``: one number in [-1, 1]."""
    value_planes: int = 32
    """Channels of the value head's convolution."""
    value_hidden: int = 128
    """Units of the value head's hidden layer."""
    moves_left: bool = False
    """Whether there is a head for the plies to the end of the game."""
    moves_left_planes: int = 8
    """Channels of that head's convolution."""
    moves_left_hidden: int = 128
    """Units of that head's hidden layer."""
    input_format: int = CLASSICAL_112
    """Leela's number of the input format, one of `engines.chess.INPUT_FORMATS`; 1 is the classical 112 planes."""

    def __post_init__(self) -> None:
        for name in ("filters", "policy_planes", "value_planes", "value_hidden", "moves_left_planes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1.")
        for name, known in _CHOICES.items():
            if getattr(self, name) not in known:
                expected = " or ".join(repr(choice) for choice in known)
                raise ValueError(f"{name} is {getattr(self, name)!r}; expected {expected}.")
        if self.blocks < 0 or self.moves_left_hidden < 1 or min(self.block_se_channels, default=0) < 0:
            raise ValueError("blocks and se_channels must not be negative, and moves_left_hidden at least 1.")
        if len(self.block_se_channels) != self.blocks:
            raise ValueError(f"se_channels has {len(self.block_se_channels)} numbers for {self.blocks} blocks.")
        if self.policy == "convolution" and self.policy_planes < CONVOLUTION_POLICY_PLANES:
            raise ValueError(
                f"policy_planes is {self.policy_planes}; a convolution policy needs {CONVOLUTION_POLICY_PLANES}."
            )

    @property
    def block_se_channels(self) -> tuple[int, ...]:
        """`se_channels` block by block."""
        return (self.se_channels,) * self.blocks if isinstance(self.se_channels, int) else tuple(self.se_channels)

    @property
    def layer_names(self) -> tuple[str, ...]:
        """The names of the layers in forward order."""
        blocks = tuple(f"block{i}" for i in range(1, self.blocks + 1))
        return ("input", *blocks, *_POLICY, *_VALUE, *(_MOVES_LEFT if self.moves_left else ()))


_CHOICES: Final[Mapping[str, tuple[object, ...]]] = {
    "activation": ("relu", "mish"),
    "policy": ("convolution", "classical"),
    "value": ("wdl", "scalar"),
    "input_format": tuple(INPUT_FORMATS),
}
_POLICY: Final = ("policy_hidden", "policy")
_VALUE: Final = ("value_conv", "value_hidden", "value")
_MOVES_LEFT: Final = ("moves_left_conv", "moves_left_hidden", "moves_left")


class NetworkOutput(NamedTuple):
    """What a network gives for n positions, from the view of the side to move."""

    policy: Tensor
    """[n, 1858] logits over all moves of the policy, legal or not."""
    value: Tensor
    """[n, 3] logits of win, draw, loss; or, for a scalar value, [n, 1] in [-1, 1]."""
    moves_left: Tensor | None
    """[n] plies to the end of the game, not negative; None without that head."""


class Convolution(nn.Module):
    """A convolution that keeps the board's size, with a bias or, in training, batch normalisation in its place."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int, *, batch_norm: bool) -> None:
        super().__init__()
        self.conv = _conv2d(channels_in, channels_out, kernel, bias=not batch_norm)
        self.norm = nn.BatchNorm2d(channels_out) if batch_norm else None

    def forward(self, x: Tensor) -> Tensor:
        """Map [n, channels_in, 8, 8] to [n, channels_out, 8, 8]; no activation function."""
        x = self.conv(x)
        return x if self.norm is None else self.norm(x)

    def folded_weights(self) -> tuple[Tensor, Tensor]:
        """Give the weight and bias of the plain convolution that equals this one in evaluation mode.

        With batch normalisation of mean m, variance s², gain g and offset b: weight × g / √(s² + ε) and
        b − m × g / √(s² + ε), in float64 and then rounded.
        """
        weight = self.conv.weight.detach()
        if self.norm is None:
            assert self.conv.bias is not None
            return weight.clone(), self.conv.bias.detach().clone()
        assert self.norm.running_mean is not None
        assert self.norm.running_var is not None
        gain = self.norm.weight.detach().double() / (self.norm.running_var.double() + self.norm.eps).sqrt()
        bias = self.norm.bias.detach().double() - self.norm.running_mean.double() * gain
        return (weight.double() * gain[:, None, None, None]).to(weight.dtype), bias.to(weight.dtype)


class SqueezeExcite(nn.Module):
    """Squeeze-and-excitation as Leela has it: each channel is scaled *and shifted* by what the board's means say.

    y = sigmoid(a) · x + b, with (a, b) = expand(activation(squeeze(mean of x over the squares))).
    """

    def __init__(self, channels: int, hidden: int, activation: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.squeeze = _linear(channels, hidden)
        self.expand = _linear(hidden, 2 * channels)
        self.activation = activation

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Give the scaled and shifted `x` plus `skip`, both [n, channels, 8, 8]."""
        channel_wise = self.expand(self.activation(self.squeeze(x.mean((2, 3)))))
        scale, shift = channel_wise[:, :, None, None].chunk(2, dim=1)
        return torch.addcmul(skip + shift, x, torch.sigmoid(scale))


class ResidualBlock(nn.Module):
    """Two 3 × 3 convolutions, squeeze-and-excitation if it has any, and the skip connection."""

    def __init__(self, filters: int, se_channels: int, activation: Callable[[Tensor], Tensor], *, batch_norm: bool):
        super().__init__()
        self.conv1 = Convolution(filters, filters, 3, batch_norm=batch_norm)
        self.conv2 = Convolution(filters, filters, 3, batch_norm=batch_norm)
        self.se = SqueezeExcite(filters, se_channels, activation) if se_channels else None
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """Map [n, filters, 8, 8] to the same shape."""
        y = self.conv2(self.activation(self.conv1(x)))
        return self.activation(x + y if self.se is None else self.se(y, x))


class ResidualNetwork(nn.Module):
    """A residual policy/value network.

    Args:
        config: its shape.
        batch_norm: put batch normalisation after each convolution that an activation function follows, as training
            wants it; `folded` then gives the equal network without.
        seed: seed of the first weights; None leaves them uninitialised, for a caller that sets them all.
    """

    def __init__(self, config: NetworkConfig, batch_norm: bool = False, *, seed: int | None = 0) -> None:
        super().__init__()
        self.config = config
        self.batch_norm = batch_norm
        self.layer_names = config.layer_names
        self._activation = _activation(config.activation)
        filters = config.filters
        self.policy: nn.Conv2d | nn.Linear
        self.input = Convolution(INPUT_PLANES, filters, 3, batch_norm=batch_norm)
        for i, hidden in enumerate(config.block_se_channels, start=1):
            block = ResidualBlock(filters, hidden, self._activation, batch_norm=batch_norm)
            self.add_module(f"block{i}", block)
        if config.policy == "convolution":
            self.policy_hidden = Convolution(filters, filters, 3, batch_norm=batch_norm)
            self.policy = _conv2d(filters, config.policy_planes, 3, bias=True)
            plane, origin = np.divmod(CONVOLUTION_POLICY_INDEX, _SQUARES)
            index = torch.from_numpy(origin * config.policy_planes + plane)
            self.register_buffer("_policy_index", index, persistent=False)
        else:
            self.policy_hidden = Convolution(filters, config.policy_planes, 1, batch_norm=batch_norm)
            self.policy = _linear(config.policy_planes * _SQUARES, POLICY_SIZE)
        self.value_conv = Convolution(filters, config.value_planes, 1, batch_norm=batch_norm)
        self.value_hidden = _linear(config.value_planes * _SQUARES, config.value_hidden)
        self.value = _linear(config.value_hidden, _WDL if config.value == "wdl" else 1)
        if config.moves_left:
            self.moves_left_conv = Convolution(filters, config.moves_left_planes, 1, batch_norm=batch_norm)
            self.moves_left_hidden = _linear(config.moves_left_planes * _SQUARES, config.moves_left_hidden)
            self.moves_left = _linear(config.moves_left_hidden, 1)
        if seed is not None:
            self._initialise(seed)

    @property
    def residual_blocks(self) -> list[ResidualBlock]:
        """The blocks of the tower in forward order."""
        return [cast(ResidualBlock, getattr(self, f"block{i}")) for i in range(1, self.config.blocks + 1)]

    def forward(self, planes: Tensor, edit: Edits | None = None) -> NetworkOutput:
        """Evaluate positions.

        Args:
            planes: [n, 112, 8, 8], in the type of the weights.
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
            ``(output, outputs of the chosen layers)``, in the order of `layers`: [n, channels, 8, 8] for the tower and
            for convolutions of the heads; [n, units] for dense layers, the policy (1858 logits), the value and the
            plies left ([n, 1]).

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
        if not state.wanted.isdisjoint(_POLICY):
            self._policy(body, state)
        if not state.wanted.isdisjoint(_VALUE):
            self._value(body, state)
        if not state.wanted.isdisjoint(_MOVES_LEFT):
            self._moves_left(body, state)
        return {name: state.taken[name] for name in layers}

    def check_layers(self, names: Iterable[str]) -> None:
        """Raise ValueError if a name is not one of `layer_names`."""
        for name in names:
            if name not in self.layer_names:
                raise ValueError(f"There is no layer {name!r}; the layers are {', '.join(self.layer_names)}.")

    def folded(self) -> ResidualNetwork:
        """Give a new network, in evaluation mode, that equals this one and has no batch normalisation.

        Its weights are copies, on the same device and of the same type; they take no gradients.
        """
        plain = ResidualNetwork(self.config, batch_norm=False, seed=None)
        parameter = next(self.parameters())
        plain.to(device=parameter.device, dtype=parameter.dtype)
        sources = dict(self.named_modules())
        with torch.no_grad():
            for name, module in plain.named_modules():
                source = sources[name]
                if isinstance(module, Convolution):
                    weight, bias = cast(Convolution, source).folded_weights()
                    assert module.conv.bias is not None
                    module.conv.weight.copy_(weight)
                    module.conv.bias.copy_(bias)
                elif isinstance(module, nn.Linear) or module is plain.policy:
                    module.load_state_dict(copy.copy(source.state_dict()))
        return plain.requires_grad_(False).eval()

    def _body(self, planes: Tensor, state: _Pass) -> Tensor:
        x = state.at("input", self._activation(self.input(planes)))
        for i, block in enumerate(self.residual_blocks, start=1):
            x = state.at(f"block{i}", block(x))
        return x

    def _outputs(self, planes: Tensor, state: _Pass) -> NetworkOutput:
        body = self._body(planes, state)
        policy = self._policy(body, state)
        value = self._value(body, state)
        return NetworkOutput(policy, value, self._moves_left(body, state) if self.config.moves_left else None)

    def _policy(self, body: Tensor, state: _Pass) -> Tensor:
        hidden = state.at("policy_hidden", self._activation(self.policy_hidden(body)))
        if self.config.policy == "convolution":
            # Square by square: with the channels innermost, as they are in agents, this copies nothing.
            planes = self.policy(hidden).permute(0, 2, 3, 1)
            logits = planes.flatten(1).index_select(1, self._policy_index)
        else:
            logits = self.policy(hidden.flatten(1))
        return state.at("policy", logits)

    def _value(self, body: Tensor, state: _Pass) -> Tensor:
        planes = state.at("value_conv", self._activation(self.value_conv(body)))
        hidden = state.at("value_hidden", self._activation(self.value_hidden(planes.flatten(1))))
        value = self.value(hidden)
        return state.at("value", value if self.config.value == "wdl" else torch.tanh(value))

    def _moves_left(self, body: Tensor, state: _Pass) -> Tensor:
        planes = state.at("moves_left_conv", self._activation(self.moves_left_conv(body)))
        hidden = state.at("moves_left_hidden", self._activation(self.moves_left_hidden(planes.flatten(1))))
        return state.at("moves_left", functional.relu(self.moves_left(hidden)))[:, 0]

    def _initialise(self, seed: int) -> None:
        """Set first weights: variance-keeping (He et al. 2015), small in the last layers so that nothing is claimed."""
        generator = torch.Generator().manual_seed(seed)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                fan_in = module.weight[0].numel()
                nn.init.normal_(module.weight, std=math.sqrt(2 / fan_in), generator=generator)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        with torch.no_grad():
            for block in self.residual_blocks:
                # Without normalisation each block would double the variance of the tower.
                if block.conv2.norm is None:
                    block.conv2.conv.weight.mul_(1 / math.sqrt(self.config.blocks))
                if block.se is not None:
                    block.se.expand.weight.mul_(_INITIAL_OUTPUT_SCALE)
            outputs = [self.policy, self.value, *([self.moves_left] if self.config.moves_left else [])]
            for output in outputs:
                output.weight.mul_(_INITIAL_OUTPUT_SCALE)
            if self.config.moves_left:
                self.moves_left.bias.fill_(_INITIAL_MOVES_LEFT)


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


def edited(name: str, edit: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Give what an edit makes of the output `x` of the layer `name`; ValueError if that has another shape."""
    y = edit(x)
    if y.shape != x.shape:
        raise ValueError(f"The edit of layer {name!r} made {list(y.shape)} of {list(x.shape)}.")
    return y


def _activation(name: str) -> Callable[[Tensor], Tensor]:
    return functional.relu_ if name == "relu" else functional.mish


# Made on no device first: torch's own first weights would cost time and draw from the global random state.


def _conv2d(channels_in: int, channels_out: int, kernel: int, *, bias: bool) -> nn.Conv2d:
    made = nn.Conv2d(channels_in, channels_out, kernel, padding=kernel // 2, bias=bias, device="meta")
    return made.to_empty(device="cpu")


def _linear(units_in: int, units_out: int) -> nn.Linear:
    return nn.Linear(units_in, units_out, device="meta").to_empty(device="cpu")
