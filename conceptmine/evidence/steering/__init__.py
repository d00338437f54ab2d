"""Steering: does moving the activations along a vector move the agent's choices, and more than other vectors do?

`steered` gives an agent of which one layer is amplified (`amplification`), to evaluate, search and play with.
`measure_doses` steers by the concept and by its controls (`Arm`) at several strengths and looks at choices between a
best and a subpar move (`Choice`); `dose_response` compares them, and `ascent_direction` is what such a comparison must
find. `suite_score` counts the points of a test suite, and `strength_lost` plays the steered agent against itself.
"""

from conceptmine.evidence.steering.amplification import PAPER_BETA, SteeredAgent, amplification, steered
from conceptmine.evidence.steering.arms import (
    Arm,
    other_concepts,
    random_arms,
    shrink_arm,
    shuffled_arms,
    transplanted_arm,
)
from conceptmine.evidence.steering.ascent import ascent_direction
from conceptmine.evidence.steering.doses import Choice, Doses, measure_doses
from conceptmine.evidence.steering.response import Comparison, DoseResponse, Interval, dose_response
from conceptmine.evidence.steering.strength import strength_lost
from conceptmine.evidence.steering.suites import SuiteScore, suite_score

__all__ = [
    "PAPER_BETA",
    "Arm",
    "Choice",
    "Comparison",
    "DoseResponse",
    "Doses",
    "Interval",
    "SteeredAgent",
    "SuiteScore",
    "amplification",
    "ascent_direction",
    "dose_response",
    "measure_doses",
    "other_concepts",
    "random_arms",
    "shrink_arm",
    "shuffled_arms",
    "steered",
    "strength_lost",
    "suite_score",
    "transplanted_arm",
]
