"""From an agent and games to ranked concepts: the list of stages, run one after the other into a run folder.

`checked_settings` turns arguments into `MiningSettings`, `mine` runs all stages, `resume` those that an interruption
left undone. Each stage is a function of its own module that reads tables and writes tables.
"""

from conceptmine.pipeline.run import STAGES, mine, resume
from conceptmine.pipeline.settings import MiningSettings, checked_settings

__all__ = ["STAGES", "MiningSettings", "checked_settings", "mine", "resume"]
