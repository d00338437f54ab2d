"""Everything that decides what the benchmark does, checked where it is typed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from conceptmine.benchmarks.motifs import MOTIFS
from conceptmine.errors import InputError
from conceptmine.pipeline.settings import DEFAULT_AGENT, default_layers
from engines.networks import load_agent

__all__ = ["FEWEST_ROOTS", "MotifSettings", "PlantedSettings", "motif_settings", "planted_settings"]

FEWEST_ROOTS: Final = 20
"""Half of them test: with ten roots the smallest p is 1/1,024."""

_MOST_ROOTS: Final = 20_000


@dataclass(frozen=True)
class PlantedSettings:
    """The arguments of the benchmark with planted directions.

    ``agent``, ``layer``: whose activations; ``games``: PGN file to take roots from, or None for games of the agent's
    own; ``roots``: sizes of the data sets, half of each to mine from; ``strengths``: of what is planted; ``seeds``:
    data sets of each size and strength; ``noise_seeds``: data sets without anything planted, and fresh networks, of
    ``noise_roots`` roots each; ``seed``: the first of all seeds; ``clusters``: groups of alike roots that pooled
    methods are given beside all roots.
    """

    agent: str
    layer: str
    games: str | None
    roots: tuple[int, ...]
    strengths: tuple[float, ...]
    seeds: int
    noise_seeds: int
    noise_roots: int
    seed: int
    clusters: int = 8

    def as_json(self) -> dict[str, Any]:
        """The settings as JSON values."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @property
    def command(self) -> str:
        """The command line that runs it."""
        words = ["conceptmine bench planted", f"--agent {self.agent} --layer {self.layer}"]
        words += [f"--games {self.games}"] if self.games is not None else []
        words += [f"--roots {','.join(map(str, self.roots))}"]
        words += [f"--strengths {','.join(f'{strength:g}' for strength in self.strengths)} --seeds {self.seeds}"]
        words += [f"--noise-seeds {self.noise_seeds} --noise-roots {self.noise_roots} --seed {self.seed}"]
        return " ".join(words)


@dataclass(frozen=True)
class MotifSettings:
    """The arguments of the benchmark with a taught network.

    ``agent``, ``layer``: the earlier self, and where to mine; ``motif``: what a copy is taught to prefer, or with
    ``dislike`` to avoid; ``roots``: positions in which both choose differently, half to mine from; ``seeds``: divisions
    into halves; ``seed``: the first of all seeds; ``lessons``, ``steps``: positions and steps of teaching;
    ``exam_games``: games to take motif pairs from, one each; ``clusters``: as in `PlantedSettings`.
    """

    agent: str
    layer: str
    motif: str
    dislike: bool
    roots: int
    seeds: int
    seed: int
    lessons: int = 1_024
    steps: int = 300
    exam_games: int = 400
    clusters: int = 8

    def as_json(self) -> dict[str, Any]:
        """The settings as JSON values."""
        return asdict(self)

    @property
    def command(self) -> str:
        """The command line that runs it."""
        words = ["conceptmine bench planted", f"--agent {self.agent} --layer {self.layer} --motif {self.motif}"]
        words += ["--dislike"] if self.dislike else []
        words += [f"--roots {self.roots} --seeds {self.seeds} --seed {self.seed}"]
        return " ".join(words)


def planted_settings(
    *,
    agent: str | None,
    layer: str | None,
    games: Path | None,
    roots: str,
    strengths: str,
    seeds: int,
    noise_seeds: int,
    noise_roots: int,
    seed: int,
) -> PlantedSettings:
    """Settings from what a person typed; `roots` and `strengths` are numbers with commas between them.

    Raises:
        InputError: a number out of range, an unknown layer, or a missing file.
        NetworkFormatError: a network that cannot be read.
    """
    sizes = _sizes(roots)
    amounts = tuple(sorted({_strength(text) for text in strengths.split(",")}))
    _at_least("--seeds", seeds, 1)
    _at_least("--noise-seeds", noise_seeds, 0)
    _at_least("--seed", seed, 0)
    _size(str(noise_roots), "--noise-roots")
    if games is not None and not games.is_file():
        raise InputError(f"There is no file {games}: give --games a PGN file (or .pgn.zst).")
    name, chosen = _network(agent, layer)
    return PlantedSettings(
        agent=name,
        layer=chosen,
        games=None if games is None else str(games),
        roots=sizes,
        strengths=amounts,
        seeds=seeds,
        noise_seeds=noise_seeds,
        noise_roots=noise_roots,
        seed=seed,
    )


def motif_settings(
    *, agent: str | None, layer: str | None, motif: str, dislike: bool, roots: str, seeds: int, seed: int
) -> MotifSettings:
    """Settings from what a person typed.

    Raises:
        InputError: a number out of range, several sizes, or an unknown layer or motif.
        NetworkFormatError: a network that cannot be read.
    """
    sizes = _sizes(roots)
    if len(sizes) > 1:
        raise InputError("--roots has several sizes: with --motif give one.")
    _at_least("--seeds", seeds, 1)
    _at_least("--seed", seed, 0)
    if motif not in MOTIFS:
        raise InputError(f"--motif is {motif!r}: choose from {', '.join(MOTIFS)}.")
    name, chosen = _network(agent, layer)
    return MotifSettings(agent=name, layer=chosen, motif=motif, dislike=dislike, roots=sizes[0], seeds=seeds, seed=seed)


def _network(agent: str | None, layer: str | None) -> tuple[str, str]:
    loaded = load_agent(agent or DEFAULT_AGENT)
    chosen = layer or default_layers(loaded)[0]
    if chosen not in loaded.layers:
        raise InputError(f"{loaded.name} has no layer {chosen!r}: choose from {', '.join(loaded.layers)}.")
    return agent or DEFAULT_AGENT, chosen


def _at_least(option: str, value: int, least: int) -> None:
    if value < least:
        raise InputError(f"{option} is {value}: give a whole number from {least} up.")


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(sorted({_size(part, "--roots") for part in text.split(",")}))


def _size(text: str, option: str) -> int:
    if not text.strip().isdecimal() or not FEWEST_ROOTS <= int(text) <= _MOST_ROOTS or int(text) % 2:
        raise InputError(f"{option} has {text.strip()!r}: give even numbers from {FEWEST_ROOTS} to {_MOST_ROOTS:,}.")
    return int(text)


def _strength(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 < value <= 1000:
        raise InputError(f"--strengths has {text.strip()!r}: give numbers above 0 and up to 1000, with commas.")
    return value
