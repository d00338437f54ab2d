"""Stage "evidence": does a concept order the lines of roots from games that it was not mined from, and beyond value?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from conceptmine.activations import ActivationStore
from conceptmine.errors import InputError
from conceptmine.evidence import (
    HeldOut,
    Readout,
    SignFlipNull,
    count_scores,
    detectable_satisfaction,
    fit_readouts,
    one_p,
    q_values,
    sign_flip_null,
)
from conceptmine.pipeline.candidates import CANDIDATES
from conceptmine.pipeline.comparing import compare, mine_all_again
from conceptmine.pipeline.context import RunContext, StageResult
from conceptmine.pipeline.examining import OWN_TESTS, Examined, Group, examine
from conceptmine.pipeline.leaks import find_leaks
from conceptmine.pipeline.pairs import PairTable, differences, load_pairs
from conceptmine.pipeline.programmes import PLAYERS
from conceptmine.pipeline.readings import ROW_CONTROLS, Readings, read_states
from conceptmine.pipeline.settings import SUPPORT_LEVEL
from conceptmine.positions import stable_rank
from conceptmine.runfolder import schemas

EVIDENCE = pa.schema(
    [
        ("concept_id", pa.string()),
        ("null_p", pa.float64()),
        ("q_value", pa.float64()),
        ("heldout_satisfaction", pa.float64()),
        ("heldout_null", pa.float64()),
        ("heldout_null_low", pa.float64()),
        ("heldout_null_high", pa.float64()),
        ("heldout_all_plies", pa.float64()),
        ("heldout_roots", pa.int32()),
        ("value_baseline", pa.float64()),
        ("policy_baseline", pa.float64()),
        ("material_baseline", pa.float64()),
        ("p_at_large", pa.float64()),
        ("p_where_active", pa.float64()),
        ("p_where_sure", pa.float64()),
        ("effect", pa.float64()),
        ("effect_low", pa.float64()),
        ("effect_high", pa.float64()),
        ("random_satisfaction", pa.float64()),
        ("random_p", pa.float64()),
        ("shuffled_satisfaction", pa.float64()),
        ("shuffled_p", pa.float64()),
        ("beyond_value", pa.bool_()),
        ("beyond_value_effect", pa.float64()),
        ("beyond_value_low", pa.float64()),
        ("beyond_value_high", pa.float64()),
        ("beyond_value_p", pa.float64()),
        ("beyond_value_q", pa.float64()),
        ("outside_readouts", pa.float64()),
        ("score_outside_controls", pa.float64()),
        ("half_first", pa.float64()),
        ("half_second", pa.float64()),
        ("ply_agreement", pa.float64()),
        ("half_cosine", pa.float64()),
        ("half_rank_correlation", pa.float64()),
    ]
)

_FLIPS_A_TEST: Final = 40  # the smallest p is then half of what a lone discovery needs (0.05 / tests)


def judge_candidates(context: RunContext) -> StageResult:
    """Every test of every candidate on the test roots, with one set of q-values over all candidates and layers.

    Writes ``evidence`` (a row a test), ``heldout_plies``, ``controls`` (yardsticks that are no concepts), ``leakage``
    and, for later stages, what goes to the table of concepts. Test roots that share a position with a mined one are
    set aside.
    """
    settings = context.settings
    pairs = load_pairs(context)
    records = {row["position_id"]: row for row in context.folder.read_table("positions", schemas.POSITIONS)}
    set_aside = find_leaks(context, records)
    sides = {
        side: np.array(
            [
                records[i]["role"] == "root" and records[i]["split"] == side and i not in set_aside
                for i in pairs.positions
            ]
        )
        for side in ("mine", "test")
    }
    store = ActivationStore.open(context.scratch("states"))
    vectors = context.folder.read_arrays("vectors")
    candidates = context.folder.read_table("scratch/concepts", CANDIDATES)
    # The smallest p must be able to reach the bar of a lone discovery among so many tests, with room to spare.
    flips = max(settings.flips, len(OWN_TESTS) * _FLIPS_A_TEST * len(candidates))
    context.say("asking the agent what value, policy and material say of the lines")
    readings = read_states(context, pairs, sides["test"], sides["mine"])
    readouts = {layer: _readouts(store, layer, readings) for layer in settings.layers}
    context.say(f"mining {len(candidates)} candidates again with shuffled trees, and halves of their rows")
    rows_of = [_mined_rows(pairs, row) for row in candidates]
    again = mine_all_again(context, pairs, candidates, rows_of)
    places = _places(candidates)
    examined: dict[tuple[int, str, str], tuple[list[int], Examined]] = {}
    evidence: dict[str, dict[str, Any]] = {}
    yardsticks: list[dict[str, Any]] = []
    for horizon in settings.horizons:
        for players in PLAYERS:
            rows = np.flatnonzero(pairs.of(horizon, players) & sides["test"][pairs.position])
            if len(rows) == 0:
                continue
            controls = readings.row_controls(pairs, rows)
            counted = count_scores(controls, pairs.position[rows], plies=pairs.ply[rows])
            null = sign_flip_null(counted, flips=settings.flips, seed=settings.seed)
            yardsticks += _yardstick_rows(ROW_CONTROLS, "", horizon, players, null)
            for layer in settings.layers:
                chosen = [i for i, row in enumerate(candidates) if _key(row) == (horizon, players, layer)]
                if not chosen:
                    continue
                context.say(f"testing {len(chosen)} candidates of {layer}, T = {horizon}, {_named(players)}")
                group = _group(
                    [candidates[i] for i in chosen], vectors[layer], places, store, layer, pairs, rows, controls,
                    readouts[layer], settings.seed,
                )  # fmt: skip
                found = examine(group, tests=len(candidates), flips=flips, seed=settings.seed)
                examined[horizon, players, layer] = (chosen, found)
                mined = np.unique(np.concatenate([rows_of[i] for i in chosen]))
                compared = compare(
                    group,
                    [again[i] for i in chosen],
                    found.counts.statistic,
                    differences(store, layer, pairs, mined),
                    [np.searchsorted(mined, rows_of[i]) for i in chosen],
                    seed=settings.seed,
                )
                p = one_p(found.p)
                for number, i in enumerate(chosen):
                    evidence[candidates[i]["concept_id"]] = (
                        _evidence_row(candidates[i]["concept_id"], number, found, p, null)
                        | found.columns[number]
                        | compared[number]
                    )
                read = sign_flip_null(found.readout_counts, flips=settings.flips, seed=settings.seed)
                names = [f"{name} read-out" for name in readouts[layer]]
                yardsticks += _yardstick_rows(names, layer, horizon, players, read)
    if not evidence:
        raise InputError("No root of the test side has lines deep enough: give more --roots or more --simulations.")
    _settle(candidates, evidence)
    order = [row["concept_id"] for row in candidates if row["concept_id"] in evidence]
    context.folder.write_table("scratch/evidence", [evidence[i] for i in order], EVIDENCE)
    context.folder.write_table(
        "evidence", _sorted_by(order, [row for _, e in examined.values() for row in e.tests]), schemas.EVIDENCE
    )
    plies = [row for _, found in examined.values() for row in _ply_rows(found)]
    context.folder.write_table("heldout_plies", _sorted_by(order, plies), schemas.HELDOUT_PLIES)
    context.folder.write_table("controls", yardsticks, schemas.CONTROLS)
    return _counted(evidence, examined, len(candidates), len(set_aside), flips)


def oriented_vectors(
    vectors: dict[str, NDArray[np.float64]], candidates: list[dict[str, Any]]
) -> dict[str, NDArray[np.float64]]:
    """By concept, the vector that scores best lines above subpar ones, float64 [d]."""
    places = _places(candidates)
    return {row["concept_id"]: _turn(row) * vectors[row["layer"]][places[row["concept_id"]]] for row in candidates}


def _turn(row: Mapping[str, Any]) -> float:
    """A prophylactic vector is stored so that it is high on what is prevented, and turned back to order lines."""
    return -1.0 if row["kind"] == "prophylactic" else 1.0


def _places(candidates: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Row of each candidate in the array of its layer."""
    counts: dict[str, int] = {}
    places = {}
    for row in candidates:
        places[row["concept_id"]] = counts.setdefault(row["layer"], 0)
        counts[row["layer"]] += 1
    return places


def _key(row: Mapping[str, Any]) -> tuple[int, str, str]:
    return row["horizon"], row["players"], row["layer"]


def _mined_rows(pairs: PairTable, candidate: Mapping[str, Any]) -> NDArray[np.int64]:
    place = {position_id: number for number, position_id in enumerate(pairs.positions)}
    roots = [place[position_id] for position_id in candidate["roots"].split()]
    rows = pairs.of(candidate["horizon"], candidate["players"]) & np.isin(pairs.position, roots)
    return np.flatnonzero(rows)


def _readouts(store: ActivationStore, layer: str, readings: Readings) -> dict[str, Readout]:
    return fit_readouts(store.rows(layer, readings.mined), readings.targets())


def _group(
    chosen: Sequence[Mapping[str, Any]],
    vectors: NDArray[np.float64],
    places: Mapping[str, int],
    store: ActivationStore,
    layer: str,
    pairs: PairTable,
    rows: NDArray[np.int64],
    controls: NDArray[np.float64],
    readouts: Mapping[str, Readout],
    seed: int,
) -> Group:
    presence = vectors[[places[row["concept_id"]] for row in chosen]]
    roots = np.unique(pairs.position[rows])
    # Halves of equal size, by chance that depends on the position alone.
    order = sorted(range(len(roots)), key=lambda i: stable_rank(seed, "half", pairs.positions[roots[i]]))
    half = np.zeros(len(roots), dtype=np.int64)
    half[order[: len(order) // 2]] = 1
    return Group(
        ids=[row["concept_id"] for row in chosen],
        oriented=np.array([_turn(row) for row in chosen])[:, None] * presence,
        presence=presence,
        one_root=np.array([len(row["roots"].split()) == 1 for row in chosen]),
        differences=differences(store, layer, pairs, rows),
        roots=pairs.position[rows],
        plies=pairs.ply[rows],
        controls=controls,
        root_states=store.rows(layer, pairs.root_state[roots]),
        half=half,
        readouts=readouts,
    )


def _evidence_row(
    concept_id: str, i: int, found: Examined, p: NDArray[np.float64], yardsticks: SignFlipNull
) -> dict[str, Any]:
    value, policy, material = yardsticks.statistic.tolist()
    return {
        "concept_id": concept_id,
        "null_p": float(p[i]),
        "heldout_satisfaction": float(found.null.statistic[i]),
        "heldout_null": float(found.null.mean[i]),
        "heldout_null_low": float(found.null.low[i]),
        "heldout_null_high": float(found.null.high[i]),
        "heldout_all_plies": float(found.counts.all_rows[i]),
        "heldout_roots": len(found.counts.roots),
        "value_baseline": value,
        "policy_baseline": policy,
        "material_baseline": material,
    }


def _settle(candidates: Sequence[Mapping[str, Any]], evidence: dict[str, dict[str, Any]]) -> None:
    """Both sets of q-values, each over all candidates of all layers."""
    ids = [row["concept_id"] for row in candidates]
    for p_name, q_name in (("null_p", "q_value"), ("beyond_value_p", "beyond_value_q")):
        p = [evidence[i][p_name] if i in evidence else None for i in ids]
        q = q_values(np.array([np.nan if value is None else value for value in p]))
        for concept_id, value in zip(ids, q.tolist(), strict=True):
            if concept_id in evidence:
                evidence[concept_id][q_name] = None if np.isnan(value) else value
    for row in evidence.values():
        q_beyond = row["beyond_value_q"]
        row["beyond_value"] = None if q_beyond is None else q_beyond <= SUPPORT_LEVEL


def _yardstick_rows(
    names: Sequence[str], layer: str, horizon: int, players: str, null: SignFlipNull
) -> list[dict[str, Any]]:
    return [
        {
            "name": f"{name}, T = {horizon}, {_named(players)}",
            "layer": layer,
            "heldout_satisfaction": float(null.statistic[i]),
            "heldout_null": float(null.mean[i]),
            "p": float(null.p[i]),
        }
        for i, name in enumerate(names)
    ]


def _named(players: str) -> str:
    return f"{players} player{'s' if players == 'two' else ''}"


def _ply_rows(found: Examined) -> list[dict[str, Any]]:
    counts: HeldOut = found.counts
    satisfied = counts.ply_fractions
    return [
        {
            "concept_id": found.columns[i]["concept_id"],
            "ply": int(ply),
            "satisfied": float(satisfied[i, place]),
            "null_mean": float(found.null.ply_mean[i, place]),
            "null_low": float(found.null.ply_low[i, place]),
            "null_high": float(found.null.ply_high[i, place]),
            "rows": int(counts.rows[:, place].sum()),
        }
        for i in range(len(found.columns))
        for place, ply in enumerate(counts.plies)
    ]


def _sorted_by(order: Sequence[str], rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows in the order of their concepts; those of one concept stay as they are."""
    place = {concept_id: number for number, concept_id in enumerate(order)}
    return sorted(rows, key=lambda row: place[row["concept_id"]])


def _counted(
    evidence: Mapping[str, Mapping[str, Any]],
    examined: Mapping[Any, tuple[list[int], Examined]],
    candidates: int,
    set_aside: int,
    flips: int,
) -> StageResult:
    supported = [row for row in evidence.values() if row["q_value"] <= SUPPORT_LEVEL]
    numbers = [len(found.counts.roots) for _, found in examined.values()]
    counts = {
        "tested": len(evidence),
        "heldout_roots_fewest": min(numbers),
        "heldout_roots_most": max(numbers),
        "roots_set_aside": set_aside,
        "supported": len(supported),
        "beyond_value": sum(bool(row["beyond_value"]) for row in evidence.values()),
        "supported_beyond_value": sum(bool(row["beyond_value"]) for row in supported),
    }
    # One row a root: rows of a root mostly stand and fall together.
    alone = np.ones(max(numbers), dtype=np.int64)
    detectable = detectable_satisfaction(alone, tests=candidates, flips=flips)
    if np.isfinite(detectable):
        # Power, in per cent: the planted satisfaction that four in five such runs would have found. Left out where not
        # even a perfect concept would have been.
        counts["detectable_satisfaction_percent"] = round(100 * detectable)
    return StageResult(counts, {"supported": len(supported)})


__all__ = ["EVIDENCE", "judge_candidates", "oriented_vectors"]
