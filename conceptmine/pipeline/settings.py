"""Everything that decides what a run does, as one frozen value that the manifest keeps."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from conceptmine.errors import InputError
from conceptmine.evidence.correctness import check_oracle, check_tablebases
from conceptmine.mining.duplicates import SAME_COSINE, SAME_ORDERS
from conceptmine.mining.prices import PRICE_RATIOS
from engines.networks import Agent, load_agent, shipped_agents

DEFAULT_AGENT = "ladder-final"
DEFAULT_WEAKER = "ladder-weaker"
HUMAN_NETWORK = "human-imitation"
SUPPORT_LEVEL = 0.05


@dataclass(frozen=True)
class MiningSettings:
    """The arguments of a run.

    ``agent``, ``weaker``: the two strengths (network files or shipped names); ``students``: the ladder to choose a
    student from, oldest and weakest first; ``human``: PGN file of human games, or None for games sampled from the
    human network; ``roots``: positions to mine from and test on; ``simulations``: visits of every search; ``layers``:
    where concepts are looked for; ``null``: flip every root's pairs by a coin, so that nothing can be found.

    The rest has no switch on the command line and is recorded all the same: ``human_network`` is asked what people
    would play (a network file or shipped name); ``samples_per_game`` positions are looked at in each game;
    ``opening_plies`` of a human game open each game of the agent, which then draws its moves from the agent's policy at
    ``machine_temperature``; lines have ``horizons`` plies (T, section 8.4.1); ``value_gap`` and ``visit_gap`` make a
    move subpar; ``pool`` positions are searched for prototypes; families of at least ``family_least`` roots are mined
    too, among at most ``family_most``: the price of their slack is chosen among ``family_prices`` (multiples of the
    critical price) by ``family_folds``-fold cross-validation, their roots are reassigned in at most ``family_rounds``
    rounds, ``family_flips`` is the size of the null of their cohesion, and ``family_resamples`` bootstrap samples give
    their stability; vectors of a layer that reach ``duplicate_cosine`` and order a share of ``duplicate_orders`` of the
    rows alike are one concept; ``taught`` concepts with the best evidence are taught, each with ``seeds``;
    ``prototype_share`` of the pool at most are prototypes; ``corpus_positions`` of each side make the bases of novelty,
    compared with ``permutations`` shuffles; ``flips`` is the size of the sign-flip null; the taught concepts are
    amplified with strengths ``steering_alphas`` and ``steering_beta`` (α and β of section 5.1.3); the moves in
    ``judged_positions`` of each are searched again with ``judged_factor`` times the simulations, and judged by
    ``oracle`` (a UCI engine, with ``oracle_nodes``) and ``tablebases`` (a folder) where these are given.
    """

    agent: str
    weaker: str
    students: tuple[str, ...]
    human: str | None
    roots: int
    simulations: int
    layers: tuple[str, ...]
    seed: int
    device: str
    workers: int
    null: bool
    human_network: str = HUMAN_NETWORK
    samples_per_game: int = 6
    opening_plies: int = 8
    machine_temperature: float = 0.6
    horizons: tuple[int, ...] = (5, 10)
    value_gap: float = 0.20
    visit_gap: float = 0.10
    pool: int = 600
    family_least: int = 8
    family_most: int = 200
    family_prices: tuple[float, ...] = PRICE_RATIOS
    family_folds: int = 5
    family_rounds: int = 3
    family_flips: int = 199
    family_resamples: int = 20
    duplicate_cosine: float = SAME_COSINE
    duplicate_orders: float = SAME_ORDERS
    taught: int = 12
    seeds: tuple[int, ...] = (0, 1, 2)
    prototype_share: float = 0.1
    corpus_positions: int = 800
    permutations: int = 99
    flips: int = 19_999
    steering_alphas: tuple[float, ...] = (0.1, 0.2, 0.4)
    steering_beta: float = 0.1
    judged_positions: int = 12
    judged_factor: int = 8
    oracle: str | None = None
    oracle_nodes: int = 200_000
    tablebases: str | None = None

    @property
    def games(self) -> int:
        """Games of each corpus: enough that nearly every root finds a game of its own."""
        return max(40, 2 * self.roots)

    def as_arguments(self) -> dict[str, Any]:
        """The settings as JSON values, for the manifest."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_arguments(cls, arguments: Mapping[str, Any]) -> MiningSettings:
        """The settings that a manifest holds.

        Raises:
            InputError: they are not those of this version.
        """
        try:
            if arguments.keys() != {field.name for field in fields(cls)}:
                raise KeyError
            return TypeAdapter(cls).validate_python(arguments)
        except (KeyError, ValidationError):
            raise InputError("The run was made by another version of conceptmine: mine again with this one.") from None


def network_path(path_or_name: str) -> Path:
    """The file of an agent given by path or shipped name.

    Raises:
        NetworkFormatError: there is neither.
    """
    return load_agent(path_or_name).path or Path(path_or_name)


def default_layers(agent: Agent) -> tuple[str, ...]:
    """The last layers of the body and of the policy head before its logits: layers 19 and 23 of the paper's network.

    Queries and keys of an attention policy are left out: they are halves of the logits.
    """
    layers = list(agent.layers)
    head = [name for name in layers if name.startswith("policy_") and name not in ("policy_query", "policy_key")]
    return layers[layers.index(head[0]) - 1], head[-1]


def checked_settings(
    *,
    agent: str | None,
    weaker: str | None,
    students: str | None,
    human: str | None,
    roots: int,
    simulations: int,
    layers: str | None,
    seed: int,
    device: str,
    workers: int,
    null: bool,
    oracle: str | None = None,
    tablebases: str | None = None,
) -> MiningSettings:
    """Settings from what a person typed; every mistake that can be seen now is refused now.

    Raises:
        InputError: a number out of range, an unknown layer, a missing file, a missing --weaker, an oracle that cannot
            be started, or a folder without tablebases.
        NetworkFormatError: a network that cannot be read.
    """
    if roots < 4:
        raise InputError(f"--roots is {roots}: give at least 4, so that some can be mined and others tested on.")
    if simulations < 16:
        raise InputError(f"--simulations is {simulations}: give at least 16, or no line is deep enough to compare.")
    if workers < 1:
        raise InputError(f"--workers is {workers}: give at least 1.")
    if seed < 0:
        raise InputError(f"--seed is {seed}: give a whole number from 0 up.")
    if agent is not None and weaker is None:
        raise InputError("--agent needs --weaker beside it: name a weaker network to disagree with.")
    strong = load_agent(agent or DEFAULT_AGENT)
    weak = load_agent(weaker or DEFAULT_WEAKER)
    if strong.sha256 == weak.sha256:
        raise InputError("--agent and --weaker are the same network: they can never disagree, so name another one.")
    chosen = tuple(name for name in (layers or "").split(",") if name) or default_layers(strong)
    for layer in chosen:
        if layer not in strong.layers:
            raise InputError(f"{strong.name} has no layer {layer!r}: choose from {', '.join(strong.layers)}.")
    if human is not None and not Path(human).is_file():
        raise InputError(f"There is no file {human}: give --human a PGN file (or .pgn.zst).")
    ladder = tuple(name for name in (students or "").split(",") if name)
    if not ladder:
        ladder = tuple(shipped_ladder()) if agent is None else (str(weaker),)
    for student in ladder:
        taught = load_agent(student).input_format
        if taught != strong.input_format:
            raise InputError(
                f"The student {student} sees positions in input format {taught}, and {strong.name} in format"
                f" {strong.input_format}: name --students of the same format, or nothing can be taught."
            )
    if oracle is not None:
        oracle = shutil.which(oracle) or oracle
        check_oracle(oracle)
        # Kept in full, so that a run can be resumed from another folder.
        oracle = str(Path(oracle).absolute())
    if tablebases is not None:
        check_tablebases(Path(tablebases))
        tablebases = str(Path(tablebases).absolute())
    return MiningSettings(
        agent=str(agent or DEFAULT_AGENT),
        weaker=str(weaker or DEFAULT_WEAKER),
        students=ladder,
        human=human,
        roots=roots,
        simulations=simulations,
        layers=tuple(dict.fromkeys(chosen)),
        seed=seed,
        device=device,
        workers=workers,
        null=null,
        human_network=HUMAN_NETWORK,
        pool=3 * roots,
        oracle=oracle,
        tablebases=tablebases,
    )


def shipped_ladder() -> list[str]:
    """The shipped checkpoints below the default agent, weakest first."""
    return [name for name in shipped_agents() if name.startswith("ladder-") and name != DEFAULT_AGENT]


__all__ = [
    "DEFAULT_AGENT",
    "DEFAULT_WEAKER",
    "HUMAN_NETWORK",
    "SUPPORT_LEVEL",
    "MiningSettings",
    "checked_settings",
    "default_layers",
    "network_path",
    "shipped_ladder",
]
