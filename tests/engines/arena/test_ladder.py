"""Ladders: who meets whom, one fit over everything, files, and going on after an interruption."""

from __future__ import annotations

import csv
import json
import shutil
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines import checkpoints
from engines.arena import (
    ArenaError,
    MaterialTaker,
    Meeting,
    RandomMover,
    Tally,
    find_rungs,
    play_ladder,
    rate_players,
    write_ladder,
)
from engines.arena.ladder import schedule

SHIPPED = Path(checkpoints.__file__).parent
FILES = [SHIPPED / f"{name}.pb.gz" for name in ("ladder-final", "ladder-01")]


@given(st.integers(0, 40), st.integers(0, 3))
def test_everybody_is_linked_and_nobody_meets_twice(rungs: int, opponents: int) -> None:
    names, others = [f"r{i}" for i in range(rungs)], [f"o{i}" for i in range(opponents)]
    meetings = schedule(names, others)
    assert len({frozenset(pair) for pair in meetings}) == len(meetings)
    assert all(one != other for one, other in meetings)
    assert all((later, earlier) in meetings for earlier, later in pairwise(names))
    assert all((rung, other) in meetings for rung in names for other in others)
    # About log2 of the number of rungs for each, not all of them.
    assert len(meetings) <= rungs * (rungs.bit_length() + opponents) + opponents * (opponents - 1) // 2


def test_rungs_are_ordered_by_what_they_were_trained_on(tmp_path: Path) -> None:
    for name in ("ladder-final", "human-imitation", "ladder-01", "ladder-03"):
        shutil.copy(SHIPPED / f"{name}.pb.gz", tmp_path)
    rungs = find_rungs([tmp_path])
    assert [(rung.name, rung.positions) for rung in rungs] == [
        ("ladder-01", 0),
        ("ladder-03", 126019),
        ("ladder-final", 4591416),
        ("human-imitation", None),
    ]


def test_what_is_no_ladder(tmp_path: Path) -> None:
    with pytest.raises(ArenaError, match="There is no network"):
        find_rungs([tmp_path])
    with pytest.raises(ArenaError, match="at least two networks"):
        find_rungs(FILES[:1])
    with pytest.raises(ArenaError, match="Two networks are called ladder-01"):
        find_rungs([FILES[1], FILES[1]])
    rungs = find_rungs(FILES)
    with pytest.raises(
        ArenaError, match="The anchor nobody does not play: give one of ladder-01, ladder-final, random"
    ):
        play_ladder(rungs, [RandomMover()], games=2, simulations=1, anchor="nobody")
    with pytest.raises(ArenaError, match="Two players of the ladder are called random"):
        play_ladder(rungs, [RandomMover(), RandomMover(1)], games=2, simulations=1, anchor="random")


def test_a_ladder_goes_on_and_is_written(tmp_path: Path) -> None:
    rungs, record = find_rungs(FILES), tmp_path / "ladder.json"
    announced: list[tuple[str, str, int, int]] = []

    class Interrupted(Exception):
        pass

    def stop_at_the_third(*match: object) -> None:
        announced.append(match)  # type: ignore[arg-type]
        if len(announced) == 3:
            raise Interrupted

    options = {"games": 2, "simulations": 1, "anchor": "random", "record": record}
    with pytest.raises(Interrupted):
        play_ladder(rungs, [RandomMover()], announce=stop_at_the_third, **options)
    assert announced == [
        ("ladder-final", "ladder-01", 0, 3),
        ("ladder-01", "random", 1, 3),
        ("ladder-final", "random", 2, 3),
    ]
    resumed = play_ladder(rungs, [RandomMover()], announce=lambda *match: announced.append(match), **options)
    assert announced[3:] == [("ladder-final", "random", 2, 3)]
    assert resumed.matches == play_ladder(rungs, [RandomMover()], **(options | {"record": None})).matches

    # Another opponent costs its own matches only.
    both = [RandomMover(), MaterialTaker()]
    grown = play_ladder(rungs, both, announce=lambda *match: announced.append(match), **options)
    assert [pair[:2] for pair in announced[4:]] == [
        ("ladder-01", "material"),
        ("ladder-final", "material"),
        ("material", "random"),
    ]
    assert write_ladder(grown, tmp_path) == [tmp_path / f"ladder.{suffix}" for suffix in ("json", "csv", "png")]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ladder.csv", "ladder.json", "ladder.png"]
    content = json.loads(record.read_text(encoding="utf-8"))
    fitted = rate_players(
        [
            Meeting(m["first"], m["second"], Tally(*(tuple(m[k]) for k in ("white", "black", "pairs"))))
            for m in content["matches"]
        ],
        anchor="random",
    )
    rows = list(csv.DictReader((tmp_path / "ladder.csv").open(encoding="utf-8")))
    assert [row["name"] for row in rows] == ["ladder-01", "ladder-final", "random", "material"]
    for row, player in zip(rows, content["players"], strict=True):
        assert float(row["elo"]) == player["elo"] == pytest.approx(fitted[row["name"]].elo, abs=0.051)
        assert int(row["games"]) == 6
    assert (tmp_path / "ladder.png").read_bytes().startswith(b"\x89PNG")

    # What is written is a record too, and not one of other settings.
    assert play_ladder(rungs, both, **options).ratings.players == grown.ratings.players
    with pytest.raises(ArenaError, match="holds a ladder with other settings"):
        play_ladder(rungs, both, **(options | {"simulations": 2}))
    record.write_text("{}", encoding="utf-8")
    with pytest.raises(ArenaError, match="is no record of a ladder"):
        play_ladder(rungs, both, **options)
