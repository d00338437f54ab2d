"""What every stage is handed, and what it hands back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from conceptmine.pipeline.settings import MiningSettings
from conceptmine.pipeline.workers import Workers, agent_at
from conceptmine.runfolder import RunFolder
from engines.networks import Agent

Say = Callable[[str], None]


@dataclass(frozen=True)
class StageResult:
    """What a stage counted, and the filters' counts that it settles."""

    counts: Mapping[str, int]
    funnel: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class RunContext:
    """A run in progress: its folder, its settings, its workers, and where to tell progress."""

    folder: RunFolder
    settings: MiningSettings
    workers: Workers
    say: Say

    def input(self, role: str) -> str:
        """Path of an input file of the run (``agent``, ``weaker``, ``student1`` …, ``human``, ``human_network``)."""
        return self.folder.manifest.inputs[role].path

    @property
    def agent(self) -> Agent:
        """The agent that concepts are mined from."""
        return agent_at(self.input("agent"), self.settings.device)

    @property
    def human_network(self) -> Agent:
        """The human-policy network."""
        return agent_at(self.input("human_network"), self.settings.device)

    @property
    def student_paths(self) -> tuple[str, ...]:
        """The ladder's files, weakest first."""
        return tuple(self.input(f"student{number}") for number in range(1, len(self.settings.students) + 1))

    def scratch(self, name: str) -> Path:
        """Place of an intermediate file."""
        return self.folder.scratch / name


def chunks(size: int, total: int) -> list[range]:
    """Ranges of at most ``size`` that cover ``range(total)``; the same whatever the number of workers."""
    return [range(start, min(start + size, total)) for start in range(0, total, size)]
