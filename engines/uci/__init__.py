"""A chess engine that speaks UCI: any Leela network behind the search of `engines.search`, in any chess GUI.

`serve` is the program.  `protocol` reads lines, `options` and `setup` say what they mean, `clock` divides the time,
`thinking` searches, `mates` and `reporting` say what was found, `engine` is the conversation.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from typing import NoReturn

from engines.uci.engine import Engine, Lines
from engines.uci.options import OPTIONS, Options
from engines.uci.thinking import Thinker, load_network, missing_network

__all__ = ["OPTIONS", "Engine", "Lines", "Options", "serve"]

_BAD_INPUT, _INTERRUPTED = 2, 130


def serve(network: str, *, device: str = "cpu", threads: int = 1) -> NoReturn:
    """Speak UCI on standard input and output until ``quit`` or the end of the input, then end the process.

    ``network``: a Leela network file, or the name of a shipped agent; it is loaded after ``uci`` was answered.
    ``device``: a torch device, or ``"auto"``.  ``threads``: what the option Threads begins with.

    Exit codes: 0, 2 if the network cannot be used (an ``info string`` says why), 130 when interrupted.
    """
    code = _INTERRUPTED
    missing = missing_network(network)
    try:
        if missing is not None:
            _write(f"info string {missing}\n")
            code = _BAD_INPUT
        else:
            thinker = Thinker(partial(load_network, device=device))
            code = Engine(Options(weights_file=network, threads=threads), thinker, _write).run(sys.stdin.buffer)
    except KeyboardInterrupt:
        pass
    finally:
        # The reader may be waiting in the input and the worker compiling: the interpreter would not end before them,
        # or end with a complaint about the lock of standard input.
        os._exit(code)


def _write(text: str) -> None:
    try:
        sys.stdout.buffer.write(text.encode())
        sys.stdout.buffer.flush()
    except OSError:  # nobody listens any more; the end of the input follows
        pass
