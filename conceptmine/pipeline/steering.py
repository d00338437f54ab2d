"""Stage "steering": does more of a concept in the network mean more of the best move, at roots never mined?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import chess
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from conceptmine.activations import capture
from conceptmine.evidence.steering import (
    Arm,
    Choice,
    DoseResponse,
    dose_response,
    measure_doses,
    other_concepts,
    random_arms,
    shrink_arm,
    shuffled_arms,
    transplanted_arm,
)
from conceptmine.pipeline.candidates import CANDIDATES
from conceptmine.pipeline.context import RunContext, StageResult
from conceptmine.pipeline.judging import oriented_vectors
from conceptmine.pipeline.pairs import is_turned
from conceptmine.pipeline.teaching import TAUGHT
from conceptmine.pipeline.workers import agent_at
from conceptmine.positions import board_of, stable_rank
from conceptmine.runfolder import schemas
from engines.networks import Agent

STEERED: Final = pa.schema(
    [
        ("concept_id", pa.string()),
        ("steer_slope", pa.float64()),
        ("steer_slope_low", pa.float64()),
        ("steer_slope_high", pa.float64()),
        ("steer_excess", pa.float64()),
        ("steer_excess_low", pa.float64()),
        ("steer_excess_high", pa.float64()),
        ("steer_p", pa.float64()),
        ("steer_roots", pa.int32()),
    ]
)

RANDOM_DRAWS: Final = 39
SHUFFLED_DRAWS: Final = 19
MOST_ROOTS: Final = 128
"""Test roots steered at most: with more, a long run would spend minutes here and its intervals be little narrower."""


@dataclass(frozen=True)
class SteeringTask:
    """Concepts of one layer whose choices are the same; ``vectors`` score best lines above subpar ones."""

    agent: str
    device: str
    layer: str
    vectors: Mapping[str, NDArray[np.float64]]
    choices: tuple[Choice, ...]
    alphas: tuple[float, ...]
    beta: float
    seed: int
    simulations: int | None = None
    random_draws: int = RANDOM_DRAWS
    shuffled_draws: int = SHUFFLED_DRAWS


def steer_concepts(context: RunContext) -> StageResult:
    """Dose–response of every taught concept at the test roots, in the network alone.

    At each branch of a root's best line the agent chose one move and might have gone wrong with another; steering along
    the vector that scores best lines above subpar ones should raise the log-odds of the first against the second. For a
    concept of one player only the branches count where the root's player chooses.
    """
    settings = context.settings
    taught = {row["concept_id"] for row in context.folder.read_table("scratch/taught", TAUGHT)}
    candidates = context.folder.read_table("scratch/concepts", CANDIDATES)
    oriented = oriented_vectors(context.folder.read_arrays("vectors"), candidates)
    positions = context.folder.read_table("positions", schemas.POSITIONS)
    lines = context.folder.read_table("lines", schemas.LINES)
    turned = {row["position_id"] for row in positions if is_turned(settings, row["position_id"])}
    tasks = steering_tasks(
        [row for row in candidates if row["concept_id"] in taught],
        oriented,
        lambda horizon, players: held_out_choices(
            positions, lines, horizon, players, seed=settings.seed, turned=turned
        ),
        agent=context.input("agent"),
        device=settings.device,
        alphas=settings.steering_alphas,
        beta=settings.steering_beta,
        seed=settings.seed,
    )
    context.say(f"steering along {sum(len(task.vectors) for task in tasks)} concepts and their controls")
    responses: dict[str, DoseResponse] = {}
    for found in context.workers.map(steer, tasks):
        responses |= found
    ordered = {row["concept_id"]: responses[row["concept_id"]] for row in candidates if row["concept_id"] in responses}
    summaries = _summaries(ordered)
    context.folder.write_table("steering", curve_rows(ordered), schemas.STEERING)
    context.folder.write_table("steering_controls", comparison_rows(ordered), schemas.STEERING_CONTROLS)
    context.folder.write_table("scratch/steered", summaries, STEERED)
    above = sum(row["steer_excess_low"] > 0 for row in summaries)
    return StageResult({"steered": len(ordered), "above_shuffled": above})


def steering_tasks(
    concepts: Iterable[Mapping[str, Any]],
    oriented: Mapping[str, NDArray[np.float64]],
    choices_of: Callable[[int, str], tuple[Choice, ...]],
    **settings: Any,
) -> list[SteeringTask]:
    """One task for the concepts of a layer that are tested on the same choices, so that they share their controls.

    Args:
        concepts: rows with ``concept_id``, ``layer``, ``horizon`` and ``players``; those without choices are left out.
        oriented: their vectors, by ``concept_id``; see `conceptmine.pipeline.judging.oriented_vectors`.
        choices_of: horizon and players to choices.
        settings: the other fields of `SteeringTask`.
    """
    asked: dict[tuple[int, str], tuple[Choice, ...]] = {}
    found: dict[tuple[Any, ...], tuple[tuple[Choice, ...], dict[str, NDArray[np.float64]]]] = {}
    for row in concepts:
        rule = (row["horizon"], row["players"])
        if rule not in asked:
            asked[rule] = choices_of(*rule)
        choices = asked[rule]
        key = (row["layer"], *((choice.board.fen(), choice.best, choice.subpar) for choice in choices))
        if choices:
            found.setdefault(key, (choices, {}))[1][row["concept_id"]] = oriented[row["concept_id"]]
    return [
        SteeringTask(layer=str(key[0]), vectors=vectors, choices=choices, **settings)
        for key, (choices, vectors) in found.items()
    ]


def held_out_choices(
    positions: Sequence[Mapping[str, Any]],
    lines: Iterable[Mapping[str, Any]],
    horizon: int,
    players: str,
    *,
    seed: int,
    turned: set[str],
    most_roots: int = MOST_ROOTS,
) -> tuple[Choice, ...]:
    """The choices at the branches of the test roots' best lines, as `evidence.steering` wants them.

    Args:
        positions: rows of the table of positions.
        lines: rows of the table of lines.
        horizon: T of the lines.
        players: "one" keeps the branches at which the root's player chooses.
        seed: of the choice of roots where there are more than ``most_roots``.
        turned: positions whose best and subpar moves are exchanged.
        most_roots: roots at most.

    Returns:
        In the order of the lines; the group of each is the game of its root.
    """
    roots = [row for row in positions if row["role"] == "root" and row["split"] == "test"]
    kept = sorted(roots, key=lambda row: stable_rank(seed, "steering", row["position_id"]))[:most_roots]
    by_id = {row["position_id"]: row for row in kept}
    choices = []
    for line in lines:
        root = by_id.get(line["position_id"])
        branch = line["branch_ply"]
        if root is None or line["horizon"] != horizon or (players == "one" and branch % 2 == 1):
            continue
        best, subpar = line["best_line"].split(), line["subpar_line"].split()
        board = board_of(root["fen"], " ".join([root["moves"], *best[:branch]]), check=False)
        moves = chess.Move.from_uci(best[branch]), chess.Move.from_uci(subpar[branch])
        if line["position_id"] in turned:
            moves = moves[1], moves[0]
        choices.append(Choice(board, *moves, root["game_id"]))
    return tuple(choices)


def steer(task: SteeringTask) -> dict[str, DoseResponse]:
    """Measure the concepts of a task and their controls, and compare them."""
    agent = agent_at(task.agent, task.device)
    concepts = [Arm(name, "concept", task.layer, vector, task.beta) for name, vector in task.vectors.items()]
    widths = layer_widths(agent)
    random = random_arms(task.layer, widths[task.layer], task.beta, draws=task.random_draws, seed=task.seed)
    shrink = shrink_arm(task.layer, concepts[0].vector)
    controls: dict[str, dict[str, list[Arm]]] = {}
    for concept in concepts:
        elsewhere = transplanted_arm(concept, widths)
        controls[concept.name] = {
            "random": random,
            "shuffled": shuffled_arms(concept, draws=task.shuffled_draws, seed=task.seed),
            "other layer": [] if elsewhere is None else [elsewhere],
            "other concept": other_concepts(concept, concepts),
            "shrink": [shrink],
        }
    arms = {
        arm.name: arm for arm in [*concepts, *(a for kinds in controls.values() for k in kinds.values() for a in k)]
    }
    doses = measure_doses(agent, task.choices, list(arms.values()), task.alphas, simulations=task.simulations)
    return {
        concept.name: dose_response(
            doses,
            concept.name,
            {kind: [arm.name for arm in drawn] for kind, drawn in controls[concept.name].items()},
            seed=task.seed,
        )
        for concept in concepts
    }


def layer_widths(agent: Agent) -> dict[str, int]:
    """Features of each layer of an agent, in forward order."""
    taken = capture(agent, [chess.Board()], agent.layers)
    return {layer: array.shape[1] for layer, array in taken.items()}


def curve_rows(responses: Mapping[str, DoseResponse]) -> list[dict[str, Any]]:
    """Rows of ``steering.parquet``: the concept's curve, and one for each kind of control."""
    rows: list[dict[str, Any]] = []
    for concept_id, response in responses.items():
        for dose, alpha in enumerate(response.alphas.tolist()):
            change = response.change[dose]
            rows.append(
                {
                    "concept_id": concept_id,
                    "arm": "concept",
                    "draws": 1,
                    "alpha": alpha,
                    "log_odds": change.mean,
                    "low": change.low,
                    "high": change.high,
                    "value": float(response.value_change[dose]),
                    "chosen": float(response.chosen[dose]),
                }
            )
            for kind, drawn in response.control_change.items():
                low, high = np.quantile(drawn[:, dose], (0.025, 0.975)) if len(drawn) > 1 else (None, None)
                rows.append(
                    {
                        "concept_id": concept_id,
                        "arm": kind,
                        "draws": len(drawn),
                        "alpha": alpha,
                        "log_odds": float(drawn[:, dose].mean()),
                        "low": low,
                        "high": high,
                        "value": None,
                        "chosen": None,
                    }
                )
    return rows


def comparison_rows(responses: Mapping[str, DoseResponse]) -> list[dict[str, Any]]:
    """Rows of ``steering_controls.parquet``: a concept against each kind of control."""
    return [
        {
            "concept_id": concept_id,
            "arm": compared.kind,
            "draws": compared.draws,
            "excess": compared.excess.mean,
            "excess_low": compared.excess.low,
            "excess_high": compared.excess.high,
            "better": compared.better,
            "roots": compared.groups,
            "sign_p": compared.sign_p,
            "rank_p": compared.rank_p,
        }
        for concept_id, response in responses.items()
        for compared in response.comparisons
    ]


def _summaries(responses: Mapping[str, DoseResponse]) -> list[dict[str, Any]]:
    rows = []
    for concept_id, response in responses.items():
        shuffled = next(compared for compared in response.comparisons if compared.kind == "shuffled")
        rows.append(
            {
                "concept_id": concept_id,
                "steer_slope": response.slope.mean,
                "steer_slope_low": response.slope.low,
                "steer_slope_high": response.slope.high,
                "steer_excess": shuffled.excess.mean,
                "steer_excess_low": shuffled.excess.low,
                "steer_excess_high": shuffled.excess.high,
                "steer_p": shuffled.rank_p,
                "steer_roots": shuffled.groups,
            }
        )
    return rows


__all__ = [
    "STEERED",
    "SteeringTask",
    "comparison_rows",
    "curve_rows",
    "held_out_choices",
    "layer_widths",
    "steer",
    "steer_concepts",
    "steering_tasks",
]
