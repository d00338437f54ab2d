"""The funnel of a run beside that of the same run with all pairs turned by a coin, for one-root concepts and families.

    conceptmine mine ... --out RUN
    conceptmine mine ... --null --out NULL
    python -m experiments.funnels RUN NULL --out DIR [--name main_run]

Both runs must differ in ``--null`` alone.  Writes ``NAME.json`` and ``NAME.md``: how many candidates of each form pass
each filter, how often a test gives p ≤ 0.05 before any correction (chance gives 0.05 at most), what the candidates and
the yardsticks order right on the held-out roots, and how long the stages took.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

from conceptmine.errors import InputError
from conceptmine.runfolder import read_manifest, read_rows
from engines.networks.whole_files import write_whole

LEVEL: Final = 0.05
"""Of a single test, for the shares."""

_COUNTS: Final = (
    "candidates",
    "supported",
    "beyond_value",
    "taught",
    "teachable",
    "novel",
    "smallest_q",
    "median_satisfaction",
    "median_moves_right",
)

FORMS: Final = {"root": "one root", "family": "families"}


def funnel_of(folder: Path) -> dict[str, Any]:
    """What a finished run found, by form.

    Raises:
        InputError: the folder holds no finished run.
    """
    manifest = read_manifest(folder)
    if any(stage.state != "done" for stage in manifest.stages):
        raise InputError(f"{folder} is not finished: resume it first.")
    concepts = read_rows(folder / "concepts.parquet")
    tests: dict[str, list[Mapping[str, Any]]] = {}
    for row in read_rows(folder / "evidence.parquet"):
        tests.setdefault(row["concept_id"], []).append(row)
    return {
        "forms": {form: _form([row for row in concepts if row["form"] == form], tests) for form in FORMS},
        "yardsticks": {
            row["name"]: {"satisfaction": row["heldout_satisfaction"], "p": row["p"]}
            for row in read_rows(folder / "controls.parquet")
            if not row["layer"]
        },
        "seconds": {stage.name: stage.seconds for stage in manifest.stages},
    }


def _form(concepts: Sequence[Mapping[str, Any]], tests: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    by_test: dict[str, list[float]] = {}
    for concept in concepts:
        for row in tests.get(concept["concept_id"], ()):
            if row["p"] is not None:
                by_test.setdefault(row["test"], []).append(row["p"])
    right = [row["heldout_satisfaction"] for row in concepts if row["heldout_satisfaction"] is not None]
    correct = [row["move_correct"] for row in concepts if row["move_correct"] is not None]
    return {
        "candidates": len(concepts),
        "supported": sum(bool(row["supported"]) for row in concepts),
        "beyond_value": sum(bool(row["beyond_value"]) for row in concepts),
        "taught": sum(row["teachable"] is not None for row in concepts),
        "teachable": sum(bool(row["teachable"]) for row in concepts),
        "novel": sum(bool(row["novel"]) for row in concepts),
        "smallest_q": min((row["q_value"] for row in concepts if row["q_value"] is not None), default=None),
        "median_satisfaction": median(right) if right else None,
        "median_moves_right": median(correct) if correct else None,
        "share_of_p_at_level": {
            name: {"tests": len(values), "share": sum(p <= LEVEL for p in values) / len(values)}
            for name, values in by_test.items()
        },
    }


def page(run: Mapping[str, Any], null: Mapping[str, Any], arguments: Mapping[str, Any]) -> str:
    """Both funnels as Markdown."""
    given = ", ".join(f"{name} {arguments[name]}" for name in ("agent", "weaker", "roots", "simulations", "seed"))
    lines = ["# A run and its null", "", f"{given}; layers {', '.join(arguments['layers'])}.", ""]
    sides = [
        (side["forms"][form], f"{title}, {name}")
        for name, side in (("the run", run), ("null", null))
        for form, title in FORMS.items()
    ]
    lines += ["| | " + " | ".join(title for _, title in sides) + " |", "| --- |" + " --- |" * len(sides)]
    for key in _COUNTS:
        cells = [side[key] for side, _ in sides]
        text = ["–" if cell is None else f"{cell:.3g}" if isinstance(cell, float) else f"{cell:,}" for cell in cells]
        lines.append(f"| {key.replace('_', ' ')} | " + " | ".join(text) + " |")
    for test in dict.fromkeys(name for side, _ in sides for name in side["share_of_p_at_level"]):
        found = [side["share_of_p_at_level"].get(test) for side, _ in sides]
        text = ["–" if cell is None else f"{cell['share']:.1%} of {cell['tests']:,}" for cell in found]
        lines.append(f"| p ≤ {LEVEL}, {test} | " + " | ".join(text) + " |")
    lines += ["", "| yardstick | held-out rows ordered right | p | null run | p |", "| --- | --- | --- | --- | --- |"]
    for name, row in run["yardsticks"].items():
        other = null["yardsticks"].get(name, {"satisfaction": float("nan"), "p": float("nan")})
        lines.append(
            f"| {name} | {row['satisfaction']:.1%} | {row['p']:.2g} | {other['satisfaction']:.1%} | {other['p']:.2g} |"
        )
    lines += ["", f"The run took {sum(run['seconds'].values()):.0f} s, its null {sum(null['seconds'].values()):.0f} s."]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Lay the funnel of a run beside that of its null.")
    parser.add_argument("run", type=Path)
    parser.add_argument("null", type=Path)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--name", default="main_run")
    given = parser.parse_args()
    settings = [dict(read_manifest(folder).arguments) for folder in (given.run, given.null)]
    turned = [each.pop("null") for each in settings]
    # Judges are asked after everything that is compared here is settled.
    differing = [
        key for key in settings[0] if settings[0][key] != settings[1][key] and key not in ("oracle", "tablebases")
    ]
    if turned != [False, True] or differing:
        raise SystemExit(f"The folders are no run and its null: they differ in {', '.join(differing) or '--null'}.")
    run, null = funnel_of(given.run), funnel_of(given.null)
    arguments = {key: value for key, value in settings[0].items() if key not in ("oracle", "tablebases", "human")}
    content = {"arguments": arguments, "run": run, "null": null}
    given.out.mkdir(parents=True, exist_ok=True)
    write_whole(given.out / f"{given.name}.json", (json.dumps(content, indent=1) + "\n").encode())
    text = page(run, null, arguments)
    write_whole(given.out / f"{given.name}.md", text.encode())
    print(text)


if __name__ == "__main__":
    main()
