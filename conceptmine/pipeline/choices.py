"""Choices between a best and a subpar move in a run's positions: at the test roots, and where a concept applies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import chess
import numpy as np
from numpy.typing import NDArray

from conceptmine.activations import capture
from conceptmine.evidence.steering import Choice
from conceptmine.positions import board_of, stable_rank
from engines.networks import Agent

MOST_ROOTS: Final = 128
"""Roots steered at most: with more, a long run would spend minutes and its intervals be little narrower."""

WHERE_IT_APPLIES: Final = 64
"""Positions in which a concept's score is highest that are taken for those where it applies."""


@dataclass(frozen=True)
class ChoiceTable:
    """The searched positions of a run and the branches of their best lines.

    Attributes:
        positions: rows of the table of positions, by ``position_id``.
        lines: rows of the table of lines, by ``position_id``.
        turned: positions whose best and subpar moves are exchanged, as a run with ``null`` does.
    """

    positions: Mapping[str, Mapping[str, Any]]
    lines: Mapping[str, Sequence[Mapping[str, Any]]]
    turned: frozenset[str]

    @classmethod
    def of(
        cls, positions: Iterable[Mapping[str, Any]], lines: Iterable[Mapping[str, Any]], turned: Iterable[str] = ()
    ) -> ChoiceTable:
        """From the rows of the two tables."""
        by_id: dict[str, list[Mapping[str, Any]]] = {}
        for line in lines:
            by_id.setdefault(line["position_id"], []).append(line)
        return cls({row["position_id"]: row for row in positions}, by_id, frozenset(turned))

    def roots(self, split: str, *, seed: int, most: int = MOST_ROOTS) -> tuple[str, ...]:
        """The roots of a side ("mine" or "test"); of more than ``most`` those that a seed puts first."""
        found = [i for i, row in self.positions.items() if row["role"] == "root" and row["split"] == split]
        return tuple(sorted(found, key=lambda i: stable_rank(seed, "steering", i))[:most])

    def choices(self, position_ids: Iterable[str], concept: Mapping[str, Any]) -> tuple[Choice, ...]:
        """The choices at the branches of these positions' best lines; the group of each is the game.

        Args:
            position_ids: in any order, which is kept.
            concept: with ``horizon``, of the lines, and ``players``: "one" keeps the branches at which the player to
                move at the position chooses.
        """
        found = []
        for position_id in position_ids:
            row = self.positions[position_id]
            for line in self._branches(position_id, concept):
                branch = line["branch_ply"]
                best, subpar = line["best_line"].split(), line["subpar_line"].split()
                board = board_of(row["fen"], " ".join([row["moves"], *best[:branch]]), check=False)
                moves = chess.Move.from_uci(best[branch]), chess.Move.from_uci(subpar[branch])
                if position_id in self.turned:
                    moves = moves[1], moves[0]
                found.append(Choice(board, *moves, row["game_id"]))
        return tuple(found)

    def where_they_apply(
        self,
        agent: Agent,
        concepts: Sequence[Mapping[str, Any]],
        presence: Mapping[str, NDArray[np.float64]],
        *,
        most: int = WHERE_IT_APPLIES,
    ) -> dict[str, tuple[str, ...]]:
        """For each concept the positions of the test side, roots and pool, in which its score v · z / ‖z‖ is highest.

        The score is that of the position itself, before any move: what the lines or the agent's choice there are, the
        outcome of steering, has no part in it. Equal scores are ordered by identifier.

        Args:
            agent: whose layers are read.
            concepts: rows with ``concept_id``, ``layer``, ``horizon`` and ``players``.
            presence: by ``concept_id`` the vector whose score is high where the concept is present.
            most: positions at most.
        """
        sided = sorted(i for i, row in self.positions.items() if row["split"] == "test")
        layers = list(dict.fromkeys(row["layer"] for row in concepts))
        if not sided or not layers:
            return {row["concept_id"]: () for row in concepts}
        boards = [board_of(self.positions[i]["fen"], self.positions[i]["moves"], check=False) for i in sided]
        activations = capture(agent, boards, layers)
        found = {}
        for row in concepts:
            z = activations[row["layer"]]
            lengths = np.maximum(np.linalg.norm(z, axis=1), np.finfo(np.float32).tiny)
            order = np.argsort(-(z @ presence[row["concept_id"]]) / lengths, kind="stable")
            with_lines = (sided[place] for place in order if self._branches(sided[place], row))
            found[row["concept_id"]] = tuple(islice(with_lines, most))
        return found

    def _branches(self, position_id: str, concept: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """The lines of a position that a concept of this horizon and players is about."""
        return [
            line
            for line in self.lines.get(position_id, ())
            if line["horizon"] == concept["horizon"] and (concept["players"] == "two" or line["branch_ply"] % 2 == 0)
        ]


__all__ = ["MOST_ROOTS", "WHERE_IT_APPLIES", "ChoiceTable"]
