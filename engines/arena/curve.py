"""The files of a ladder: all numbers as JSON, a row a player as CSV, and the curve as a picture."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

from matplotlib.figure import Figure

from engines.arena.ladder import Ladder
from engines.networks.whole_files import write_whole

__all__ = ["draw_curve", "write_ladder"]

CURVE, FIXED, BAND = "#1f6f8b", ("#d1495b", "#6c757d", "#edae49", "#66a182", "#8e6c8a"), 0.12


def write_ladder(ladder: Ladder, folder: Path) -> list[Path]:
    """Write ``ladder.json``, ``ladder.csv`` and ``ladder.png``; the files."""
    paths = [folder / f"ladder.{suffix}" for suffix in ("json", "csv", "png")]
    write_whole(paths[0], (json.dumps(ladder.as_json(), indent=1) + "\n").encode())
    table = io.StringIO()
    rows = ladder.rows()
    writer = csv.DictWriter(table, rows[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_whole(paths[1], table.getvalue().encode())
    write_whole(paths[2], draw_curve(ladder))
    return paths


def draw_curve(ladder: Ladder) -> bytes:
    """Elo over the positions of self-play (the order, where files do not say), as PNG.

    Bars and bands are one standard error; opponents, and networks whose files do not say, are horizontal lines.
    """
    on_curve = [(name, positions) for name, positions in ladder.rungs if positions is not None]
    by_positions = len(on_curve) >= 2
    places = [float(positions or 0) for _, positions in on_curve] if by_positions else []
    names = [name for name, _ in on_curve]
    if not by_positions:
        names = [name for name, _ in ladder.rungs]
        places = [float(place) for place in range(1, len(names) + 1)]
    level = [name for name, _ in ladder.rungs if name not in names] + list(ladder.opponents)
    figure = Figure(figsize=(9, 5.5), layout="constrained")
    axes = figure.add_subplot()
    ratings = [ladder.ratings[name] for name in names]
    axes.errorbar(
        places,
        [rating.elo for rating in ratings],
        yerr=[rating.standard_error for rating in ratings],
        marker="o",
        color=CURVE,
        capsize=3,
        label="checkpoints",
    )
    for place, name in enumerate(level):
        rating, colour = ladder.ratings[name], FIXED[place % len(FIXED)]
        axes.axhline(rating.elo, color=colour, linestyle="--", linewidth=1.2, label=name)
        axes.axhspan(
            rating.elo - rating.standard_error,
            rating.elo + rating.standard_error,
            color=colour,
            alpha=BAND,
            linewidth=0,
        )
    axes.set_xlabel("positions of self-play" if by_positions else "checkpoint")
    if by_positions:
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    else:
        axes.set_xticks(places, names, rotation=45, ha="right", fontsize=8)
    axes.set_ylabel(f"Elo above {ladder.ratings.anchor} (bars: one standard error)")
    settings = ladder.settings
    axes.set_title(
        f"{settings['simulations_a_move']} simulations a move, {settings['games_a_match']} games a match,"
        f" {len(ladder.matches)} matches, one Bradley–Terry fit",
        fontsize=10,
        loc="left",
    )
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=8, frameon=False)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=110, metadata={"Software": None})
    return content.getvalue()
