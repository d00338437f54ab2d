"""The shapes of the parts of networks: bodies and what they are made of, and heads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from engines.networks.policy_planes import CONVOLUTION_POLICY_PLANES, STORED_POLICY_PLANES

__all__ = [
    "ACTIVATIONS",
    "BOARD_PLANES",
    "POSITION_CHANNELS",
    "SQUARES",
    "AttentionBody",
    "AttentionPolicy",
    "ClassicalPolicy",
    "ConvolutionPolicy",
    "Encoder",
    "MovesLeftHead",
    "PolicyHead",
    "Shape",
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

_LARGEST: Final = 1 << 16
_MOST_LAYERS: Final = 512


class Shape:
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
class Tower(Shape):
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
class Smolgen(Shape):
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
class Encoder(Shape):
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
class AttentionBody(Shape):
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
class ConvolutionPolicy(Shape):
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
class ClassicalPolicy(Shape):
    """A 1 × 1 convolution and a dense layer. Only on a tower.

    Raises:
        ValueError: a size out of range.
    """

    planes: int
    """Planes of the convolution."""

    def __post_init__(self) -> None:
        self._check("planes")


@dataclass(frozen=True)
class AttentionPolicy(Shape):
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
class ValueHead(Shape):
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
class MovesLeftHead(Shape):
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
