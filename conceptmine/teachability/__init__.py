"""Teachability: does a weaker agent that learns from a concept's prototypes play the teacher's moves in new ones?

`position_margins` and `dynamic_prototypes` find the positions of a pool that show a concept, `split_by_game` parts
them, `random_positions` chooses others for the control, and `pack_positions` makes `Lessons` of both. `teach_concept`
(`teach_from_files` in another process) then teaches a student twice, with prototypes and with random positions, and
compares the two on prototypes that neither has seen.
"""

from conceptmine.teachability.controls import random_concept, random_positions
from conceptmine.teachability.gain import Gain, paired_gain
from conceptmine.teachability.lessons import Lessons, PackedPositions, pack_positions
from conceptmine.teachability.prototypes import (
    Prototypes,
    Split,
    dynamic_prototypes,
    position_margins,
    row_norms,
    split_by_game,
    static_prototypes,
)
from conceptmine.teachability.students import (
    StudentChoice,
    TeachingResult,
    TeachingSettings,
    TeachingTask,
    choose_student,
    teach_concept,
    teach_from_files,
    top_moves,
)

__all__ = [
    "Gain",
    "Lessons",
    "PackedPositions",
    "Prototypes",
    "Split",
    "StudentChoice",
    "TeachingResult",
    "TeachingSettings",
    "TeachingTask",
    "choose_student",
    "dynamic_prototypes",
    "pack_positions",
    "paired_gain",
    "position_margins",
    "random_concept",
    "random_positions",
    "row_norms",
    "split_by_game",
    "static_prototypes",
    "teach_concept",
    "teach_from_files",
    "top_moves",
]
