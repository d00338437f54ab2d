"""Which shape of network a file claims to hold, found from the fields of its format and the sizes of its biases.

The fields decide, with the corrections that lc0 makes to files older than some of the fields. Nothing is allocated
here: all sizes are only read off, and `engines.networks.leela.reading` holds every layer against the shape afterwards.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from engines.chess.input_formats import INPUT_FORMATS
from engines.networks.config import NetworkConfig
from engines.networks.leela.container import UnusableFileError
from engines.networks.leela.encodings import element_count
from engines.networks.leela.layout import shared_policy_embedding, stored_heads
from engines.networks.leela.schema import (
    ActivationFunction,
    DefaultActivation,
    InputEmbedding,
    InputFormat,
    LayerEncoding,
    MovesLeftFormat,
    NetworkStructure,
    OutputFormat,
    PolicyFormat,
    ValueFormat,
)
from engines.networks.shapes import (
    SQUARES,
    AttentionBody,
    AttentionPolicy,
    ClassicalPolicy,
    ConvolutionPolicy,
    Encoder,
    MovesLeftHead,
    PolicyHead,
    Smolgen,
    Tower,
    ValueHead,
)

__all__ = ["ACTIVATION_NAMES", "default_encoding", "describe", "size_of"]

ACTIVATION_NAMES: Final = {
    ActivationFunction.MISH: "mish",
    ActivationFunction.RELU: "relu",
    ActivationFunction.NONE: "none",
    ActivationFunction.TANH: "tanh",
    ActivationFunction.SIGMOID: "sigmoid",
    ActivationFunction.SELU: "selu",
    ActivationFunction.SWISH: "swish",
    ActivationFunction.RELU_2: "relu2",
}
"""The activation functions of encoders by the names of `engines.networks.shapes`."""

_DEFAULT_ACTIVATIONS: Final = {DefaultActivation.RELU: "relu", DefaultActivation.MISH: "mish"}
_WITHOUT_HEAD_FORMAT: Final = frozenset({NetworkStructure.CLASSICAL, NetworkStructure.SE})
_RESIDUAL: Final = _WITHOUT_HEAD_FORMAT | {
    NetworkStructure.CLASSICAL_WITH_HEADFORMAT,
    NetworkStructure.SE_WITH_HEADFORMAT,
}
_ATTENTION: Final = frozenset(
    {
        NetworkStructure.ATTENTION_BODY_WITH_HEADFORMAT,
        NetworkStructure.ATTENTION_BODY_WITH_MULTIHEADFORMAT,
        NetworkStructure.ATTENTION_BODY_LEGACY_WITH_MULTIHEADFORMAT,
    }
)
_VALUES: Final = {ValueFormat.CLASSICAL: OutputFormat.CLASSICAL, ValueFormat.WDL: OutputFormat.WDL}


class _Format(NamedTuple):
    """What the fields of the format say, after lc0's corrections."""

    attention: bool
    policy: PolicyFormat
    scalar: bool
    moves_left: bool
    activation: str
    smolgen_activation: str | None
    ffn_activation: str | None
    embedding: str
    input_format: int


def describe(message: Any) -> NetworkConfig:
    """Give the shape of the network that a ``Net`` message claims to hold; the usual heads are in use.

    Raises:
        UnusableFileError: a format that is not supported, a layer that is missing, or an impossible shape.
    """
    form = _format(message)
    weights = message.weights
    try:
        heads = stored_heads(weights)
        policy_name = _in_use(heads.policies, "vanilla", "policy")
        value_name = _in_use(heads.values, "winner", "value")
        policies = {
            name: _policy(message, head, form, "" if name == policy_name else f"{name} ")
            for name, head in heads.policies.items()
        }
        values = {
            name: _value(message, head, form, "" if name == value_name else f"{name} ")
            for name, head in heads.values.items()
        }
        return NetworkConfig(
            tower=_tower(message) if not form.attention or len(weights.residual) else None,
            attention=_attention(message, form) if form.attention else None,
            policy=policies.pop(policy_name),
            value=values.pop(value_name),
            moves_left=_moves_left(message, form) if form.moves_left else None,
            activation=form.activation,
            smolgen_activation=form.smolgen_activation,
            ffn_activation=form.ffn_activation,
            input_format=form.input_format,
            policy_name=policy_name,
            value_name=value_name,
            other_policies=tuple(policies.items()),
            other_values=tuple(values.items()),
        )
    except ValueError as error:
        raise UnusableFileError(f"has an impossible shape: {str(error).rstrip('.')}") from None


def default_encoding(message: Any) -> LayerEncoding:
    """Give the encoding of the layers that name none; UnusableFileError if it does not exist."""
    number = message.format.weights_encoding or LayerEncoding.LINEAR16
    if number not in frozenset(LayerEncoding):
        raise UnusableFileError(f"has weights encoding {number}, which does not exist")
    return LayerEncoding(number)


def size_of(message: Any, layer: Any, name: str) -> int:
    """Give how many numbers a layer holds, at least one; UnusableFileError if it has none or is damaged."""
    if not layer.params:
        raise UnusableFileError(f"has no {name}")
    try:
        return element_count(layer, default_encoding(message))
    except ValueError as error:
        raise UnusableFileError(f"is damaged: the {name} {error}") from None


def _format(message: Any) -> _Format:
    weights, form = message.weights, message.format.network_format
    structure = form.network if message.format.HasField("network_format") else NetworkStructure.CLASSICAL
    if structure == NetworkStructure.ONNX or message.HasField("onnx_model"):
        raise UnusableFileError("holds an ONNX model instead of weights, which is not supported")
    if structure not in _RESIDUAL and structure not in _ATTENTION:
        raise UnusableFileError(f"has network structure {structure}, which is not supported")
    ffn, smolgen, embedding = form.ffn_activation, form.smolgen_activation, form.input_embedding
    if len(weights.encoder) and structure == NetworkStructure.SE_WITH_HEADFORMAT:
        # Attention bodies that are older than the field for them.
        structure = NetworkStructure.ATTENTION_BODY_WITH_HEADFORMAT
        if weights.HasField("smolgen_w"):
            ffn, smolgen = ActivationFunction.RELU_2, ActivationFunction.SWISH
    if structure == NetworkStructure.ATTENTION_BODY_WITH_HEADFORMAT:
        if weights.HasField("policy_heads") and weights.HasField("value_heads"):
            embedding = InputEmbedding.PE_DENSE
        elif not form.HasField("input_embedding"):
            embedding = InputEmbedding.PE_MAP
    attention = structure in _ATTENTION
    if attention != bool(len(weights.encoder)):
        what = "no encoders for its attention body" if attention else "encoders and no attention body"
        raise UnusableFileError(f"has {what}")
    input_format = form.input if message.format.HasField("network_format") else InputFormat.CLASSICAL_112_PLANE
    if input_format not in INPUT_FORMATS:
        raise UnusableFileError(f"wants input format {input_format}, which is not supported")
    if form.default_activation not in _DEFAULT_ACTIVATIONS:
        raise UnusableFileError(f"has activation function {form.default_activation}, which is not supported")
    activation = _DEFAULT_ACTIVATIONS[DefaultActivation(form.default_activation)]
    with_heads = structure not in _WITHOUT_HEAD_FORMAT
    value = _value_format(form) if with_heads else ValueFormat.CLASSICAL
    return _Format(
        attention=attention,
        policy=_policy_format(form, attention) if with_heads else PolicyFormat.CLASSICAL,
        scalar=value == ValueFormat.CLASSICAL,
        moves_left=_has_moves_left(form),
        activation=activation,
        smolgen_activation=_activation(smolgen, "smolgen") if attention else None,
        ffn_activation=_activation(ffn, "dense layers of the encoders") if attention else None,
        embedding=_embedding(weights, embedding) if attention else "",
        input_format=int(input_format),
    )


def _policy_format(form: Any, attention: bool) -> PolicyFormat:
    if form.policy not in (PolicyFormat.CLASSICAL, PolicyFormat.CONVOLUTION, PolicyFormat.ATTENTION):
        raise UnusableFileError(f"has policy format {form.policy}, which is not supported")
    if attention and form.policy != PolicyFormat.ATTENTION:
        raise UnusableFileError("has an attention body with a policy that is none of attention")
    return PolicyFormat(form.policy)


def _value_format(form: Any) -> ValueFormat:
    if form.value not in _VALUES:
        raise UnusableFileError(f"has value format {form.value}, which is not supported")
    value = ValueFormat(form.value)
    if form.output not in (OutputFormat.UNKNOWN, _VALUES[value]):
        raise UnusableFileError(f"has value format {form.value} and output format {form.output}, which contradict")
    return value


def _has_moves_left(form: Any) -> bool:
    if form.moves_left not in (MovesLeftFormat.NONE, MovesLeftFormat.V1):
        raise UnusableFileError(f"has moves-left format {form.moves_left}, which is not supported")
    return bool(form.moves_left == MovesLeftFormat.V1)


def _activation(number: int, what: str) -> str | None:
    """The name of an activation function; None for the default."""
    if number == ActivationFunction.DEFAULT:
        return None
    if number not in ACTIVATION_NAMES:
        raise UnusableFileError(f"has activation function {number} for the {what}, which is not supported")
    return ACTIVATION_NAMES[ActivationFunction(number)]


def _embedding(weights: Any, number: int) -> str:
    if len(weights.residual):
        if number == InputEmbedding.PE_DENSE:
            raise UnusableFileError("has residual blocks and a dense embedding of the board, which exclude each other")
        return "tower"
    if number in (InputEmbedding.PE_MAP, InputEmbedding.NONE):  # lc0 asks only whether it is the dense one
        return "map"
    if number == InputEmbedding.PE_DENSE:
        return "dense"
    raise UnusableFileError(f"has input embedding {number}, which is not supported")


def _in_use(heads: dict[str, Any], usual: str, kind: str) -> str:
    """The name of the head that is in use if nothing else is asked for; its layers are called by their own names."""
    if not heads:
        raise UnusableFileError(f"has no {kind} head")
    return usual if usual in heads else next(iter(heads))


def _tower(message: Any) -> Tower:
    weights = message.weights
    sizes = [
        size_of(message, block.se.b1, f"block{i}.se.squeeze bias") if block.HasField("se") else 0
        for i, block in enumerate(weights.residual, start=1)
    ]
    filters = _channels(message, weights.input, "input")
    return Tower(filters, len(sizes), sizes[0] if len(set(sizes)) == 1 else tuple(sizes) or 0)


def _attention(message: Any, form: _Format) -> AttentionBody:
    weights = message.weights
    dense_channels = dense_hidden = 0
    if form.embedding == "dense":
        units = size_of(message, weights.ip_emb_preproc_b, "embedding.board bias")
        if units % SQUARES:
            raise UnusableFileError(f"has {units} numbers in the embedding.board bias, no multiple of {SQUARES}")
        dense_channels = units // SQUARES
        dense_hidden = size_of(message, weights.ip_emb_ffn.dense1_b, "embedding.feed_forward.dense1 bias")
    return AttentionBody(
        channels=size_of(message, weights.ip_emb_b, "embedding.dense bias"),
        encoders=_encoders(message, weights.encoder, weights.headcount, "encoder"),
        embedding=form.embedding,
        dense_channels=dense_channels,
        dense_hidden=dense_hidden,
        gated=_gated(weights),
    )


def _gated(weights: Any) -> bool:
    multiplied, added = bool(weights.ip_mult_gate.params), bool(weights.ip_add_gate.params)
    if multiplied != added:
        raise UnusableFileError("has one of the two gates of its embedding, which lc0 applies in some back ends only")
    return multiplied


def _encoders(message: Any, layers: Any, heads: int, name: str) -> tuple[Encoder, ...]:
    return tuple(_encoder(message, layer, heads, f"{name}{i}") for i, layer in enumerate(layers, start=1))


def _encoder(message: Any, layer: Any, heads: int, name: str) -> Encoder:
    mha = layer.mha
    if any(mha.HasField(field) for field in ("rpe_q", "rpe_k", "rpe_v")):
        raise UnusableFileError(f"has relative position encodings in {name}, which lc0 does not evaluate either")
    if not heads:
        raise UnusableFileError(f"does not say how many heads {name} has")
    smolgen = None
    if mha.HasField("smolgen"):
        generated = size_of(message, mha.smolgen.dense2_b, f"{name}.attention.smolgen.dense2 bias")
        hidden = size_of(message, mha.smolgen.dense1_b, f"{name}.attention.smolgen.dense1 bias")
        units = size_of(message, mha.smolgen.dense1_w, f"{name}.attention.smolgen.dense1 weight")
        if generated % heads or units % (SQUARES * hidden):
            raise UnusableFileError(f"has sizes in {name}.attention.smolgen that do not fit each other")
        smolgen = Smolgen(compressed=units // (SQUARES * hidden), hidden=hidden, generated=generated // heads)
    width = size_of(message, mha.q_b, f"{name}.attention.query bias")
    hidden = size_of(message, layer.ffn.dense1_b, f"{name}.feed_forward.dense1 bias")
    try:
        return Encoder(heads, width, hidden, smolgen)
    except ValueError as error:
        raise ValueError(f"in {name}, {error}") from None


def _policy(message: Any, head: Any, form: _Format, name: str) -> PolicyHead:
    """The shape of a policy head, `name` before its layers; sizes that the body fixes are held against it later."""
    if form.policy == PolicyFormat.CONVOLUTION:
        return ConvolutionPolicy(_channels(message, head.policy, f"{name}policy"))
    if form.policy == PolicyFormat.CLASSICAL:
        return ClassicalPolicy(_channels(message, head.policy, f"{name}policy_hidden"))
    own = bool(head.ip_pol_b.params)
    bias = head.ip_pol_b if own else shared_policy_embedding(message.weights).ip_pol_b
    return AttentionPolicy(
        channels=size_of(message, bias, f"{name}policy_embedding bias"),
        width=size_of(message, head.ip2_pol_b, f"{name}policy_query bias"),
        encoders=_encoders(message, head.pol_encoder, head.pol_headcount, f"{name}policy_encoder"),
        own_embedding=own,
    )


def _value(message: Any, head: Any, form: _Format, name: str) -> ValueHead:
    if form.attention:
        planes = size_of(message, head.ip_val_b, f"{name}value_embedding bias")
    else:
        planes = _channels(message, head.value, f"{name}value_conv")
    extra = head.DESCRIPTOR.name == "ValueHead"  # the one head of older files has no such fields
    categories = bool(extra and head.ip_val_cat_b.params)
    return ValueHead(
        planes=planes,
        hidden=size_of(message, head.ip1_val_b, f"{name}value_hidden bias"),
        scalar=form.scalar,
        error=bool(extra and head.ip_val_err_b.params),
        categories=size_of(message, head.ip_val_cat_b, f"{name}value_categories bias") if categories else 0,
    )


def _moves_left(message: Any, form: _Format) -> MovesLeftHead:
    weights = message.weights
    if form.attention:
        planes = size_of(message, weights.ip_mov_b, "moves_left_embedding bias")
    else:
        planes = _channels(message, weights.moves_left, "moves_left_conv")
    return MovesLeftHead(planes, size_of(message, weights.ip1_mov_b, "moves_left_hidden bias"))


def _channels(message: Any, block: Any, name: str) -> int:
    """The output channels of a convolution: the length of its bias or of its batch normalisation."""
    if not block.weights.params:
        raise UnusableFileError(f"has no weights for {name}")
    vector = block.biases if block.biases.params else block.bn_means
    return size_of(message, vector, f"{name} bias or batch-norm mean")
