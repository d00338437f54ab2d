"""Networks as safetensors files: the weights under the names of the torch module, shape and information as JSON.

Nothing is rounded or folded: what was written is read again bit by bit, batch normalisation included. Other programs
find the tensors by the names that `Network.state_dict` gives them. The metadata have three entries: ``format`` is
``conceptmine-network-1``, ``config`` a `NetworkConfig` and ``info`` a `NetworkInfo`, as JSON objects of their fields; a
policy head also says its ``kind``.
"""

from __future__ import annotations

import json
import types
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any, Final, Union, cast, get_args, get_origin, get_type_hints

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from engines.networks.architecture import Network, set_tensor
from engines.networks.config import NetworkConfig
from engines.networks.errors import NetworkFormatError
from engines.networks.leela.container import UnusableFileError
from engines.networks.leela.info import NetworkInfo
from engines.networks.modules.residual import BATCH_NORM_EPSILON, Convolution
from engines.networks.shapes import AttentionPolicy, ClassicalPolicy, ConvolutionPolicy
from engines.networks.whole_files import write_whole

__all__ = [
    "CHECKPOINT_SUFFIX",
    "network_of",
    "read_checkpoint",
    "read_notes",
    "read_tensors",
    "to_json",
    "write_checkpoint",
]

CHECKPOINT_SUFFIX: Final = ".safetensors"
FORMAT: Final = "conceptmine-network-1"
_POLICY_KINDS: Final[dict[str, type]] = {
    "convolution": ConvolutionPolicy,
    "classical": ClassicalPolicy,
    "attention": AttentionPolicy,
}
_LONGEST_TEXT: Final = 1 << 22
_TENSORS_A_LAYER: Final = 4
"""Fewest tensors of a residual block or an encoder."""


def write_checkpoint(network: Network, path: str | Path, info: NetworkInfo | None = None) -> None:
    """Write a network as a safetensors file, which appears at `path` only once it is complete.

    Args:
        network: the network, with all its heads; it is only read. Weights are written in float32.
        path: where to write (``.safetensors``); an existing file is replaced.
        info: what the file is to say of the network.

    Raises:
        OSError: the file cannot be written.
    """
    tensors = {
        name: (tensor.float() if tensor.is_floating_point() else tensor).detach().cpu().contiguous()
        for name, tensor in network.state_dict().items()
    }
    notes = {
        "format": FORMAT,
        "config": json.dumps(to_json(network.config)),
        "info": json.dumps(asdict(info or NetworkInfo())),
    }
    write_whole(path, safetensors.torch.save(tensors, metadata=notes))


def read_checkpoint(path: str | Path) -> tuple[Network, NetworkInfo]:
    """Read a network that `write_checkpoint` wrote.

    Args:
        path: a safetensors file.

    Returns:
        ``(network, info)``: the network as it was written, float32, in evaluation mode and taking no gradients; and
        what the file says of it.

    Raises:
        NetworkFormatError: the file is missing, damaged, or holds something else.
    """
    notes = read_notes(path)
    try:
        if (found := notes.get("format")) != FORMAT:
            if "campaign" in notes:
                what = "is the state of a self-play campaign: take the network out with conceptmine engine convert"
            else:
                what = f"holds tensors and no network: its metadata have format {_shown(found)}, not {FORMAT!r}"
            raise UnusableFileError(what)
        config = _part(notes, "config", NetworkConfig)
        info = _part(notes, "info", NetworkInfo)
        return network_of(config, read_tensors(path)), info
    except UnusableFileError as reason:
        raise NetworkFormatError(f"{path} {reason}.") from None


def read_notes(path: str | Path) -> dict[str, str]:
    """Give the metadata of any safetensors file.

    Raises:
        NetworkFormatError: the file is missing or damaged.
    """
    with _opened(path) as stored:
        return stored.metadata() or {}


def read_tensors(path: str | Path, prefix: str = "") -> dict[str, Tensor]:
    """Give the tensors of any safetensors file whose names have a prefix, by the names without it.

    Raises:
        NetworkFormatError: the file is missing or damaged.
    """
    with _opened(path) as stored:
        names = [name for name in stored.keys() if name.startswith(prefix)]  # noqa: SIM118 (not a dict)
        return {name.removeprefix(prefix): stored.get_tensor(name) for name in names}


@contextmanager
def _opened(path: str | Path) -> Iterator[Any]:
    try:
        with safe_open(path, framework="pt") as stored:
            yield stored
    except FileNotFoundError:
        raise NetworkFormatError(f"There is no network file {path}.") from None
    except OSError as error:
        raise NetworkFormatError(f"The network file {path} cannot be read: {error.strerror or error}.") from None
    except (SafetensorError, ValueError, RuntimeError, TypeError):
        raise NetworkFormatError(f"{path} is no safetensors file, or is damaged; fetch or write it again.") from None


def network_of(config: NetworkConfig, tensors: Mapping[str, Tensor]) -> Network:
    """Give the network of a shape with weights by the names of `Network.state_dict`.

    Each convolution has batch normalisation if there are tensors for it.

    Raises:
        UnusableFileError: a tensor is missing, left over, of another shape or type, or not finite.
    """
    encoders = len(config.attention.encoders) if config.attention is not None else 0
    for head in (config.policy, *(head for _, head in config.other_policies)):
        encoders += len(head.encoders) if isinstance(head, AttentionPolicy) else 0
    blocks = config.tower.blocks if config.tower is not None else 0
    if len(tensors) < _TENSORS_A_LAYER * (blocks + encoders) + len(config.other_policies) + len(config.other_values):
        raise UnusableFileError(f"has {len(tensors)} tensors, too few for the layers that it says it has")
    network = Network(config, seed=None)
    for name, module in network.named_modules():
        if isinstance(module, Convolution) and f"{name}.norm.running_mean" in tensors:
            module.norm = nn.BatchNorm2d(module.conv.out_channels, BATCH_NORM_EPSILON, device="meta")
            if f"{name}.conv.bias" not in tensors:
                module.conv.register_parameter("bias", None)
    expected = network.state_dict()
    for name in sorted(expected.keys() | tensors.keys()):
        if name not in tensors:
            raise UnusableFileError(f"has no {name}")
        if name not in expected:
            raise UnusableFileError(f"has a tensor {_shown(name)}, which is in no layer of its configuration")
    for name, place in expected.items():
        _check(name, tensors[name], place)
    for name, place in expected.items():
        module_name, _, key = name.rpartition(".")
        module = network.get_submodule(module_name)
        # A copy: what is read may lie anywhere in a file that is still mapped.
        tensor = tensors[name].to(place.dtype, copy=True)
        if key in dict(module.named_parameters(recurse=False)):
            set_tensor(module, key, tensor)
        else:
            module.register_buffer(key, tensor)
    for name, module in network.named_modules():
        if isinstance(module, Convolution) and module.norm is not None:
            assert module.norm.running_var is not None
            positive = (module.norm.running_var + BATCH_NORM_EPSILON > 0).all()
            if not positive or not all(torch.isfinite(part).all() for part in module.folded_weights()):
                raise UnusableFileError(f"is damaged: the batch normalisation of {name} is negative or too large")
    return network.eval()


def _check(name: str, tensor: Tensor, place: Tensor) -> None:
    if tensor.shape != place.shape:
        raise UnusableFileError(
            f"has the shape {list(tensor.shape)} for {name}, where its configuration asks for {list(place.shape)}"
        )
    if place.is_floating_point() and tensor.dtype not in (torch.float32, torch.float16, torch.bfloat16):
        raise UnusableFileError(f"has {name} as {tensor.dtype}; expected float32, float16 or bfloat16")
    if not place.is_floating_point() and tensor.dtype != torch.int64:
        raise UnusableFileError(f"has {name} as {tensor.dtype}; expected int64")
    if tensor.is_floating_point() and not torch.isfinite(tensor).all():
        raise UnusableFileError(f"is damaged: the {name} holds a number that is not finite")


# --- configurations as JSON -------------------------------------------------------------------------------------------


def to_json(value: Any) -> Any:
    """Give a configuration as what JSON can say: objects of its fields; policy heads also say their ``kind``."""
    if isinstance(value, tuple):
        return [to_json(entry) for entry in value]
    if not is_dataclass(value):
        return value
    found = {field.name: to_json(getattr(value, field.name)) for field in fields(value)}
    kinds = [kind for kind, of in _POLICY_KINDS.items() if type(value) is of]
    return {"kind": kinds[0], **found} if kinds else found


def _part(notes: Mapping[str, str], name: str, kind: type) -> Any:
    """An entry of the metadata as an instance of a dataclass."""
    text = notes.get(name, "")
    if len(text) > _LONGEST_TEXT:
        raise UnusableFileError(f"has metadata of {len(text):,} characters; it is no chess network")
    try:
        return _from_json(json.loads(text), kind, name)
    except (json.JSONDecodeError, RecursionError):
        raise UnusableFileError(f"has no {name} in its metadata, or none in JSON") from None
    except ValueError as error:
        raise UnusableFileError(f"has metadata that cannot be used: {str(error).rstrip('.')}") from None


def _from_json(found: Any, kind: Any, where: str) -> Any:
    """A value of a type that configurations are made of; nothing is converted, nothing left out and nothing extra.

    Raises:
        ValueError: it is of another type.
    """
    if get_origin(kind) in (Union, types.UnionType):
        return _of_union(found, get_args(kind), where)
    if get_origin(kind) is tuple:
        return _of_tuple(found, get_args(kind), where)
    if is_dataclass(kind):
        return _of_dataclass(found, cast(type, kind), where)
    if kind is float and type(found) is int:
        return float(found)
    if type(found) is not kind:
        raise _mistyped(found, where, kind.__name__)
    if kind is float and not abs(found) < float("inf"):
        raise _mistyped(found, where, "a finite number")
    return found


def _of_union(found: Any, choices: tuple[Any, ...], where: str) -> Any:
    if found is None:
        if types.NoneType not in choices:
            raise _mistyped(found, where, "a value")
        return None
    if set(_POLICY_KINDS.values()) & set(choices):
        if not isinstance(found, dict) or found.get("kind") not in tuple(_POLICY_KINDS):
            raise _mistyped(found, where, f"an object whose kind is {' or '.join(map(repr, _POLICY_KINDS))}")
        rest = {key: value for key, value in found.items() if key != "kind"}
        return _from_json(rest, _POLICY_KINDS[found["kind"]], where)
    for choice in choices:
        if (get_origin(choice) is tuple) == isinstance(found, list) and choice is not types.NoneType:
            return _from_json(found, choice, where)
    raise _mistyped(found, where, "another type")


def _of_tuple(found: Any, parts: tuple[Any, ...], where: str) -> tuple[Any, ...]:
    if not isinstance(found, list):
        raise _mistyped(found, where, "a list")
    if parts[-1] is ...:
        parts = parts[:1] * len(found)
    if len(found) != len(parts):
        raise _mistyped(found, where, f"a list of {len(parts)}")
    return tuple(
        _from_json(entry, part, f"{where}[{i}]") for i, (entry, part) in enumerate(zip(found, parts, strict=True))
    )


def _of_dataclass(found: Any, kind: type, where: str) -> Any:
    names = {field.name for field in fields(kind)}
    if not isinstance(found, dict) or set(found) != names:
        raise _mistyped(found, where, f"an object with exactly {', '.join(sorted(names))}")
    hints = get_type_hints(kind)
    return kind(**{name: _from_json(value, hints[name], f"{where}.{name}") for name, value in found.items()})


def _mistyped(found: Any, where: str, expected: str) -> ValueError:
    return ValueError(f"{where} is {_shown(found)}; expected {expected}")


def _shown(found: Any) -> str:
    text = ascii(found)
    return text if len(text) <= 80 else f"{text[:77]}..."
