"""Damaged files of every family load with valid weights or are refused in one sentence, within time and memory.

`experiments.check_networks` does the same with as many files as one likes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.networks import NetworkFormatError
from engines.networks.leela.container import FREELY_UNPACKED
from engines.networks.leela.reading import parse_network
from experiments.check_networks import FAILED, LOADED, REFUSED, Outcome, Worker, judge
from experiments.network_files import BOMBS, Mutator, bomb, parse_message, serialise_message
from experiments.small_networks import FAMILIES, small_files, small_network

MUTATOR = Mutator(small_files(), seed=0, bombs=0.0)


@pytest.mark.parametrize("name", FAMILIES)
def test_whole_files_load(name: str) -> None:
    for file, content in small_files().items():
        if file.startswith(f"{name},"):
            assert judge(content).kind == LOADED
            assert parse_network(content, "net")[0].config == FAMILIES[name]


@settings(max_examples=300)
@given(st.integers(0, 2**40))
def test_damaged_files_load_or_are_refused(number: int) -> None:
    what, content = MUTATOR.file(number)
    outcome = judge(content)
    assert outcome.kind != FAILED, f"file {number} ({what}): {outcome.text}"


def test_the_damage_is_of_both_kinds() -> None:
    kinds = [judge(MUTATOR.file(number)[1]).kind for number in range(100)]
    assert kinds.count(LOADED) > 10
    assert kinds.count(REFUSED) > 10


def test_trees_of_messages_are_written_as_they_were_read() -> None:
    for content in MUTATOR.plain.values():
        assert serialise_message(parse_message(content)) == content


def test_what_may_not_happen_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def raising(error: Exception) -> Callable[..., object]:
        def parse(content: bytes, source: str) -> object:
            raise error

        return parse

    spoilt = small_network(FAMILIES["residual"])
    with torch.no_grad():
        spoilt.value.bias[0] = torch.inf
    for parse in (
        raising(KeyError("weights")),
        raising(MemoryError()),
        raising(NetworkFormatError("net.pb.gz is wrong.\nVery.")),
        raising(NetworkFormatError("Wrong.")),
        lambda content, source: (spoilt, None),
    ):
        monkeypatch.setattr("experiments.check_networks.parse_network", parse)
        assert judge(b"").kind == FAILED


@pytest.fixture(scope="module")
def read() -> Iterator[Callable[[bytes], Outcome]]:
    """Reads a file within limits of time and memory, where the system has them; elsewhere without."""
    if sys.platform != "linux":
        yield judge
        return
    worker = Worker()
    yield worker.read
    worker.close()


@pytest.mark.parametrize("name", BOMBS)
def test_small_files_of_much_content_cost_little(read: Callable[[bytes], Outcome], name: str) -> None:
    outcome = read(bomb(name))
    assert outcome.kind == (LOADED if name == "zero weights" else REFUSED), outcome.text
    assert outcome.megabytes < 16 * FREELY_UNPACKED / 2**20
    assert outcome.seconds < 5
