"""Reading Leela network files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from engines.networks.architecture import Network, set_tensor
from engines.networks.errors import NetworkFormatError
from engines.networks.leela.container import LARGEST_FILE, UnusableFileError, is_compressed, unpack
from engines.networks.leela.description import default_encoding, describe, size_of
from engines.networks.leela.encodings import decode
from engines.networks.leela.info import NetworkInfo, info_of
from engines.networks.leela.layout import Stored, convolutions, stored_heads, tensors
from engines.networks.leela.schema import LayerEncoding
from engines.networks.modules.residual import BATCH_NORM_EPSILON, Convolution

__all__ = ["parse_network", "read_content", "read_network"]

_GLANCE: Final = 1 << 12


def read_network(path: str | Path) -> tuple[Network, NetworkInfo]:
    """Read a Leela network file.

    Args:
        path: a gzip-compressed protobuf (``.pb.gz``).

    Returns:
        ``(network, info)``: the network as the file has it, with batch normalisation where the file has its statistics
        (`Network.folded` gives the equal network without), float32, in evaluation mode and taking no gradients; and
        what the file says of itself.

    Raises:
        NetworkFormatError: the file is missing, damaged, or of a kind that is not supported.
    """
    return parse_network(read_content(path), str(path))


def read_content(path: str | Path) -> bytes:
    """Give the bytes of a network file.

    Raises:
        NetworkFormatError: the file is missing, cannot be read or is too large to be a network.
    """
    try:
        with Path(path).open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > LARGEST_FILE:
                raise NetworkFormatError(f"{path} has {size:,} bytes; it is no chess network.")
            # All of it only of what may be a network: a device would never end.
            content = file.read() if is_compressed(file.peek(2)) else file.read(_GLANCE)
    except FileNotFoundError:
        raise NetworkFormatError(f"There is no network file {path}.") from None
    except OSError as error:
        raise NetworkFormatError(f"The network file {path} cannot be read: {error.strerror}.") from None
    return content


def parse_network(content: bytes, source: str) -> tuple[Network, NetworkInfo]:
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
        message = unpack(content)
        network = Network(describe(message), seed=None)
        info = info_of(message, _Filler(message, network).fill())
    except UnusableFileError as reason:
        raise NetworkFormatError(f"{source} {reason}.") from None
    return network.eval(), info


class _Filler:
    """Sets the weights of a network without memory: first all sizes are checked, then all numbers are read."""

    def __init__(self, message: Any, network: Network) -> None:
        heads = stored_heads(message.weights)
        self._message = message
        self._default = default_encoding(message)
        self._convolutions = list(convolutions(message.weights, heads, network))
        self._tensors: list[Stored] = list(tensors(message.weights, heads, network))
        self._used: set[LayerEncoding] = set()

    def fill(self) -> tuple[str, ...]:
        """Set all weights; gives the names of the encodings met."""
        for name, block, module in self._convolutions:
            convolution = module.conv if isinstance(module, Convolution) else module
            self._expect(block.weights, f"{name} weight", convolution.weight.numel())
            for layer, part in _vectors(block):
                self._expect(layer, f"{name} {part}", convolution.out_channels)
        for stored in self._tensors:
            self._expect(stored.message, stored.name, stored.tensor.numel())
        for name, block, module in self._convolutions:
            self._set_convolution(block, name, module)
        for stored in self._tensors:
            shape = stored.tensor.shape
            set_tensor(stored.module, stored.key, self._numbers(stored.message, stored.name).reshape(shape))
        return tuple(sorted(encoding.name.lower() for encoding in self._used))

    def _expect(self, layer: Any, name: str, size: int) -> None:
        found = size_of(self._message, layer, name)
        if found != size:
            raise UnusableFileError(f"has {found} numbers in the {name}, where its other layers ask for {size}")

    def _numbers(self, layer: Any, name: str) -> Tensor:
        self._used.add(LayerEncoding(layer.encoding or self._default))
        try:
            with np.errstate(all="ignore"):  # numbers that overflow are reported as such
                return _tensor(decode(layer, self._default))
        except ValueError as error:
            raise UnusableFileError(f"is damaged: the {name} {error}") from None

    def _set_convolution(self, block: Any, name: str, module: nn.Conv2d | Convolution) -> None:
        stands = module if isinstance(module, Convolution) else _standing_for(module)
        conv = stands.conv
        set_tensor(conv, "weight", self._numbers(block.weights, f"{name} weight").reshape(conv.weight.shape))
        bias = self._numbers(block.biases, f"{name} bias") if block.biases.params else None
        if block.bn_means.params:
            conv.register_parameter("bias", None)
            stands.norm = self._norm(block, name, conv.out_channels)
        if bias is not None and (stands.norm is None or bias.any()):
            set_tensor(conv, "bias", bias)
        if stands.norm is not None and not all(torch.isfinite(part).all() for part in stands.folded_weights()):
            raise UnusableFileError(f"is damaged: the weights of {name} are too large for its batch normalisation")
        if stands.norm is not None and conv.bias is None and _only_scales(stands.norm):
            set_tensor(conv, "weight", conv.weight * stands.norm.weight[:, None, None, None])
            set_tensor(conv, "bias", stands.norm.bias.detach())
            stands.norm = None
        if stands is not module:
            weight, offset = stands.folded_weights()
            set_tensor(module, "weight", weight)
            set_tensor(module, "bias", offset)

    def _norm(self, block: Any, name: str, channels: int) -> nn.BatchNorm2d:
        norm = nn.BatchNorm2d(channels, BATCH_NORM_EPSILON, device="meta").eval()
        gain, offset = block.bn_gammas, block.bn_betas
        ones, zeros = torch.ones(channels), torch.zeros(channels)
        set_tensor(norm, "weight", self._numbers(gain, f"{name} batch-norm gain") if gain.params else ones)
        set_tensor(norm, "bias", self._numbers(offset, f"{name} batch-norm offset") if offset.params else zeros)
        norm.running_mean = self._numbers(block.bn_means, f"{name} batch-norm mean")
        # The field is called a standard deviation and holds the variance.
        variance = self._numbers(block.bn_stddivs, f"{name} batch-norm variance")
        if (variance + BATCH_NORM_EPSILON <= 0).any():
            raise UnusableFileError(f"is damaged: the {name} batch-norm variance is negative")
        norm.running_var = variance
        norm.num_batches_tracked = torch.tensor(0)
        return norm


def _vectors(block: Any) -> list[tuple[Any, str]]:
    """The vectors of a convolution that must be there, and those that need not but are."""
    if not block.bn_means.params:
        return [(block.biases, "bias")]
    optional = ((block.biases, "bias"), (block.bn_gammas, "batch-norm gain"), (block.bn_betas, "batch-norm offset"))
    needed = [(block.bn_means, "batch-norm mean"), (block.bn_stddivs, "batch-norm variance")]
    return needed + [(layer, part) for layer, part in optional if layer.params]


def _only_scales(norm: nn.BatchNorm2d) -> bool:
    """Whether batch normalisation is how the writer keeps LINEAR16 precise: mean 0, variance 1, gains powers of two.

    Folding it is exact then, and gives the convolution that was written.
    """
    assert norm.running_mean is not None
    assert norm.running_var is not None
    halves, _ = torch.frexp(norm.weight)
    trivial = (norm.running_mean == 0) & (norm.running_var == torch.tensor(1 - BATCH_NORM_EPSILON)) & (halves == 0.5)
    return bool(trivial.all())


def _standing_for(module: nn.Conv2d) -> Convolution:
    """A convolution that may have batch normalisation, to be folded into a plain one."""
    return Convolution(module.in_channels, module.out_channels, module.kernel_size[0], batch_norm=False)


def _tensor(numbers: NDArray[np.float32]) -> Tensor:
    return torch.from_numpy(numbers if numbers.flags.writeable else numbers.copy())
