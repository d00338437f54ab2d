"""ONNX models give what the network gives, in onnxruntime."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray

from engines.networks import Network, NetworkInfo, read_network, write_onnx
from engines.networks.onnx_export import ONNX_INPUT, onnx_model
from experiments.small_networks import FAMILIES, small_network

TOLERANCE = 2e-5


def some_planes(count: int) -> NDArray[np.float32]:
    generator = np.random.default_rng(count)
    planes = (generator.random((count, 112, 8, 8)) < 0.1).astype(np.float32)
    planes[:, 109] = generator.integers(0, 100, (count, 1, 1))
    return planes


def session_of(network: Network) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(onnx_model(network), options, providers=["CPUExecutionProvider"])


def compare(network: Network) -> None:
    session, config = session_of(network), network.config
    names = [output.name for output in session.get_outputs()]
    expected_names = ["/output/policy", "/output/value" if config.value.scalar else "/output/wdl"]
    assert names == expected_names + (["/output/mlh"] if config.moves_left else [])
    for count in (1, 7):
        planes = some_planes(count)
        with torch.no_grad():
            output = network(torch.from_numpy(planes))
        value = output.value if config.value.scalar else torch.softmax(output.value, dim=1)
        expected = [output.policy, value] + ([output.moves_left[:, None]] if output.moves_left is not None else [])
        for name, ours, theirs in zip(names, expected, session.run(None, {ONNX_INPUT: planes}), strict=True):
            largest = max(1.0, float(ours.abs().max()))
            assert theirs.dtype == np.float32
            np.testing.assert_allclose(theirs, ours.numpy(), rtol=0, atol=TOLERANCE * largest, err_msg=name)


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("name", FAMILIES)
def test_every_family(name: str, batch_norm: bool) -> None:
    compare(small_network(FAMILIES[name], batch_norm=batch_norm, seed=3))


@pytest.mark.parametrize("activation", ["relu", "mish", "swish", "relu2", "selu", "tanh", "sigmoid", "none"])
def test_every_activation_function(activation: str) -> None:
    shape = replace(FAMILIES["map embedding"], ffn_activation=activation, smolgen_activation=activation)
    compare(small_network(shape))


@pytest.mark.parametrize(("policy", "value"), [("optimistic", "q"), ("soft", "st"), ("my own", "my own")])
def test_the_heads_in_use(policy: str, value: str) -> None:
    network = small_network(FAMILIES["several heads"]).with_heads(policy, value)
    compare(network)
    notes = {entry.key: entry.value for entry in onnx.load_from_string(onnx_model(network)).metadata_props}
    assert (notes["policy_head"], notes["value_head"], notes["input_format"]) == (policy, value, "1")


def test_values_are_called_after_the_layers() -> None:
    for shape in FAMILIES.values():
        network = small_network(shape)
        given = {name for node in onnx.load_from_string(onnx_model(network)).graph.node for name in node.output}
        assert given >= set(network.layer_names) - {"policy", "value", "moves_left"}


def test_a_file_has_the_same_bytes_and_says_what_it_is(tmp_path: Path) -> None:
    network = small_network(FAMILIES["residual"])
    for name in ("a.onnx", "b.onnx"):
        write_onnx(network, tmp_path / name, NetworkInfo(licence="GPL-3.0-or-later", elo=1234.5))
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()
    assert len(list(tmp_path.iterdir())) == 2
    model = onnx.load(tmp_path / "a.onnx")
    (planes,) = model.graph.input
    sizes = [size.dim_value or size.dim_param for size in planes.type.tensor_type.shape.dim]
    assert (planes.name, sizes) == ("/input/planes", ["batch", 112, 8, 8])
    notes = {entry.key: entry.value for entry in model.metadata_props}
    assert (notes["licence"], notes["elo"]) == ("GPL-3.0-or-later", "1234.5")


def test_what_cannot_be_written_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = small_network(FAMILIES["residual"])
    with monkeypatch.context() as patched:
        patched.setattr("engines.networks.onnx_export._LARGEST", 1000)
        with pytest.raises(ValueError, match="more than the 2 GiB an ONNX model has room for"):
            write_onnx(network, tmp_path / "a.onnx")
    with monkeypatch.context() as patched:
        patched.setitem(sys.modules, "onnx", None)
        with pytest.raises(ModuleNotFoundError, match=r"pip install 'conceptmine\[onnx\]'"):
            write_onnx(network, tmp_path / "a.onnx")
    with torch.no_grad():
        network.value.bias[0] = torch.nan
    with pytest.raises(ValueError, match=r"the value\.bias holds a number that is not finite"):
        write_onnx(network, tmp_path / "a.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.reference
def test_trained_networks_and_small_random_ones_of_every_kind(reference: Path) -> None:
    paths = [*(reference / "data" / "nets").glob("*.pb.gz"), *(reference / "reference" / "synthetic").glob("*.pb.gz")]
    assert paths
    for path in paths:
        compare(read_network(path)[0])
