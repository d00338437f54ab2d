"""A campaign on one page: what it learns, how it plays, how fast and how strong, over the positions played."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from engines.selfplay.metrics import Round

Floats = NDArray[np.float64]

LADDER_FILE = "ladder.json"
BLUE, RED, AMBER, GREEN, PURPLE, GREY = "#1f6f8b", "#d1495b", "#edae49", "#66a182", "#8e6c8a", "#6c757d"
RAW, BAND = 0.45, 0.12  # opacities
PANELS_ABREAST = 3


class Strength(NamedTuple):
    """A player of a ladder: the positions it was trained on (None: unknown, or no checkpoint), Elo, standard error."""

    name: str
    positions: int | None
    elo: float
    standard_error: float


class Strengths(NamedTuple):
    """What a ladder found: the player that has 0 Elo by definition, and all players."""

    anchor: str
    players: tuple[Strength, ...]


@dataclass(frozen=True)
class _Lines:
    """A panel of lines: columns of `Round`, and what the legend calls them if there are two.

    ``weight``: the column that says how much a round counts in the smooth line; None: all rounds count alike.
    """

    title: str
    unit: str
    names: dict[str, str]
    are_shares: bool = False
    weight: str | None = None


@dataclass(frozen=True)
class _Stack:
    """A panel twice as wide of columns that are 1 together, on top of each other: each with its colour and name."""

    title: str
    unit: str
    parts: dict[str, tuple[str, str]]


_PANELS: tuple[_Lines | _Stack, ...] = (
    _Lines("Policy loss", "nats", {"policy_loss": "loss", "policy_entropy": "entropy of the targets"}),
    _Lines("Policy loss less entropy (KL)", "nats", {"policy_kl": ""}),
    _Lines("Other losses", "loss", {"value_loss": "value, nats", "moves_left_loss": "plies left / 20, Huber"}),
    _Lines("Result foretold by the value", "share of positions", {"value_accuracy": ""}, are_shares=True),
    _Lines("Results", "share", {"drawn": "games drawn", "white_score": "points for White"}, are_shares=True),
    _Lines("Length of games", "plies", {"plies": ""}),
    _Stack(
        "How games end",
        "share of games",
        {
            "mated": (BLUE, "mate"),
            "resigned": ("#86b8c9", "resigned"),
            "too_long": ("#c3c8cd", "too long"),
            "repeated": (RED, "third repetition"),
            "fifty_moves": (AMBER, "fifty moves"),
            "stalemate": (PURPLE, "stalemate"),
            "insufficient": (GREEN, "insufficient material"),
        },
    ),
    _Lines("Resigned below", "value of the search", {"resign_threshold": ""}),
    _Lines(
        "Wrong resignations",
        "share of checked games",
        {"resign_false_positives": ""},
        are_shares=True,
        weight="resign_checked",
    ),
    _Lines("Speed of play", "evaluations a second", {"evaluations_per_second": ""}),
    _Lines("Time of a round", "seconds", {"playing_seconds": "playing", "learning_seconds": "learning"}),
    _Lines("Learning rate", "at the end of the round", {"learning_rate": ""}),
)


def read_strengths(path: Path) -> Strengths:
    """The ratings in the ``ladder.json`` of a ladder.

    Raises ``ValueError`` when the file is missing or damaged, or the ladder's matches are not all played yet.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"there is no {path.name} in {path.parent}: give the folder of a ladder") from None
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError:
        raise ValueError(f"{path} is damaged: it is not JSON") from None
    if isinstance(content, dict) and "matches" in content and "players" not in content:
        raise ValueError(f"{path} has no ratings yet: end the ladder first")
    try:
        players = [
            Strength(
                name=str(row["name"]),
                positions=None if row["positions"] is None else int(row["positions"]),
                elo=float(row["elo"]),
                standard_error=float(row["elo_standard_error"]),
            )
            for row in content["players"]
        ]
        return Strengths(str(content["anchor"]), tuple(players))
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"{path} is no ladder's: it does not say name, positions and Elo of every player") from None


def draw_metrics(rounds: Sequence[Round], ladder: Strengths | None = None) -> bytes:
    """The page of `metrics_figure` as PNG."""
    content = io.BytesIO()
    metrics_figure(rounds, ladder).savefig(content, format="png", dpi=110, metadata={"Software": None})
    return content.getvalue()


def metrics_figure(rounds: Sequence[Round], ladder: Strengths | None = None) -> Figure:
    """Small panels over the positions played: a faint dot for each round, and a smooth line through them.

    What was measured in no round has no panel.  The panel of a ``ladder`` comes first and is as wide as the page.

    Raises ``ValueError`` when there are no rounds.
    """
    if not rounds:
        raise ValueError("no round has ended yet: there is nothing to draw")
    panels = [panel for panel in _PANELS if _measured(panel, rounds)]
    places, rows = _places(panels)
    above = 0 if ladder is None else 1
    heights = [1.3] * above + [1.0] * rows
    layout = ConstrainedLayoutEngine(h_pad=0.08, w_pad=0.08)
    figure = Figure(figsize=(13, 0.6 + 2.6 * sum(heights)), layout=layout)
    grid = figure.add_gridspec(len(heights), PANELS_ABREAST, height_ratios=heights)
    shared: Axes | None = None
    if ladder is not None:
        shared = figure.add_subplot(grid[0, :])
        _draw_strengths(shared, ladder)
    for panel, (row, column, width) in zip(panels, places, strict=True):
        axes = figure.add_subplot(grid[above + row, column : column + width], sharex=shared)
        shared = axes
        _frame(axes, panel.title, panel.unit)
        if isinstance(panel, _Stack):
            _draw_stack(axes, panel, rounds)
        else:
            _draw_lines(axes, panel, rounds)
    last = rounds[-1]
    figure.suptitle(
        f"{last.positions:,} positions of {last.games:,} games, {last.steps:,} steps,"
        f" {last.seconds / 3600:,.1f} hours, {len(rounds):,} rounds (dots)",
        fontsize=10,
        x=0.01,
        ha="left",
    )
    return figure


def _measured(panel: _Lines | _Stack, rounds: Sequence[Round]) -> bool:
    names = panel.parts if isinstance(panel, _Stack) else panel.names
    return any(np.isfinite(_column(rounds, name)).any() for name in names)


def _places(panels: Sequence[_Lines | _Stack]) -> tuple[list[tuple[int, int, int]], int]:
    """Row, column and width of every panel, filled row by row; how many rows."""
    places = []
    row = column = 0
    for panel in panels:
        width = 2 if isinstance(panel, _Stack) else 1
        if column + width > PANELS_ABREAST:
            row, column = row + 1, 0
        places.append((row, column, width))
        column += width
    return places, row + 1 if panels else 0


def _column(rounds: Sequence[Round], name: str) -> Floats:
    """A column of `Round`, NaN where it is None."""
    return np.array([getattr(row, name) for row in rounds], dtype=np.float64)


def _draw_lines(axes: Axes, panel: _Lines, rounds: Sequence[Round]) -> None:
    highest = 0.0
    for (name, label), colour in zip(panel.names.items(), (BLUE, RED), strict=False):
        values = _column(rounds, name)
        weights = np.ones(len(rounds)) if panel.weight is None else _column(rounds, panel.weight)
        known = np.isfinite(values) & (weights > 0)
        if not known.any():
            continue
        positions = _column(rounds, "positions")[known]
        line = smoothed(values[known], weights[known])
        highest = max(highest, float(line.max()))
        size = 3.0 if len(rounds) > 100 else 5.0
        axes.plot(positions, values[known], ".", color=colour, alpha=RAW, markersize=size, markeredgewidth=0)
        axes.plot(positions, line, color=colour, linewidth=1.6, label=label)
    if panel.are_shares:
        axes.yaxis.set_major_formatter(_percent)
    if panel.weight is not None:
        # Rounds that count little scatter from 0 to 1, and would leave no room for the line.
        axes.set_ylim(-0.005, min(1.0, max(0.1, 3 * highest)))
    if len(panel.names) > 1:
        _legend_above(axes)


def _draw_stack(axes: Axes, panel: _Stack, rounds: Sequence[Round]) -> None:
    shares = np.array([_column(rounds, name) for name in panel.parts])
    known = np.isfinite(shares).any(axis=0)
    shares = np.nan_to_num(shares[:, known])
    axes.stackplot(
        _column(rounds, "positions")[known],
        [smoothed(share, np.ones(len(share))) for share in shares],
        colors=[colour for colour, _ in panel.parts.values()],
        labels=[label for _, label in panel.parts.values()],
        linewidth=0,
    )
    axes.set_ylim(0, 1)
    axes.yaxis.set_major_formatter(_percent)
    _legend_above(axes)


def _draw_strengths(axes: Axes, ladder: Strengths) -> None:
    _frame(axes, "Strength", f"Elo above {ladder.anchor}")
    on_curve = [(player.positions, player) for player in ladder.players if player.positions is not None]
    axes.errorbar(
        [positions for positions, _ in on_curve],
        [player.elo for _, player in on_curve],
        yerr=[player.standard_error for _, player in on_curve],
        marker="o",
        markersize=4,
        color=BLUE,
        capsize=3,
        label="checkpoints (bars and bands: one standard error)",
    )
    others = [player for player in ladder.players if player.positions is None]
    for place, player in enumerate(others):
        colour = (RED, GREY, AMBER, GREEN, PURPLE)[place % 5]
        axes.axhline(player.elo, color=colour, linestyle="--", linewidth=1.2, label=player.name)
        reach = player.elo - player.standard_error, player.elo + player.standard_error
        axes.axhspan(*reach, color=colour, alpha=BAND, linewidth=0)
    _legend_above(axes)


def _legend_above(axes: Axes) -> None:
    """The legend in one line between title and panel, where it hides no data."""
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=20,
        fontsize=8,
        frameon=False,
        borderaxespad=0.1,
        borderpad=0.1,
        handlelength=1.2,
        handletextpad=0.5,
        columnspacing=1.2,
    )


def _frame(axes: Axes, title: str, unit: str) -> None:
    """What all panels have in common."""
    axes.set_title(title, fontsize=10, loc="left", fontweight="bold", pad=19)  # a legend fits below it
    axes.set_xlabel("positions", fontsize=8)
    axes.set_ylabel(unit, fontsize=8)
    axes.tick_params(labelsize=8)
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(_short)
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.01)


def _short(value: float, _: object) -> str:
    """A number of positions: 500, 20k, 1.5M."""
    for unit, letter in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= unit:
            return f"{value / unit:g}{letter}"
    return f"{value:g}"


def _percent(value: float, _: object) -> str:
    return f"{100 * value:.4g} %"


def smoothed(values: Floats, weights: Floats) -> Floats:
    """A smooth line through ``values`` [n], of rounds that count as much as ``weights`` [n] say.

    At each round a straight line is fitted to its neighbours, whose weights fall off like a bell over a sixtieth of all
    rounds, one at least.  A mean of the neighbours would lie above the newest rounds of a loss that falls.
    """
    width = max(1.0, len(values) / 60)
    reach = int(np.ceil(3 * width))
    offsets = np.arange(-reach, reach + 1)
    bell = np.exp(-0.5 * (offsets / width) ** 2)

    def moment(of: Floats, order: int) -> Floats:
        """Sum over the neighbours: weight · distance^order."""
        return np.convolve(of, (bell * offsets.astype(np.float64) ** order)[::-1], "full")[reach : reach + len(of)]

    near, first, second = (moment(weights, order) for order in range(3))
    level, slope = (moment(weights * values, order) for order in range(2))
    # A single round has no slope; the ridge, far below every other spread, leaves it where it is.
    spread = near * second - first**2 + (ridge := 1e-9 * near**2)
    fitted = ((second + ridge / near) * level - first * slope) / spread
    return np.clip(fitted, values.min(), values.max())
