"""What a search does, as one frozen value; and the three presets."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

PUCT_LC0, PUCT_ALPHAZERO, GUMBEL = 0, 1, 2
FORMULAS = {"lc0": PUCT_LC0, "alphazero": PUCT_ALPHAZERO, "gumbel": GUMBEL}


@dataclass(frozen=True)
class SearchSettings:
    """Every tunable of a tree search.

    ``formula``: ``"lc0"`` is Leela's PUCT (exploration grows with the logarithm of the visits, unvisited moves are
    valued at the parent's mean less ``fpu_reduction`` times the root of the policy already visited, the root's own
    evaluation counts as its first visit); ``"alphazero"`` is the published pseudocode (unvisited moves count as lost,
    root evaluation not counted); ``"gumbel"`` is sequential halving at the root and the deterministic rule inside
    (Danihelka et al. 2022).

    ``c_puct``, ``c_base``, ``c_factor``: exploration ``c_puct + c_factor · ln((N + c_base) / c_base)``.
    ``policy_temperature``: the logits are divided by it.  ``two_fold_draws``: a position of the tree that stood before,
    in the tree or in the game, is a draw, not only one that stood twice before.  ``noise_fraction``, ``noise_alpha``:
    Dirichlet noise mixed into the root's policy (0 = none); a Gumbel search mixes the uniform policy in instead.
    ``gumbel_moves``: moves considered at the root; ``gumbel_visit_offset``, ``gumbel_scale``: σ(q) = (offset + max N) ·
    scale · q; ``gumbel_noise``: 1 samples (self-play), 0 is deterministic (evaluation).

    Raises ``ValueError`` for an unknown formula and for numbers that are not finite or out of range.
    """

    formula: str = "lc0"
    c_puct: float = 1.745
    c_base: float = 38739.0
    c_factor: float = 3.894
    fpu_reduction: float = 0.33
    policy_temperature: float = 1.0
    two_fold_draws: bool = False
    noise_fraction: float = 0.0
    noise_alpha: float = 0.3
    gumbel_moves: int = 16
    gumbel_visit_offset: float = 50.0
    gumbel_scale: float = 0.3
    gumbel_noise: float = 1.0

    def __post_init__(self) -> None:
        if self.formula not in FORMULAS:
            raise ValueError(f"unknown search formula '{self.formula}': choose one of {', '.join(FORMULAS)}")
        for name in _NUMBERS:
            value = getattr(self, name)
            if not isinstance(value, (int, float, np.number)) or not math.isfinite(value):
                raise ValueError(f"{name} is {value!r}; it must be a finite number")
        for name in ("policy_temperature", "c_base", "noise_alpha"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be above 0")
        if not 0 <= self.noise_fraction <= 1:
            raise ValueError(f"noise_fraction is {self.noise_fraction}; it must lie between 0 and 1")
        if self.gumbel_moves < 1:
            raise ValueError(f"gumbel_moves is {self.gumbel_moves}; it must be at least 1")

    def record(self) -> NDArray[np.void]:
        """The settings as the one-element structured array that the kernels read."""
        values = [FORMULAS[self.formula]] + [getattr(self, name) for name in _NUMBERS]
        return np.array([tuple(values)], dtype=SETTINGS)


_NUMBERS = tuple(field.name for field in fields(SearchSettings) if field.name != "formula")
SETTINGS = np.dtype([("formula", "i4")] + [(name, "f8") for name in _NUMBERS])

PRESETS = {
    "lc0": SearchSettings(),
    "alphazero": SearchSettings(formula="alphazero", c_puct=1.25, c_base=19652.0, c_factor=1.0),
    "gumbel": SearchSettings(formula="gumbel", two_fold_draws=True),
}


def settings_for(preset: str, overrides: dict[str, Any]) -> SearchSettings:
    """The preset's settings with single ones replaced; unknown names raise one clear ``ValueError``."""
    if preset not in PRESETS:
        raise ValueError(f"unknown search preset '{preset}': choose one of {', '.join(PRESETS)}")
    known = {field.name for field in fields(SearchSettings)}
    unknown = sorted(set(overrides) - known)
    if unknown:
        raise ValueError(f"unknown search setting '{unknown[0]}': choose among {', '.join(sorted(known))}")
    return replace(PRESETS[preset], **overrides)
