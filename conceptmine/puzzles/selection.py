"""Choosing the puzzles of every concept."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import chess

from conceptmine.puzzles.model import Prototype, Puzzle, PuzzleConcept, board_after, parse_moves, play
from conceptmine.puzzles.rules import MIN_LINE_PLIES, unsuitable

Verify = Callable[[Sequence[chess.Board], Sequence[chess.Move]], Sequence[bool]]
"""`verify(boards, moves)`: for each position, does the move stay the one clearly best move under a larger search?"""

PHASES = (1, 3)
PREFERRED_SPLIT = {1: "train", 3: "test"}


def select_puzzles(
    concepts: Sequence[PuzzleConcept],
    prototypes: Sequence[Prototype],
    verify: Verify,
    *,
    per_phase: int = 4,
    min_line_plies: int = MIN_LINE_PLIES,
    min_distance: int = 8,
    attempts: int = 48,
) -> list[Puzzle]:
    """Choose up to `per_phase` puzzles for phase 1 and as many for phase 3 of every concept (Schut et al., section 6).

    Phase 1 takes the highest-scoring prototypes the student was trained on, phase 3 those it was tested on; where one
    split runs out, the other fills in, and the two phases never differ by more than one puzzle. A position must pass
    `conceptmine.puzzles.unsuitable` and then `verify`, the only judge of whether the move is best. No position is used
    twice, also not with colours reversed; two puzzles of one concept from the same game lie `min_distance` plies apart
    or more.

    concepts: in any order; better ranks choose first. prototypes: rows of any of these concepts.
    verify: called with batches of boards (history on the move stack) and moves; returns one bool each.
    attempts: at most this many positions of a concept are handed to `verify`.

    Returns the puzzles by rank, phase and score. Raises InputError for an illegal FEN, move or line, and ValueError if
    `verify` returns the wrong number of answers.
    """
    by_concept: dict[str, list[Prototype]] = {concept.concept_id: [] for concept in concepts}
    for prototype in prototypes:
        if prototype.concept_id in by_concept:
            by_concept[prototype.concept_id].append(prototype)
    seen: set[str] = set()
    searches = [
        _Search(concept, by_concept[concept.concept_id], per_phase, attempts, min_distance, min_line_plies, seen)
        for concept in sorted(concepts, key=_by_rank)
    ]
    while True:
        proposals = [(search, puzzle) for search in searches for puzzle in search.propose()]
        if not proposals:
            break
        boards = [puzzle.board() for _, puzzle in proposals]
        answers = list(verify(boards, [puzzle.solution[0] for _, puzzle in proposals]))
        if len(answers) != len(boards):
            raise ValueError(
                f"verify returned {len(answers)} answers for {len(boards)} positions; it must return one each"
            )
        for (search, puzzle), good in zip(proposals, answers, strict=True):
            if good:
                search.chosen[puzzle.phase].append(puzzle)
    return [puzzle for search in searches for puzzle in search.result()]


def _by_rank(concept: PuzzleConcept) -> tuple[float, str]:
    return (math.inf if concept.rank is None else concept.rank, concept.concept_id)


@dataclass
class _Search:
    """The state of one concept while positions are proposed, judged and kept."""

    concept: PuzzleConcept
    prototypes: list[Prototype]
    per_phase: int
    attempts: int
    min_distance: int
    min_line_plies: int
    seen: set[str]
    """Positions already proposed for any concept; shared between the concepts."""
    chosen: dict[int, list[Puzzle]] = field(default_factory=lambda: {phase: [] for phase in PHASES})
    near: set[tuple[str, tuple[chess.Move, ...]]] = field(default_factory=set)
    queues: dict[str, Iterator[Puzzle]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        ordered = sorted(self.prototypes, key=_by_score)
        for split in PREFERRED_SPLIT.values():
            self.queues[split] = self._suitable([item for item in ordered if item.split == split])
        self.queues["other"] = self._suitable([item for item in ordered if item.split not in self.queues])

    def propose(self) -> list[Puzzle]:
        """As many untried positions as are still wanted, phases in turn."""
        wanted = {phase: self.per_phase - len(self.chosen[phase]) for phase in PHASES}
        proposals: list[Puzzle] = []
        while len(proposals) < self.attempts and any(wanted.values()):
            phase = max(PHASES, key=lambda phase: (wanted[phase], -phase))
            puzzle = self._draw(phase)
            if puzzle is None:
                break
            wanted[phase] -= 1
            proposals.append(puzzle)
        self.attempts -= len(proposals)
        return proposals

    def result(self) -> list[Puzzle]:
        """The chosen puzzles, the phases evened out to within one."""
        one, three = (list(self.chosen[phase]) for phase in PHASES)
        while len(one) > len(three) + 1:
            three.append(replace(one.pop(), phase=3))
        while len(three) > len(one) + 1:
            one.append(replace(three.pop(), phase=1))
        return [puzzle for part in (one, three) for puzzle in sorted(part, key=_by_score)]

    def _draw(self, phase: int) -> Puzzle | None:
        preferred = PREFERRED_SPLIT[phase]
        for split in (preferred, *(name for name in self.queues if name != preferred)):
            puzzle = next(self.queues[split], None)
            if puzzle is not None:
                return replace(puzzle, phase=phase)
        return None

    def _suitable(self, prototypes: list[Prototype]) -> Iterator[Puzzle]:
        for prototype in prototypes:
            where = f"prototype {prototype.position_id} of concept {prototype.concept_id}"
            moves = parse_moves(prototype.moves, where)
            line = parse_moves(prototype.line, where)
            board = board_after(prototype.fen, moves, where)
            play(board.copy(stack=False), line, where)
            if not line or line[0] != _move(prototype.best_move, where):
                continue
            if unsuitable(board, line, min_line_plies=self.min_line_plies) or self._repeats(
                prototype.fen, moves, board
            ):
                continue
            # An even line would end with the opponent's answer, which proves nothing about the solver's idea.
            solution = line if len(line) % 2 else line[:-1]
            yield Puzzle(
                concept=self.concept,
                phase=PHASES[0],
                position_id=prototype.position_id,
                split=prototype.split,
                score=prototype.score,
                start_fen=prototype.fen,
                start_moves=moves,
                solution=solution,
            )

    def _repeats(self, fen: str, moves: tuple[chess.Move, ...], board: chess.Board) -> bool:
        """Whether the position, or one close to it in the same game, was proposed before; if not, remember it."""
        # The network sees both colours from its own side, so a position and its mirror image are the same question.
        key = (board if board.turn == chess.WHITE else board.mirror()).epd()
        stretch = [(fen, moves[: len(moves) - back]) for back in range(min(self.min_distance, len(moves) + 1))]
        if key in self.seen or any(place in self.near for place in stretch):
            return True
        self.seen.add(key)
        self.near.update(stretch)
        return False


def _by_score(item: Prototype | Puzzle) -> tuple[float, str]:
    return (math.inf if item.score is None or math.isnan(item.score) else -item.score, item.position_id)


def _move(text: str, where: str) -> chess.Move | None:
    moves = parse_moves(text, where)
    return moves[0] if moves else None
