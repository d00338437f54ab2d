"""A self-play campaign's settings, read from a TOML file."""

from __future__ import annotations

import math
import re
import tomllib
from dataclasses import asdict, dataclass, field, fields
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

SEARCHES: Final = ("gumbel", "alphazero")
_LARGEST: Final = 2**63 - 1  # TOML's largest whole number


def _number(default: float, least: float, most: float = _LARGEST, *, above: bool = False) -> Any:
    """A field with its range; ``above``: ``least`` itself is too little."""
    return field(default=default, metadata={"least": least, "most": most, "above": above})


def _check_numbers(settings: Any) -> None:
    for entry in fields(settings):
        value, limits = getattr(settings, entry.name), entry.metadata
        if "least" not in limits:
            continue
        whole = isinstance(entry.default, int)
        number = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
        if not number or not abs(value) < math.inf:
            raise ValueError(f"{entry.name} is {value!r}: it must be a {'whole' if whole else 'finite'} number")
        least, most = limits["least"], limits["most"]
        if value < least or value > most or (limits["above"] and value == least):
            rule = f"above {least}" if limits["above"] else f"{least} or more"
            limit = f", at most {most}" if most < _LARGEST or value > most else ""
            raise ValueError(f"{entry.name} is {value}: it must be {rule}{limit}")


@dataclass(frozen=True)
class NetworkSize:
    """Residual tower with squeeze-and-excitation: ``filters`` channels, ``blocks`` blocks, ``se_channels`` squeezed."""

    filters: int = _number(32, 8)
    blocks: int = _number(4, 1)
    se_channels: int = _number(8, 1)

    def __post_init__(self) -> None:
        _check_numbers(self)


@dataclass(frozen=True)
class Campaign:
    """What a campaign does.  Counts are of positions (plies) unless said, rates are per optimiser step.

    Games.  ``games_at_once`` games run side by side.  ``search`` chooses the moves: ``gumbel`` (sequential halving over
    ``considered_moves`` root moves; the completed-Q policy is learned; ``uniform_share`` of the root's policy is spread
    evenly over the moves, so that none is forgotten) or ``alphazero`` (PUCT with Dirichlet noise; the visit counts are
    learned, and in the first ``sampled_plies`` plies moves are drawn by them).  A share ``full_share``
    of the searches has ``simulations``; only their positions are learned.  The others have ``fast_simulations`` and
    bring the game on (playout-cap randomisation, Wu 2019).  ``opening_plies``: every game begins with 0 to that many
    moves drawn from the network's policy alone (and the search's noise).  ``endgame_share`` of the games begin
    from random positions of few men instead.  A game that reaches ``longest_game`` plies is drawn; in the first
    ``lead_until`` positions of the campaign it is won by a material lead of ``decisive_lead`` pawns, which teaches
    networks that cannot mate yet what material is worth.  A side resigns when its searches say so, unless the game is
    one of the share ``played_on`` that goes on to measure how often that is wrong; the threshold is moved so that it is
    wrong in at most ``resign_errors`` of them, and nobody resigns while that cannot be shown (0: never).

    Learning.  After every ``positions_per_round`` new positions the network sees those of full searches
    ``replay_ratio`` times each on average, in batches of ``batch_size`` drawn from the last ``window`` positions.  The
    learning rate goes from ``learning_rate`` to ``final_learning_rate`` over ``decay_positions`` on a cosine.  The
    value target is the game's result mixed with ``value_from_search`` of the search's own value.  ``mirrored``: half of
    the positions without castling rights are learned with the files reversed.  Weights for play and for checkpoints are
    an exponential average with ``average_decay``.  ``overlapped``: games go on while the network learns.

    State.  A checkpoint is written whenever the number of positions played passes one of ``checkpoints`` (rising).
    ``tail_positions``: how many of the newest positions a saved state keeps for other machines.

    Raises ``ValueError`` with one sentence for a value of the wrong type or out of range.
    """

    name: str = "selfplay"
    seed: int = _number(0, 0)
    network: NetworkSize = field(default_factory=NetworkSize)
    games_at_once: int = _number(256, 1)
    search: str = "gumbel"
    simulations: int = _number(32, 2)
    fast_simulations: int = _number(8, 2)
    full_share: float = _number(0.25, 0, 1, above=True)
    considered_moves: int = _number(16, 2)
    uniform_share: float = _number(0.03, 0, 1)
    sampled_plies: int = _number(30, 0)
    opening_plies: int = _number(0, 0, 40)
    endgame_share: float = _number(0.0, 0, 1)
    longest_game: int = _number(240, 20, 500)
    decisive_lead: int = _number(3, 1)
    lead_until: int = _number(0, 0)
    resign_errors: float = _number(0.05, 0, 0.5)
    played_on: float = _number(0.2, 0, 1, above=True)
    positions_per_round: int = _number(8192, 64)
    window: int = _number(400_000, 1024)
    replay_ratio: float = _number(4.0, 0, above=True)
    batch_size: int = _number(256, 8)
    learning_rate: float = _number(2e-3, 0, above=True)
    final_learning_rate: float = _number(2e-4, 0, above=True)
    decay_positions: int = _number(2_500_000, 1)
    warm_up_steps: int = _number(200, 1)
    weight_decay: float = _number(1e-4, 0)
    average_decay: float = _number(0.995, 0, 0.999999)
    value_from_search: float = _number(0.25, 0, 1)
    mirrored: bool = True
    overlapped: bool = True
    checkpoints: tuple[int, ...] = (0,)
    tail_positions: int = _number(400_000, 0)
    save_every_seconds: float = _number(120.0, 0)

    def __post_init__(self) -> None:
        _check_numbers(self)
        if not isinstance(self.name, str) or not re.fullmatch(r"\w[\w.-]*", self.name):
            raise ValueError(f"name is {self.name!r}: it begins the names of files, so give letters, digits, . _ and -")
        if self.search not in SEARCHES:
            raise ValueError(f"search is {self.search!r}: choose one of {', '.join(SEARCHES)}")
        for name in ("mirrored", "overlapped"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name} is {getattr(self, name)!r}: it must be true or false")
        marks = self.checkpoints
        if not all(type(mark) is int for mark in marks) or any(b <= a for a, b in pairwise((-1, *marks))):
            raise ValueError("checkpoints: give whole numbers from 0 up, each above the one before")

    def as_json(self) -> dict[str, Any]:
        """All settings, as `campaign_of` takes them."""
        return asdict(self)


def campaign_of(settings: dict[str, Any]) -> Campaign:
    """A campaign from a mapping such as a TOML file gives; ``ValueError`` with one sentence when it is not valid."""
    network = settings.get("network", {})
    if not isinstance(network, dict):
        raise ValueError(f"network is {network!r}: it must be a table with filters, blocks and se_channels")
    _check_names(network, NetworkSize, "network.")
    _check_names(settings, Campaign, "")
    given = settings | {"network": NetworkSize(**network)}
    if "checkpoints" in given:
        if not isinstance(given["checkpoints"], (list, tuple)):
            raise ValueError("checkpoints: give a list of whole numbers")
        given["checkpoints"] = tuple(given["checkpoints"])
    return Campaign(**given)


def _check_names(settings: dict[str, Any], kind: type[Any], prefix: str) -> None:
    known = [entry.name for entry in fields(kind)]
    for name in settings:
        if name not in known:
            raise ValueError(f"{prefix}{name} is no setting of a campaign: known are {', '.join(known)}")


def read_campaign(path: Path) -> Campaign:
    """Read a campaign from TOML; ``ValueError`` with one sentence that names file and field when it is not valid."""
    try:
        return campaign_of(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror}): give a campaign in TOML") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} is no text: give a campaign in TOML") from None
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path} is no TOML ({error})") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
