"""The sections as one picture."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Callable, Mapping

import matplotlib

matplotlib.use("Agg")
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.engine_benchmark import networks, rules, selfplay, tree, whole_search
from experiments.engine_benchmark.measuring import Section
from experiments.engine_benchmark.tables import number_text

OURS, OTHERS, PALE = "#1f6f8b", "#b0b7bd", "#8fc1d4"
LINES = ("#1f6f8b", "#d1495b", "#6c757d", "#edae49", "#66a182")
WIDTH, ROW = 15.0, 5.0


def draw_picture(sections: Mapping[str, Section], header: str) -> bytes:
    """A PNG with a panel for each section that was measured and has one."""
    panels = [(sections[name], draw) for name, draw in _PANELS.items() if name in sections]
    rows = max(1, -(-len(panels) // 2))
    figure = Figure(figsize=(WIDTH, ROW * rows + 1.2), layout="constrained")
    for place, (section, draw) in enumerate(panels):
        axes = figure.add_subplot(rows, 2, place + 1)
        draw(axes, section)
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle("Engine benchmark\n" + textwrap.fill(header, 170), fontsize=10)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=110, metadata={"Software": None})
    return content.getvalue()


def _bars(axes: Axes, section: Section, subjects: Mapping[str, str], title: str, first: str) -> None:
    """Groups of horizontal bars on a logarithmic axis, one for each subject, labelled with rate and ratio.

    A black line is the range over the rounds.
    """
    place = 0.0
    ticks, labels = [], []
    greatest = 0.0
    for subject, shown in subjects.items():
        axes.text(0.005, place - 0.8, shown, transform=axes.get_yaxis_transform(), fontsize=9, fontweight="bold")
        for by in section.means:
            spread = section.spread(subject, by)
            if spread is None:
                continue
            axes.barh(place, spread.median, color=OURS if by.startswith(first) else OTHERS, height=0.75)
            axes.plot([spread.low, spread.high], [place, place], color="black", linewidth=1)
            ratio = section.ratio(subject, by)
            times = ""
            if ratio and by != section.against:
                more = ratio.median < 1
                times = f"   {'×' if more else '÷'} {number_text(1 / ratio.median if more else ratio.median)}"
            axes.text(spread.high * 1.15, place, number_text(spread.median) + times, va="center", fontsize=8)
            ticks.append(place)
            labels.append(by)
            greatest = max(greatest, spread.high)
            place += 1
        place += 1.0
    axes.set_xscale("log")
    axes.set_xlim(right=greatest * 30)
    axes.set_ylim(place - 1.0, -1.3)
    axes.set_yticks(ticks, labels, fontsize=8)
    axes.set_title(f"{title}\n(÷ how many times less than {section.against})", fontsize=10, loc="left")


def _rules(axes: Axes, section: Section) -> None:
    subjects = {
        "perft, start": "perft from the start",
        "perft, kiwipete": "perft of Kiwipete",
        rules.WALK: "make every position and list its moves",
    }
    _bars(axes, section, subjects, "Rules: positions a CPU second", rules.KERNEL)


def _tree(axes: Axes, section: Section) -> None:
    subjects = {tree.PUCT: tree.PUCT, tree.GUMBEL: tree.GUMBEL}
    _bars(axes, section, subjects, "Tree search without a network: simulations a CPU second", "engines")


def _network(axes: Axes, section: Section) -> None:
    """Lines over the size of the batch, for the network that the other runtimes got too."""
    name = section.subjects[-1].rpartition(", batch ")[0]
    for color, by in zip(LINES, section.means, strict=False):
        points = [(batch, section.spread(f"{name}, batch {batch}", by)) for batch in networks.BATCHES]
        shown = [(batch, spread) for batch, spread in points if spread is not None]
        axes.plot(
            [batch for batch, _ in shown],
            [spread.median for _, spread in shown],
            marker="o",
            color=color,
            linestyle="-" if by.startswith("engines") else "--",
            label=by,
        )
        axes.fill_between(
            [batch for batch, _ in shown],
            [spread.low for _, spread in shown],
            [spread.high for _, spread in shown],
            color=color,
            alpha=0.12,
        )
    axes.set_xscale("log", base=2)
    axes.set_xticks(networks.BATCHES, [str(batch) for batch in networks.BATCHES])
    axes.set_ylim(bottom=0)
    axes.set_xlabel("batch", fontsize=9)
    axes.legend(fontsize=8, loc="best")
    axes.set_title(f"Network alone ({name}): positions a CPU second", fontsize=10, loc="left")


def _search(axes: Axes, section: Section) -> None:
    """Evaluations of the search on top of those of its network alone; below, the runtimes."""
    labels = []
    greatest = 0.0
    for place, subject in enumerate(section.subjects):
        alone = section.spread(subject, whole_search.ALONE) or section.spread(subject, whole_search.LC0)
        found = section.spread(subject, whole_search.EVALUATIONS)
        share = section.spread(subject, whole_search.SHARE)
        if alone is None:
            continue
        axes.barh(place, alone.median, color=PALE if found else OTHERS, height=0.75)
        text = number_text(alone.median)
        if found and share:
            axes.barh(place, found.median, color=OURS, height=0.45)
            text = f"{number_text(found.median)} of {text}: {number_text(share.median, 'share')}"
        axes.text(max(alone.median, found.median if found else 0) * 1.02, place, text, va="center", fontsize=8)
        greatest = max(greatest, alone.median, found.median if found else 0)
        labels.append(textwrap.fill(subject, 40))
    axes.set_xlim(right=greatest * 1.45)
    axes.set_yticks(range(len(labels)), labels, fontsize=7)
    axes.invert_yaxis()
    title = f"{section.title.partition(':')[0]}: evaluations a second"
    explained = "(dark: search, pale: its network alone; %: median of the rounds)"
    axes.set_title(f"{title}\n{explained}", fontsize=10, loc="left")


def _selfplay(axes: Axes, section: Section) -> None:
    """Shares of the CPU time as stacked bars."""
    colors = {selfplay.TREE: OURS, selfplay.NETWORK: PALE, selfplay.REST: OTHERS}
    for place, subject in enumerate(section.subjects):
        left = 0.0
        for part, color in colors.items():
            spread = section.spread(subject, part)
            if spread is None:
                continue
            axes.barh(place, spread.median, left=left, color=color, height=0.6, label="" if place else part)
            if spread.median > 0.08:
                text = number_text(spread.median, "share")
                axes.text(left + spread.median / 2, place, text, ha="center", va="center", fontsize=8)
            left += spread.median
        rate, share = section.spread(subject, selfplay.EVALUATIONS), section.spread(subject, selfplay.TREE)
        if rate is not None and share is not None:
            text = f"tree {number_text(share.median, 'share')}\n{number_text(rate.median)} evaluations/s"
            axes.text(1.02, place, text, va="center", fontsize=8)
    axes.set_xlim(0, 1.35)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "25 %", "50 %", "75 %", "100 %"])
    axes.set_yticks(range(len(section.subjects)), section.subjects, fontsize=8)
    axes.invert_yaxis()
    axes.legend(fontsize=8, ncols=3, loc="upper left", bbox_to_anchor=(0, -0.08), frameon=False)
    axes.set_title("Self-play with the shipped network: CPU time", fontsize=10, loc="left")


def _startup(axes: Axes, section: Section) -> None:
    """Imports and the first search, stacked."""
    for place, subject in enumerate(section.subjects):
        left = 0.0
        for by, color in zip(section.means, (OTHERS, OURS), strict=False):
            spread = section.spread(subject, by)
            if spread is None:
                continue
            axes.barh(place, spread.median, left=left, color=color, height=0.5, label="" if place else by)
            left += spread.median
        axes.text(left * 1.02, place, f" {left:.1f} s", va="center", fontsize=8)
    axes.set_yticks(range(len(section.subjects)), section.subjects, fontsize=8)
    axes.invert_yaxis()
    axes.margins(x=0.15)
    axes.legend(fontsize=8, loc="lower right", frameon=False)
    axes.set_title(section.title, fontsize=10, loc="left")


_PANELS: dict[str, Callable[[Axes, Section], None]] = {
    "rules": _rules,
    "tree": _tree,
    "network": _network,
    "search": _search,
    "selfplay": _selfplay,
    "startup": _startup,
}
