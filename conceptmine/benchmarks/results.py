"""What the benchmark found, as values and as JSON."""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any, Final

from conceptmine.benchmarks.calibration import FalseAlarms
from conceptmine.benchmarks.methods import PENALTIES, SLACKS
from conceptmine.benchmarks.planting import PREVALENCES
from conceptmine.benchmarks.scoring import FDR, RESPONSE_BAR, Score
from conceptmine.benchmarks.settings import PlantedSettings
from conceptmine.benchmarks.siblings import PLIES

__all__ = ["CEILING", "FLOOR", "Outcome", "PlantedResult", "plain", "versions"]

CEILING: Final = "told the directions"
"""Not a method: its candidates are the planted directions themselves."""

FLOOR: Final = "random directions"
"""Not a method: its candidates are as many random sparse directions as the joint programmes give."""


@dataclass(frozen=True)
class Outcome:
    """What one method came to on one data set: its size, its strength, its seed, the score, and seconds of mining."""

    roots: int
    strength: float
    seed: int
    method: str
    score: Score
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """Everything but the seconds, as JSON values."""
        shares = {
            "precision": self.score.precision,
            "recall": self.score.recall,
            "false_share": self.score.false_share,
            "useless_share": self.score.useless_share,
        }
        where = {"roots": self.roots, "strength": self.strength, "seed": self.seed, "method": self.method}
        found: dict[str, Any] = plain(where | shares | asdict(self.score))
        return found


@dataclass(frozen=True)
class PlantedResult:
    """Everything the benchmark found.

    settings  as given; agent, sha256, features: the network and the layer's width.
    outcomes  of every method (and `CEILING` and `FLOOR`) on every data set.
    alarms    of every method on data sets without anything planted.
    seconds   of the whole.
    """

    settings: PlantedSettings
    agent: str
    sha256: str
    features: int
    outcomes: tuple[Outcome, ...]
    alarms: tuple[FalseAlarms, ...]
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """All of it as JSON values; the same seed gives the same ones, but for what stands under "timing"."""
        return {
            "benchmark": "planted",
            "settings": self.settings.as_json(),
            "fixed": {
                "fdr": FDR,
                "response_bar": RESPONSE_BAR,
                "prevalences": list(PREVALENCES),
                "plies": list(PLIES),
                "slacks": list(SLACKS),
                "penalties": list(PENALTIES),
            },
            "network": {"name": self.agent, "sha256": self.sha256, "features": self.features},
            "versions": versions(),
            "outcomes": [each.as_json() for each in self.outcomes],
            "calibration": [asdict(each) | {"interval": list(each.interval)} for each in self.alarms],
            "timing": {"seconds": self.seconds, "mining_seconds": [each.seconds for each in self.outcomes]},
        }


def versions() -> dict[str, str]:
    """Versions of this package, of what it computes with, and of Python."""
    names = ("conceptmine", "numpy", "scipy", "numba", "highspy", "torch", "chess")
    return {"python": platform.python_version()} | {name: version(name) for name in names}


def plain(value: Any) -> Any:
    """The same with lists in place of tuples and None in place of numbers that are not finite, which JSON lacks."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
