"""Stage "mining": a vector for each root, layer, horizon and choice of players, and for families of roots."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from conceptmine.activations import ActivationStore
from conceptmine.errors import InputError
from conceptmine.mining import distinct_vectors, row_orders
from conceptmine.pipeline.context import RunContext, StageResult, chunks
from conceptmine.pipeline.families import SolvedFamily, family_tasks, solve_families
from conceptmine.pipeline.pairs import PairTable, differences, load_pairs
from conceptmine.pipeline.programmes import Solved, SolveTask, root_programmes, solve_programmes
from conceptmine.runfolder import schemas

_PROGRAMMES_A_TASK = 16
_ROWS_AT_ONCE = 256
_MARGIN = 1 - 1e-9  # a margin kept up to rounding

CANDIDATES = pa.schema(
    [
        ("concept_id", pa.string()),
        ("layer", pa.string()),
        ("kind", pa.string()),
        ("players", pa.string()),
        ("horizon", pa.int32()),
        ("roots", pa.string()),
        ("l1", pa.float64()),
        ("gap", pa.float64()),
        ("n_rows", pa.int32()),
        ("active_rows", pa.int32()),
        ("nonzeros", pa.int32()),
        *schemas.FAMILIES,
    ]
)


def mine_candidates(context: RunContext) -> StageResult:
    """Solve every programme; write the vectors (``vectors.safetensors``, by layer, in table order) and the candidates.

    Only roots of the "mine" side are used. A tree's active and prophylactic programmes are each other's mirror image,
    so one is solved and the concept is named by what the lines show: *active* where the score rises along the best
    line, *prophylactic* where the best line rather avoids a rise that the subpar line brings. The vector of a
    prophylactic concept is turned, so that a high score always means "the concept is present".

    Every row of every candidate's programme, with its score and multiplier, is written to ``mined_rows.parquet``, and
    the rows that contradict each other in a programme without a solution to ``infeasible_rows.parquet``.
    """
    settings = context.settings
    pairs = load_pairs(context)
    sides = {row["position_id"]: row for row in context.folder.read_table("positions", schemas.POSITIONS)}
    mined = [
        place
        for place, position_id in enumerate(pairs.positions)
        if sides[position_id]["role"] == "root" and sides[position_id]["split"] == "mine"
    ]
    store = str(context.scratch("states"))
    programmes = root_programmes(pairs, mined, settings.layers, settings.horizons)
    context.say(f"solving {len(programmes)} convex programmes of single roots")
    tasks = [
        SolveTask(store, pairs, tuple(programmes[i] for i in part))
        for part in chunks(_PROGRAMMES_A_TASK, len(programmes))
    ]
    one_root = [answer for answers in context.workers.map(solve_programmes, tasks) for answer in answers]
    context.folder.write_table("infeasible_rows", infeasible_rows(pairs, one_root), schemas.INFEASIBLE_ROWS)
    context.say("looking for families of roots")
    joint = list(context.workers.map(solve_families, family_tasks(store, pairs, settings, one_root)))
    families = [family for solved, _ in joint for family in solved]

    found: list[Solved | SolvedFamily] = [*(answer for answer in one_root if answer.vector is not None), *families]
    if not found:
        raise InputError(
            f"None of the {len(programmes)} convex programmes has a solution: give wider --layers."
            if programmes
            else f"None of the {len(mined)} roots to mine from has lines deep enough: give more --simulations."
        )
    kept = _distinct(context, pairs, mined, found)
    states = ActivationStore.open(context.scratch("states"))
    vectors: dict[str, list[NDArray[np.float64]]] = {layer: [] for layer in settings.layers}
    rows: list[dict[str, Any]] = []
    for place, duplicates in kept.items():
        answer = _answer(found[place])
        assert answer.vector is not None  # only such were taken
        vectors[answer.programme.layer].append(-answer.vector if answer.prophylactic else answer.vector)
        rows.append(_candidate(f"c{len(rows) + 1:05d}", pairs, found[place], len(duplicates)))
    context.folder.write_arrays(
        "vectors",
        {layer: np.array(each).reshape(len(each), states.width(layer)) for layer, each in vectors.items()},
    )
    context.folder.write_table("scratch/concepts", rows, CANDIDATES)
    identified = zip((row["concept_id"] for row in rows), (_answer(found[place]) for place in kept), strict=True)
    context.folder.write_table("mined_rows", _mined_rows(pairs, identified), schemas.MINED_ROWS)
    counts = {status: sum(answer.status == status for answer in one_root) for status in ("optimal", "infeasible")}
    counts["optimal"] += len(families)
    counts["failed"] = sum(answer.status == "failed" for answer in one_root) + sum(failed for _, failed in joint)
    return StageResult(
        {"programmes": sum(counts.values())}
        | counts
        | {"families": len(families), "duplicates": len(found) - len(rows), "mined_roots": len(mined)},
        {"candidates": len(rows)},
    )


def _answer(found: Solved | SolvedFamily) -> Solved:
    return found.answer if isinstance(found, SolvedFamily) else found


def _distinct(
    context: RunContext, pairs: PairTable, mined: Sequence[int], found: Sequence[Solved | SolvedFamily]
) -> dict[int, tuple[int, ...]]:
    """Places in ``found`` to keep, ascending, each with those that it stands for; rows of roots to mine from decide."""
    settings = context.settings
    store = ActivationStore.open(context.scratch("states"))
    rows = np.flatnonzero(np.isin(pairs.position, mined))
    kept: dict[int, tuple[int, ...]] = {}
    for layer in settings.layers:
        here = [place for place, each in enumerate(found) if _answer(each).programme.layer == layer]
        if not here:
            continue
        answers = [_answer(found[place]) for place in here]
        vectors = np.array([answer.vector for answer in answers])
        orders = np.concatenate(
            [
                row_orders(differences(store, layer, pairs, rows[part.start : part.stop]).astype(np.float64), vectors)
                for part in chunks(_ROWS_AT_ONCE, len(rows))
            ]
        )
        distinct = distinct_vectors(
            vectors,
            orders,
            [len(answer.programme.roots) for answer in answers],
            [answer.gap for answer in answers],
            cosine=settings.duplicate_cosine,
            agreement=settings.duplicate_orders,
        )
        kept |= {here[i]: tuple(here[j] for j in duplicates) for i, duplicates in distinct.items()}
    return dict(sorted(kept.items()))


def _candidate(concept_id: str, pairs: PairTable, found: Solved | SolvedFamily, duplicates: int) -> dict[str, Any]:
    answer = _answer(found)
    assert answer.vector is not None and answer.scores is not None and answer.multipliers is not None
    programme = answer.programme
    row: dict[str, Any] = dict.fromkeys(CANDIDATES.names)
    row |= {
        "concept_id": concept_id,
        "layer": programme.layer,
        "kind": "prophylactic" if answer.prophylactic else "active",
        "players": programme.players,
        "horizon": programme.horizon,
        "roots": " ".join(pairs.positions[root] for root in programme.roots),
        "l1": float(np.abs(answer.vector).sum()),
        "gap": answer.gap,
        "n_rows": len(programme.rows),
        "active_rows": int(np.count_nonzero(answer.multipliers)),
        "nonzeros": int(np.count_nonzero(answer.vector)),
        "form": "root",
        "objective": answer.objective,
        "mined_satisfaction": float(np.mean(answer.scores > 0)),
        "mined_margin": float(np.mean(answer.scores >= _MARGIN)),
        "active_share": None if np.isnan(answer.active_share) else answer.active_share,
        "duplicates": duplicates,
    }
    if isinstance(found, SolvedFamily):
        family, stability = found.family, found.stability
        row |= {
            "form": "family",
            "slack": family.slack,
            "slack_ratio": family.ratio,
            "cross_satisfaction": float(family.fit.satisfied.mean()),
            "rounds": family.rounds,
            "cohesion": family.cluster.cohesion,
            "cohesion_p": family.cluster.p,
        }
        if stability is not None:
            row |= {
                "stability": stability.cosine,
                "stability_low": stability.cosine_low,
                "stability_high": stability.cosine_high,
                "sign_agreement": stability.sign_agreement,
            }
    return row


def _mined_rows(pairs: PairTable, identified: Iterator[tuple[str, Solved]]) -> Iterator[dict[str, Any]]:
    for concept_id, answer in identified:
        assert answer.scores is not None and answer.multipliers is not None  # only such were taken
        for place, score, multiplier in zip(answer.programme.rows, answer.scores, answer.multipliers, strict=True):
            yield {
                "concept_id": concept_id,
                "position_id": pairs.positions[pairs.position[place]],
                "ply": int(pairs.ply[place]),
                "branch": int(pairs.branch[place]),
                "score": float(score),
                "multiplier": float(multiplier),
            }


def infeasible_rows(pairs: PairTable, answers: Iterable[Solved]) -> Iterator[dict[str, Any]]:
    """Rows of the table ``infeasible_rows``: those with a weight in the witness of an infeasible programme."""
    for answer in answers:
        if answer.witness is None:
            continue
        for place, weight in zip(answer.programme.rows, answer.witness, strict=True):
            if weight > 0:
                yield {
                    "layer": answer.programme.layer,
                    "players": answer.programme.players,
                    "horizon": answer.programme.horizon,
                    "position_id": pairs.positions[pairs.position[place]],
                    "ply": int(pairs.ply[place]),
                    "branch": int(pairs.branch[place]),
                    "weight": float(weight),
                }


__all__ = ["CANDIDATES", "infeasible_rows", "mine_candidates"]
