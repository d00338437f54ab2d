"""The shape of a network: what a file describes, and enough to build one with empty weights.

A network is a body and two or three heads. The body is a tower of residual blocks (`Tower`), a stack of encoders that
look at the 64 squares as tokens (`AttentionBody`), or the second on top of the first. What the body gives has some
number of channels on each square, and every head reads it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from engines.chess.encoding import INPUT_PLANES
from engines.chess.input_formats import CLASSICAL_112, INPUT_FORMATS
from engines.networks.shapes import (
    ACTIVATIONS,
    POSITION_CHANNELS,
    AttentionBody,
    AttentionPolicy,
    ConvolutionPolicy,
    Encoder,
    MovesLeftHead,
    PolicyHead,
    Shape,
    Tower,
    ValueHead,
)

__all__ = ["LONGEST_NAME", "USUAL_HEADS", "NetworkConfig"]

USUAL_HEADS: Final = ("vanilla", "winner")
"""The policy head and the value head that lc0 uses if it is not told otherwise; the only ones of older files."""

LONGEST_NAME: Final = 64
"""Characters of the longest name of a head."""


@dataclass(frozen=True)
class NetworkConfig(Shape):
    """The shape of a network.

    Raises:
        ValueError: parts that do not fit each other, or a name that does not exist.
    """

    tower: Tower | None = None
    """The residual tower; None if the squares are embedded at once."""
    attention: AttentionBody | None = None
    """The encoders, on the tower if there is one; None without."""
    policy: PolicyHead = field(default_factory=ConvolutionPolicy)
    """The policy head."""
    value: ValueHead = field(default_factory=ValueHead)
    """The value head."""
    moves_left: MovesLeftHead | None = None
    """The head for the plies to the end of the game; None without."""
    activation: str = "relu"
    """``"relu"`` or ``"mish"``, wherever nothing fixes another function."""
    smolgen_activation: str | None = None
    """The activation function of smolgen in an attention body and its heads; None for `activation`."""
    ffn_activation: str | None = None
    """That of the dense layers in encoders of an attention body and its heads; None for `activation`."""
    input_format: int = CLASSICAL_112
    """Leela's number of the input format, one of `engines.chess.INPUT_FORMATS`; 1 is the classical 112 planes."""
    policy_name: str = USUAL_HEADS[0]
    """What the policy head is called."""
    value_name: str = USUAL_HEADS[1]
    """What the value head is called."""
    other_policies: tuple[tuple[str, PolicyHead], ...] = ()
    """Further policy heads by name, which take part in nothing until they are chosen (`Network.with_heads`)."""
    other_values: tuple[tuple[str, ValueHead], ...] = ()
    """Further value heads by name."""

    def __post_init__(self) -> None:
        self._check_choice("activation", ("relu", "mish"))
        self._check_choice("smolgen_activation", (*ACTIVATIONS, None))
        self._check_choice("ffn_activation", (*ACTIVATIONS, None))
        if self.attention is None and (self.smolgen_activation or self.ffn_activation):
            raise ValueError("Only an attention body has activation functions of its own for smolgen and dense layers.")
        self._check_choice("input_format", tuple(INPUT_FORMATS))
        if self.tower is None and self.attention is None:
            raise ValueError("The network has neither a tower nor an attention body; give it one.")
        if self.attention is not None and (self.attention.embedding == "tower") != (self.tower is not None):
            raise ValueError('The embedding of an attention body must be "tower" on a tower, and only there.')
        policies = (self.policy, *(head for _, head in self.other_policies))
        if self.attention is not None and not all(isinstance(head, AttentionPolicy) for head in policies):
            raise ValueError("An attention body needs attention policies.")
        if len({type(head) for head in policies}) > 1:
            raise ValueError("All policy heads of a network must be of one kind.")
        if len({head.scalar for head in (self.value, *(head for _, head in self.other_values))}) > 1:
            raise ValueError("All value heads of a network must be scalar, or none.")
        if len({shared.channels for shared in self._sharing()}) > 1:
            raise ValueError("Policy heads share an embedding and do not agree on its channels.")
        if len({encoder.smolgen.generated for encoder in self._encoders() if encoder.smolgen}) > 1:
            raise ValueError("Encoders share the weights of smolgen and do not agree on the numbers generated.")
        for kind, names in (("policy", self.policy_names), ("value", self.value_names)):
            if len(set(names)) < len(names):
                raise ValueError(f"The {kind} heads are called {', '.join(map(repr, names))}; each needs its own name.")
            for name in names:
                if not (name.isprintable() and 1 <= len(name) <= LONGEST_NAME):
                    raise ValueError(
                        f"A {kind} head is called {name!r}; names have 1 to {LONGEST_NAME} printable characters."
                    )

    @property
    def channels(self) -> int:
        """Channels on each square that the heads read."""
        if self.attention is not None:
            return self.attention.channels
        assert self.tower is not None
        return self.tower.filters

    @property
    def policy_names(self) -> tuple[str, ...]:
        """The names of all policy heads, the one in use first."""
        return (self.policy_name, *(name for name, _ in self.other_policies))

    @property
    def value_names(self) -> tuple[str, ...]:
        """The names of all value heads, the one in use first."""
        return (self.value_name, *(name for name, _ in self.other_values))

    @property
    def shared_policy_channels(self) -> int:
        """Channels of the embedding that policy heads share; 0 if none is shared."""
        return next((head.channels for head in self._sharing()), 0)

    @property
    def generated(self) -> int:
        """Numbers a head from which smolgen's shared weights make 64 × 64; 0 without smolgen."""
        return next((encoder.smolgen.generated for encoder in self._encoders() if encoder.smolgen), 0)

    @property
    def embedded_planes(self) -> int:
        """Numbers a square that the embedding of the attention body reads."""
        assert self.attention is not None
        if self.tower is not None:
            return self.tower.filters
        return INPUT_PLANES + (
            POSITION_CHANNELS if self.attention.embedding == "map" else self.attention.dense_channels
        )

    @property
    def feed_forward_activation(self) -> str:
        """The activation function in the dense layers of all encoders. On a tower, where only policies have encoders,
        lc0 fixes it."""
        return "selu" if self.attention is None else self.ffn_activation or self.activation

    @property
    def generating_activation(self) -> str:
        """The activation function of smolgen. On a tower, where only policies have encoders, lc0 fixes it."""
        return "none" if self.attention is None else self.smolgen_activation or self.activation

    @property
    def policy_activation(self) -> str:
        """The activation function in an attention policy: `activation` on an attention body, selu on a tower."""
        return "selu" if self.attention is None else self.activation

    @property
    def layer_names(self) -> tuple[str, ...]:
        """The names of the layers in forward order."""
        return tuple(self._layer_names())

    def _layer_names(self) -> Iterator[str]:
        if self.tower is not None:
            yield "input"
            yield from (f"block{i}" for i in range(1, self.tower.blocks + 1))
        if self.attention is not None:
            yield "embedding"
            yield from _of_encoders("encoder", self.attention.encoders)
        if isinstance(self.policy, AttentionPolicy):
            yield "policy_embedding"
            yield from _of_encoders("policy_encoder", self.policy.encoders)
            yield from ("policy_query", "policy_key")
        else:
            yield "policy_hidden"
        squares = "conv" if self.attention is None else "embedding"
        yield from ("policy", f"value_{squares}", "value_hidden", "value")
        if self.moves_left is not None:
            yield from (f"moves_left_{squares}", "moves_left_hidden", "moves_left")

    def _sharing(self) -> Iterator[AttentionPolicy]:
        for head in (self.policy, *(head for _, head in self.other_policies)):
            if isinstance(head, AttentionPolicy) and not head.own_embedding:
                yield head

    def _encoders(self) -> Iterator[Encoder]:
        yield from self.attention.encoders if self.attention is not None else ()
        for head in (self.policy, *(head for _, head in self.other_policies)):
            yield from head.encoders if isinstance(head, AttentionPolicy) else ()


def _of_encoders(name: str, encoders: tuple[Encoder, ...]) -> Iterator[str]:
    for i in range(1, len(encoders) + 1):
        yield f"{name}{i}_attention"
        yield f"{name}{i}"
