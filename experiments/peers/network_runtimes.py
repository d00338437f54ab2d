"""Other runtimes of a residual network on the CPU: onnxruntime and OpenVINO, each one thread a call.

They stand in for the back ends of lc0 where there is no lc0: its onnx-cpu is onnxruntime itself, and its blas and eigen
back ends do the same float32 convolutions. They get planes that are already unpacked, which an agent does itself.
"""

from __future__ import annotations

import importlib
import tempfile
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from engines.chess.encoding import INPUT_PLANES
from engines.networks import Agent

Planes = NDArray[np.float32]
THREADS = 2
"""How many callers at once OpenVINO is prepared for, one thread each."""


@dataclass(frozen=True)
class Runtime:
    """``evaluate`` takes planes float32 [n, 112, 8, 8] and gives policy logits [n, 1858] and the value head's."""

    name: str
    evaluate: Callable[[Planes], tuple[NDArray[np.float32], NDArray[np.float32]]]


class _TwoHeads(torch.nn.Module):
    """A network with tensors for its outputs, which both converters need."""

    def __init__(self, agent: Agent) -> None:
        super().__init__()
        self.network = agent.network

    def forward(self, planes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        output = self.network(planes, None)
        return output.policy, output.value


def installed_runtimes(agent: Agent) -> tuple[list[Runtime], list[str]]:
    """The network of a float32 agent in each runtime that is installed, and the names of those that are not."""
    found: list[Runtime] = []
    absent: list[str] = []
    for name, make in (("onnxruntime", _onnxruntime), ("openvino", _openvino)):
        try:
            library = importlib.import_module(name)
        except ImportError:
            absent.append(name)
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found += make(library, agent)
    return found, absent


def _onnxruntime(library: Any, agent: Agent) -> list[Runtime]:
    names = ["planes", "policy", "value"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        try:
            torch.onnx.export(
                _TwoHeads(agent).eval(),
                (torch.zeros(2, INPUT_PLANES, 8, 8),),
                path,
                input_names=names[:1],
                output_names=names[1:],
                dynamic_axes={name: {0: "n"} for name in names},
                dynamo=False,
            )
        except ImportError:  # the exporter needs the package onnx
            return []
        options = library.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = library.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def evaluate(planes: Planes) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        policy, value = session.run(None, {"planes": planes})
        return policy, value

    return [Runtime(f"onnxruntime {library.__version__}, float32", evaluate)]


def _openvino(library: Any, agent: Agent) -> list[Runtime]:
    model = library.convert_model(_TwoHeads(agent).eval(), example_input=torch.zeros(2, INPUT_PLANES, 8, 8))
    model.reshape([-1, INPUT_PLANES, 8, 8])
    types = {"f32": "float32"}
    if "BF16" in library.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        types["bf16"] = "bfloat16"
    found = []
    for precision, name in types.items():
        options = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": THREADS, "NUM_STREAMS": THREADS}
        evaluate = _by_requests(library.Core().compile_model(model, "CPU", options))
        found.append(Runtime(f"OpenVINO {metadata.version('openvino')}, {name}", evaluate))
    return found


def _by_requests(compiled: Any) -> Callable[[Planes], tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Evaluation by a compiled model, with a request of its own for each thread that asks."""
    kept = threading.local()

    def evaluate(planes: Planes) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        if not hasattr(kept, "request"):
            kept.request = compiled.create_infer_request()
        policy, value = kept.request.infer([planes]).values()
        return policy, value

    return evaluate
