"""Writing Leela network files that lc0 and `read_network` load."""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from engines.chess.input_formats import CLASSICAL_112
from engines.networks.architecture import Network
from engines.networks.config import USUAL_HEADS, NetworkConfig
from engines.networks.leela.description import ACTIVATION_NAMES
from engines.networks.leela.encodings import ENCODINGS, decode, encode, encode_by_channel
from engines.networks.leela.info import NetworkInfo, encoded_text, with_elo
from engines.networks.leela.layout import convolutions, is_multihead, new_heads, tensors
from engines.networks.leela.schema import (
    MAGIC,
    DefaultActivation,
    InputEmbedding,
    LayerEncoding,
    MovesLeftFormat,
    NetworkStructure,
    OutputFormat,
    PolicyFormat,
    ValueFormat,
    new_file,
)
from engines.networks.modules.attention import EncoderLayer
from engines.networks.modules.residual import BATCH_NORM_EPSILON, Convolution
from engines.networks.shapes import AttentionPolicy, ClassicalPolicy
from engines.networks.whole_files import write_whole

__all__ = ["serialise_network", "write_network"]

# The first versions of lc0 that know the head formats, moves left, mish, attention policies and bodies, several heads,
# and encodings layer by layer.
_HEAD_FORMATS: Final = (0, 21, 0)
_MOVES_LEFT: Final = (0, 25, 0)
_MISH: Final = (0, 29, 0)
_INPUT_FORMATS: Final = (0, 28, 0)  # some came before; all were there by then
_ATTENTION_POLICY: Final = (0, 28, 0)
_ATTENTION_BODY: Final = (0, 30, 0)
_SEVERAL_HEADS: Final = (0, 31, 0)
_LAYER_ENCODINGS: Final = (0, 33, 0)

_EMBEDDINGS: Final = {
    "map": InputEmbedding.PE_MAP,
    "dense": InputEmbedding.PE_DENSE,
    "tower": InputEmbedding.PE_MAP,  # as lc0 has it where it asks for nothing
}
_ACTIVATIONS: Final = {name: number for number, name in ACTIVATION_NAMES.items()}


def write_network(
    network: Network, path: str | Path, info: NetworkInfo | None = None, *, encoding: str | None = None
) -> None:
    """Write a network as a Leela file (``.pb.gz``).

    A network that `read_network` gave becomes a file with the same weights, if it is written in the encoding it was
    read in (in LINEAR16, as far as its layers use their ranges up to both ends, as those of published files do); where
    batch normalisation has other numbers than the encoding holds, it is folded into the convolutions. The same network
    and information give the same bytes. The file appears at `path` only once it is complete.

    Args:
        network: the network; it is only read.
        path: where to write; an existing file is replaced.
        info: what the file is to say of itself; `NetworkInfo.minimum_version` is not taken from it.
        encoding: how to store the weights: ``"linear16"`` (every version of lc0 reads it; each layer's range in 65,535
            steps), or ``"float16"``, ``"bfloat16"``, ``"float32"`` (lc0 from 0.33). None for the one in
            `NetworkInfo.encodings`, float32 if it names several, and LINEAR16 if it names none.

    Raises:
        ValueError: an unknown encoding, information that a file has no room for, or weights that are not finite or do
            not fit the encoding.
        OSError: the file cannot be written.
    """
    write_whole(path, serialise_network(network, info, encoding=encoding))


def serialise_network(network: Network, info: NetworkInfo | None = None, *, encoding: str | None = None) -> bytes:
    """Give the bytes of a Leela file of a network; arguments and errors as `write_network`."""
    info = info or NetworkInfo()
    encoding = encoding or _encoding_of(info)
    if encoding not in ENCODINGS:
        raise ValueError(f"The weights encoding is {encoding!r}; expected one of {', '.join(map(repr, ENCODINGS))}.")
    _check_heads(network.config)
    message = new_file()
    message.magic = MAGIC
    _describe(message, network.config, info, ENCODINGS[encoding])
    _Store(message.weights, network, ENCODINGS[encoding]).fill()
    packed = io.BytesIO()
    # No name and no time in the header: the same network gives the same bytes.
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=packed, mtime=0) as stream:
        stream.write(message.SerializeToString(deterministic=True))
    return packed.getvalue()


def _encoding_of(info: NetworkInfo) -> str:
    if len(info.encodings) > 1:
        return "float32"  # what loses nothing of any of them
    return info.encodings[0] if info.encodings else "linear16"


def _check_heads(config: NetworkConfig) -> None:
    """A file cannot say which heads are in use: programs choose the usual ones."""
    for name, names, usual in zip(
        (config.policy_name, config.value_name), (config.policy_names, config.value_names), USUAL_HEADS, strict=True
    ):
        if name != usual:
            raise ValueError(
                f"The network cannot be written with {name!r} in use of its heads {', '.join(names)}, since files have"
                f" {usual!r} in use; write network.only_heads_in_use(), or the network before with_heads."
            )


def _describe(message: Any, config: NetworkConfig, info: NetworkInfo, encoding: LayerEncoding) -> None:
    linear = encoding == LayerEncoding.LINEAR16
    needed = {
        _MOVES_LEFT: config.moves_left is not None,
        _MISH: config.activation == "mish",
        _INPUT_FORMATS: config.input_format != CLASSICAL_112,
        _ATTENTION_POLICY: isinstance(config.policy, AttentionPolicy),
        _ATTENTION_BODY: config.attention is not None,
        _SEVERAL_HEADS: is_multihead(config),
        _LAYER_ENCODINGS: not linear,
    }
    version = max(_HEAD_FORMATS, *(version for version, asked in needed.items() if asked), (0, 0, 0))
    message.license = encoded_text(info.licence, "licence")
    message.min_version.major, message.min_version.minor, message.min_version.patch = version
    message.format.weights_encoding = LayerEncoding.LINEAR16 if linear else LayerEncoding.UNKNOWN
    form = message.format.network_format
    form.input = config.input_format
    form.output = OutputFormat.CLASSICAL if config.value.scalar else OutputFormat.WDL
    form.network = _structure(config)
    if isinstance(config.policy, AttentionPolicy):
        form.policy = PolicyFormat.ATTENTION
    else:
        classical = isinstance(config.policy, ClassicalPolicy)
        form.policy = PolicyFormat.CLASSICAL if classical else PolicyFormat.CONVOLUTION
    form.value = ValueFormat.CLASSICAL if config.value.scalar else ValueFormat.WDL
    form.moves_left = MovesLeftFormat.V1 if config.moves_left else MovesLeftFormat.NONE
    if config.activation == "mish":
        form.default_activation = DefaultActivation.MISH
    if config.smolgen_activation is not None:
        form.smolgen_activation = _ACTIVATIONS[config.smolgen_activation]
    if config.ffn_activation is not None:
        form.ffn_activation = _ACTIVATIONS[config.ffn_activation]
    if config.attention is not None:
        form.input_embedding = _EMBEDDINGS[config.attention.embedding]
    training = message.training_params
    training.training_steps = info.training_steps
    training.learning_rate = info.learning_rate
    training.mse_loss = info.mse_loss
    training.policy_loss = info.policy_loss
    training.accuracy = info.accuracy
    parameters = with_elo(info.training_parameters, info.elo)
    training.lc0_params = encoded_text(parameters, "text about its training")


def _structure(config: NetworkConfig) -> NetworkStructure:
    if config.attention is not None:
        if is_multihead(config):
            return NetworkStructure.ATTENTION_BODY_WITH_MULTIHEADFORMAT
        return NetworkStructure.ATTENTION_BODY_WITH_HEADFORMAT
    assert config.tower is not None
    if any(config.tower.block_se_channels):
        return NetworkStructure.SE_WITH_HEADFORMAT
    return NetworkStructure.CLASSICAL_WITH_HEADFORMAT


class _Store:
    """Writes the weights of a network into an empty message."""

    def __init__(self, weights: Any, network: Network, encoding: LayerEncoding) -> None:
        self._weights = weights
        self._network = network
        self._encoding = encoding

    def fill(self) -> None:
        """Write them all."""
        weights, config = self._weights, self._network.config
        for block in self._network.residual_blocks:
            message = weights.residual.add()
            if block.se is not None:
                message.se.SetInParent()
        if config.attention is not None:
            weights.headcount = self._add_encoders(weights.encoder, self._network.body_encoders)
        heads = new_heads(weights, config)
        policies = (config.policy, *(head for _, head in config.other_policies))
        modules = (self._network, *self._network.other_policies)
        for name, head, module in zip(config.policy_names, policies, modules, strict=True):
            if isinstance(head, AttentionPolicy) and head.encoders:
                encoders = module.encoders("policy_encoder", len(head.encoders))
                message = heads.policies[name]
                message.pol_headcount = self._add_encoders(message.pol_encoder, encoders)
        for name, block, convolution in convolutions(weights, heads, self._network):
            self._put_convolution(block, convolution, name)
        for stored in tensors(weights, heads, self._network):
            self._put(stored.message, stored.tensor, stored.name)

    def _add_encoders(self, messages: Any, layers: list[EncoderLayer]) -> int:
        """Room for encoders; gives how many heads they have, which a file says once."""
        counts = {layer.attention.heads for layer in layers}
        if len(counts) > 1:
            raise ValueError(
                f"The network cannot be written: its encoders have {sorted(counts)} heads, not all as many."
            )
        for _ in layers:
            messages.add()
        return counts.pop()

    def _put(self, layer: Any, tensor: Tensor, name: str) -> None:
        try:
            encode(layer, _numbers(tensor), self._encoding)
        except ValueError as error:
            raise ValueError(f"The network cannot be written: the {name} {error}.") from None

    def _put_convolution(self, block: Any, module: nn.Conv2d | Convolution, name: str) -> None:
        # lc0 knows no batch normalisation after the last convolution of a policy, which is a plain one here too.
        if isinstance(module, nn.Conv2d):
            assert module.bias is not None
            self._put(block.weights, module.weight, f"{name} weight")
            self._put(block.biases, module.bias, f"{name} bias")
        elif module.norm is not None and self._holds(module):
            self._put(block.weights, module.conv.weight, f"{name} weight")
            for layer, tensor, part in _normalisation(block, module):
                self._put(layer, tensor, f"{name} {part}")
        else:
            weight, bias = module.folded_weights()
            if self._encoding == LayerEncoding.LINEAR16:
                self._put_by_channel(block, weight, f"{name} weight")
                self._put(block.bn_betas, bias, f"{name} bias")
            else:
                self._put(block.weights, weight, f"{name} weight")
                self._put(block.biases, bias, f"{name} bias")

    def _put_by_channel(self, block: Any, weight: Tensor, name: str) -> None:
        """As batch normalisation of mean 0 and variance 1 (less the constant that is added to it) with gains."""
        channels = len(weight)
        self._put(block.bn_means, torch.zeros(channels), name)
        self._put(block.bn_stddivs, torch.full((channels,), 1 - BATCH_NORM_EPSILON), name)
        try:
            encode_by_channel(block.weights, block.bn_gammas, _numbers(weight))
        except ValueError as error:
            raise ValueError(f"The network cannot be written: the {name} {error}.") from None

    def _holds(self, module: Convolution) -> bool:
        """Whether batch normalisation comes back from the encoding as it is; if not, folding it loses less."""
        block = new_file().weights.input
        for layer, tensor, _ in (*_normalisation(block, module), (block.weights, module.conv.weight, "")):
            numbers = _numbers(tensor)
            if not np.isfinite(numbers).all():
                return False
            try:
                encode(layer, numbers, self._encoding)
            except ValueError:  # too large for it; folded, it may not be
                return False
            if not np.array_equal(decode(layer, self._encoding), numbers.ravel()):
                return False
        return True


def _normalisation(block: Any, module: Convolution) -> list[tuple[Any, Tensor, str]]:
    """``(Layer message, numbers, name)`` of a convolution's batch normalisation, and of its bias if it has one too."""
    norm = module.norm
    assert norm is not None
    assert norm.running_mean is not None
    assert norm.running_var is not None
    found = [
        (block.bn_means, norm.running_mean, "batch-norm mean"),
        (block.bn_stddivs, norm.running_var, "batch-norm variance"),
        (block.bn_gammas, norm.weight, "batch-norm gain"),
        (block.bn_betas, norm.bias, "batch-norm offset"),
    ]
    return found if module.conv.bias is None else [*found, (block.biases, module.conv.bias, "bias")]


def _numbers(tensor: Tensor) -> NDArray[np.float32]:
    numbers: NDArray[np.float32] = tensor.detach().float().cpu().numpy()
    return numbers
