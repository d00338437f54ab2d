"""The part of Leela's network file that is read and written here, as protobuf messages.

A file is one gzip-compressed ``Net`` message. The messages are declared below as plain tables, and turned into classes
when the module is loaded, so that no generated code ties the package to one version of protobuf. Numbers that name a
choice are declared as integers rather than as enumerations: an unknown choice then shows as its number instead of as
"not set". Texts are declared as bytes: whether they are well-formed is for the reader to say. Fields that are not used
(the dimensions of layers) are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

__all__ = [
    "MAGIC",
    "ActivationFunction",
    "DefaultActivation",
    "InputEmbedding",
    "InputFormat",
    "LayerEncoding",
    "MovesLeftFormat",
    "NetworkStructure",
    "OutputFormat",
    "PolicyFormat",
    "ValueFormat",
    "message_fields",
    "new_file",
]

MAGIC: Final = 0x1C0
"""First field of every file."""


class LayerEncoding(IntEnum):
    """How the numbers of one layer are stored; the file's own default has the same numbers."""

    UNKNOWN = 0
    LINEAR16 = 1
    FLOAT16 = 2
    BFLOAT16 = 3
    FLOAT32 = 4


class InputFormat(IntEnum):
    """What the input planes show."""

    UNKNOWN = 0
    CLASSICAL_112_PLANE = 1
    WITH_CASTLING_PLANE = 2
    WITH_CANONICALIZATION = 3
    WITH_CANONICALIZATION_HECTOPLIES = 4
    WITH_CANONICALIZATION_V2 = 5
    WITH_CANONICALIZATION_HECTOPLIES_ARMAGEDDON = 132
    WITH_CANONICALIZATION_V2_ARMAGEDDON = 133


class OutputFormat(IntEnum):
    """What the value output means."""

    UNKNOWN = 0
    CLASSICAL = 1
    WDL = 2


class NetworkStructure(IntEnum):
    """What the body is made of; the first two say nothing of the heads, which are then the classical ones."""

    UNKNOWN = 0
    CLASSICAL = 1
    SE = 2
    CLASSICAL_WITH_HEADFORMAT = 3
    SE_WITH_HEADFORMAT = 4
    ONNX = 5
    ATTENTION_BODY_WITH_HEADFORMAT = 6
    ATTENTION_BODY_WITH_MULTIHEADFORMAT = 7
    ATTENTION_BODY_LEGACY_WITH_MULTIHEADFORMAT = 134


class PolicyFormat(IntEnum):
    """What the policy head is made of."""

    UNKNOWN = 0
    CLASSICAL = 1
    CONVOLUTION = 2
    ATTENTION = 3


class ValueFormat(IntEnum):
    """What the value head gives."""

    UNKNOWN = 0
    CLASSICAL = 1
    WDL = 2
    PARAM = 3


class MovesLeftFormat(IntEnum):
    """Whether there is a head for the number of plies to the end of the game."""

    NONE = 0
    V1 = 1


class DefaultActivation(IntEnum):
    """The activation function used wherever the format does not fix another."""

    RELU = 0
    MISH = 1


class ActivationFunction(IntEnum):
    """The activation function of smolgen, or of the dense layers in encoders."""

    DEFAULT = 0
    MISH = 1
    RELU = 2
    NONE = 3
    TANH = 4
    SIGMOID = 5
    SELU = 6
    SWISH = 7
    RELU_2 = 8
    SOFTMAX = 9


class InputEmbedding(IntEnum):
    """What an attention body tells a square beside its own planes."""

    NONE = 0
    PE_MAP = 1
    PE_DENSE = 2


# message -> fields, each "number name kind"; a kind that starts with a capital is another message of this table, and a
# trailing "*" marks a repeated field.
_MESSAGES: Final[dict[str, str]] = {
    "EngineVersion": "1 major uint32, 2 minor uint32, 3 patch uint32",
    "Layer": "1 min_val float, 2 max_val float, 3 params bytes, 4 encoding int32",
    "ConvBlock": (
        "1 weights Layer, 2 biases Layer, 3 bn_means Layer, 4 bn_stddivs Layer, 5 bn_gammas Layer, 6 bn_betas Layer"
    ),
    "SEunit": "1 w1 Layer, 2 b1 Layer, 3 w2 Layer, 4 b2 Layer",
    "Residual": "1 conv1 ConvBlock, 2 conv2 ConvBlock, 3 se SEunit",
    "Smolgen": (
        "1 compress Layer, 2 dense1_w Layer, 3 dense1_b Layer, 4 ln1_gammas Layer, 5 ln1_betas Layer, "
        "6 dense2_w Layer, 7 dense2_b Layer, 8 ln2_gammas Layer, 9 ln2_betas Layer"
    ),
    "MHA": (
        "1 q_w Layer, 2 q_b Layer, 3 k_w Layer, 4 k_b Layer, 5 v_w Layer, 6 v_b Layer, 7 dense_w Layer, "
        "8 dense_b Layer, 9 smolgen Smolgen, 10 rpe_q Layer, 11 rpe_k Layer, 12 rpe_v Layer"
    ),
    "FFN": "1 dense1_w Layer, 2 dense1_b Layer, 3 dense2_w Layer, 4 dense2_b Layer",
    "EncoderLayer": (
        "1 mha MHA, 2 ln1_gammas Layer, 3 ln1_betas Layer, 4 ffn FFN, 5 ln2_gammas Layer, 6 ln2_betas Layer"
    ),
    "PolicyHead": (
        "1 ip_pol_w Layer, 2 ip_pol_b Layer, 3 ip2_pol_w Layer, 4 ip2_pol_b Layer, 5 ip3_pol_w Layer, "
        "6 ip3_pol_b Layer, 7 ip4_pol_w Layer, 8 pol_encoder EncoderLayer*, 9 pol_headcount uint32, "
        "10 policy1 ConvBlock, 11 policy ConvBlock"
    ),
    "ValueHead": (
        "1 ip_val_w Layer, 2 ip_val_b Layer, 3 ip1_val_w Layer, 4 ip1_val_b Layer, 5 ip2_val_w Layer, "
        "6 ip2_val_b Layer, 7 ip_val_err_w Layer, 8 ip_val_err_b Layer, 9 ip_val_cat_w Layer, 10 ip_val_cat_b Layer, "
        "11 value ConvBlock"
    ),
    "PolicyHeadMap": "1 key bytes, 2 value PolicyHead",
    "PolicyHeads": (
        "1 ip_pol_w Layer, 2 ip_pol_b Layer, 3 vanilla PolicyHead, 4 optimistic_st PolicyHead, 5 soft PolicyHead, "
        "6 opponent PolicyHead, 7 policy_head_map PolicyHeadMap*"
    ),
    "ValueHeadMap": "1 key bytes, 2 value ValueHead",
    "ValueHeads": "1 winner ValueHead, 2 q ValueHead, 3 st ValueHead, 4 value_head_map ValueHeadMap*",
    "Weights": (
        "1 input ConvBlock, 2 residual Residual*, "
        "37 ip_emb_preproc_w Layer, 38 ip_emb_preproc_b Layer, 25 ip_emb_w Layer, 26 ip_emb_b Layer, "
        "39 ip_emb_ln_gammas Layer, 40 ip_emb_ln_betas Layer, 33 ip_mult_gate Layer, 34 ip_add_gate Layer, "
        "41 ip_emb_ffn FFN, 42 ip_emb_ffn_ln_gammas Layer, 43 ip_emb_ffn_ln_betas Layer, "
        "27 encoder EncoderLayer*, 28 headcount uint32, 35 smolgen_w Layer, 36 smolgen_b Layer, "
        "21 pol_encoder EncoderLayer*, 24 pol_headcount uint32, "
        "11 policy1 ConvBlock, 3 policy ConvBlock, 4 ip_pol_w Layer, 5 ip_pol_b Layer, 17 ip2_pol_w Layer, "
        "18 ip2_pol_b Layer, 19 ip3_pol_w Layer, 20 ip3_pol_b Layer, 22 ip4_pol_w Layer, "
        "6 value ConvBlock, 29 ip_val_w Layer, 30 ip_val_b Layer, "
        "7 ip1_val_w Layer, 8 ip1_val_b Layer, 9 ip2_val_w Layer, 10 ip2_val_b Layer, "
        "44 value_heads ValueHeads, 45 policy_heads PolicyHeads, "
        "12 moves_left ConvBlock, 31 ip_mov_w Layer, 32 ip_mov_b Layer, "
        "13 ip1_mov_w Layer, 14 ip1_mov_b Layer, 15 ip2_mov_w Layer, 16 ip2_mov_b Layer"
    ),
    "TrainingParams": (
        "1 training_steps uint32, 2 learning_rate float, 3 mse_loss float, 4 policy_loss float, 5 accuracy float, "
        "6 lc0_params bytes"
    ),
    "NetworkFormat": (
        "1 input int32, 2 output int32, 3 network int32, 4 policy int32, 5 value int32, 6 moves_left int32, "
        "7 default_activation int32, 8 smolgen_activation int32, 9 ffn_activation int32, 10 input_embedding int32"
    ),
    "Format": "1 weights_encoding int32, 2 network_format NetworkFormat",
    "Net": (
        "1 magic fixed32, 2 license bytes, 3 min_version EngineVersion, 4 format Format, "
        "5 training_params TrainingParams, 10 weights Weights, 11 onnx_model bytes"
    ),
}

_PACKAGE: Final = "conceptmine.leela"
_Field: Final = descriptor_pb2.FieldDescriptorProto
_KINDS: Final = {
    "uint32": _Field.TYPE_UINT32,
    "int32": _Field.TYPE_INT32,
    "fixed32": _Field.TYPE_FIXED32,
    "float": _Field.TYPE_FLOAT,
    "bytes": _Field.TYPE_BYTES,
}


def _fields(message: str) -> Iterator[tuple[int, str, str]]:
    """``(number, name, kind)`` of the fields of a message."""
    for declaration in _MESSAGES[message].split(", "):
        number, name, kind = declaration.split()
        yield int(number), name, kind


def _net_class() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="conceptmine/leela.proto", package=_PACKAGE, syntax="proto2")
    for name in _MESSAGES:
        message = file.message_type.add(name=name)
        for number, field_name, kind in _fields(name):
            field = message.field.add(name=field_name, number=number)
            field.label = _Field.LABEL_REPEATED if kind.endswith("*") else _Field.LABEL_OPTIONAL
            kind = kind.removesuffix("*")
            if kind in _KINDS:
                field.type = _KINDS[kind]
            else:
                field.type, field.type_name = _Field.TYPE_MESSAGE, f".{_PACKAGE}.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.Net"))


_Net: Final = _net_class()
_SUBMESSAGES: Final = {
    name: {number: kind.removesuffix("*") for number, _, kind in _fields(name) if kind[0].isupper()}
    for name in _MESSAGES
}


def message_fields(message: str) -> dict[int, str]:
    """Give the fields of a message (``"Net"``) that hold messages: the name of those by the field's number."""
    return _SUBMESSAGES[message]


def new_file() -> Any:
    """Give an empty ``Net`` message (its fields are those of the table above)."""
    return _Net()
