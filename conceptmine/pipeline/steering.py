"""Stage "steering": does more of a concept in the network mean more of the best move, at roots never mined?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
from conceptmine.pipeline.choices import ChoiceTable
from conceptmine.pipeline.context import RunContext, StageResult
from conceptmine.pipeline.judging import oriented_vectors
from conceptmine.pipeline.pairs import is_turned
from conceptmine.pipeline.teaching import TAUGHT
from conceptmine.pipeline.workers import agent_at
from conceptmine.runfolder import schemas
from engines.networks import Agent

STEERED: Final = pa.schema(
    [
        ("concept_id", pa.string()),
        *[
            (f"{prefix}_{name}", pa.float64())
            for prefix in ("steer", "steer_applies")
            for name in ("slope", "excess", "excess_low", "excess_high", "p")
        ],
    ]
)

RANDOM_DRAWS: Final = 39
SHUFFLED_DRAWS: Final = 19
FEWEST_GAMES: Final = 10
"""A bootstrap over fewer games gives no interval worth counting."""
MOST_RANK_P: Final = 0.05
"""Largest rank p of a concept that counts as above its shuffled draws: with 19 draws, none may reach it."""


@dataclass(frozen=True)
class SteeringTask:
    """Concepts of one layer whose choices are the same; ``vectors`` score best lines above subpar ones.

    ``others``: further concepts of the layer, which are controls and not looked at themselves.
    """

    agent: str
    device: str
    layer: str
    vectors: Mapping[str, NDArray[np.float64]]
    others: Mapping[str, NDArray[np.float64]]
    choices: tuple[Choice, ...]
    alphas: tuple[float, ...]
    beta: float
    seed: int
    simulations: int | None = None
    random_draws: int = RANDOM_DRAWS
    shuffled_draws: int = SHUFFLED_DRAWS


def steer_concepts(context: RunContext) -> StageResult:
    """Dose–response of every taught concept in the network alone, at the test roots and where the concept applies.

    At each branch of a best line the agent chose one move and might have gone wrong with another; steering along the
    vector that scores best lines above subpar ones should raise the log-odds of the first against the second. For a
    concept of one player only the branches count where that player chooses. Where a concept applies is decided by its
    score in the position, before any move; its controls are then tried in the same positions.
    """
    settings = context.settings
    taught = {row["concept_id"] for row in context.folder.read_table("scratch/taught", TAUGHT)}
    candidates = context.folder.read_table("scratch/concepts", CANDIDATES)
    oriented = oriented_vectors(context.folder.read_arrays("vectors"), candidates)
    concepts = [row for row in candidates if row["concept_id"] in taught]
    positions = context.folder.read_table("positions", schemas.POSITIONS)
    table = ChoiceTable.of(
        positions,
        context.folder.read_table("lines", schemas.LINES),
        (row["position_id"] for row in positions if is_turned(settings, row["position_id"])),
    )
    places = {
        "roots": dict.fromkeys(taught, table.roots("test", seed=settings.seed)),
        "applies": table.where_they_apply(context.agent, concepts, presence_vectors(oriented, concepts)),
    }
    tasks = [
        (where, task)
        for where, chosen in places.items()
        for task in steering_tasks(
            concepts,
            oriented,
            {row["concept_id"]: table.choices(chosen[row["concept_id"]], row) for row in concepts},
            agent=context.input("agent"),
            device=settings.device,
            alphas=settings.steering_alphas,
            beta=settings.steering_beta,
            seed=settings.seed,
        )
    ]
    context.say(f"steering along {len(concepts)} concepts and their controls")
    measured: dict[str, dict[str, DoseResponse]] = {where: {} for where in places}
    for (where, _), found in zip(tasks, context.workers.map(steer, [task for _, task in tasks]), strict=True):
        measured[where] |= found
    ordered = {
        where: {row["concept_id"]: found[row["concept_id"]] for row in concepts if row["concept_id"] in found}
        for where, found in measured.items()
    }
    curves = [row for where, found in ordered.items() for row in curve_rows(found, where)]
    compared = [row for where, found in ordered.items() for row in comparison_rows(found, where)]
    context.folder.write_table("steering", curves, schemas.STEERING)
    context.folder.write_table("steering_controls", compared, schemas.STEERING_CONTROLS)
    summaries = [_summary(row["concept_id"], ordered) for row in concepts]
    context.folder.write_table("scratch/steered", summaries, STEERED)
    counts = {"steered": len(ordered["roots"])}
    for where in places:
        counts[f"above_shuffled_{where}"] = above_shuffled(compared, where)
    return StageResult(counts)


def above_shuffled(compared: Iterable[Mapping[str, Any]], where: str) -> int:
    """How many concepts steer better than their shuffled draws, by games and by draws.

    The interval takes the vector as given and games as the sample, the rank takes draws as the sample; either alone
    can be passed by a vector that means nothing, so that a concept counts only by both.

    Args:
        compared: rows of ``steering_controls.parquet``.
        where: the positions, "roots" or "applies".
    """
    return sum(
        row["where"] == where
        and row["arm"] == "shuffled"
        and row["excess_low"] > 0
        and row["games"] >= FEWEST_GAMES
        and row["rank_p"] <= MOST_RANK_P
        for row in compared
    )


def presence_vectors(
    oriented: Mapping[str, NDArray[np.float64]], concepts: Iterable[Mapping[str, Any]]
) -> dict[str, NDArray[np.float64]]:
    """By concept, the vector that is high where the concept is present: a prophylactic one is turned."""
    return {
        row["concept_id"]: -oriented[row["concept_id"]]
        if row["kind"] == "prophylactic"
        else oriented[row["concept_id"]]
        for row in concepts
    }


def steering_tasks(
    concepts: Sequence[Mapping[str, Any]],
    oriented: Mapping[str, NDArray[np.float64]],
    choices: Mapping[str, tuple[Choice, ...]],
    **settings: Any,
) -> list[SteeringTask]:
    """One task for the concepts of a layer that are tested on the same choices, so that they share their controls.

    Args:
        concepts: rows with ``concept_id`` and ``layer``; those without choices are left out.
        oriented: their vectors, by ``concept_id``; see `conceptmine.pipeline.judging.oriented_vectors`.
        choices: by ``concept_id``.
        settings: the other fields of `SteeringTask`.
    """
    found: dict[tuple[Any, ...], dict[str, NDArray[np.float64]]] = {}
    chosen: dict[tuple[Any, ...], tuple[Choice, ...]] = {}
    for row in concepts:
        own = choices[row["concept_id"]]
        key = (row["layer"], *((choice.board.fen(), choice.best, choice.subpar) for choice in own))
        if own:
            chosen[key] = own
            found.setdefault(key, {})[row["concept_id"]] = oriented[row["concept_id"]]
    return [
        SteeringTask(
            layer=key[0],
            vectors=vectors,
            others={
                row["concept_id"]: oriented[row["concept_id"]]
                for row in concepts
                if row["layer"] == key[0] and row["concept_id"] not in vectors
            },
            choices=chosen[key],
            **settings,
        )
        for key, vectors in found.items()
    ]


def steer(task: SteeringTask) -> dict[str, DoseResponse]:
    """Measure the concepts of a task and their controls, and compare them."""
    agent = agent_at(task.agent, task.device)
    concepts, others = (
        [Arm(name, "concept", task.layer, vector, task.beta) for name, vector in vectors.items()]
        for vectors in (task.vectors, task.others)
    )
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
            "other concept": other_concepts(concept, [*concepts, *others]),
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


def curve_rows(responses: Mapping[str, DoseResponse], where: str) -> list[dict[str, Any]]:
    """Rows of ``steering.parquet``: the concept's curve, and one for each kind of control."""
    rows: list[dict[str, Any]] = []
    for concept_id, response in responses.items():
        for dose, alpha in enumerate(response.alphas.tolist()):
            change = response.change[dose]
            rows.append(
                {
                    "concept_id": concept_id,
                    "where": where,
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
                        "where": where,
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


def comparison_rows(responses: Mapping[str, DoseResponse], where: str) -> list[dict[str, Any]]:
    """Rows of ``steering_controls.parquet``: a concept against each kind of control."""
    return [
        {
            "concept_id": concept_id,
            "where": where,
            "arm": compared.kind,
            "draws": compared.draws,
            "excess": compared.excess.mean,
            "excess_low": compared.excess.low,
            "excess_high": compared.excess.high,
            "better": compared.better,
            "games": compared.groups,
            "sign_p": compared.sign_p,
            "rank_p": compared.rank_p,
        }
        for concept_id, response in responses.items()
        for compared in response.comparisons
    ]


def _summary(concept_id: str, measured: Mapping[str, Mapping[str, DoseResponse]]) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(STEERED.names) | {"concept_id": concept_id}
    for where, prefix in (("roots", "steer"), ("applies", "steer_applies")):
        response = measured[where].get(concept_id)
        if response is None:
            continue
        shuffled = next(compared for compared in response.comparisons if compared.kind == "shuffled")
        row |= {
            f"{prefix}_slope": response.slope.mean,
            f"{prefix}_excess": shuffled.excess.mean,
            f"{prefix}_excess_low": shuffled.excess.low,
            f"{prefix}_excess_high": shuffled.excess.high,
            f"{prefix}_p": shuffled.rank_p,
        }
    return row


__all__ = [
    "STEERED",
    "SteeringTask",
    "above_shuffled",
    "comparison_rows",
    "curve_rows",
    "layer_widths",
    "presence_vectors",
    "steer",
    "steer_concepts",
    "steering_tasks",
]
