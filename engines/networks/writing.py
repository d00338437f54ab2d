"""Writing Leela network files that lc0 and `read_network` load."""

from __future__ import annotations

import gzip
import io
import os
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn

from engines.networks.architecture import Convolution, NetworkConfig, ResidualNetwork
from engines.networks.encodings import BATCH_NORM_EPSILON, ENCODINGS, encode, encode_by_channel
from engines.networks.info import NetworkInfo
from engines.networks.layout import convolutions, dense_layers
from engines.networks.schema import (
    MAGIC,
    DefaultActivation,
    LayerEncoding,
    MovesLeftFormat,
    NetworkStructure,
    OutputFormat,
    PolicyFormat,
    ValueFormat,
    new_file,
)

__all__ = ["serialise_network", "write_network"]

# The first versions of lc0 that know the head formats, moves left, mish, and encodings layer by layer.
_HEAD_FORMATS: Final = (0, 21, 0)
_MOVES_LEFT: Final = (0, 25, 0)
_MISH: Final = (0, 29, 0)
_LAYER_ENCODINGS: Final = (0, 33, 0)


def write_network(
    network: ResidualNetwork, path: str | Path, info: NetworkInfo | None = None, *, encoding: str = "linear16"
) -> None:
    """Write a network as a Leela file (``.pb.gz``).

    Batch normalisation is folded into the convolutions. The same network and information give the same bytes. The file
    appears at `path` only once it is complete.

    Args:
        network: the network; it is only read.
        path: where to write; an existing file is replaced.
        info: what the file is to say of itself; `NetworkInfo.minimum_version` and `encodings` are not taken from it.
        encoding: how to store the weights: ``"linear16"`` (every version of lc0 reads it; each layer's range in 65,535
            steps), or ``"float16"``, ``"bfloat16"``, ``"float32"`` (lc0 from 0.33).

    Raises:
        ValueError: an unknown encoding, or weights that are not finite or do not fit it.
        OSError: the file cannot be written.
    """
    content = serialise_network(network, info, encoding=encoding)
    path = Path(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def serialise_network(
    network: ResidualNetwork, info: NetworkInfo | None = None, *, encoding: str = "linear16"
) -> bytes:
    """Give the bytes of a Leela file of a network; arguments and errors as `write_network`."""
    if encoding not in ENCODINGS:
        raise ValueError(f"The weights encoding is {encoding!r}; expected one of {', '.join(map(repr, ENCODINGS))}.")
    message = new_file()
    message.magic = MAGIC
    _describe(message, network.config, info or NetworkInfo(), ENCODINGS[encoding])
    _store(message.weights, network.folded(), ENCODINGS[encoding])
    packed = io.BytesIO()
    # No name and no time in the header: the same network gives the same bytes.
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=packed, mtime=0) as stream:
        stream.write(message.SerializeToString(deterministic=True))
    return packed.getvalue()


def _describe(message: Any, config: NetworkConfig, info: NetworkInfo, encoding: LayerEncoding) -> None:
    linear = encoding == LayerEncoding.LINEAR16
    version = max(
        _HEAD_FORMATS,
        _MOVES_LEFT if config.moves_left else _HEAD_FORMATS,
        _MISH if config.activation == "mish" else _HEAD_FORMATS,
        _HEAD_FORMATS if linear else _LAYER_ENCODINGS,
    )
    message.license = info.licence
    message.min_version.major, message.min_version.minor, message.min_version.patch = version
    message.format.weights_encoding = LayerEncoding.LINEAR16 if linear else LayerEncoding.UNKNOWN
    form = message.format.network_format
    wdl, squeezes = config.value == "wdl", any(config.block_se_channels)
    form.input = config.input_format
    form.output = OutputFormat.WDL if wdl else OutputFormat.CLASSICAL
    form.network = NetworkStructure.SE_WITH_HEADFORMAT if squeezes else NetworkStructure.CLASSICAL_WITH_HEADFORMAT
    form.policy = PolicyFormat.CONVOLUTION if config.policy == "convolution" else PolicyFormat.CLASSICAL
    form.value = ValueFormat.WDL if wdl else ValueFormat.CLASSICAL
    form.moves_left = MovesLeftFormat.V1 if config.moves_left else MovesLeftFormat.NONE
    if config.activation == "mish":
        form.default_activation = DefaultActivation.MISH
    training = message.training_params
    training.training_steps = info.training_steps
    training.learning_rate = info.learning_rate
    training.mse_loss = info.mse_loss
    training.policy_loss = info.policy_loss
    training.accuracy = info.accuracy
    training.lc0_params = info.training_parameters


def _store(weights: Any, network: ResidualNetwork, encoding: LayerEncoding) -> None:
    for _ in network.residual_blocks:
        weights.residual.add()

    def put(layer: Any, tensor: torch.Tensor, name: str) -> None:
        try:
            encode(layer, tensor.detach().float().cpu().numpy(), encoding)
        except ValueError as error:
            raise ValueError(f"The network cannot be written: the {name} {error}.") from None

    def put_by_channel(block: Any, weight: torch.Tensor, name: str) -> None:
        """As batch normalisation of mean 0 and variance 1 (less the constant that is added to it) with gains."""
        channels = len(weight)
        put(block.bn_means, torch.zeros(channels), name)
        put(block.bn_stddivs, torch.full((channels,), 1 - BATCH_NORM_EPSILON), name)
        try:
            encode_by_channel(block.weights, block.bn_gammas, weight.detach().float().cpu().numpy())
        except ValueError as error:
            raise ValueError(f"The network cannot be written: the {name} {error}.") from None

    for name, block, module in convolutions(weights, network):
        convolution: nn.Conv2d = module.conv if isinstance(module, Convolution) else module
        assert convolution.bias is not None
        # lc0 knows no batch normalisation after the last convolution of a policy, which is a plain one here too.
        if encoding == LayerEncoding.LINEAR16 and isinstance(module, Convolution):
            put_by_channel(block, convolution.weight, f"{name} weight")
            put(block.bn_betas, convolution.bias, f"{name} bias")
        else:
            put(block.weights, convolution.weight, f"{name} weight")
            put(block.biases, convolution.bias, f"{name} bias")
    for name, weight, bias, dense in dense_layers(weights, network):
        put(weight, dense.weight, f"{name} weight")
        put(bias, dense.bias, f"{name} bias")
