"""A UCI engine for tests: plays the first legal move, and one of the mischiefs that its first word names.

``good``; ``crash`` ends at its third move; ``illegal`` plays a move that is none; ``none`` gives no move; ``hang`` is
silent when it should move; ``deaf`` never answers to ``uci``; ``log FILE`` writes down what it hears.
"""

from __future__ import annotations

import os
import sys
import time

import chess


def main() -> None:
    """Speak UCI until ``quit``."""
    mischief = sys.argv[1] if len(sys.argv) > 1 else "good"
    log = sys.argv[2] if mischief == "log" else None
    board, moves = chess.Board(), 0
    for line in sys.stdin:
        words = line.split()
        if log:
            with open(log, "a", encoding="utf-8") as file:  # noqa: PTH123
                file.write(line)
        if not words:
            continue
        if words[0] == "uci" and mischief != "deaf":
            print("id name fake\noption name Skill Level type spin default 20 min 0 max 20")
            print(
                "option name Slow type check default false\noption name MultiPV type spin default 1 min 1 max 9\nuciok"
            )
        elif words[0] == "isready":
            print("readyok")
        elif words[0] == "position":
            at = words.index("moves") if "moves" in words else len(words)
            board = chess.Board() if words[1] == "startpos" else chess.Board(" ".join(words[2:at]))
            for word in words[at + 1 :]:
                board.push_uci(word)
        elif words[0] == "go":
            moves += 1
            if mischief == "crash" and moves == 3:
                os._exit(7)
            if mischief == "hang" and moves == 2:
                time.sleep(600)
            best = min(move.uci() for move in board.legal_moves)
            if mischief == "illegal" and moves == 2:
                best = "a1a1" if moves % 2 else "e1e8"
            print(f"bestmove {'(none)' if mischief == 'none' else best}")
        elif words[0] == "quit":
            return
        sys.stdout.flush()


if __name__ == "__main__":
    main()
