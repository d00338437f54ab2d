"""The harder truth: a network taught one motif, against its own earlier self. Do their disagreements give it away?

The copy and its earlier self are asked about positions of the copy's own games. Where their first choices differ, the
copy's choice opens the better line and the earlier self's the subpar one, both continued by the copy, and the methods
mine the copy's activations along them. That is what a run does with two strengths of an agent; here the difference of
the two is known, and for each position too: does the copy's choice show the motif?

What was found is examined on other games, in *motif pairs*: positions with a legal move that shows the motif and one
that does not; the likeliest of each opens a line, which the earlier self continues, and a vector has found the motif if
it scores the first above the second. A probe that is told the motif on half of these pairs says how well a direction
can do that on the other half.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import chess
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata

from conceptmine.benchmarks.fine_tuning import Motif, taught_copy
from conceptmine.benchmarks.grouping import groups_of
from conceptmine.benchmarks.methods import METHODS, PENALTIES, Task, candidates_of
from conceptmine.benchmarks.motifs import MOTIFS
from conceptmine.benchmarks.probes import logistic_probe
from conceptmine.benchmarks.results import plain, versions
from conceptmine.benchmarks.scoring import FDR
from conceptmine.benchmarks.settings import MotifSettings
from conceptmine.benchmarks.siblings import Siblings, contrast_of, own_games
from conceptmine.errors import InputError
from conceptmine.evidence import held_out, q_values, sign_flip_null
from conceptmine.positions import sample_positions
from engines.networks import Agent, load_agent

__all__ = ["SHARE_OF_PROBE", "MotifOutcome", "MotifResult", "area_under_curve", "bench_motif"]

SHARE_OF_PROBE: Final = 0.5
"""A discovery is the motif if its satisfaction on motif pairs is above chance by at least this share of the probe's;
where the probe itself does no better than chance nothing is."""

_PER_GAME: Final = 8
_GAMES_A_ROOT: Final = 2
_FEWEST: Final = 20
_LESSONS_WITH_MOTIF: Final = 0.5
_FLIPS: Final = 4_999

Say = Callable[[str], None]
Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class MotifOutcome:
    """What one method came to on one division of the disagreements.

    turned          whether each root's pair was turned by a coin before mining: then nothing should be found.
    candidates, discoveries  as in `scoring.Score`.
    true            discoveries that are the motif, see `SHARE_OF_PROBE`.
    base_rate       the share of all candidates that would pass as the motif.
    motif_pairs     the greatest satisfaction of a discovery on motif pairs; NaN without discoveries.
    with_motif, without_motif  held-out satisfaction of that discovery on testing roots whose better line opens with the
                    motif, and on the others; NaN likewise.
    auc             how well that discovery's score tells the two apart, in [0, 1]; NaN likewise, or if one is empty.
    """

    method: str
    seed: int
    turned: bool
    candidates: int
    discoveries: int
    true: int
    base_rate: float
    motif_pairs: float
    with_motif: float
    without_motif: float
    auc: float
    seconds: float


@dataclass(frozen=True)
class MotifResult:
    """What teaching did, and what mining made of it.

    played_before, played_after  share of motif pairs' positions in which the first choice of the earlier self and of
                        the taught copy shows the motif.
    roots, roots_with_motif  disagreements, and those in which the copy's choice (with ``dislike``: the earlier self's)
                        shows the motif.
    pairs               motif pairs to examine with.
    probe               satisfaction of the probe that was told the motif, on pairs it was not told.
    outcomes            of every method, on each division, upright and turned.
    """

    settings: MotifSettings
    sha256: str
    played_before: float
    played_after: float
    roots: int
    roots_with_motif: int
    pairs: int
    probe: float
    outcomes: tuple[MotifOutcome, ...]
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """All of it as JSON values; the same seed gives the same ones, but for what stands under "timing"."""
        found = asdict(self)
        seconds = [outcome.pop("seconds") for outcome in found["outcomes"]]
        timing = {"seconds": found.pop("seconds"), "mining_seconds": seconds}
        fixed = {"fdr": FDR, "share_of_probe": SHARE_OF_PROBE}
        whole: dict[str, Any] = plain({"benchmark": "planted motif", "fixed": fixed, "versions": versions()} | found)
        return whole | {"timing": timing}


@dataclass(frozen=True, eq=False)
class _Exam:
    """Motif pairs, float64 [n, p, d], first move with the motif; the share of positions where each network plays it."""

    differences: Matrix
    before: float
    after: float


def bench_motif(settings: MotifSettings, *, say: Say = lambda _: None) -> MotifResult:
    """Teach a copy of the agent the motif, mine its disagreements with its earlier self, and examine what was found.

    Args:
        settings: from `motif_settings`.
        say: told what happens, line by line.

    Raises:
        InputError: too few positions show the motif, or the two networks hardly disagree.
        NetworkFormatError: the network cannot be read.
    """
    begun = time.perf_counter()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # so that the same seed teaches the same copy on any number of cores
    try:
        return _benched(settings, say, begun)
    finally:
        torch.set_num_threads(threads)


def _benched(settings: MotifSettings, say: Say, begun: float) -> MotifResult:
    earlier, motif, seed = load_agent(settings.agent), MOTIFS[settings.motif], settings.seed
    say(f"{earlier.name} plays; a copy learns {settings.motif} in {settings.steps} steps")
    boards = _sampled(earlier, settings.lessons // 4, seed=seed)
    taught = taught_copy(
        earlier,
        _lessons(boards, motif, settings.lessons),
        motif,
        dislike=settings.dislike,
        steps=settings.steps,
        seed=seed,
    )
    say("where the two disagree")
    siblings, shows = _disagreements(earlier, taught, settings, motif)
    say("motif pairs of other games")
    exam = _exam(earlier, taught, settings, motif)
    half = len(exam.differences) // 2
    told, asked = exam.differences[:half], exam.differences[half:]
    probe = logistic_probe(told.reshape(-1, told.shape[-1]), PENALTIES[0])
    ceiling = float(_satisfaction(asked, probe[None, :])[0])
    outcomes: list[MotifOutcome] = []
    for division in range(seed, seed + settings.seeds):
        for turned in (False, True):
            say(f"mining division {division}" + (", turned by a coin" if turned else ""))
            outcomes += _mined(siblings, shows, asked, ceiling, division, turned, settings.clusters)
    return MotifResult(
        settings=settings,
        sha256=earlier.sha256,
        played_before=exam.before,
        played_after=exam.after,
        roots=len(siblings),
        roots_with_motif=int(shows.sum()),
        pairs=len(asked),
        probe=ceiling,
        outcomes=tuple(outcomes),
        seconds=time.perf_counter() - begun,
    )


def _sampled(agent: Agent, games: int, *, seed: int) -> list[list[chess.Board]]:
    """Positions of games of the agent's own, game by game."""
    by_game: dict[str, list[chess.Board]] = {}
    for position in sample_positions(own_games(agent, games, seed=seed), per_game=_PER_GAME, seed=seed):
        by_game.setdefault(position.game_id, []).append(position.board())
    return list(by_game.values())


def _lessons(boards: Sequence[Sequence[chess.Board]], motif: Motif, count: int) -> list[chess.Board]:
    """At most so many positions, up to half of them with a legal move that shows the motif."""
    flat = [board for game in boards for board in game]
    shows = [any(motif(board, move) for move in board.legal_moves) for board in flat]
    with_motif = [board for board, there in zip(flat, shows, strict=True) if there]
    without = [board for board, there in zip(flat, shows, strict=True) if not there]
    part = with_motif[: int(_LESSONS_WITH_MOTIF * count)]
    if len(part) < _FEWEST:
        raise InputError(f"Only {len(part)} of {len(flat)} positions have a move with the motif: choose another.")
    return part + without[: count - len(part)]


def _disagreements(
    earlier: Agent, taught: Agent, settings: MotifSettings, motif: Motif
) -> tuple[Siblings, NDArray[np.bool_]]:
    """Roots where the first choices differ, one a game, and whether the choice that sets them apart is the motif."""
    roots: list[chess.Board] = []
    first: list[chess.Move] = []
    second: list[chess.Move] = []
    for boards in _sampled(taught, _GAMES_A_ROOT * settings.roots, seed=settings.seed + 1):
        for board, ours, theirs in zip(boards, _choices(taught, boards), _choices(earlier, boards), strict=True):
            if ours != theirs:
                roots.append(board)
                first.append(ours)
                second.append(theirs)
                break
    found = contrast_of(taught, taught, settings.layer, roots, first, second)
    if len(found) < settings.roots:
        raise InputError(
            f"The copy and its earlier self disagree in {len(found)} games, and {settings.roots} are needed: give"
            " fewer --roots or a commoner --motif."
        )
    chosen = Siblings(found.differences[: settings.roots], found.boards[: settings.roots])
    tells = dict(zip(map(id, roots), second if settings.dislike else first, strict=True))
    return chosen, np.array([motif(board, tells[id(board)]) for board in chosen.boards])


def _exam(earlier: Agent, taught: Agent, settings: MotifSettings, motif: Motif) -> _Exam:
    """Motif pairs, one a game; of a disliked motif the move without it comes first.

    The earlier self continues them: the copy would bring the motif into the other line too, a move later.
    """
    roots: list[chess.Board] = []
    first: list[chess.Move] = []
    second: list[chess.Move] = []
    hits = []
    for boards in _sampled(taught, settings.exam_games, seed=settings.seed + 2):
        for board, policy, ours in zip(boards, earlier.evaluate(boards).policy, _choices(taught, boards), strict=True):
            shows = {move: motif(board, move) for move in policy}
            if any(shows.values()) and not all(shows.values()):
                roots.append(board)
                likeliest = sorted(policy, key=policy.__getitem__, reverse=True)
                first.append(next(move for move in likeliest if shows[move]))
                second.append(next(move for move in likeliest if not shows[move]))
                hits.append((shows[likeliest[0]], shows[ours]))
                break
    if len(roots) < 2 * _FEWEST:
        raise InputError(f"Only {len(roots)} games have a motif pair: choose a commoner --motif.")
    if settings.dislike:
        first, second = second, first
    found = contrast_of(earlier, taught, settings.layer, roots, first, second)
    before, after = np.mean(hits, axis=0)
    return _Exam(found.differences.astype(np.float64), float(before), float(after))


def _choices(agent: Agent, boards: Sequence[chess.Board]) -> list[chess.Move]:
    return [max(policy, key=policy.__getitem__) for policy in agent.evaluate(boards).policy]


def _mined(
    siblings: Siblings,
    shows: NDArray[np.bool_],
    asked: Matrix,
    ceiling: float,
    seed: int,
    turned: bool,
    clusters: int,
) -> list[MotifOutcome]:
    generator = np.random.default_rng([seed, len(siblings)])
    order = generator.permutation(len(siblings))
    coin = generator.choice((-1.0, 1.0), len(siblings)) if turned else np.ones(len(siblings))
    differences = siblings.differences.astype(np.float64) * coin[:, None, None]
    mined, tested = np.sort(order[: len(order) // 2]), np.sort(order[len(order) // 2 :])
    task = Task(differences[mined], groups_of(differences[mined], clusters, seed=seed))
    found = []
    for name, method in METHODS.items():
        candidates = candidates_of(method, task)
        found.append(
            _judged(
                name, candidates.vectors, candidates.seconds, differences[tested], shows[tested], asked, ceiling, seed
            )
        )
    return [MotifOutcome(seed=seed, turned=turned, **each) for each in found]


def _judged(
    name: str,
    vectors: Matrix,
    seconds: float,
    tested: Matrix,
    shows: NDArray[np.bool_],
    asked: Matrix,
    ceiling: float,
    seed: int,
) -> dict[str, Any]:
    rows = tested.reshape(-1, tested.shape[-1])
    counts = held_out(rows, np.repeat(np.arange(len(tested)), tested.shape[1]), vectors)
    discovered = q_values(sign_flip_null(counts, flips=max(_FLIPS, 40 * len(vectors)), seed=seed).p) <= FDR
    pairs = _satisfaction(asked, vectors)
    is_motif = (pairs - 0.5 >= SHARE_OF_PROBE * (ceiling - 0.5)) & (ceiling > 0.5)
    best = int(np.where(discovered, pairs, -1.0).argmax()) if discovered.any() else None
    scores = np.full(len(tested), np.nan) if best is None else (tested @ vectors[best]).mean(axis=1)
    fractions = np.full(len(tested), np.nan) if best is None else (tested @ vectors[best] > 0).mean(axis=1)
    return {
        "method": name,
        "candidates": len(vectors),
        "discoveries": int(discovered.sum()),
        "true": int((discovered & is_motif).sum()),
        "base_rate": float(is_motif.mean()),
        "motif_pairs": float("nan") if best is None else float(pairs[best]),
        "with_motif": float(fractions[shows].mean()) if shows.any() else float("nan"),
        "without_motif": float(fractions[~shows].mean()) if not shows.all() else float("nan"),
        "auc": area_under_curve(scores, shows) if best is not None else float("nan"),
        "seconds": seconds,
    }


def _satisfaction(differences: Matrix, vectors: Matrix) -> NDArray[np.float64]:
    """Share of rows that each vector scores above zero, float64 [c]; ties are not."""
    share: NDArray[np.float64] = (differences @ vectors.T > 0).mean(axis=(0, 1))
    return share


def area_under_curve(scores: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    """Probability that a positive one scores above a negative one, ties half; NaN where there are none of either."""
    count, others = int(positive.sum()), int((~positive).sum())
    if not count or not others:
        return float("nan")
    return float((rankdata(scores)[positive].sum() - count * (count + 1) / 2) / (count * others))
