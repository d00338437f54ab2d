"""The columns of the tables in a run folder.

A position is a start FEN and the moves played from it, as at the command line: `fen` is null for the usual start, and
`moves`, like every list of moves, is UCI text joined by spaces ("" for none). Values are from the view of the player
to move at the position the row is about, in [-1, 1].
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa

__all__ = [
    "CONCEPTS",
    "CONTROLS",
    "CORRECTNESS",
    "EVIDENCE",
    "FAMILIES",
    "GAMES",
    "HELDOUT_PLIES",
    "INFEASIBLE_ROWS",
    "LEAKAGE",
    "LINES",
    "MINED_ROWS",
    "NOVELTY",
    "POSITIONS",
    "PROTOTYPES",
    "STEERING",
    "STEERING_CONTROLS",
    "TEACHABILITY",
]


def _required(name: str, kind: pa.DataType) -> pa.Field:
    return pa.field(name, kind, nullable=False)


def _optional(name: str, kind: pa.DataType) -> pa.Field:
    return pa.field(name, kind, nullable=True)


GAMES: Final = pa.schema(
    [
        _required("game_id", pa.string()),
        _required("corpus", pa.string()),
        _optional("fen", pa.string()),
        _required("moves", pa.string()),
        _required("result", pa.string()),
    ]
)
"""Corpus is "machine" or "human"; result is "1-0", "0-1", "1/2-1/2" or "*"."""

POSITIONS: Final = pa.schema(
    [
        _required("position_id", pa.string()),
        _required("game_id", pa.string()),
        _required("ply", pa.int32()),
        _optional("fen", pa.string()),
        _required("moves", pa.string()),
        _required("role", pa.string()),
        _required("split", pa.string()),
        _optional("agent_move", pa.string()),
        _optional("weaker_move", pa.string()),
    ]
)
"""Role is "root" or "pool"; split is "mine" or "test"; the two moves are null where the agents were not asked."""

LINES: Final = pa.schema(
    [
        _required("position_id", pa.string()),
        _required("horizon", pa.int32()),
        _required("branch_ply", pa.int32()),
        _required("best_line", pa.string()),
        _required("subpar_line", pa.string()),
        _required("best_q", pa.float64()),
        _required("subpar_q", pa.float64()),
    ]
)
"""A row for each subpar line; the two values belong to the two moves at the branch, seen by the player who chose."""

CONCEPTS: Final = pa.schema(
    [
        _required("concept_id", pa.string()),
        _required("layer", pa.string()),
        _required("kind", pa.string()),
        _required("players", pa.string()),
        _required("horizon", pa.int32()),
        _required("root_games", pa.int32()),
        _required("l1", pa.float64()),
        _required("gap", pa.float64()),
        _optional("null_p", pa.float64()),
        _optional("q_value", pa.float64()),
        _optional("heldout_satisfaction", pa.float64()),
        _optional("heldout_null", pa.float64()),
        _optional("supported", pa.bool_()),
        _optional("teach_gain", pa.float64()),
        _optional("teach_ci_low", pa.float64()),
        _optional("teach_ci_high", pa.float64()),
        _optional("teachable", pa.bool_()),
        _optional("novelty_min", pa.float64()),
        _optional("novelty_null_p", pa.float64()),
        _optional("human_likelihood", pa.float64()),
        _optional("novel", pa.bool_()),
        _optional("rank", pa.int32()),
    ]
)
"""The leading columns of the concepts table; what a filter did not look at is null. More columns may follow."""

FAMILIES: Final = pa.schema(
    [
        _optional("form", pa.string()),
        _optional("objective", pa.float64()),
        _optional("mined_satisfaction", pa.float64()),
        _optional("mined_margin", pa.float64()),
        _optional("active_share", pa.float64()),
        _optional("duplicates", pa.int32()),
        _optional("slack", pa.float64()),
        _optional("slack_ratio", pa.float64()),
        _optional("cross_satisfaction", pa.float64()),
        _optional("rounds", pa.int32()),
        _optional("cohesion", pa.float64()),
        _optional("cohesion_p", pa.float64()),
        _optional("stability", pa.float64()),
        _optional("stability_low", pa.float64()),
        _optional("stability_high", pa.float64()),
        _optional("sign_agreement", pa.float64()),
    ]
)
"""More columns of the concepts table: form is "root" or "family"; from slack on they are null for a single root."""

MINED_ROWS: Final = pa.schema(
    [
        _required("concept_id", pa.string()),
        _required("position_id", pa.string()),
        _required("ply", pa.int32()),
        _required("branch", pa.int32()),
        _required("score", pa.float64()),
        _required("multiplier", pa.float64()),
    ]
)
"""The rows of each concept's programme: score is v · (best − subpar), 1 where the margin is just kept; the rows with a
positive multiplier define the vector."""

INFEASIBLE_ROWS: Final = pa.schema(
    [
        _required("layer", pa.string()),
        _required("players", pa.string()),
        _required("horizon", pa.int32()),
        _required("position_id", pa.string()),
        _required("ply", pa.int32()),
        _required("branch", pa.int32()),
        _required("weight", pa.float64()),
    ]
)
"""The rows of each root's programme without a solution that contradict each other: weighted, they add up to nothing."""

PROTOTYPES: Final = pa.schema(
    [
        _required("concept_id", pa.string()),
        _required("position_id", pa.string()),
        _optional("fen", pa.string()),
        _required("moves", pa.string()),
        _required("split", pa.string()),
        _required("score", pa.float64()),
        _required("best_move", pa.string()),
        _required("line", pa.string()),
    ]
)
"""Split is "train" or "test"; line is the agent's best line from the prototype."""

HELDOUT_PLIES: Final = pa.schema(
    [
        _required("concept_id", pa.string()),
        _required("ply", pa.int32()),
        _required("satisfied", pa.float64()),
        _required("null_mean", pa.float64()),
        _required("null_low", pa.float64()),
        _required("null_high", pa.float64()),
        _required("rows", pa.int64()),
    ]
)
"""Share of held-out rows satisfied, ply by ply, beside its null."""

EVIDENCE: Final = pa.schema(
    [
        _required("concept_id", pa.string()),
        _required("test", pa.string()),
        _required("roots", pa.int32()),
        _required("rows", pa.int64()),
        _optional("satisfaction", pa.float64()),
        _optional("null_mean", pa.float64()),
        _required("effect", pa.float64()),
        _optional("effect_low", pa.float64()),
        _optional("effect_high", pa.float64()),
        _required("p", pa.float64()),
        _optional("value_head", pa.float64()),
        _optional("detectable", pa.float64()),
    ]
)
"""One test of one concept a row; effect is satisfaction minus the mean of the test's own sign-flip null."""

LEAKAGE: Final = pa.schema(
    [
        _required("kind", pa.string()),
        _required("mine", pa.int64()),
        _required("test", pa.int64()),
        _required("shared", pa.int64()),
        _required("test_roots", pa.int32()),
        _required("set_aside", pa.int32()),
    ]
)
"""What the two sides of the roots share: distinct keys on each side and on both, and the test roots that have one."""

TEACHABILITY: Final = pa.schema(
    [
        _required("concept_id", pa.string()),
        _required("seed", pa.int64()),
        _required("trained_on", pa.string()),
        _required("evaluated_on", pa.string()),
        _required("epoch", pa.int32()),
        _required("top1", pa.float64()),
    ]
)
"""Trained on "concept", "random" or "none"; evaluated on "concept" or "random"; top1 is agreement with the teacher."""

NOVELTY: Final = pa.schema(
    [
        _required("concept_id", pa.string()),
        _required("k", pa.int32()),
        _required("score", pa.float64()),
        _required("null_low", pa.float64()),
        _required("null_high", pa.float64()),
    ]
)
"""Novelty score for the first k basis vectors, beside its null."""

CONTROLS: Final = pa.schema(
    [
        _required("name", pa.string()),
        _required("layer", pa.string()),
        _required("heldout_satisfaction", pa.float64()),
        _required("heldout_null", pa.float64()),
        _required("p", pa.float64()),
    ]
)
"""Yardsticks that are no concepts: value head, policy, material, and the read-outs of each layer."""

STEERING: Final = pa.schema(
    [
        _required("concept_id", pa.string()),
        _required("where", pa.string()),
        _required("arm", pa.string()),
        _required("draws", pa.int32()),
        _required("alpha", pa.float64()),
        _required("log_odds", pa.float64()),
        _optional("low", pa.float64()),
        _optional("high", pa.float64()),
        _optional("value", pa.float64()),
        _optional("chosen", pa.float64()),
    ]
)
"""Change of the log-odds of best against subpar move (nats) by strength; where is "roots" (the test roots) or
"applies" (where the concept's score is highest); arm is "concept" or a kind of control."""

STEERING_CONTROLS: Final = pa.schema(
    [
        _required("concept_id", pa.string()),
        _required("where", pa.string()),
        _required("arm", pa.string()),
        _required("draws", pa.int32()),
        _required("excess", pa.float64()),
        _required("excess_low", pa.float64()),
        _required("excess_high", pa.float64()),
        _required("better", pa.int32()),
        _required("games", pa.int32()),
        _required("sign_p", pa.float64()),
        _required("rank_p", pa.float64()),
    ]
)
"""The concept's slope (nats per unit of strength) less that of a kind of control, in the same positions, by game."""

CORRECTNESS: Final = pa.schema(
    [
        _optional("concept_id", pa.string()),
        _required("position_id", pa.string()),
        _required("role", pa.string()),
        _required("move", pa.string()),
        _required("judge", pa.string()),
        _required("judge_move", pa.string()),
        _required("agrees", pa.bool_()),
        _optional("loss", pa.float64()),
        _required("unit", pa.string()),
        _required("right", pa.bool_()),
        _required("counts", pa.bool_()),
    ]
)
"""A row for each judge of a move; role is "root", "prototype" or "control" (of no concept: concept_id is null)."""
