"""Time management: nothing is planned that is not there, and more time never means less thought."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engines.uci.clock import HORIZON, Clock, seconds_for_move, seconds_of_movetime

_times = st.integers(-(10**6), 10**8)
_increments = st.integers(-1000, 10**6)
_to_go = st.none() | st.integers(-3, 200)
_overheads = st.integers(0, 10_000)


@given(_times, _increments, _to_go, _overheads)
def test_never_more_than_half_of_what_is_left(remaining: int, increment: int, to_go: int | None, overhead: int) -> None:
    plan = seconds_for_move(Clock(remaining, increment, to_go), overhead)
    assert 0 <= plan <= max(0, remaining - overhead) / 2 / 1000


@given(_times, _increments, _to_go, _overheads, st.integers(0, 10**6))
def test_more_time_means_no_less_thought(
    remaining: int, increment: int, to_go: int | None, overhead: int, more: int
) -> None:
    plan = seconds_for_move(Clock(remaining, increment, to_go), overhead)
    assert seconds_for_move(Clock(remaining + more, increment, to_go), overhead) >= plan
    assert seconds_for_move(Clock(remaining, increment + more, to_go), overhead) >= plan
    assert seconds_for_move(Clock(remaining, increment, to_go), overhead + more) <= plan
    if to_go is not None:
        assert seconds_for_move(Clock(remaining, increment, max(to_go, 1) + more), overhead) <= plan


def test_an_example_worked_by_hand() -> None:
    assert seconds_for_move(Clock(60_200), 200) == 60 / HORIZON
    assert seconds_for_move(Clock(60_200, 1000), 200) == 60 / HORIZON + 0.5
    assert seconds_for_move(Clock(60_200, 0, 10), 200) == 6
    assert seconds_for_move(Clock(60_200, 0, 1), 200) == 30
    assert seconds_for_move(Clock(1200, 5000), 200) == 0.5
    assert seconds_for_move(Clock(150), 200) == 0
    assert seconds_for_move(Clock(-50), 200) == 0


@given(st.integers(1, 10_000), _increments.filter(lambda increment: increment > 0), _overheads, st.integers(0, 100))
def test_a_clock_that_is_used_as_planned_never_runs_out(seconds: int, increment: int, overhead: int, late: int) -> None:
    """Also when each move takes ``late`` per cent of half the usable time longer than planned."""
    remaining = 1000.0 * seconds
    for _ in range(200):
        plan = 1000 * seconds_for_move(Clock(int(remaining), increment), overhead)
        remaining -= plan + late / 100 * max(0.0, remaining - overhead) / 2
        assert remaining > -1e-6
        remaining += increment


@given(st.integers(-100, 10**8), _overheads)
def test_movetime_is_kept(movetime: int, overhead: int) -> None:
    seconds = seconds_of_movetime(movetime, overhead)
    assert max(0, movetime) / 2000 <= seconds <= max(0, movetime) / 1000
