"""Ratings of any number of players from all their games at once.

The model is Bradley and Terry's with draws after Davidson (1970) and an advantage of the first move after Davidson and
Beaver (1977).  With δ the difference of the strengths of White and Black plus the advantage η,

    P(White wins) : P(draw) : P(Black wins)  =  exp(δ/2) : ν : exp(−δ/2).

Of the models with draws it is the one in which a draw is worth half a win: at the maximum of the likelihood every
player has scored exactly the points that are expected of it.  Elo is 400/ln 10 · 2/(2 + ν) times the strength, the
scale on which the expected score of equal players rises with the difference as in Elo's own formula; without draws, and
where half of the games of equal players are drawn (ν = 2), the expected score is that formula everywhere.

*Prior*: every player is given one further game (``prior``), spread over its opponents in proportion to the games
against them, both colours alike, and won, drawn and lost to a third each.  Clean sweeps thereby stay finite.

*Standard errors* come from the Hessian of the log-likelihood, by the delta method, and are multiplied by the square
roots of two numbers that are estimated from all games.  ``dispersion``: how the points of pairs spread compared with
games that are independent, below 1 when openings favour one side.  ``misfit``, at least 1: how far the points of whole
meetings are from the model compared with chance, because who beats whom is not one number a player.  Ten pairs and ten
meetings that are as the model says are counted beside the real ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from engines.arena.results import ELO, Meeting, Tally

__all__ = ["Rating", "Ratings", "rate_players"]

INDEPENDENT_PAIRS = 10
"""Counted beside the real pairs when their dispersion is estimated, so that few pairs, or sweeps, do not decide it."""
INDEPENDENT_MEETINGS = 10
"""The same beside the real meetings, for ``misfit``."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Rating:
    """Elo of one player above the anchor, its standard error (0 for the anchor), and the games that it rests on."""

    name: str
    elo: float
    standard_error: float
    games: int
    points: float


@dataclass(frozen=True)
class Ratings:
    """Ratings of all players, in the order in which they were first named.

    ``covariance``: float64 [n, n] of the Elo.  ``white_advantage``: Elo of having the first move, and its standard
    error.  ``draw_share``: expected share of draws between equal players, without the advantage.  ``dispersion``: of
    the points of pairs; ``misfit``: of whole meetings; see above.
    """

    players: tuple[Rating, ...]
    covariance: Floats
    anchor: str
    white_advantage: tuple[float, float]
    draw_share: float
    dispersion: float
    misfit: float

    def __getitem__(self, name: str) -> Rating:
        """The rating of one player; raises ``KeyError`` for an unknown one."""
        return self.players[self._place(name)]

    def difference(self, first: str, second: str) -> tuple[float, float]:
        """Elo of ``first`` above ``second``, and its standard error."""
        i, j = self._place(first), self._place(second)
        variance = self.covariance[i, i] + self.covariance[j, j] - 2 * self.covariance[i, j]
        return self.players[i].elo - self.players[j].elo, math.sqrt(max(float(variance), 0.0))

    def expected_score(self, first: str, second: str) -> float:
        """Points a game of ``first`` against ``second`` by the model, over both colours.

        Scores far from it say that strength is not one number there.
        """
        log_draws = math.log(2 * self.draw_share / (1 - self.draw_share))
        scale = ELO * (1 - self.draw_share)  # 2 / (2 + ν)
        elo, advantage = self.difference(first, second)[0], self.white_advantage[0]
        chances = _chances(np.array([elo + advantage, elo - advantage]) / scale / 2, log_draws)
        return float(np.mean(chances[:, 0] + chances[:, 1] / 2))

    def likelihood_of_superiority(self, first: str, second: str) -> float:
        """How likely ``first`` is the stronger of the two, by the normal approximation."""
        elo, error = self.difference(first, second)
        return float(norm.cdf(elo / error)) if error > 0 else 0.5

    def _place(self, name: str) -> int:
        for place, rating in enumerate(self.players):
            if rating.name == name:
                return place
        raise KeyError(name)


def rate_players(
    meetings: Iterable[Meeting], *, anchor: str | None = None, anchor_elo: float = 0.0, prior: float = 1.0
) -> Ratings:
    """Fit the model to all meetings at once.

    ``anchor``: the player that has ``anchor_elo`` (default: the first that is named).  ``prior``: further games a
    player, see above.

    Raises ``ValueError`` without games, for a player that met itself, an unknown anchor, a prior that is not above 0,
    and when some players are not linked to the anchor by games.
    """
    met = _together(meetings)
    names = list(dict.fromkeys(name for pair in met for name in pair))
    if not names:
        raise ValueError("there are no games to rate players from")
    anchor = names[0] if anchor is None else anchor
    if anchor not in names:
        raise ValueError(f"the anchor {anchor!r} has played no game: give one of {', '.join(names)}")
    if not 0 < prior < math.inf:
        raise ValueError(f"prior is {prior}; it must be above 0")
    _check_linked(met, anchor)
    table = _Table.of(met, names)
    parameters, hessian = _fit(table.with_prior(prior), names.index(anchor))
    free = [i for i in range(len(parameters)) if i != names.index(anchor)]
    covariance = np.zeros_like(hessian)
    covariance[np.ix_(free, free)] = np.linalg.inv(hessian[np.ix_(free, free)])
    spread = _dispersion_and_misfit(met, names, parameters)
    return _in_elo(names, met, parameters, math.prod(spread) * covariance, anchor, anchor_elo, spread)


@dataclass(frozen=True)
class _Table:
    """A row for each pair of White and Black: their places, and games won, drawn and lost by White, float64 [n, 3]."""

    white: NDArray[np.int64]
    black: NDArray[np.int64]
    counts: Floats
    players: int

    @classmethod
    def of(cls, met: dict[tuple[str, str], Tally], names: Sequence[str]) -> _Table:
        rows = []
        for (first, second), tally in met.items():
            i, j = names.index(first), names.index(second)
            rows += [(i, j, tally.white), (j, i, tally.black[::-1])]
        white, black, counts = zip(*rows, strict=True)
        return cls(np.array(white), np.array(black), np.array(counts, dtype=np.float64), len(names))

    def with_prior(self, prior: float) -> _Table:
        games = self.counts.sum(axis=1)
        of_player = np.bincount(self.white, games, self.players) + np.bincount(self.black, games, self.players)
        # Rows 2k and 2k + 1 are one pair of players with both colours; they share what the pair is given.
        of_pair = np.repeat((games[0::2] + games[1::2]) / 2, 2)
        given = prior * of_pair * (1 / of_player[self.white] + 1 / of_player[self.black]) / 2
        return _Table(self.white, self.black, self.counts + given[:, None] / 3, self.players)

    def design(self) -> Floats:
        """What each parameter (strengths, advantage, logarithm of ν) does to half of δ, one row a row of the table."""
        rows = np.arange(len(self.white))
        design = np.zeros((len(self.white), self.players + 2))
        design[rows, self.white] += 0.5
        design[rows, self.black] -= 0.5
        design[:, self.players] = 0.5
        return design


def _together(meetings: Iterable[Meeting]) -> dict[tuple[str, str], Tally]:
    met: dict[tuple[str, str], Tally] = {}
    for meeting in meetings:
        if meeting.first == meeting.second:
            raise ValueError(f"{meeting.first!r} met itself: two players in one table need two names")
        if not meeting.tally.games:
            continue
        key, tally = (meeting.first, meeting.second), meeting.tally
        if key[::-1] in met:
            key, tally = key[::-1], tally.reversed
        met[key] = met[key] + tally if key in met else tally
    return met


def _check_linked(met: dict[tuple[str, str], Tally], anchor: str) -> None:
    linked, fresh = {anchor}, True
    while fresh:
        found = {name for pair in met if linked & set(pair) for name in pair}
        fresh = not found <= linked
        linked |= found
    apart = sorted({name for pair in met for name in pair} - linked)
    if apart:
        raise ValueError(f"no games link {', '.join(apart)} to {anchor}: they cannot be rated together")


def _chances(half_difference: Floats, log_draws: float) -> Floats:
    """Probabilities of win, draw and loss of White, float64 [n, 3]."""
    logits = np.stack([half_difference, np.full_like(half_difference, log_draws), -half_difference], axis=1)
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _fit(table: _Table, anchor: int) -> tuple[Floats, Floats]:
    """The most likely parameters, and the negative Hessian there; Newton's method, as the likelihood is concave."""
    design, counts = table.design(), table.counts
    games = counts.sum(axis=1)
    size = design.shape[1]
    free = np.array([i for i in range(size) if i != anchor])
    parameters = np.zeros(size)

    def likelihood(at: Floats) -> float:
        return float(np.sum(counts * np.log(np.maximum(_chances(design @ at, at[-1]), 1e-300))))

    while True:
        chances = _chances(design @ parameters, float(parameters[-1]))
        lead, drawn = chances[:, 0] - chances[:, 2], chances[:, 1]
        gradient = design.T @ (counts[:, 0] - counts[:, 2] - games * lead)
        gradient[-1] = np.sum(counts[:, 1] - games * drawn)
        hessian = design.T @ (design * (games * (chances[:, 0] + chances[:, 2] - lead**2))[:, None])
        hessian[-1] = hessian[:, -1] = design.T @ (-games * lead * drawn)
        hessian[-1, -1] = np.sum(games * drawn * (1 - drawn))
        step = np.zeros(size)
        step[free] = np.linalg.solve(hessian[np.ix_(free, free)], gradient[free])
        if float(np.abs(step).max()) < 1e-9:
            return parameters, hessian
        before, share = likelihood(parameters), 1.0
        while likelihood(parameters + share * step) < before and share > 1e-6:
            share /= 2
        if share <= 1e-6:  # as high as the numbers go
            return parameters, hessian
        parameters = parameters + share * step


def _dispersion_and_misfit(
    met: dict[tuple[str, str], Tally], names: Sequence[str], parameters: Floats
) -> tuple[float, float]:
    """How far the points of pairs, and those of whole meetings, are from the model, over what is expected."""
    points = np.arange(5) / 2
    pairs, of_pairs, of_meetings, expected = 0, 0.0, 0.0, 0.0
    for (first, second), tally in met.items():
        strength = parameters[names.index(first)] - parameters[names.index(second)]
        both = _chances(np.array([strength + parameters[-2], strength - parameters[-2]]) / 2, float(parameters[-1]))
        scores = both[:, 0] + both[:, 1] / 2
        mean, variance = float(scores.sum()), float(np.sum(both[:, 0] + both[:, 1] / 4 - scores**2))
        played = sum(tally.pairs)
        pairs += played
        of_pairs += float(np.array(tally.pairs) @ (points - mean) ** 2)
        of_meetings += (tally.points - played * mean) ** 2
        expected += played * variance
    # Fitting the players makes what they did look closer to its expectation than it is.
    fitted = len(names) - 1
    of_pairs *= pairs / max(pairs - fitted, 1)
    dispersion = _shrunk(of_pairs, expected, INDEPENDENT_PAIRS * 0.5)  # a pair of even games has ½ without draws
    if len(met) <= fitted:
        return dispersion, 1.0
    of_meetings *= len(met) / (len(met) - fitted)
    return dispersion, max(1.0, _shrunk(of_meetings, expected, INDEPENDENT_MEETINGS * expected / len(met)))


def _shrunk(seen: float, expected: float, as_expected: float) -> float:
    return (seen + as_expected) / (expected + as_expected)


def _in_elo(
    names: Sequence[str],
    met: dict[tuple[str, str], Tally],
    parameters: Floats,
    covariance: Floats,
    anchor: str,
    anchor_elo: float,
    spread: tuple[float, float],
) -> Ratings:
    players = len(names)
    draws = math.exp(parameters[-1])
    scale = ELO * 2 / (2 + draws)
    elo = scale * parameters[:-1]
    # How the Elo of players and advantage change with the parameters: scale, and through ν the scale itself.
    jacobian = np.zeros((players + 1, players + 2))
    jacobian[:, :-1] = scale * np.eye(players + 1)
    jacobian[:, -1] = -elo * draws / (2 + draws)
    of_elo = jacobian @ covariance @ jacobian.T
    errors = np.sqrt(np.maximum(np.diag(of_elo), 0.0))
    ratings = []
    for place, name in enumerate(names):
        own = [tally for (first, _), tally in met.items() if first == name]
        own += [tally.reversed for (_, second), tally in met.items() if second == name]
        ratings.append(
            Rating(
                name,
                float(elo[place]) + anchor_elo,
                float(errors[place]),
                sum(tally.games for tally in own),
                sum(tally.points for tally in own),
            )
        )
    return Ratings(
        players=tuple(ratings),
        covariance=of_elo[:players, :players],
        anchor=anchor,
        white_advantage=(float(elo[-1]), float(errors[-1])),
        draw_share=draws / (2 + draws),
        dispersion=spread[0],
        misfit=spread[1],
    )
