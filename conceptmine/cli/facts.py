"""What ``conceptmine engine info`` says of a network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from engines.networks import Agent, AttentionPolicy, ClassicalPolicy, NetworkConfig
from engines.networks.checkpoint import to_json
from engines.networks.leela.schema import InputFormat

__all__ = ["facts_of", "lines_of"]


def facts_of(agent: Agent) -> dict[str, Any]:
    """Give everything, as JSON can say it."""
    return {
        "name": agent.name,
        "sha256": agent.sha256,
        "parameters": _parameters(agent),
        "architecture": to_json(agent.config),
        "layers": list(agent.layers),
        "metadata": None if agent.info is None else asdict(agent.info),
    }


def lines_of(agent: Agent) -> Iterator[tuple[str, str]]:
    """Give what a person wants to know, line by line: a name and a text."""
    config, info = agent.config, agent.info
    yield "name", agent.name
    yield "sha256", agent.sha256
    yield "parameters", f"{_parameters(agent):,}"
    yield "body", "; ".join(_body(config))
    yield "policy", _policy(config) + _names(config.policy_names)
    value = "one number" if config.value.scalar else "win, draw and loss"
    yield "value", f"{value}; {config.value.planes} planes, {config.value.hidden} units" + _names(config.value_names)
    left = config.moves_left
    yield "plies left", "none" if left is None else f"{left.planes} planes, {left.hidden} units"
    yield "input format", f"{config.input_format}, {InputFormat(config.input_format).name.lower().replace('_', ' ')}"
    yield "layers", ", ".join(agent.layers)
    yield "weights stored as", ", ".join(info.encodings) or "float32"
    yield "licence", info.licence or "not said"
    yield "training steps", f"{info.training_steps:,}" if info.training_steps else "not said"
    yield "Elo", "not said" if info.elo is None else f"{info.elo:g}"
    yield "about its training", info.training_parameters or "not said"


def _parameters(agent: Agent) -> int:
    return sum(parameter.numel() for parameter in agent.network.parameters())


def _body(config: NetworkConfig) -> Iterator[str]:
    if config.tower is not None:
        squeezed = sum(hidden > 0 for hidden in config.tower.block_se_channels)
        excited = f", {squeezed} of them with squeeze-and-excitation" if squeezed else ""
        yield f"tower of {config.tower.blocks} blocks of {config.tower.filters} channels{excited}"
    if config.attention is not None:
        encoder = config.attention.encoders[0]
        smolgen = ", smolgen" if encoder.smolgen is not None else ""
        yield (
            f"{len(config.attention.encoders)} encoders of {config.attention.channels} channels, {encoder.heads} heads,"
            f' {encoder.hidden} hidden units{smolgen}; embedding "{config.attention.embedding}"'
        )
    yield f"activation function {config.activation}"


def _policy(config: NetworkConfig) -> str:
    head = config.policy
    if isinstance(head, AttentionPolicy):
        return f"attention; {head.channels} channels, queries and keys of {head.width}, {len(head.encoders)} encoders"
    return f"classical; {head.planes} planes" if isinstance(head, ClassicalPolicy) else "convolution"


def _names(names: tuple[str, ...]) -> str:
    return "" if len(names) == 1 else f"; {names[0]} in use, also {', '.join(names[1:])}"
