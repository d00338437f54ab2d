"""The command line, ``conceptmine --help``.  Exit codes: 0 done, 1 failure, 2 bad input or usage, 130 interrupted."""

from conceptmine.cli.application import main

__all__ = ["main"]
