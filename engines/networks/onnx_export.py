"""Networks as ONNX models, for the many programs that run those.

The graph is put together operation by operation, so that it needs nothing of torch's exporters, has the same bytes
every time, and names its values after the network's layers.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from engines.chess.encoding import INPUT_PLANES
from engines.chess.moves import POLICY_SIZE
from engines.networks.architecture import Network
from engines.networks.leela.info import NetworkInfo, elo_text
from engines.networks.modules.attention import EncoderLayer, FeedForward, SelfAttention, SmolgenLayers
from engines.networks.modules.embedding import POSITION_MAP, Embedding
from engines.networks.modules.residual import Convolution, ResidualBlock
from engines.networks.policy_planes import ATTENTION_POLICY_INDEX, CONVOLUTION_POLICY_INDEX
from engines.networks.shapes import BOARD_PLANES, SQUARES, AttentionPolicy, ConvolutionPolicy
from engines.networks.whole_files import write_whole

__all__ = ["ONNX_INPUT", "onnx_model", "write_onnx"]

ONNX_INPUT: Final = "/input/planes"
"""The input: float32 [batch, 112, 8, 8], as `Network.forward` takes it."""

_POLICY: Final = "/output/policy"
_WDL: Final = "/output/wdl"
_VALUE: Final = "/output/value"
_MOVES_LEFT: Final = "/output/mlh"

_OPSET: Final = 17  # the first with layer norms
_IR_VERSION: Final = 8
_LARGEST: Final = (1 << 31) - (1 << 16)


def write_onnx(network: Network, path: str | Path, info: NetworkInfo | None = None) -> None:
    """Write a network, with the heads in use, as an ONNX model. The file appears at `path` only once it is complete.

    Args:
        network: the network; it is only read. `Network.with_heads` chooses other heads.
        path: where to write (``.onnx``); an existing file is replaced.
        info: what is known of the network; licence and Elo number go into the model's metadata.

    Raises:
        ModuleNotFoundError: the package onnx is not installed.
        ValueError: weights that are not finite, or that make more than ONNX's 2 GiB.
        OSError: the file cannot be written.
    """
    write_whole(path, onnx_model(network, info))


def onnx_model(network: Network, info: NetworkInfo | None = None) -> bytes:
    """Give a network, with the heads in use, as the bytes of an ONNX model (opset 17).

    Names are those of lc0's own converter:

    - input ``/input/planes``, float32 [batch, 112, 8, 8];
    - output ``/output/policy``, float32 [batch, 1858]: logits;
    - output ``/output/wdl``, float32 [batch, 3]: probabilities of win, draw and loss; or, of a network with a scalar
      value, ``/output/value``, float32 [batch, 1] in [-1, 1];
    - output ``/output/mlh``, float32 [batch, 1]: plies to the end of the game, if the network has that head.

    The batch is of any size. Inside, values are called after the layers (``block1``, ``encoder2_attention``).
    Batch normalisation is folded. The model's metadata say the input format and the names of the heads.

    Args:
        network: the network; it is only read.
        info: what is known of the network; licence and Elo number go into the model's metadata.

    Raises:
        ModuleNotFoundError: the package onnx is not installed.
        ValueError: weights that are not finite, or that make more than ONNX's 2 GiB.
    """
    network = network.folded().float().cpu()
    for name, parameter in network.named_parameters():
        if not parameter.isfinite().all():
            raise ValueError(f"The network cannot be written: the {name} holds a number that is not finite.")
    info = info or NetworkInfo()
    notes = {
        "input_format": str(network.config.input_format),
        "policy_head": network.config.policy_name,
        "value_head": network.config.value_name,
        "licence": info.licence,
        "elo": "" if info.elo is None else elo_text(info.elo),
    }
    return _Builder(network).model({key: text for key, text in notes.items() if text})


def _onnx() -> Any:
    try:
        import onnx
        import onnx.helper
        import onnx.numpy_helper
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "ONNX models need the package onnx, which is not installed: pip install 'conceptmine[onnx]'."
        ) from None
    return onnx


class _Builder:
    """Makes the nodes of a graph. Values are called by names; a method's result is the name of what it makes."""

    def __init__(self, network: Network) -> None:
        self._onnx = _onnx()
        self._network = network
        self._config = network.config
        self._nodes: list[Any] = []
        self._constants: dict[str, Any] = {}
        self._used: dict[str, int] = {}

    def model(self, notes: dict[str, str]) -> bytes:
        """Give the bytes of the model."""
        helper = self._onnx.helper
        floats = self._onnx.TensorProto.FLOAT
        body = self._body()
        outputs = {_POLICY: POLICY_SIZE}
        self._policy(body)
        outputs |= self._value(body)
        if self._config.moves_left is not None:
            self._named(_MOVES_LEFT, "Relu", self._dense(self._hidden("moves_left", body), self._network.moves_left))
            outputs[_MOVES_LEFT] = 1
        graph = helper.make_graph(
            self._nodes,
            "network",
            [helper.make_tensor_value_info(ONNX_INPUT, floats, ["batch", INPUT_PLANES, 8, 8])],
            [helper.make_tensor_value_info(name, floats, ["batch", size]) for name, size in outputs.items()],
            list(self._constants.values()),
        )
        model = helper.make_model(
            graph,
            producer_name="conceptmine",
            ir_version=_IR_VERSION,
            opset_imports=[helper.make_opsetid("", _OPSET)],
        )
        helper.set_model_props(model, notes)
        if model.ByteSize() > _LARGEST:
            raise ValueError("The network cannot be written: it has more than the 2 GiB an ONNX model has room for.")
        self._onnx.checker.check_model(model)
        content: bytes = model.SerializeToString(deterministic=True)
        return content

    # --- parts of networks ---

    def _body(self) -> str:
        """What the heads read: [n, channels, 8, 8] from a tower, tokens [n, 64, channels] from an attention body."""
        network, x = self._network, ONNX_INPUT
        if self._config.tower is not None:
            x = self._activation(self._convolution(x, network.input), self._config.activation, "input")
            for i, block in enumerate(network.residual_blocks, start=1):
                x = self._residual(x, block, f"block{i}")
        if self._config.attention is None:
            return x
        channels = INPUT_PLANES if self._config.tower is None else self._config.tower.filters
        x = self._embedding(self._tokens(x, channels), network.embedding)
        return self._encoders(x, "encoder", network.body_encoders)

    def _residual(self, x: str, block: ResidualBlock, name: str) -> str:
        activation = self._config.activation
        y = self._convolution(self._activation(self._convolution(x, block.conv1), activation), block.conv2)
        if block.se is not None:
            means = self._reshape(self._node("GlobalAveragePool", y), 0, -1)
            both = self._dense(self._activation(self._dense(means, block.se.squeeze), activation), block.se.expand)
            scale, shift = self._split(self._reshape(both, 0, -1, 1, 1), 1, block.conv2.conv.out_channels)
            y = self._node("Add", self._node("Mul", self._node("Sigmoid", scale), y), shift)
        return self._activation(self._node("Add", y, x), activation, name)

    def _embedding(self, tokens: str, embedding: Embedding) -> str:
        weight, bias = _numbers(embedding.dense.weight), _numbers(embedding.dense.bias)
        if embedding.kind == "map":
            # What the constants of the squares give is a constant of each square.
            positions = POSITION_MAP.double().numpy()
            bias = (positions @ weight[:, INPUT_PLANES:].T.astype(np.float64) + bias).astype(np.float32)
            weight = weight[:, :INPUT_PLANES]
        elif embedding.board is not None:
            newest = self._slice(tokens, 2, 0, BOARD_PLANES)
            board = self._dense(self._reshape(newest, 0, -1), embedding.board)
            tokens = self._node("Concat", tokens, self._reshape(board, 0, SQUARES, -1), axis=2)
        x = self._node("MatMul", tokens, self._constant(weight.T))
        x = self._activation(self._node("Add", x, self._constant(bias)), self._config.activation)
        if embedding.norm is not None:
            x = self._norm(x, embedding.norm)
        if embedding.multiply is not None:
            x = self._node("Mul", x, self._constant(_numbers(embedding.multiply).T))
        if embedding.add is not None:
            x = self._node("Add", x, self._constant(_numbers(embedding.add).T))
        if embedding.feed_forward is not None:
            x = self._feed_forward(x, embedding.feed_forward)
        return self._call(x, "embedding")

    def _encoders(self, tokens: str, name: str, layers: list[EncoderLayer]) -> str:
        for i, layer in enumerate(layers, start=1):
            tokens = self._call(self._attention(tokens, layer.attention), f"{name}{i}_attention")
            tokens = self._call(self._feed_forward(tokens, layer.feed_forward), f"{name}{i}")
        return tokens

    def _attention(self, tokens: str, layer: SelfAttention) -> str:
        query, key, value = (
            self._node(
                "Transpose", self._reshape(self._on_tokens(tokens, dense), 0, SQUARES, layer.heads, -1), perm=order
            )
            for dense, order in ((layer.query, (0, 2, 1, 3)), (layer.key, (0, 2, 3, 1)), (layer.value, (0, 2, 1, 3)))
        )
        scale = math.sqrt(layer.heads / layer.query.out_features)
        scores = self._node("Mul", self._node("MatMul", query, key), self._scalar(scale))
        if layer.smolgen is not None:
            scores = self._node("Add", scores, self._smolgen(tokens, layer.smolgen))
        mixed = self._node("MatMul", self._node("Softmax", scores, axis=-1), value)
        mixed = self._reshape(self._node("Transpose", mixed, perm=(0, 2, 1, 3)), 0, SQUARES, -1)
        return self._added(tokens, self._on_tokens(mixed, layer.output), layer.skip_scale, layer.norm)

    def _smolgen(self, tokens: str, layer: SmolgenLayers) -> str:
        activation = self._config.generating_activation
        x = self._reshape(self._on_tokens(tokens, layer.compress), 0, -1)
        x = self._norm(self._activation(self._dense(x, layer.dense1), activation), layer.norm1)
        x = self._norm(self._activation(self._dense(x, layer.dense2), activation), layer.norm2)
        shared = self._constant(_numbers(self._network.smolgen_weights.weight).T, "smolgen_weights")
        generated = self._node("MatMul", self._reshape(x, 0, layer.heads, -1), shared)
        return self._reshape(generated, 0, layer.heads, SQUARES, SQUARES)

    def _feed_forward(self, tokens: str, layer: FeedForward) -> str:
        activation = self._config.feed_forward_activation
        x = self._on_tokens(self._activation(self._on_tokens(tokens, layer.dense1), activation), layer.dense2)
        return self._added(tokens, x, layer.skip_scale, layer.norm)

    def _added(self, tokens: str, x: str, scale: float, norm: nn.LayerNorm) -> str:
        if scale != 1:
            x = self._node("Mul", x, self._scalar(scale))
        return self._norm(self._node("Add", tokens, x), norm)

    def _policy(self, body: str) -> None:
        network, head, activation = self._network, self._config.policy, self._config.activation
        if isinstance(head, AttentionPolicy):
            self._attention_policy(body if self._config.attention else self._tokens(body, self._config.channels))
            return
        hidden = self._activation(self._convolution(body, network.policy_hidden), activation, "policy_hidden")
        if isinstance(head, ConvolutionPolicy):
            assert isinstance(network.policy, nn.Conv2d)
            planes = self._reshape(self._convolution(hidden, network.policy), 0, -1)
            self._named(_POLICY, "Gather", planes, self._constant(CONVOLUTION_POLICY_INDEX), axis=1)
        else:
            assert isinstance(network.policy, nn.Linear)
            self._call(self._dense(self._reshape(hidden, 0, -1), network.policy), _POLICY)

    def _attention_policy(self, tokens: str) -> None:
        network, activation = self._network, self._config.policy_activation
        x = self._on_tokens(tokens, network.embedding_of_policy())
        x = self._activation(x, activation, "policy_embedding")
        x = self._encoders(x, "policy_encoder", network.policy_encoders)
        query = self._call(self._on_tokens(x, network.policy_query), "policy_query")
        key = self._call(self._on_tokens(x, network.policy_key), "policy_key")
        logits = self._node("MatMul", query, self._node("Transpose", key, perm=(0, 2, 1)))
        logits = self._node("Mul", logits, self._scalar(network.policy_query.out_features**-0.5))
        extra = self._on_tokens(self._slice(key, 1, SQUARES - 8, SQUARES), network.policy_promotion)
        extra = self._node("Add", self._slice(extra, 2, 0, 3), self._slice(extra, 2, 3, 4))
        promoting = self._slice(self._slice(logits, 1, SQUARES - 16, SQUARES - 8), 2, SQUARES - 8, SQUARES)
        promotions = self._node("Add", self._reshape(promoting, 0, 8, 8, 1), self._reshape(extra, 0, 1, 8, 3))
        everything = self._node("Concat", self._reshape(logits, 0, -1), self._reshape(promotions, 0, -1), axis=1)
        self._named(_POLICY, "Gather", everything, self._constant(ATTENTION_POLICY_INDEX), axis=1)

    def _value(self, body: str) -> dict[str, int]:
        value = self._dense(self._hidden("value", body), self._network.value)
        if self._config.value.scalar:
            self._named(_VALUE, "Tanh", value)
            return {_VALUE: 1}
        self._named(_WDL, "Softmax", value, axis=1)
        return {_WDL: 3}

    def _hidden(self, head: str, body: str) -> str:
        activation = self._config.activation
        if self._config.attention is None:
            conv = self._network.get_submodule(f"{head}_conv")
            assert isinstance(conv, Convolution)
            planes = self._activation(self._convolution(body, conv), activation, f"{head}_conv")
        else:
            dense = self._network.get_submodule(f"{head}_embedding")
            assert isinstance(dense, nn.Linear)
            planes = self._activation(self._on_tokens(body, dense), activation, f"{head}_embedding")
        hidden = self._network.get_submodule(f"{head}_hidden")
        assert isinstance(hidden, nn.Linear)
        return self._activation(self._dense(self._reshape(planes, 0, -1), hidden), activation, f"{head}_hidden")

    # --- operations ---

    def _convolution(self, x: str, module: Convolution | nn.Conv2d) -> str:
        conv = module.conv if isinstance(module, Convolution) else module
        assert conv.bias is not None
        size = conv.kernel_size[0]
        weight, bias = self._constant(_numbers(conv.weight)), self._constant(_numbers(conv.bias))
        return self._node("Conv", x, weight, bias, kernel_shape=(size, size), pads=(size // 2,) * 4)

    def _dense(self, x: str, layer: nn.Linear) -> str:
        """Of [n, units]."""
        weight, bias = self._constant(_numbers(layer.weight)), self._constant(_numbers(layer.bias))
        return self._node("Gemm", x, weight, bias, transB=1)

    def _on_tokens(self, x: str, layer: nn.Linear) -> str:
        """Of [n, squares, channels]."""
        product = self._node("MatMul", x, self._constant(_numbers(layer.weight).T))
        return product if layer.bias is None else self._node("Add", product, self._constant(_numbers(layer.bias)))

    def _norm(self, x: str, layer: nn.LayerNorm) -> str:
        gain, offset = self._constant(_numbers(layer.weight)), self._constant(_numbers(layer.bias))
        return self._node("LayerNormalization", x, gain, offset, axis=-1, epsilon=layer.eps)

    def _activation(self, x: str, kind: str, name: str = "") -> str:
        if kind == "none":
            return self._call(x, name) if name else x
        if kind == "mish":
            return self._named(name, "Mul", x, self._node("Tanh", self._node("Softplus", x)))
        if kind == "swish":
            return self._named(name, "Mul", x, self._node("Sigmoid", x))
        if kind == "relu2":
            positive = self._node("Relu", x)
            return self._named(name, "Mul", positive, positive)
        return self._named(name, {"relu": "Relu", "selu": "Selu", "tanh": "Tanh", "sigmoid": "Sigmoid"}[kind], x)

    def _tokens(self, x: str, channels: int) -> str:
        """[n, channels, 8, 8] as [n, 64, channels]."""
        return self._node("Transpose", self._reshape(x, 0, channels, SQUARES), perm=(0, 2, 1))

    def _reshape(self, x: str, *shape: int) -> str:
        """0 keeps a size, -1 is what is left."""
        return self._node("Reshape", x, self._constant(np.array(shape, dtype=np.int64)))

    def _slice(self, x: str, axis: int, start: int, end: int) -> str:
        bounds = [self._constant(np.array([number], dtype=np.int64)) for number in (start, end, axis)]
        return self._node("Slice", x, *bounds)

    def _split(self, x: str, axis: int, size: int) -> tuple[str, str]:
        return self._slice(x, axis, 0, size), self._slice(x, axis, size, 2 * size)

    def _node(self, operation: str, *inputs: str, **attributes: Any) -> str:
        return self._named("", operation, *inputs, **attributes)

    def _call(self, x: str, name: str) -> str:
        """The same value by another name."""
        return self._named(name, "Identity", x)

    def _named(self, name: str, operation: str, *inputs: str, **attributes: Any) -> str:
        name = name or self._fresh(operation.lower())
        self._nodes.append(self._onnx.helper.make_node(operation, inputs, [name], name=f"{name}:", **attributes))
        return name

    def _constant(self, numbers: NDArray[Any], name: str = "") -> str:
        if name in self._constants:
            return name
        name = name or self._fresh("constant")
        self._constants[name] = self._onnx.numpy_helper.from_array(np.ascontiguousarray(numbers), name)
        return name

    def _scalar(self, number: float) -> str:
        return self._constant(np.array(number, dtype=np.float32))

    def _fresh(self, name: str) -> str:
        self._used[name] = self._used.get(name, 0) + 1
        return f"/{name}/{self._used[name]}"


def _numbers(tensor: Tensor) -> NDArray[np.float32]:
    numbers: NDArray[np.float32] = tensor.detach().numpy()
    return numbers
