"""The shapes of networks: what a file describes, and enough to build one with empty weights.

A network is a body and two or three heads. The body is a tower of residual blocks (`Tower`), a stack of encoders that
look at the 64 squares as tokens (`AttentionBody`), or the second on top of the first. What the body gives has some
number of channels on each square, and every head reads it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from engines.chess.encoding import INPUT_PLANES
from engines.chess.input_formats import CLASSICAL_112, INPUT_FORMATS
from engines.networks.policy_planes import CONVOLUTION_POLICY_PLANES, STORED_POLICY_PLANES

__all__ = [
    "ACTIVATIONS",
    "BOARD_PLANES",
    "LONGEST_NAME",
    "POSITION_CHANNELS",
    "SQUARES",
    "USUAL_HEADS",
    "AttentionBody",
    "AttentionPolicy",
    "ClassicalPolicy",
    "ConvolutionPolicy",
    "Encoder",
    "MovesLeftHead",
    "NetworkConfig",
    "PolicyHead",
    "Smolgen",
    "Tower",
    "ValueHead",
]

SQUARES: Final = 64

POSITION_CHANNELS: Final = 64
"""Constants that an attention body with the embedding ``"map"`` adds to the planes of each square."""

BOARD_PLANES: Final = 12
"""The planes, those of the newest board, that the embedding ``"dense"`` shows to every square."""

ACTIVATIONS: Final = ("relu", "mish", "swish", "relu2", "selu", "tanh", "sigmoid", "none")
"""Activation functions; ``"relu2"`` is the square of relu, ``"swish"`` x · sigmoid(x)."""

USUAL_HEADS: Final = ("vanilla", "winner")
"""The policy head and the value head that lc0 uses if it is not told otherwise; the only ones of older files."""

LONGEST_NAME: Final = 64
"""Characters of the longest name of a head."""

_LARGEST: Final = 1 << 16
_MOST_LAYERS: Final = 512


class _Shape:
    """What shapes have in common: sizes that are checked when one is made."""

    def _check(self, *at_least_one: str) -> None:
        for name in at_least_one:
            size = getattr(self, name)
            if not 1 <= size <= _LARGEST:
                raise ValueError(f"{name} is {size}; it must be from 1 to {_LARGEST}.")

    def _check_choice(self, name: str, known: tuple[object, ...]) -> None:
        if getattr(self, name) not in known:
            expected = " or ".join(repr(choice) for choice in known)
            raise ValueError(f"{name} is {getattr(self, name)!r}; expected {expected}.")


@dataclass(frozen=True)
class Tower(_Shape):
    """A 3 × 3 convolution and residual blocks of two more.

    Raises:
        ValueError: a size out of range, or as many squeeze sizes as there are not blocks.
    """

    filters: int
    """Channels."""
    blocks: int
    """Residual blocks; zero is allowed."""
    se_channels: int | tuple[int, ...] = 0
    """Hidden units of the squeeze-and-excitation in each block, one number for all or one a block; 0 is none."""

    def __post_init__(self) -> None:
        self._check("filters")
        if not 0 <= self.blocks <= _MOST_LAYERS:
            raise ValueError(f"blocks is {self.blocks}; it must be from 0 to {_MOST_LAYERS}.")
        if len(self.block_se_channels) != self.blocks:
            raise ValueError(f"se_channels has {len(self.block_se_channels)} numbers for {self.blocks} blocks.")
        if not all(0 <= hidden <= _LARGEST for hidden in self.block_se_channels):
            raise ValueError(f"se_channels is {self.se_channels}; it must be from 0 to {_LARGEST}.")

    @property
    def block_se_channels(self) -> tuple[int, ...]:
        """`se_channels` block by block."""
        return (self.se_channels,) * self.blocks if isinstance(self.se_channels, int) else tuple(self.se_channels)


@dataclass(frozen=True)
class Smolgen(_Shape):
    """How an encoder makes attention weights out of the whole position, beside those from its queries and keys.

    Raises:
        ValueError: a size out of range.
    """

    compressed: int
    """Channels that each square is compressed to."""
    hidden: int
    """Units of the hidden layer on all squares."""
    generated: int
    """Numbers a head, from which weights shared by all encoders make 64 × 64."""

    def __post_init__(self) -> None:
        self._check("compressed", "hidden", "generated")


@dataclass(frozen=True)
class Encoder(_Shape):
    """A layer of attention between squares and a dense layer on each square.

    Raises:
        ValueError: a size out of range, or a width that is no multiple of the heads.
    """

    heads: int
    """Attention heads."""
    width: int
    """Channels of all heads together."""
    hidden: int
    """Units of the dense hidden layer on each square."""
    smolgen: Smolgen | None = None
    """Attention weights from the whole position; None without."""

    def __post_init__(self) -> None:
        self._check("heads", "width", "hidden")
        if self.width % self.heads:
            raise ValueError(f"width is {self.width}, which cannot be shared out to {self.heads} heads.")


@dataclass(frozen=True)
class AttentionBody(_Shape):
    """An embedding of each square and a stack of encoders (Leela's BT2 to BT4).

    Raises:
        ValueError: a size out of range, or an unknown embedding.
    """

    channels: int
    """Channels on each square, from the embedding to the end."""
    encoders: tuple[Encoder, ...]
    """The encoders in forward order."""
    embedding: str = "map"
    """What a square knows beside its own planes. ``"map"``: 64 constants; ``"dense"``: what a dense layer makes of the
    whole newest board; ``"tower"``: nothing, its planes being the channels of a `Tower` below."""
    dense_channels: int = 0
    """Channels a square out of that dense layer; 0 for the other embeddings."""
    dense_hidden: int = 0
    """Hidden units of the dense layer behind the embedding ``"dense"``; 0 for the other embeddings."""
    gated: bool = False
    """Whether the embedding is multiplied by weights of its own for each square and channel, and others are added."""

    def __post_init__(self) -> None:
        self._check("channels")
        self._check_choice("embedding", ("map", "dense", "tower"))
        if not 1 <= len(self.encoders) <= _MOST_LAYERS:
            raise ValueError(f"There are {len(self.encoders)} encoders; there must be from 1 to {_MOST_LAYERS}.")
        if self.embedding == "dense":
            self._check("dense_channels", "dense_hidden")
        elif self.dense_channels or self.dense_hidden:
            raise ValueError(f"dense_channels and dense_hidden must be 0 for the embedding {self.embedding!r}.")

    @property
    def skip_scale(self) -> float:
        """By what the output of a sublayer is multiplied before it is added to its input: (2 · encoders)^(−1/4)."""
        return float((2 * len(self.encoders)) ** -0.25)

    @property
    def epsilon(self) -> float:
        """What is added to the variance in the encoders' layer norms."""
        return 1e-3 if self.embedding == "dense" else 1e-6


@dataclass(frozen=True)
class ConvolutionPolicy(_Shape):
    """Two 3 × 3 convolutions; the second has a plane for each kind of step. Only on a tower.

    Raises:
        ValueError: too few planes.
    """

    planes: int = STORED_POLICY_PLANES
    """Planes of the second: at least 73, the rest unused."""

    def __post_init__(self) -> None:
        self._check("planes")
        if self.planes < CONVOLUTION_POLICY_PLANES:
            raise ValueError(f"planes is {self.planes}; a convolution policy needs {CONVOLUTION_POLICY_PLANES}.")


@dataclass(frozen=True)
class ClassicalPolicy(_Shape):
    """A 1 × 1 convolution and a dense layer. Only on a tower.

    Raises:
        ValueError: a size out of range.
    """

    planes: int
    """Planes of the convolution."""

    def __post_init__(self) -> None:
        self._check("planes")


@dataclass(frozen=True)
class AttentionPolicy(_Shape):
    """From each square a query, to each square a key: their product is the logit of the move.

    Raises:
        ValueError: a size out of range.
    """

    channels: int
    """Channels of the embedding of each square."""
    width: int
    """Channels of queries and keys."""
    encoders: tuple[Encoder, ...] = ()
    """Encoders between the embedding and queries and keys."""
    own_embedding: bool = True
    """False: the embedding is that of the file's other policy heads as well."""

    def __post_init__(self) -> None:
        self._check("channels", "width")
        if len(self.encoders) > _MOST_LAYERS:
            raise ValueError(f"The policy has {len(self.encoders)} encoders; there must be at most {_MOST_LAYERS}.")


PolicyHead: TypeAlias = ConvolutionPolicy | ClassicalPolicy | AttentionPolicy


@dataclass(frozen=True)
class ValueHead(_Shape):
    """A few planes, a hidden layer, and win, draw and loss or one number.

    Raises:
        ValueError: a size out of range.
    """

    planes: int = 32
    """Channels a square is reduced to."""
    hidden: int = 128
    """Units of the hidden layer."""
    scalar: bool = False
    """One number in [-1, 1] instead of win, draw and loss."""
    error: bool = False
    """Whether the file also holds weights for the expected error. They are kept and not used, as in lc0."""
    categories: int = 0
    """Outputs of a categorical value in the file. They are kept and not used, as in lc0."""

    def __post_init__(self) -> None:
        self._check("planes", "hidden")
        if not 0 <= self.categories <= _LARGEST:
            raise ValueError(f"categories is {self.categories}; it must be from 0 to {_LARGEST}.")

    @property
    def outputs(self) -> int:
        """Numbers that come out."""
        return 1 if self.scalar else 3


@dataclass(frozen=True)
class MovesLeftHead(_Shape):
    """A few planes, a hidden layer, and the plies to the end of the game.

    Raises:
        ValueError: a size out of range.
    """

    planes: int = 8
    """Channels a square is reduced to."""
    hidden: int = 128
    """Units of the hidden layer."""

    def __post_init__(self) -> None:
        self._check("planes", "hidden")


@dataclass(frozen=True)
class NetworkConfig(_Shape):
    """The shape of a network.

    Raises:
        ValueError: parts that do not fit each other, or a name that does not exist.
    """

    tower: Tower | None = None
    """The residual tower; None if the squares are embedded at once."""
    attention: AttentionBody | None = None
    """The encoders, on the tower if there is one; None without."""
    policy: PolicyHead = ConvolutionPolicy()
    """The policy head."""
    value: ValueHead = ValueHead()
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
