"""What the engine is to reach, held against what was measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from experiments.engine_benchmark import rules, selfplay, startup, tree
from experiments.engine_benchmark.measuring import Section, Spread
from experiments.engine_benchmark.tables import Grid, number_text


@dataclass(frozen=True)
class Target:
    """A bound on one number of one section: at least or, with ``most``, at most ``bound``."""

    what: str
    section: str
    number: Callable[[Section], Spread | None]
    bound: float
    unit: str
    most: bool = False

    def met(self, number: float) -> bool:
        """Whether the number keeps to the bound."""
        return number <= self.bound if self.most else number >= self.bound


TARGETS = (
    Target(
        "kernel, perft of kiwipete", "rules", lambda s: _millions(s.spread("perft, kiwipete", rules.KERNEL)), 150, "M/s"
    ),
    Target("kernel, make and list", "rules", lambda s: _millions(s.spread(rules.WALK, rules.KERNEL)), 4, "M/s"),
    Target("PUCT 100, trees", "tree", lambda s: _millions(s.spread(tree.PUCT, tree.MANY)), 0.7, "M/s"),
    Target("Gumbel 32, trees", "tree", lambda s: _millions(s.spread(tree.GUMBEL, tree.MANY)), 0.6, "M/s"),
    Target("PUCT 100 against careful Python", "tree", lambda s: s.ratio(tree.PUCT, tree.CAREFUL), 80, "×"),
    Target("Gumbel 32 against careful Python", "tree", lambda s: s.ratio(tree.GUMBEL, tree.CAREFUL), 80, "×"),
    Target("PUCT 100 against alpha-zero-general", "tree", lambda s: s.ratio(tree.PUCT, tree.DICTIONARIES), 500, "×"),
    Target(
        "self-play (16 simulations), share of the tree",
        "selfplay",
        lambda s: s.spread(s.subjects[0], selfplay.TREE),
        0.1,
        "",
        most=True,
    ),
    Target("cold start", "startup", lambda s: s.spread(startup.COLD, startup.FIRST), 15, "s", most=True),
    Target("cached start", "startup", lambda s: s.spread(startup.CACHED, startup.FIRST), 1, "s", most=True),
)


def _millions(spread: Spread | None) -> Spread | None:
    return spread and Spread(spread.median / 1e6, spread.low / 1e6, spread.high / 1e6)


def target_grid(sections: Mapping[str, Section], targets: Sequence[Target] = TARGETS) -> Grid:
    """Every target whose section was measured."""
    rows = []
    for target in targets:
        spread = target.number(sections[target.section]) if target.section in sections else None
        if spread is None:
            continue
        bound = f"{'≤' if target.most else '≥'} {target.bound:g} {target.unit}".strip()
        median, low, high = (number_text(number) for number in (spread.median, spread.low, spread.high))
        rows.append((target.what, bound, f"{median} ({low}–{high})", "yes" if target.met(spread.median) else "NO"))
    return Grid("Targets", ("", "wanted", "measured: median (range)", "met"), tuple(rows))
