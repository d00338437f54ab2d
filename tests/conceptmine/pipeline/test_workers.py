"""Work in several processes gives what work in one gives."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from operator import itemgetter
from typing import Any

import pytest
import torch

from conceptmine.pipeline.context import chunks
from conceptmine.pipeline.workers import Workers, one_thread


@pytest.fixture(scope="module")
def two() -> Iterator[Workers]:
    with Workers(2) as workers:
        yield workers


@pytest.fixture(scope="module", params=[1, 2])
def workers(request: pytest.FixtureRequest, two: Workers) -> Iterator[Workers]:
    if request.param == 2:
        yield two
    else:
        with Workers(1) as one:
            yield one


# Functions of the standard library: the workers import them by name, and would not find those of a test.
@pytest.mark.parametrize(
    ("function", "tasks"),
    [(math.factorial, [900, 1, 700, 2, 500, 3]), (math.sqrt, [float(n) for n in range(50)]), (math.sqrt, [])],
)
def test_answers_come_in_the_order_of_the_tasks(
    workers: Workers, function: Callable[[Any], Any], tasks: list[Any]
) -> None:
    assert list(workers.map(function, tasks)) == [function(task) for task in tasks]


def test_an_exception_of_a_task_is_raised_where_its_answer_would_be(workers: Workers) -> None:
    answers = workers.map(math.sqrt, [4.0, -1.0, 9.0])
    assert next(answers) == 2.0
    with pytest.raises(ValueError, match=r"math domain error|expected a nonnegative input"):
        next(answers)


def test_workers_go_on_after_a_task_has_failed(workers: Workers) -> None:
    with pytest.raises(IndexError):
        list(workers.map(itemgetter(3), [(1, 2)]))
    assert list(workers.map(math.sqrt, [1.0])) == [1.0]


def test_several_workers_are_other_processes_on_one_thread_each(two: Workers) -> None:
    asked = "__import__('os').getpid(), __import__('torch').get_num_threads()"
    answers = list(two.map(eval, [asked] * 6))
    assert os.getpid() not in {process for process, _ in answers}
    assert {threads for _, threads in answers} == {1}


def test_one_worker_works_on_one_thread_and_leaves_the_number_as_it_was() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        with Workers(1) as one:
            assert list(one.map(lambda _: torch.get_num_threads(), [0])) == [1]
        assert torch.get_num_threads() == 2
        with pytest.raises(ZeroDivisionError), one_thread():
            _ = 1 / 0
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(("size", "total"), [(4, 0), (4, 3), (4, 4), (4, 9), (1, 3)])
def test_chunks_cover_everything_once_and_in_order(size: int, total: int) -> None:
    parts = chunks(size, total)
    assert [number for part in parts for number in part] == list(range(total))
    assert all(0 < len(part) <= size for part in parts)
    assert all(len(part) == size for part in parts[:-1])
