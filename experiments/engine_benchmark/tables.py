"""Sections as tables for the terminal and for a Markdown page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table

from experiments.engine_benchmark.measuring import Section, Spread

APART = 0.1
"""CPU and wall rates that differ by more than this share are both shown."""


@dataclass(frozen=True)
class Grid:
    """A table as text: title, names of the columns, rows of cells, sentences below."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


def number_text(number: float, style: str = "rate") -> str:
    """A rate with three digits that tell, a share in percent, seconds."""
    if style == "share":
        return f"{100 * number:.0f} %"
    if style == "seconds":
        return f"{number:.2f} s"
    for unit, size in ((" M", 1e6), (" k", 1e3)):
        if number >= 0.9995 * size:
            scaled = number / size
            return f"{scaled:.{max(0, 2 - len(str(int(scaled))) + 1)}f}{unit}"
    return f"{number:.3g}"


def ratio_text(ratio: Spread) -> str:
    """How many times less or more than the reference, with the range over the rounds; ``ratio`` is reference / this."""
    sign, parts = "÷", (ratio.median, ratio.low, ratio.high)
    if ratio.median < 1:
        sign, parts = "×", (1 / ratio.median, 1 / ratio.high, 1 / ratio.low)
    median, low, high = (number_text(part) if part >= 10 else f"{part:.1f}" for part in parts)
    return f"{sign} {median} ({low}–{high})"


def section_grid(section: Section) -> Grid:
    """Medians of a section; where it has something to compare with, how many times less or more each is."""
    means = section.means
    rows = []
    for subject in section.subjects:
        cells = [subject]
        for by in means:
            spread = section.spread(subject, by)
            if spread is None:
                cells.append("–")
                continue
            style = section.styles.get(by, "rate")
            text = number_text(spread.median, style)
            other = section.spread(subject, by, "wall" if section.clock == "cpu" else "cpu")
            if other and style != "share" and _differ(spread.median, other.median):
                text += f" [{number_text(other.median, style)}]"
            ratio = section.ratio(subject, by) if section.against and by != section.against else None
            cells.append(f"{text}\n{ratio_text(ratio)}" if ratio else text)
        rows.append(tuple(cells))
    notes = list(section.notes)
    if any("[" in cell for row in rows for cell in row):
        notes.insert(
            0, "In brackets, where it differs by more than a tenth: by the time that passed instead of CPU time."
        )
    if section.against:
        notes.insert(0, f"÷ and ×: how many times less or more than {section.against}, median (range) over the rounds.")
    return Grid(section.title, ("", *means), tuple(rows), tuple(notes))


def _differ(one: float, other: float) -> bool:
    return abs(one - other) > APART * max(one, other)


def rich_table(grid: Grid) -> Table:
    """For the terminal."""
    lines = any("\n" in cell for row in grid.rows for cell in row)
    caption = "\n".join(grid.notes) or None
    table = Table(title=grid.title, caption=caption, caption_justify="left", show_lines=lines)
    for place, name in enumerate(grid.columns):
        table.add_column(name, justify="right" if place else "left")
    for row in grid.rows:
        table.add_row(*(cell.replace("[", "\\[") for cell in row))
    return table


def markdown(grid: Grid) -> str:
    """For a page."""
    ruler = ["---", *["---:"] * (len(grid.columns) - 1)]
    lines = [f"## {grid.title}", "", _row(grid.columns), _row(ruler)]
    lines += [_row(row) for row in grid.rows]
    lines += [text for note in grid.notes for text in ("", note)]
    return "\n".join(lines) + "\n"


def _row(cells: Sequence[str]) -> str:
    escaped = [cell.replace("|", "\\|").replace("\n", "<br>") for cell in cells]
    return f"| {' | '.join(escaped)} |"
