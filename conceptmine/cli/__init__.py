"""The command line: ``conceptmine --help`` lists it.  Exit code 0 done, 2 bad input or usage, 1 failure, 130 interrupted."""

from conceptmine.cli.application import main

__all__ = ["main"]
