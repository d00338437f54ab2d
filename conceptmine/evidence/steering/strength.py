"""What steering costs: a match of the steered agent against itself as it was."""

from __future__ import annotations

from conceptmine.evidence.steering.amplification import SteeredAgent
from engines.arena import MatchResult, NetworkPlayer, play_match
from engines.networks import Agent

__all__ = ["strength_lost"]


def strength_lost(agent: SteeredAgent, *, games: int, simulations: int, seed: int = 0) -> MatchResult:
    """Play a steered agent against the unsteered one, each opening with both colours.

    Args:
        agent: from `steered`; it is the first player of the result.
        games: even, at least 2.
        simulations: visits of each search of both; 1 plays the first choice of the policy.
        seed: of the choice of openings.

    Returns:
        The match from the side of the steered agent: ``tally.score`` in [0, 1], ``tally.elo`` (negative: strength
        lost) and ``tally.elo_standard_error``, which are None where the score has no finite Elo.

    Raises:
        ValueError: what `engines.arena.play_match` raises.
    """
    plain: Agent = agent.agent
    return play_match(NetworkPlayer(agent, simulations), NetworkPlayer(plain, simulations), games=games, seed=seed)
