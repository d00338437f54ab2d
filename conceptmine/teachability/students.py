"""Students: which weaker agent is taught, how, and whether prototypes teach it what random positions do not.

Schut et al., section 4.2.1. The student is the newest agent of the ladder that seldom plays the teacher's move in the
prototypes. It learns by ``KL(teacher ‖ student)`` with Adam, once from prototypes and once from as many random
positions, from the same weights and in the same order of batches, and both are examined on prototypes and on random
positions of games that neither has seen. A concept is teachable if the first student plays the teacher's move in new
prototypes more often than the second.

Choices where the paper is silent. The teacher is its raw policy. Both policies are taken over the legal moves of the
position, the rest masked and the legal ones normalised. A batch is the mean of its positions. Normalisation is frozen
by construction: an agent's network has it folded into its convolutions, so the statistics of a few hundred prototypes
cannot disturb the student. Value and moves-left heads get no loss and keep their weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from conceptmine.errors import InputError
from conceptmine.teachability.gain import Gain, paired_gain
from conceptmine.teachability.lessons import Lessons, PackedPositions
from engines.chess.encoding import unpack_planes
from engines.networks import Agent, load_agent, trainable

__all__ = [
    "StudentChoice",
    "TeachingResult",
    "TeachingSettings",
    "TeachingTask",
    "choose_student",
    "teach_concept",
    "teach_from_files",
    "top_moves",
]

ARMS = ("concept", "random")
"""What a student is taught with, in the order of the `arms` axis; it is examined on the same two kinds."""

# Far below any logit, yet finite: a probability of exactly zero times it is zero, not NaN.
_MASKED = -1.0e9


@dataclass(frozen=True)
class TeachingSettings:
    """How students are chosen and taught; the defaults are the paper's, where it says.

    Attributes:
        epochs: passes over the training positions (5 to filter concepts; 50 for a learning curve).
        learning_rate: of Adam.
        batch_size: positions a step.
        agreement_below: a student must play the teacher's move in less than this share of the prototypes.
        draws: bootstrap draws of the interval.
        level: coverage of the interval.
    """

    epochs: int = 5
    learning_rate: float = 1e-4
    batch_size: int = 64
    agreement_below: float = 0.2
    draws: int = 10_000
    level: float = 0.95

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_size < 1 or not self.learning_rate > 0:
            raise InputError(
                f"Teaching needs epochs >= 1, batch_size >= 1 and learning_rate > 0, not {self.epochs},"
                f" {self.batch_size} and {self.learning_rate}."
            )


@dataclass(frozen=True)
class StudentChoice:
    """Which agent of the ladder is taught.

    Attributes:
        index: its place in the ladder.
        agreement: share of prototypes in which it plays the teacher's move, in [0, 1].
        agreements: float64 [agents], the same for the whole ladder.
        rule_met: whether it is below the threshold; False if no agent is, and the least agreeing one was taken.
    """

    index: int
    agreement: float
    agreements: NDArray[np.float64]
    rule_met: bool


@dataclass(frozen=True)
class TeachingResult:
    """What teaching one concept showed. Axis `arms` is (taught with the concept, taught with random positions).

    Attributes:
        student: name of the agent that was taught.
        choice: how it was chosen.
        seeds: of the runs, in the order of the `seeds` axis.
        on_concept: float64 [seeds, arms, epochs + 1], share of `concept_test` in which the student plays the teacher's
            move, before training (epoch 0: the untaught student, equal in all of them) and after each epoch.
        on_random: float64 [seeds, arms, epochs + 1], the same on `random_test`.
        hits: bool [seeds, arms, n_test], after the last epoch: was position i of `concept_test` answered right.
        gain: the concept-taught student's accuracy on `concept_test` minus the other's, with its interval.
    """

    student: str
    choice: StudentChoice
    seeds: tuple[int, ...]
    on_concept: NDArray[np.float64]
    on_random: NDArray[np.float64]
    hits: NDArray[np.bool_]
    gain: Gain

    @property
    def teachable(self) -> bool:
        """Whether the gain's interval lies above zero."""
        return self.gain.low > 0

    def top1(self, trained_on: str, evaluated_on: str) -> float:
        """Accuracy averaged over seeds, after the last epoch.

        Args:
            trained_on: "concept", "random" or "none" (the untaught student).
            evaluated_on: "concept" or "random".

        Returns:
            A share in [0, 1].
        """
        curves = {"concept": self.on_concept, "random": self.on_random}[evaluated_on]
        if trained_on == "none":
            return float(curves[:, :, 0].mean())
        return float(curves[:, ARMS.index(trained_on), -1].mean())

    def rows(self) -> Iterator[tuple[int, str, str, int, float]]:
        """The curves as rows (seed, trained_on, evaluated_on, epoch, top1); epoch 0 is trained on "none"."""
        for s, seed in enumerate(self.seeds):
            for evaluated_on, curves in (("concept", self.on_concept), ("random", self.on_random)):
                yield seed, "none", evaluated_on, 0, float(curves[s, 0, 0])
                for a, trained_on in enumerate(ARMS):
                    for epoch in range(1, curves.shape[2]):
                        yield seed, trained_on, evaluated_on, epoch, float(curves[s, a, epoch])


@dataclass(frozen=True)
class TeachingTask:
    """The arguments of one concept's teaching in a form that another process can be sent.

    Attributes:
        teacher: path or shipped name of the teacher.
        students: paths or names of the ladder, oldest first.
        lessons: the packed positions.
        seeds: one run each.
        settings: how to teach.
        device: "cpu" or "cuda".
    """

    teacher: str
    students: tuple[str, ...]
    lessons: Lessons
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    settings: TeachingSettings = field(default_factory=TeachingSettings)
    device: str = "cpu"


def top_moves(agent: Agent, positions: PackedPositions) -> NDArray[np.int64]:
    """The agent's most probable legal move in each position.

    Args:
        agent: any agent.
        positions: n positions.

    Returns:
        int64 [n], policy indices (the lowest of equals).
    """
    return np.asarray(np.argmax(_legal_logits(agent, positions), axis=1), dtype=np.int64)


def choose_student(
    teacher_moves: NDArray[np.int64], ladder_moves: Sequence[NDArray[np.int64]], *, agreement_below: float = 0.2
) -> StudentChoice:
    """The newest agent that plays the teacher's move in fewer than a given share of the prototypes (eq. 17).

    Args:
        teacher_moves: int64 [n], the teacher's top moves in all prototypes.
        ladder_moves: the same of each agent of the ladder, oldest first.
        agreement_below: the share, 0.2 in the paper.

    Returns:
        The choice. If no agent is below the share, the one with the lowest agreement (the newest of equals), marked.

    Raises:
        InputError: no agents, no prototypes, or lists of unequal length.
    """
    if not ladder_moves or teacher_moves.size == 0:
        raise InputError("A student can only be chosen from at least one agent by at least one prototype.")
    if any(moves.shape != teacher_moves.shape for moves in ladder_moves):
        raise InputError("Every agent of the ladder needs one top move for each prototype.")
    agreements = np.array([float(np.mean(moves == teacher_moves)) for moves in ladder_moves])
    below = np.flatnonzero(agreements < agreement_below)
    index = int(below[-1]) if below.size else int(np.flatnonzero(agreements == agreements.min())[-1])
    return StudentChoice(index, float(agreements[index]), agreements, bool(below.size))


def teach_concept(
    teacher: Agent,
    students: Sequence[Agent],
    lessons: Lessons,
    *,
    seeds: Sequence[int] = (0, 1, 2, 3, 4),
    settings: TeachingSettings | None = None,
    progress: Callable[[int], None] | None = None,
) -> TeachingResult:
    """Choose a student, teach it twice a seed (prototypes, random positions) and examine both.

    The agents are not changed: each run starts from a copy of the student's weights. On the CPU it runs in one thread,
    so that many concepts can be taught side by side, and equal arguments give equal results.

    Args:
        teacher: the agent the concept was found in.
        students: the ladder, oldest first.
        lessons: the positions.
        seeds: of the order of batches and the draw of random lessons, one run of both arms each.
        settings: how to teach; the paper's by default.
        progress: called with the number of finished seeds after each.

    Returns:
        The curves and the gain.

    Raises:
        InputError: no students or no seeds, or an agent that sees positions in another input format than the lessons'.
    """
    settings = settings or TeachingSettings()
    if not seeds:
        raise InputError("Teaching needs at least one seed.")
    packed = lessons.concept_train.input_format
    for agent in (teacher, *students):
        if agent.input_format != packed:
            raise InputError(
                f"{agent.name} sees positions in input format {agent.input_format}, and the lessons are packed in"
                f" format {packed}: teach agents of one format, with lessons packed in it."
            )
    with _one_thread():
        exams = {
            "concept": _Exam(lessons.concept_test, top_moves(teacher, lessons.concept_test)),
            "random": _Exam(lessons.random_test, top_moves(teacher, lessons.random_test)),
        }
        # The rule is over all prototypes, those of the exam included; it compares, and lets nothing be learned.
        prototypes = lessons.concept_train.joined(lessons.concept_test)
        choice = choose_student(
            top_moves(teacher, prototypes),
            [top_moves(student, prototypes) for student in students],
            agreement_below=settings.agreement_below,
        )
        student = students[choice.index]
        concept_policy = _legal_policy(teacher, lessons.concept_train)
        random_policy = _legal_policy(teacher, lessons.random_train)
        curves = {kind: np.empty((len(seeds), len(ARMS), settings.epochs + 1)) for kind in ARMS}
        hits = np.empty((len(seeds), len(ARMS), len(lessons.concept_test)), dtype=bool)
        for kind in ARMS:
            curves[kind][:, :, 0] = exams[kind].sat_by(student).mean()
        for s, seed in enumerate(seeds):
            drawn = np.random.default_rng(seed).permutation(len(lessons.random_train))[: len(lessons.concept_train)]
            courses = (
                (lessons.concept_train, concept_policy),
                (lessons.random_train.take(drawn), random_policy[drawn]),
            )
            for a, (positions, policy) in enumerate(courses):
                for epoch, taught in enumerate(_epochs(student, positions, policy, seed, settings), start=1):
                    hits[s, a] = exams["concept"].sat_by(taught)
                    curves["concept"][s, a, epoch] = hits[s, a].mean()
                    curves["random"][s, a, epoch] = exams["random"].sat_by(taught).mean()
            if progress is not None:
                progress(s + 1)
    gain = paired_gain(
        hits[:, 0],
        hits[:, 1],
        groups=lessons.test_games,
        draws=settings.draws,
        level=settings.level,
        seed=int(seeds[0]),
    )
    return TeachingResult(
        student.name, choice, tuple(int(s) for s in seeds), curves["concept"], curves["random"], hits, gain
    )


def teach_from_files(task: TeachingTask) -> TeachingResult:
    """`teach_concept` for a pool of processes: loads the agents named in the task, then teaches.

    Args:
        task: the arguments.

    Returns:
        The curves and the gain.

    Raises:
        InputError, engines.NetworkFormatError: as `teach_concept` and `load_agent`.
    """
    with _one_thread():
        teacher = load_agent(task.teacher, device=task.device)
        students = [load_agent(path, device=task.device) for path in task.students]
    return teach_concept(teacher, students, task.lessons, seeds=task.seeds, settings=task.settings)


@dataclass(frozen=True)
class _Exam:
    """Positions and the teacher's moves in them."""

    positions: PackedPositions
    answers: NDArray[np.int64]

    def sat_by(self, agent: Agent) -> NDArray[np.bool_]:
        """Whether the agent plays the teacher's move, bool [n]."""
        return np.asarray(top_moves(agent, self.positions) == self.answers)


def _epochs(
    student: Agent, positions: PackedPositions, policy: torch.Tensor, seed: int, settings: TeachingSettings
) -> Iterator[Agent]:
    """Train a copy of the student on target policies [n, 1858]; yields it as an agent after each epoch."""
    network = trainable(student.network, batch_norm="folded")
    device = student.device
    policy, legal = policy.to(device), torch.from_numpy(positions.legal).to(device)
    optimiser = torch.optim.Adam(network.parameters(), lr=settings.learning_rate)
    order = torch.Generator().manual_seed(seed)
    for _ in range(settings.epochs):
        shuffled = torch.randperm(len(positions), generator=order)
        for start in range(0, len(positions), settings.batch_size):
            batch = shuffled[start : start + settings.batch_size]
            part = positions.take(batch.numpy())
            planes = torch.from_numpy(unpack_planes(part.masks, part.values)).to(device)
            logits = network.layer_outputs(planes, ("policy",))["policy"].masked_fill(~legal[batch], _MASKED)
            # The teacher's entropy, the other half of KL(teacher ‖ student), does not depend on the student.
            loss = -(policy[batch] * logits.log_softmax(dim=1)).sum(dim=1).mean()
            optimiser.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            optimiser.step()
        yield Agent(network, student.name, device=device)


def _legal_logits(agent: Agent, positions: PackedPositions) -> NDArray[np.float32]:
    """The agent's logits of the legal moves, float32 [n, 1858], those of other moves far below them."""
    logits = agent.evaluate_packed(positions.masks, positions.values).logits
    return np.where(positions.legal, logits, np.float32(_MASKED))


def _legal_policy(agent: Agent, positions: PackedPositions) -> torch.Tensor:
    """The agent's probabilities over the legal moves, float32 [n, 1858] with zeros elsewhere."""
    return torch.from_numpy(_legal_logits(agent, positions)).softmax(dim=1)


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
