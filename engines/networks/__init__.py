"""Networks that play chess: their shape, Leela's file format, and asking them about boards.

`load_agent` reads a Leela network file and gives an `Agent`, which evaluates boards and shows what its layers give.
Underneath, `Network` is a plain torch module of the shape a `NetworkConfig` says; `read_network` and
`write_network` go from and to files that lc0 reads as well, `read_checkpoint` and `write_checkpoint` from and to
safetensors files with exact weights, and `write_onnx` to ONNX models.
"""

from engines.networks.agent import Agent, Evaluation, PackedEvaluation, load_agent, read_agent, shipped_agents
from engines.networks.architecture import Edits, Network, NetworkOutput
from engines.networks.cache import EvaluationCache
from engines.networks.checkpoint import read_checkpoint, write_checkpoint
from engines.networks.config import NetworkConfig
from engines.networks.errors import NetworkFormatError
from engines.networks.leela.info import NetworkInfo
from engines.networks.leela.reading import read_network
from engines.networks.leela.writing import write_network
from engines.networks.onnx_export import write_onnx
from engines.networks.shapes import (
    AttentionBody,
    AttentionPolicy,
    ClassicalPolicy,
    ConvolutionPolicy,
    Encoder,
    MovesLeftHead,
    Smolgen,
    Tower,
    ValueHead,
)
from engines.networks.training import BATCH_NORM_RULES, trainable

__all__ = [
    "BATCH_NORM_RULES",
    "Agent",
    "AttentionBody",
    "AttentionPolicy",
    "ClassicalPolicy",
    "ConvolutionPolicy",
    "Edits",
    "Encoder",
    "Evaluation",
    "EvaluationCache",
    "MovesLeftHead",
    "Network",
    "NetworkConfig",
    "NetworkFormatError",
    "NetworkInfo",
    "NetworkOutput",
    "PackedEvaluation",
    "Smolgen",
    "Tower",
    "ValueHead",
    "load_agent",
    "read_agent",
    "read_checkpoint",
    "read_network",
    "shipped_agents",
    "trainable",
    "write_checkpoint",
    "write_network",
    "write_onnx",
]
