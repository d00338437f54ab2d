"""Stage "mining": a convex programme for each root, layer, horizon and choice of players, and for families of roots."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from conceptmine.activations import ActivationStore
from conceptmine.errors import InputError
from conceptmine.mining import SolverError, minimal_vector
from conceptmine.pipeline.context import RunContext, StageResult, chunks
from conceptmine.pipeline.pairs import PairTable, differences, load_pairs
from conceptmine.positions import stable_rank
from conceptmine.runfolder import schemas

PLAYERS = ("one", "two")
_PROGRAMMES_A_TASK = 16

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
    ]
)


@dataclass(frozen=True)
class Programme:
    """One convex programme: the layer, the rule, the places of its roots and the rows of the pair table."""

    layer: str
    players: str
    horizon: int
    roots: tuple[int, ...]
    rows: NDArray[np.int64]


@dataclass(frozen=True)
class _SolveTask:
    store: str
    pairs: PairTable
    programmes: tuple[Programme, ...]


@dataclass(frozen=True)
class _Solved:
    """``status`` as in `mining.Solution`, or "failed" where the solver could prove nothing; the vector when optimal."""

    status: str
    vector: NDArray[np.float64] | None
    objective: float
    gap: float
    active: int
    prophylactic: bool


def mine_candidates(context: RunContext) -> StageResult:
    """Solve every programme; write the vectors (``vectors.safetensors``, by layer, in table order) and the candidates.

    Only roots of the "mine" side are used. A tree's active and prophylactic programmes are each other's mirror image,
    so one is solved and the concept is named by what the lines show: *active* where the score rises along the best
    line, *prophylactic* where the best line rather avoids a rise that the subpar line brings. The vector of a
    prophylactic concept is turned, so that a high score always means "the concept is present".
    """
    settings = context.settings
    pairs = load_pairs(context)
    sides = {row["position_id"]: row for row in context.folder.read_table("positions", schemas.POSITIONS)}
    mined = [
        place
        for place, position_id in enumerate(pairs.positions)
        if sides[position_id]["role"] == "root" and sides[position_id]["split"] == "mine"
    ]
    programmes = _programmes(context, pairs, mined)
    context.say(f"solving {len(programmes)} convex programmes")
    store = str(context.scratch("states"))
    tasks = [
        _SolveTask(store, pairs, tuple(programmes[i] for i in part))
        for part in chunks(_PROGRAMMES_A_TASK, len(programmes))
    ]
    rows: list[dict[str, Any]] = []
    vectors: dict[str, list[NDArray[np.float64]]] = {layer: [] for layer in settings.layers}
    counts = {"programmes": len(programmes), "optimal": 0, "infeasible": 0, "failed": 0}
    for task, answers in zip(tasks, context.workers.map(_solve, tasks), strict=True):
        for programme, solved in zip(task.programmes, answers, strict=True):
            counts[solved.status] += 1
            if solved.vector is None:
                continue
            vectors[programme.layer].append(-solved.vector if solved.prophylactic else solved.vector)
            rows.append(
                {
                    "concept_id": f"c{len(rows) + 1:05d}",
                    "layer": programme.layer,
                    "kind": "prophylactic" if solved.prophylactic else "active",
                    "players": programme.players,
                    "horizon": programme.horizon,
                    "roots": " ".join(pairs.positions[root] for root in programme.roots),
                    "l1": solved.objective,
                    "gap": solved.gap,
                    "n_rows": len(programme.rows),
                    "active_rows": solved.active,
                    "nonzeros": int(np.count_nonzero(solved.vector)),
                }
            )
    if not rows:
        raise InputError(
            f"None of the {len(programmes)} convex programmes has a solution: give wider --layers."
            if programmes
            else f"None of the {len(mined)} roots to mine from has lines deep enough: give more --simulations."
        )
    width = ActivationStore.open(context.scratch("states"))
    context.folder.write_arrays(
        "vectors",
        {layer: np.array(found).reshape(len(found), width.width(layer)) for layer, found in vectors.items()},
    )
    context.folder.write_table("scratch/concepts", rows, CANDIDATES)
    return StageResult(counts | {"mined_roots": len(mined)}, {"candidates": len(rows)})


def _programmes(context: RunContext, pairs: PairTable, mined: list[int]) -> list[Programme]:
    settings = context.settings
    order = sorted(mined, key=lambda place: stable_rank(settings.seed, "family", pairs.positions[place]))
    found: list[Programme] = []
    for layer in settings.layers:
        for horizon in settings.horizons:
            for players in PLAYERS:
                by_root = {place: pairs.rows(place, horizon, players) for place in mined}
                found += [
                    Programme(layer, players, horizon, (place,), rows) for place, rows in by_root.items() if len(rows)
                ]
                # Families only at the short horizon: rows add up, and long lines have nine times as many.
                if horizon == min(settings.horizons):
                    members = [place for place in order if len(by_root[place])]
                    for family in _families(members, settings.family_roots):
                        rows = np.concatenate([by_root[place] for place in family])
                        found.append(Programme(layer, players, horizon, family, rows))
    return found


def _families(members: list[int], size: int) -> list[tuple[int, ...]]:
    """Families of exactly ``size`` roots, none in two of them, and one of all roots where that is more."""
    parts = [tuple(members[i] for i in part) for part in chunks(size, len(members))]
    families = [part for part in parts if len(part) == size]
    return [*families, tuple(members)] if len(members) > size else families


def _solve(task: _SolveTask) -> list[_Solved]:
    store = ActivationStore.open(Path(task.store))
    return [_solve_one(store, task.pairs, programme) for programme in task.programmes]


def _solve_one(store: ActivationStore, pairs: PairTable, programme: Programme) -> _Solved:
    try:
        solution = minimal_vector(differences(store, programme.layer, pairs, programme.rows))
    except SolverError:
        return _Solved("failed", None, np.inf, np.nan, 0, False)
    if solution.vector is None:
        return _Solved("infeasible", None, np.inf, np.nan, len(solution.active), False)
    prophylactic = _avoids_a_rise(store, pairs, programme, solution.vector)
    return _Solved("optimal", solution.vector, solution.objective, solution.gap, len(solution.active), prophylactic)


def _avoids_a_rise(store: ActivationStore, pairs: PairTable, programme: Programme, vector: NDArray[np.float64]) -> bool:
    """Whether −v rises along the subpar lines by more than v rises along the best line, from the roots.

    Read at even plies only: at odd ones the planes show the other player's side, and scores cannot be compared with the
    root's.
    """
    rows = programme.rows[pairs.ply[programme.rows] % 2 == 0]
    if len(rows) == 0:
        return False
    start = store.rows(programme.layer, pairs.root_state[pairs.position[rows]]) @ vector
    rise = float(np.mean(store.rows(programme.layer, pairs.plus[rows]) @ vector - start))
    avoided = float(np.mean(start - store.rows(programme.layer, pairs.minus[rows]) @ vector))
    return avoided > rise


__all__ = ["CANDIDATES", "PLAYERS", "Programme", "mine_candidates"]
