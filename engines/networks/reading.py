"""Reading Leela network files."""

from __future__ import annotations

import gzip
import io
import zlib
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from torch import nn

from engines.chess.encoding import INPUT_PLANES
from engines.chess.input_formats import INPUT_FORMATS
from engines.chess.moves import POLICY_SIZE
from engines.networks.architecture import Convolution, NetworkConfig, ResidualNetwork
from engines.networks.encodings import BATCH_NORM_EPSILON, decode, element_count
from engines.networks.errors import NetworkFormatError
from engines.networks.info import NetworkInfo
from engines.networks.layout import convolutions, dense_layers
from engines.networks.schema import (
    MAGIC,
    DefaultActivation,
    InputFormat,
    LayerEncoding,
    MovesLeftFormat,
    NetworkStructure,
    PolicyFormat,
    ValueFormat,
    new_file,
)

__all__ = ["parse_network", "read_network"]

LARGEST_FILE: Final = 1 << 30
"""Bytes of the largest uncompressed network accepted: three times the largest that Leela has published."""

_GZIP_MAGIC: Final = b"\x1f\x8b"
_PIECE: Final = 1 << 24
_SQUARES: Final = 64

_RESIDUAL: Final = frozenset(
    {
        NetworkStructure.CLASSICAL,
        NetworkStructure.SE,
        NetworkStructure.CLASSICAL_WITH_HEADFORMAT,
        NetworkStructure.SE_WITH_HEADFORMAT,
    }
)
_WITHOUT_HEAD_FORMAT: Final = frozenset({NetworkStructure.CLASSICAL, NetworkStructure.SE})
_ATTENTION: Final = frozenset(
    {
        NetworkStructure.ATTENTION_BODY_WITH_HEADFORMAT,
        NetworkStructure.ATTENTION_BODY_WITH_MULTIHEADFORMAT,
        NetworkStructure.ATTENTION_BODY_LEGACY_WITH_MULTIHEADFORMAT,
    }
)
_POLICIES: Final = {PolicyFormat.CLASSICAL: "classical", PolicyFormat.CONVOLUTION: "convolution"}
_VALUES: Final = {ValueFormat.CLASSICAL: "scalar", ValueFormat.WDL: "wdl"}
_ACTIVATIONS: Final = {DefaultActivation.RELU: "relu", DefaultActivation.MISH: "mish"}


def read_network(path: str | Path) -> tuple[ResidualNetwork, NetworkInfo]:
    """Read a Leela network file.

    Args:
        path: a gzip-compressed protobuf (``.pb.gz``).

    Returns:
        ``(network, info)``: the network without batch normalisation, float32, in evaluation mode and taking no
        gradients; and what the file says of itself.

    Raises:
        NetworkFormatError: the file is missing, damaged, or of a kind that is not supported.
    """
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError:
        raise NetworkFormatError(f"There is no network file {path}.") from None
    except OSError as error:
        raise NetworkFormatError(f"The network file {path} cannot be read: {error.strerror}.") from None
    return parse_network(content, str(path))


def parse_network(content: bytes, source: str) -> tuple[ResidualNetwork, NetworkInfo]:
    """Read a Leela network from the bytes of its file.

    Args:
        content: the file's bytes, gzip-compressed.
        source: what to call the file in messages.

    Returns:
        As `read_network`.

    Raises:
        NetworkFormatError: as `read_network`.
    """
    try:
        message = _parse(_decompress(content))
        network = _empty_network(message)
        with np.errstate(all="ignore"):  # numbers that overflow are reported as such
            encodings = _fill(network, message)
    except _Unusable as reason:
        raise NetworkFormatError(f"{source} {reason}.") from None
    return network, _info(message, encodings)


class _Unusable(Exception):
    """Why a file cannot be used, worded to follow its name."""


def _decompress(content: bytes) -> bytes:
    if not content.startswith(_GZIP_MAGIC):
        what = "is empty" if not content else "is not gzip-compressed"
        raise _Unusable(f"{what}; a Leela network file (.pb.gz) is expected")
    pieces, size = [], 0
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as stream:
            while piece := stream.read(_PIECE):
                pieces.append(piece)
                size += len(piece)
                if size > LARGEST_FILE:
                    raise _Unusable(f"unpacks to more than {LARGEST_FILE >> 20} MiB; it is no chess network")
    except (EOFError, OSError, zlib.error):
        raise _Unusable("is a damaged gzip file, perhaps cut short; fetch it again") from None
    return b"".join(pieces)


def _parse(content: bytes) -> Any:
    message = new_file()
    try:
        message.ParseFromString(content)
    except (DecodeError, UnicodeDecodeError):
        raise _Unusable("is not a Leela network, or is damaged: its protobuf message cannot be parsed") from None
    if message.magic != MAGIC:
        raise _Unusable(f"is not a Leela network: it begins with {message.magic:#x} instead of {MAGIC:#x}")
    return message


def _empty_network(message: Any) -> ResidualNetwork:
    """The network that the file describes, its weights not set yet."""
    weights = message.weights
    policy, value, activation = _heads_and_activation(message)
    moves_left = message.format.network_format.moves_left
    if moves_left not in (MovesLeftFormat.NONE, MovesLeftFormat.V1):
        raise _Unusable(f"has moves-left format {moves_left}, which is not supported")
    filters = _channels(message, weights.input, "input")
    sizes = [
        _size(message, block.se.b1, f"block{i}.se.squeeze bias") if block.HasField("se") else 0
        for i, block in enumerate(weights.residual, start=1)
    ]
    if policy == "convolution" and _channels(message, weights.policy1, "policy_hidden") != filters:
        raise _Unusable(f"has a policy_hidden that does not keep the {filters} channels of the input")
    has_moves_left = moves_left == MovesLeftFormat.V1
    try:
        config = NetworkConfig(
            filters=filters,
            blocks=len(sizes),
            se_channels=sizes[0] if len(set(sizes)) == 1 else tuple(sizes),
            activation=activation,
            policy=policy,
            policy_planes=_channels(message, weights.policy, "policy"),
            value=value,
            value_planes=_channels(message, weights.value, "value_conv"),
            value_hidden=_size(message, weights.ip1_val_b, "value_hidden bias"),
            moves_left=has_moves_left,
            moves_left_planes=_channels(message, weights.moves_left, "moves_left_conv") if has_moves_left else 8,
            moves_left_hidden=_size(message, weights.ip1_mov_b, "moves_left_hidden bias") if has_moves_left else 128,
            input_format=_input_format(message),
        )
    except ValueError as error:
        raise _Unusable(f"has an impossible shape: {str(error).rstrip('.')}") from None
    _check_sizes(message, config)
    return ResidualNetwork(config, seed=None)


def _input_format(message: Any) -> int:
    named = message.format.HasField("network_format")
    input_format = int(message.format.network_format.input if named else InputFormat.CLASSICAL_112_PLANE)
    if input_format not in INPUT_FORMATS:
        raise _Unusable(f"wants input format {input_format}, which is not supported")
    return input_format


def _heads_and_activation(message: Any) -> tuple[str, str, str]:
    """The policy, the value and the activation by the names of `NetworkConfig`, if all formats are supported."""
    weights = message.weights
    form = message.format.network_format
    structure = form.network if message.format.HasField("network_format") else NetworkStructure.CLASSICAL
    if structure == NetworkStructure.ONNX or message.HasField("onnx_model"):
        raise _Unusable("holds an ONNX model instead of weights, which is not supported")
    if structure in _ATTENTION or len(weights.encoder):
        raise _Unusable("has an attention body, which is not supported yet")
    if structure not in _RESIDUAL:
        raise _Unusable(f"has network structure {structure}, which is not supported")
    if weights.HasField("policy_heads") or weights.HasField("value_heads"):
        raise _Unusable("has several policy or value heads, which is not supported yet")
    if form.default_activation not in _ACTIVATIONS:
        raise _Unusable(f"has activation function {form.default_activation}, which is not supported")
    activation = _ACTIVATIONS[DefaultActivation(form.default_activation)]
    if structure in _WITHOUT_HEAD_FORMAT:
        return "classical", "scalar", activation
    if form.policy == PolicyFormat.ATTENTION or len(weights.pol_encoder):
        raise _Unusable("has an attention policy, which is not supported yet")
    if form.policy not in _POLICIES:
        raise _Unusable(f"has policy format {form.policy}, which is not supported")
    if form.value not in _VALUES:
        raise _Unusable(f"has value format {form.value}, which is not supported")
    return _POLICIES[PolicyFormat(form.policy)], _VALUES[ValueFormat(form.value)], activation


def _check_sizes(message: Any, config: NetworkConfig) -> None:
    """Compare the largest layers with what the file holds, before memory for them is asked for."""
    weights, filters = message.weights, config.filters
    expected = [
        ("input", weights.input.weights, filters * INPUT_PLANES * 9),
        ("value_conv", weights.value.weights, filters * config.value_planes),
        ("value_hidden", weights.ip1_val_w, config.value_hidden * config.value_planes * _SQUARES),
    ]
    if config.policy == "convolution":
        expected.append(("policy", weights.policy.weights, filters * config.policy_planes * 9))
    else:
        expected.append(("policy_hidden", weights.policy.weights, filters * config.policy_planes))
        expected.append(("policy", weights.ip_pol_w, config.policy_planes * _SQUARES * POLICY_SIZE))
    for i, (block, hidden) in enumerate(zip(weights.residual, config.block_se_channels, strict=True), start=1):
        expected.append((f"block{i}.conv1", block.conv1.weights, filters**2 * 9))
        if hidden:
            expected.append((f"block{i}.se.expand", block.se.w2, 2 * filters * hidden))
    if config.moves_left:
        size = config.moves_left_hidden * config.moves_left_planes * _SQUARES
        expected.append(("moves_left_conv", weights.moves_left.weights, filters * config.moves_left_planes))
        expected.append(("moves_left_hidden", weights.ip1_mov_w, size))
    for name, layer, size in expected:
        found = _size(message, layer, f"{name} weight")
        if found != size:
            raise _Unusable(f"has {found} numbers in the {name} weight, where its other layers ask for {size}")


def _fill(network: ResidualNetwork, message: Any) -> tuple[str, ...]:
    """Set all weights from the message; gives the encodings met."""
    default = _default_encoding(message)
    used: set[LayerEncoding] = set()

    def numbers(layer: Any, name: str, size: int) -> NDArray[np.float32]:
        found = _size(message, layer, name)
        if found != size:
            raise _Unusable(f"has {found} numbers in the {name}, where its other layers ask for {size}")
        used.add(LayerEncoding(layer.encoding or default))
        try:
            return decode(layer, default)
        except ValueError as error:
            raise _Unusable(f"is damaged: the {name} {error}") from None

    def optional(layer: Any, name: str, size: int, otherwise: float) -> NDArray[np.float64]:
        if not layer.params:
            return np.full(size, otherwise)
        return numbers(layer, name, size).astype(np.float64)

    def convolution(block: Any, name: str, module: nn.Conv2d) -> None:
        weight = numbers(block.weights, f"{name} weight", module.weight.numel()).reshape(module.weight.shape)
        channels = module.out_channels
        bias = optional(block.biases, f"{name} bias", channels, 0.0)
        if block.bn_means.params:
            mean = numbers(block.bn_means, f"{name} batch-norm mean", channels).astype(np.float64)
            # The field is called a standard deviation and holds the variance.
            variance = numbers(block.bn_stddivs, f"{name} batch-norm variance", channels).astype(np.float64)
            gain = optional(block.bn_gammas, f"{name} batch-norm gain", channels, 1.0)
            offset = optional(block.bn_betas, f"{name} batch-norm offset", channels, 0.0)
            if (variance + BATCH_NORM_EPSILON <= 0).any():
                raise _Unusable(f"is damaged: the {name} batch-norm variance is negative")
            gain = gain / np.sqrt(variance + BATCH_NORM_EPSILON)
            weight = (weight * gain[:, None, None, None]).astype(np.float32)
            bias = offset + (bias - mean) * gain
        assert module.bias is not None
        _set(module.weight, weight, name)
        _set(module.bias, bias.astype(np.float32), name)

    weights = message.weights
    for name, block, module in convolutions(weights, network):
        convolution(block, name, module.conv if isinstance(module, Convolution) else module)
    for name, weight, bias, dense in dense_layers(weights, network):
        shape = dense.weight.shape
        _set(dense.weight, numbers(weight, f"{name} weight", dense.weight.numel()).reshape(shape), name)
        _set(dense.bias, numbers(bias, f"{name} bias", dense.out_features), name)
    network.requires_grad_(False).eval()
    return tuple(sorted(encoding.name.lower() for encoding in used))


def _set(parameter: torch.Tensor, numbers: NDArray[np.float32], name: str) -> None:
    if not np.isfinite(numbers).all():
        raise _Unusable(f"is damaged: the weights of {name} are too large")
    with torch.no_grad():
        parameter.copy_(torch.from_numpy(numbers.copy() if not numbers.flags.writeable else numbers))


def _default_encoding(message: Any) -> LayerEncoding:
    number = message.format.weights_encoding or LayerEncoding.LINEAR16
    if number not in frozenset(LayerEncoding):
        raise _Unusable(f"has weights encoding {number}, which does not exist")
    return LayerEncoding(number)


def _channels(message: Any, block: Any, name: str) -> int:
    """The output channels of a convolution: the length of its bias or of its batch normalisation."""
    if not block.weights.params:
        raise _Unusable(f"has no weights for {name}")
    vector = block.biases if block.biases.params else block.bn_means
    return _size(message, vector, f"{name} bias or batch-norm mean")


def _size(message: Any, layer: Any, name: str) -> int:
    if not layer.params:
        raise _Unusable(f"has no {name}")
    try:
        return element_count(layer, _default_encoding(message))
    except ValueError as error:
        raise _Unusable(f"is damaged: the {name} {error}") from None


def _info(message: Any, encodings: tuple[str, ...]) -> NetworkInfo:
    training, version = message.training_params, message.min_version
    return NetworkInfo(
        licence=message.license,
        training_steps=training.training_steps,
        learning_rate=training.learning_rate,
        mse_loss=training.mse_loss,
        policy_loss=training.policy_loss,
        accuracy=training.accuracy,
        training_parameters=training.lc0_params,
        minimum_version=(version.major, version.minor, version.patch),
        encodings=encodings,
    )
