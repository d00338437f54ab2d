"""A self-play campaign's settings, read from a TOML file."""

from __future__ import annotations

import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError


def _rising(marks: tuple[int, ...]) -> tuple[int, ...]:
    if any(later <= earlier for earlier, later in pairwise((-1, *marks))):
        raise ValueError("give numbers from 0 up, each above the one before")
    return marks


class NetworkSize(BaseModel):
    """Residual tower with squeeze-and-excitation: ``filters`` channels, ``blocks`` blocks, ``se_channels`` squeezed."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    filters: int = Field(32, ge=8)
    blocks: int = Field(4, ge=1)
    se_channels: int = Field(8, ge=1)


class Campaign(BaseModel):
    """What a campaign does.  Counts are of positions (plies), rates are per optimiser step.

    ``games_at_once`` games run side by side; each move is chosen by a Gumbel search of ``simulations`` over
    ``considered_moves`` root moves.  A game that reaches ``longest_game`` plies is won by a material lead of
    ``decisive_lead`` pawns, else drawn (0: always drawn): networks that cannot mate yet still learn what material is
    worth.  After every ``positions_per_round`` new positions the network sees each of them ``replay_ratio`` times on
    average, in batches of ``batch_size`` drawn from the last ``window`` positions.  The value target is the game's
    result mixed with ``value_from_search`` of the search's own value.  Weights for play and for checkpoints are an
    exponential average with ``average_decay``.  A checkpoint is written whenever the number of positions played passes
    one of ``checkpoints`` (rising).  ``tail_positions``: how many of the newest positions a saved state keeps.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str = Field("selfplay", pattern=r"^\w[\w.-]*$")
    seed: int = 0
    network: NetworkSize = NetworkSize()
    games_at_once: int = Field(256, ge=1)
    simulations: int = Field(16, ge=2)
    considered_moves: int = Field(8, ge=2)
    longest_game: int = Field(240, ge=20, le=500)
    decisive_lead: int = Field(3, ge=0)
    positions_per_round: int = Field(8192, ge=64)
    window: int = Field(400_000, ge=1024)
    replay_ratio: float = Field(1.5, gt=0)
    batch_size: int = Field(256, ge=8)
    learning_rate: float = Field(2e-3, gt=0)
    final_learning_rate: float = Field(2e-4, gt=0)
    decay_positions: int = Field(2_500_000, ge=1)
    warm_up_steps: int = Field(200, ge=1)
    weight_decay: float = Field(1e-4, ge=0)
    average_decay: float = Field(0.995, ge=0, lt=1)
    value_from_search: float = Field(0.25, ge=0, le=1)
    checkpoints: Annotated[tuple[int, ...], AfterValidator(_rising)] = (0,)
    tail_positions: int = Field(60_000, ge=0)


def read_campaign(path: Path) -> Campaign:
    """Read a campaign from TOML; ``ValueError`` with one sentence that names file and field when it is not valid."""
    try:
        return Campaign.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise ValueError(
            f"no campaign file at {path}: give the path of a TOML file such as engines/selfplay/small.toml"
        ) from None
    except OSError as error:
        raise ValueError(f"the campaign file {path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not a TOML file: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise ValueError(f"{path}: {where}: {first['msg']}") from None
