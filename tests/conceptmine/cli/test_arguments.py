"""``--moves`` takes as many moves as follow it."""

from __future__ import annotations

import pytest

from conceptmine.cli.arguments import with_moves_joined


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            ["evaluate", "net", "--moves", "e2e4", "e7e5", "--json"],
            ["evaluate", "net", "--moves", "e2e4 e7e5", "--json"],
        ),
        (["--moves", "e2e4 e7e5", "g1f3"], ["--moves", "e2e4 e7e5 g1f3"]),
        (["--moves", "a7a8q", "--moves", "e2e4", "d7d5"], ["--moves", "a7a8q", "--moves", "e2e4 d7d5"]),
        (["--moves", "nonsense", "e2e4"], ["--moves", "nonsense e2e4"]),
        (["--moves", "--json", "e2e4"], ["--moves", "--json", "e2e4"]),
        (["--moves"], ["--moves"]),
        (["match", "e2e4", "d7d5"], ["match", "e2e4", "d7d5"]),
    ],
)
def test_moves_are_joined(given: list[str], expected: list[str]) -> None:
    assert with_moves_joined(given) == expected
