"""The errors that a person can mend: each message says what was wrong, where, and what to do."""

from __future__ import annotations


class InputError(ValueError):
    """A file, argument or option cannot be used as given; the command line turns this into exit code 2."""
