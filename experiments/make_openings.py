"""Make the openings that matches begin with: lines of the human-imitation network that another network calls even.

    python -m experiments.make_openings --judge maia-1900.pb.gz --out engines/arena/openings.txt

Every move is drawn from the policy of ``human-imitation``.  Lines of eight plies that lead to different positions are
kept where a search of the judge gives neither side more than ``--most`` and the material is equal, until there are
``--lines`` of them.  The judge should be stronger than what plays the matches, and none of the players.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import chess
import numpy as np

from engines import load_agent, search
from engines.networks import Agent

PLIES = 8
AT_ONCE = 256
WORTH = {chess.PAWN: 1, chess.KNIGHT: 3, chess.BISHOP: 3, chess.ROOK: 5, chess.QUEEN: 9}


def sampled_lines(agent: Agent, generator: np.random.Generator) -> Iterator[chess.Board]:
    """Boards after lines drawn from the agent's policy, without end."""
    while True:
        boards = [chess.Board() for _ in range(AT_ONCE)]
        for _ in range(PLIES):
            boards = [board for board in boards if any(board.generate_legal_moves())]
            for board, policy in zip(boards, agent.evaluate(boards).policy, strict=True):
                moves = list(policy)
                chances = np.array(list(policy.values()))
                board.push(moves[int(generator.choice(len(moves), p=chances / chances.sum()))])
        yield from (board for board in boards if not board.is_game_over())


def even_material(board: chess.Board) -> bool:
    """Whether both sides have the same in pawns."""
    return not sum(
        worth * (len(board.pieces(kind, chess.WHITE)) - len(board.pieces(kind, chess.BLACK)))
        for kind, worth in WORTH.items()
    )


def even_lines(judge: Agent, lines: int, most: float, simulations: int, seed: int) -> list[str]:
    """So many lines, in UCI, sorted."""
    source = sampled_lines(load_agent("human-imitation"), np.random.default_rng(seed))
    seen: set[str] = set()
    kept: list[str] = []
    looked_at = 0
    while len(kept) < lines:
        batch = []
        while len(batch) < AT_ONCE:
            board = next(source)
            if board.epd() not in seen and even_material(board):
                seen.add(board.epd())
                batch.append(board)
        looked_at += len(batch)
        for board, tree in zip(batch, search(judge, batch, simulations=simulations), strict=True):
            if abs(tree.value) <= most:
                kept.append(" ".join(move.uci() for move in board.move_stack))
        print(f"{len(kept)} of {looked_at} different positions with even material", flush=True)
    return sorted(kept[:lines])


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Make the openings that matches begin with.")
    parser.add_argument("--judge", required=True, help="network that says how even a position is")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--lines", type=int, default=2000)
    parser.add_argument("--most", type=float, default=0.1, help="most that either side may be ahead by, in points")
    parser.add_argument("--simulations", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    lines = even_lines(load_agent(given.judge), given.lines, given.most, given.simulations, given.seed)
    given.out.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
