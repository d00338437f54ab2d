"""Choosing puzzles: who gets which position, what is never used twice, and who decides whether a move is best."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path

import chess
import pytest

from conceptmine.errors import InputError
from conceptmine.puzzles import Prototype, Puzzle, PuzzleConcept, read_prototypes, select_puzzles, unsuitable

Candidates = tuple[list[PuzzleConcept], list[Prototype]]


def agree(boards: Sequence[chess.Board], moves: Sequence[chess.Move]) -> list[bool]:
    return [True] * len(boards)


@pytest.fixture(scope="module")
def candidates(make_run: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Candidates:
    run = make_run(tmp_path_factory.mktemp("runs") / "run", candidates=10, taught=4, supported=3, teachable=2, novel=1)
    return read_prototypes(run)


@pytest.fixture(scope="module")
def chosen(candidates: Candidates) -> list[Puzzle]:
    return select_puzzles(*candidates, agree)


def prototype(
    moves: str, line: str, *, concept: str = "c", position: str = "p", fen: str = chess.STARTING_FEN
) -> Prototype:
    return Prototype(concept, position, fen, moves, "train", 1.0, line.split()[0], line)


QUIET = "e2e4 e7e5 g1f3 b8c6 f1c4 f8c5"
QUIET_LINE = "c2c3 g8f6 d2d3"


def test_four_for_each_phase_of_each_concept_in_order_of_rank(chosen: list[Puzzle]) -> None:
    assert [(p.concept.rank, p.phase) for p in chosen] == [
        (rank, phase) for rank in (1, 2, 3, 4) for phase in (1, 3) for _ in range(4)
    ]


def test_phase_one_was_taught_and_phase_three_was_not(chosen: list[Puzzle]) -> None:
    assert all(puzzle.split == {1: "train", 3: "test"}[puzzle.phase] for puzzle in chosen)


def test_within_a_phase_the_highest_scores_come_first(chosen: list[Puzzle], candidates: Candidates) -> None:
    first = [puzzle.score for puzzle in chosen[:4]]
    assert first == sorted(first, key=lambda score: -(score or 0))
    best = max((p for p in candidates[1] if p.concept_id == "c0000" and p.split == "train" and suitable(p)),
               key=lambda p: p.score or 0)  # fmt: skip
    assert chosen[0].position_id == best.position_id


def suitable(item: Prototype) -> bool:
    board = chess.Board()
    for word in item.moves.split():
        board.push_uci(word)
    return unsuitable(board, [chess.Move.from_uci(word) for word in item.line.split()]) is None


def test_every_puzzle_obeys_the_rules(chosen: list[Puzzle]) -> None:
    for puzzle in chosen:
        assert unsuitable(puzzle.board(), puzzle.solution) is None
        assert len(puzzle.solution) % 2 == 1 and len(puzzle.solution) >= 3
        after = puzzle.board()
        for move in puzzle.solution:
            assert after.is_legal(move)
            after.push(move)


def test_no_position_is_used_twice(chosen: list[Puzzle]) -> None:
    keys = [puzzle.board().epd() for puzzle in chosen]
    assert len(keys) == len(set(keys))
    assert len({puzzle.puzzle_id for puzzle in chosen}) == len(chosen)


def test_two_puzzles_of_a_concept_from_one_game_lie_apart(chosen: list[Puzzle]) -> None:
    for a in chosen:
        for b in chosen:
            if a is not b and a.concept == b.concept:
                shared = a.start_moves[: len(b.start_moves)] == b.start_moves[: len(a.start_moves)]
                assert not shared or abs(len(a.start_moves) - len(b.start_moves)) >= 8


def test_the_order_of_the_tables_does_not_matter(candidates: Candidates, chosen: list[Puzzle]) -> None:
    concepts, prototypes = (list(part) for part in candidates)
    random.Random(1).shuffle(concepts)
    random.Random(2).shuffle(prototypes)
    assert select_puzzles(concepts, prototypes, agree) == chosen


def test_verify_alone_decides_and_sees_history(candidates: Candidates) -> None:
    asked: list[tuple[str, chess.Move]] = []

    def only_knights(boards: Sequence[chess.Board], moves: Sequence[chess.Move]) -> list[bool]:
        assert all(board.move_stack for board in boards)
        assert all(board.is_legal(move) for board, move in zip(boards, moves, strict=True))
        asked.extend((board.epd(), move) for board, move in zip(boards, moves, strict=True))
        return [board.piece_type_at(m.from_square) == chess.KNIGHT for board, m in zip(boards, moves, strict=True)]

    puzzles = select_puzzles(*candidates, only_knights)
    assert puzzles
    assert all(p.board().piece_type_at(p.solution[0].from_square) == chess.KNIGHT for p in puzzles)
    assert len(asked) == len(set(asked)) > len(puzzles)


def test_nothing_passes_a_verify_that_says_no(candidates: Candidates) -> None:
    assert select_puzzles(*candidates, lambda boards, moves: [False] * len(boards)) == []


def test_attempts_bound_the_searches(candidates: Candidates) -> None:
    asked = 0

    def refuse(boards: Sequence[chess.Board], moves: Sequence[chess.Move]) -> list[bool]:
        nonlocal asked
        asked += len(boards)
        return [False] * len(boards)

    select_puzzles(*candidates, refuse, attempts=5)
    assert asked == 4 * 5


def test_phases_are_even_where_positions_run_short(candidates: Candidates) -> None:
    concepts, prototypes = candidates
    few = [item for item in prototypes if item.concept_id == "c0001" and item.split == "train"][:7]
    puzzles = select_puzzles(concepts, few, agree, min_distance=0)
    phases = [puzzle.phase for puzzle in puzzles]
    assert len(puzzles) >= 3 and abs(phases.count(1) - phases.count(3)) <= 1


def test_phases_are_even_where_verify_refuses_one_split(candidates: Candidates) -> None:
    splits = {(item.concept_id, item.moves): item.split for item in candidates[1]}

    def refuse_test(boards: Sequence[chess.Board], moves: Sequence[chess.Move]) -> list[bool]:
        played = [" ".join(move.uci() for move in board.move_stack) for board in boards]
        return [splits.get(("c0000", words)) == "train" for words in played]

    concepts = [concept for concept in candidates[0] if concept.concept_id == "c0000"]
    puzzles = select_puzzles(concepts, candidates[1], refuse_test)
    phases = [puzzle.phase for puzzle in puzzles]
    assert puzzles and abs(phases.count(1) - phases.count(3)) <= 1
    assert {puzzle.split for puzzle in puzzles} == {"train"}


def test_a_position_goes_to_the_better_concept() -> None:
    concepts = [PuzzleConcept("b", rank=2), PuzzleConcept("a", rank=1), PuzzleConcept("z")]
    shared = [prototype(QUIET, QUIET_LINE, concept=name) for name in ("z", "a", "b")]
    assert [puzzle.concept.concept_id for puzzle in select_puzzles(concepts, shared, agree)] == ["a"]


def test_the_same_position_by_other_moves_is_a_repeat() -> None:
    other = "g1f3 b8c6 e2e4 e7e5 f1c4 f8c5"
    items = [prototype(QUIET, QUIET_LINE, position="p1"), prototype(other, QUIET_LINE, position="p2")]
    assert [p.position_id for p in select_puzzles([PuzzleConcept("c")], items, agree)] == ["p1"]


def test_the_mirrored_position_is_a_repeat() -> None:
    board = chess.Board()
    for word in QUIET.split():
        board.push_uci(word)
    before = board.copy()
    before.pop()
    last = board.peek()
    flipped = chess.Move(chess.square_mirror(last.from_square), chess.square_mirror(last.to_square))
    line = " ".join(
        chess.Move(chess.square_mirror(m.from_square), chess.square_mirror(m.to_square)).uci()
        for m in map(chess.Move.from_uci, QUIET_LINE.split())
    )
    items = [
        prototype(QUIET, QUIET_LINE, position="p1"),
        prototype(flipped.uci(), line, position="p2", fen=before.mirror().fen()),
    ]
    assert [p.position_id for p in select_puzzles([PuzzleConcept("c")], items, agree)] == ["p1"]
    assert len(select_puzzles([PuzzleConcept("c")], items[1:], agree)) == 1


def test_a_position_without_a_move_before_it_is_skipped() -> None:
    start = prototype("", "e2e4 e7e5 g1f3")
    assert select_puzzles([PuzzleConcept("c")], [start], agree) == []


def test_a_line_that_does_not_start_with_the_best_move_is_skipped() -> None:
    item = Prototype("c", "p", chess.STARTING_FEN, QUIET, "train", 1.0, "d2d3", QUIET_LINE)
    assert select_puzzles([PuzzleConcept("c")], [item], agree) == []


def test_castling_is_compared_as_a_move() -> None:
    quiet = "e2e4 e7e5 g1f3 b8c6 f1c4 f8c5"
    puzzles = select_puzzles([PuzzleConcept("c")], [prototype(quiet, "e1g1 g8f6 d2d3 d7d6")], agree)
    assert [move.uci() for move in puzzles[0].solution] == ["e1g1", "g8f6", "d2d3"]


def test_a_prototype_of_no_listed_concept_is_left_alone() -> None:
    assert select_puzzles([PuzzleConcept("other")], [prototype(QUIET, QUIET_LINE)], agree) == []


def test_a_missing_score_comes_last() -> None:
    later = QUIET + " c2c3 g8f6 d2d3 d7d6 e1g1 e8g8 b2b4 c5b6"
    items = [
        Prototype("c", "p1", chess.STARTING_FEN, QUIET, "train", None, "c2c3", QUIET_LINE),
        Prototype("c", "p2", chess.STARTING_FEN, later, "train", 0.1, "a2a4", "a2a4 a7a6 b1d2"),
    ]
    assert [p.position_id for p in select_puzzles([PuzzleConcept("c")], items, agree, min_distance=1)] == ["p2", "p1"]


def test_verify_must_answer_each_position() -> None:
    with pytest.raises(ValueError, match="verify returned 0 answers for 1 positions"):
        select_puzzles([PuzzleConcept("c")], [prototype(QUIET, QUIET_LINE)], lambda boards, moves: [])


@pytest.mark.parametrize(
    ("moves", "line", "fen", "complaint"),
    [
        ("e2e5", QUIET_LINE, chess.STARTING_FEN, r"prototype p of concept c: move 1 \(e2e5\) is illegal"),
        (QUIET, "c2c3 c2c4 d2d3", chess.STARTING_FEN, r"move 2 \(c2c4\) is illegal"),
        (QUIET, "Nf3", chess.STARTING_FEN, "'Nf3' is not a list of UCI moves"),
        (QUIET, QUIET_LINE, "startpos", "'startpos' is not a FEN"),
    ],
)
def test_a_damaged_prototype_is_named(moves: str, line: str, fen: str, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        select_puzzles([PuzzleConcept("c")], [prototype(moves, line, fen=fen)], agree)


def test_the_usual_start_may_be_left_out_of_the_table(candidates: Candidates) -> None:
    assert {item.fen for item in candidates[1]} == {chess.STARTING_FEN}


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"concepts\.parquet"):
        read_prototypes(tmp_path)
