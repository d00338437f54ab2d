"""Network files: what is written is read again, and a file that is not as it should be says so."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from engines.chess import INPUT_FORMATS
from engines.networks import Network, NetworkFormatError, NetworkInfo, read_network, write_network
from engines.networks.leela.encodings import ENCODINGS, decode, encode, encode_by_channel
from engines.networks.leela.reading import parse_network
from engines.networks.leela.schema import LayerEncoding, new_file
from engines.networks.leela.writing import serialise_network
from experiments.small_networks import FAMILIES, small_network

Make = Callable[..., Network]
MULTIHEAD_FILE = serialise_network(small_network(FAMILIES["several heads"]))
SHAPES: list[dict[str, Any]] = [
    {},
    {"policy": "classical", "policy_planes": 6, "value": "scalar", "moves_left": False, "se_channels": 0},
    {"activation": "mish", "se_channels": (0, 4)},
    {"policy_planes": 73, "moves_left": False},
]
INFO = NetworkInfo(
    licence="GPL-3.0-or-later",
    training_steps=1234,
    learning_rate=0.5,
    mse_loss=0.25,
    policy_loss=2.0,
    accuracy=50.0,
    training_parameters="--visits=64",
)
ROUNDING = {"linear16": 2e-5, "float16": 1e-3, "bfloat16": 8e-3, "float32": 0.0}


def message_of(network: Network, encoding: str = "linear16") -> Any:
    message = new_file()
    message.ParseFromString(gzip.decompress(serialise_network(network, encoding=encoding)))
    return message


def read_message(message: Any) -> tuple[Network, NetworkInfo]:
    return parse_network(gzip.compress(message.SerializeToString(), 1), "net.pb.gz")


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_written_is_read_again(
    make_network: Make, planes: Tensor, tmp_path: Path, shape: dict[str, Any], encoding: str
) -> None:
    network = make_network(**shape)
    write_network(network, tmp_path / "net.pb.gz", INFO, encoding=encoding)
    again, info = read_network(tmp_path / "net.pb.gz")
    assert again.config == network.config
    assert not again.training
    assert info.encodings == (encoding,)
    for name in ("licence", "training_steps", "learning_rate", "mse_loss", "policy_loss", "accuracy"):
        assert getattr(info, name) == getattr(INFO, name)
    assert info.training_parameters == INFO.training_parameters
    for name, weight in network.state_dict().items():
        largest = float(weight.max() - weight.min()) if encoding == "linear16" else float(weight.abs().max())
        assert float((again.state_dict()[name] - weight).abs().max()) <= ROUNDING[encoding] * largest, name
    with torch.no_grad():
        outputs = zip(network(planes), again(planes), strict=True)
    for ours, theirs in outputs:
        if ours is not None:
            scale = max(1.0, float(ours.abs().max()))
            assert float((ours - theirs).abs().max()) <= 60 * ROUNDING[encoding] * scale


@pytest.mark.parametrize("input_format", INPUT_FORMATS)
def test_the_input_format_is_kept(make_network: Make, input_format: int) -> None:
    network = make_network(input_format=input_format)
    assert message_of(network).format.network_format.input == input_format
    assert parse_network(serialise_network(network), "net")[0].config == network.config


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_writing_what_was_read_gives_the_same_bytes(make_network: Make, encoding: str) -> None:
    first = serialise_network(make_network(), INFO, encoding=encoding)
    network, info = parse_network(first, "first")
    assert serialise_network(network, info, encoding=encoding) == first


@pytest.mark.parametrize("encoding", ["float32", "linear16"])
def test_a_network_with_batch_norm_keeps_it_where_the_encoding_holds_it(
    make_network: Make, planes: Tensor, encoding: str
) -> None:
    network = make_network(batch_norm=True)
    again, _ = parse_network(serialise_network(network, encoding=encoding), "net")
    assert (again.block1.conv1.norm is None) == (encoding == "linear16")
    torch.testing.assert_close(again(planes).policy, network(planes).policy, atol=2e-3, rtol=2e-3)


def test_a_network_with_batch_norm_is_written_exactly(make_network: Make, planes: Tensor) -> None:
    network = make_network(batch_norm=True)
    again, _ = parse_network(serialise_network(network, encoding="float32"), "net")
    for name, weight in network.state_dict().items():
        assert torch.equal(again.state_dict()[name], weight), name
    assert torch.equal(again(planes).policy, network(planes).policy)


def test_an_old_file_with_batch_norm_and_biases_keeps_both(make_network: Make, planes: Tensor) -> None:
    """Old files have statistics and a bias but no gain: (conv + bias − mean) / √(variance + 1e-5)."""
    network = make_network(se_channels=0, moves_left=False)
    message = message_of(network, "float32")
    mean = np.linspace(-1, 1, 8, dtype=np.float32)
    variance = np.linspace(0.5, 2, 8, dtype=np.float32)
    encode(message.weights.input.bn_means, mean, LayerEncoding.FLOAT32)
    encode(message.weights.input.bn_stddivs, variance, LayerEncoding.FLOAT32)
    old, _ = read_message(message)
    plain, _ = read_message(message_of(network, "float32"))
    expected = (plain.input.conv(planes) - torch.from_numpy(mean)[:, None, None]) / torch.sqrt(
        torch.from_numpy(variance)[:, None, None] + 1e-5
    )
    torch.testing.assert_close(old.input(planes), expected, atol=1e-4, rtol=1e-4)


def test_a_file_appears_whole_or_not_at_all(make_network: Make, tmp_path: Path) -> None:
    path = tmp_path / "net.pb.gz"
    network = make_network()
    write_network(network, path)
    good = path.read_bytes()
    with torch.no_grad():
        network.value.weight[0, 0] = torch.nan
    with pytest.raises(ValueError, match="The network cannot be written: the value weight holds a number that is not"):
        write_network(network, path)
    with pytest.raises(OSError):
        write_network(make_network(), tmp_path / "missing" / "net.pb.gz")
    assert path.read_bytes() == good
    assert list(tmp_path.iterdir()) == [path]


def test_unknown_or_too_narrow_encodings_are_refused(make_network: Make) -> None:
    network = make_network()
    with pytest.raises(ValueError, match="encoding is 'int8'; expected one of 'linear16'"):
        serialise_network(network, encoding="int8")
    with torch.no_grad():
        network.value.bias[0] = 1e6
    with pytest.raises(ValueError, match="value bias holds a number too large for float16"):
        serialise_network(network, encoding="float16")


@given(st.lists(st.floats(-1000, 1000, width=32), min_size=1, max_size=50))
def test_linear16_is_off_by_half_a_step_at_most(numbers: list[float]) -> None:
    exact = np.array(numbers, dtype=np.float32)
    layer = new_file().weights.ip1_val_w
    encode(layer, exact, LayerEncoding.LINEAR16)
    step = (float(exact.max()) - float(exact.min())) / 65535
    error = np.abs(decode(layer, LayerEncoding.UNKNOWN).astype(np.float64) - exact).max()
    assert error <= step / 2 + 2e-7 * float(np.abs(exact).max())


MANTISSAS = st.one_of(st.floats(-1, 1, width=32), st.sampled_from([0.0, 0.5, 1.0, 32767.5 / 65536, 32767.5 / 32768]))


@given(st.lists(st.tuples(st.integers(-14, 0), st.lists(MANTISSAS, min_size=6, max_size=6)), min_size=1, max_size=8))
def test_linear16_by_channel_is_precise_in_every_channel_and_stable(channels: list[tuple[int, list[float]]]) -> None:
    exact = np.array([np.ldexp(numbers, exponent) for exponent, numbers in channels], dtype=np.float32)
    decoded, content = exact, []
    for _ in range(3):
        block = new_file().weights.input
        encode_by_channel(block.weights, block.bn_gammas, decoded)
        content.append((block.weights.params, block.bn_gammas.params, block.bn_gammas.max_val))
        gains = decode(block.bn_gammas, LayerEncoding.UNKNOWN)
        assert (np.log2(gains) == np.rint(np.log2(gains))).all()
        decoded = decode(block.weights, LayerEncoding.UNKNOWN).reshape(exact.shape) * gains[:, None]
    largest = np.abs(exact).max(axis=1, keepdims=True)
    # Channels much smaller than the largest one, and those of next to nothing, are written as zeros.
    floor = np.abs(exact).max() * 2.0**-30 + 2.0**-75
    assert (np.abs(decoded - exact) <= 2.0**-15 * largest * 1.01 + floor).all()
    assert content[1] == content[2] == content[0]


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=50))
def test_bfloat16_rounds_as_torch_does(numbers: list[float]) -> None:
    exact = np.array(numbers, dtype=np.float32)
    rounded = torch.from_numpy(exact).to(torch.bfloat16)
    layer = new_file().weights.ip1_val_w
    encode(layer, exact, LayerEncoding.BFLOAT16)
    assert layer.params == rounded.view(torch.int16).numpy().tobytes()


def test_what_is_no_network_file_is_refused(make_network: Make, tmp_path: Path) -> None:
    content = serialise_network(make_network())
    plain = gzip.decompress(content)
    for name, wrong, words in [
        ("empty", b"", "is empty"),
        ("raw", plain, "is not gzip-compressed"),
        ("text", b"version https://git-lfs.github.com/spec/v1\n", "is not gzip-compressed"),
        ("cut", content[:-100], "damaged gzip file, perhaps cut short"),
        ("head", content[:12], "damaged gzip file, perhaps cut short"),
        ("bits", content[:500] + bytes([content[500] ^ 255]) + content[501:], "damaged gzip file"),
        ("other", gzip.compress(b"1\n0.5 0.25\n"), "is not a Leela network"),
        ("nothing", gzip.compress(b""), "begins with 0x0 instead of 0x1c0"),
        ("cut inside", gzip.compress(plain[:-9]), "cannot be parsed"),
    ]:
        path = tmp_path / f"{name}.pb.gz"
        path.write_bytes(wrong)
        with pytest.raises(NetworkFormatError, match=words) as caught:
            read_network(path)
        assert str(caught.value).startswith(str(path))
    with pytest.raises(NetworkFormatError, match="There is no network file"):
        read_network(tmp_path / "missing.pb.gz")
    with pytest.raises(NetworkFormatError, match="cannot be read"):
        read_network(tmp_path)


def test_a_file_that_unpacks_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = gzip.compress(bytes(1 << 26), 1) * 3
    with pytest.raises(NetworkFormatError, match="unpacks to more than 64 MiB"):
        parse_network(bomb, "bomb")
    monkeypatch.setattr("engines.networks.leela.container.LARGEST_FILE", 1 << 20)
    with pytest.raises(NetworkFormatError, match="unpacks to more than 1 MiB"):
        parse_network(gzip.compress(np.random.default_rng(0).bytes(2 << 20), 1), "large")


def change(path: str, value: Any) -> Callable[[Any], None]:
    def apply(message: Any) -> None:
        *parents, field = path.split(".")
        for parent in parents:
            message = message[int(parent)] if parent.isdigit() else getattr(message, parent)
        if value is None:
            message.ClearField(field)
        elif value is ...:
            entry = getattr(message, field)
            entry.add() if hasattr(entry, "add") else entry.SetInParent()
        else:
            setattr(message, field, value)

    return apply


FORM = "format.network_format."


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("magic", 7, "begins with 0x7"),
        ("onnx_model", b"x", "holds an ONNX model"),
        (FORM + "network", 6, "has no encoders for its attention body"),
        (FORM + "network", 134, "has no encoders for its attention body"),
        ("weights.encoder", ..., "attention body with a policy that is none of attention"),
        (FORM + "network", 99, "network structure 99"),
        (FORM + "policy", 3, "has no policy_embedding bias"),
        (FORM + "policy", 0, "policy format 0"),
        (FORM + "value", 3, "value format 3"),
        (FORM + "moves_left", 2, "moves-left format 2"),
        (FORM + "input", 99, "wants input format 99, which is not supported"),
        (FORM + "default_activation", 2, "activation function 2"),
        ("weights.policy_heads", ..., "has no policy head"),
        ("weights.value_heads.winner", ..., "has no weights for value_conv"),
        (FORM + "input", 0, "wants input format 0, which is not supported"),
        (FORM + "output", 1, "value format 2 and output format 1, which contradict"),
        ("weights.input", None, "has no weights for input"),
        ("weights.input.bn_means", None, "has no input bias or batch-norm mean"),
        ("weights.input.bn_stddivs", None, "has no input batch-norm variance"),
        ("weights.input.bn_stddivs.min_val", -9.0, "input batch-norm variance is negative"),
        (
            "weights.input.biases.params",
            b"12",
            "has 8064 numbers in the input weight, where its other layers ask for 1008",
        ),
        ("weights.policy1", None, "has no policy_hidden weight"),
        ("weights.value", None, "has no weights for value_conv"),
        ("weights.ip1_val_b", None, "has no value_hidden bias"),
        ("weights.ip2_val_w", None, "has no value weight"),
        ("weights.ip2_val_b.params", b"12", "has 1 numbers in the value bias, where its other layers ask for 3"),
        ("weights.moves_left", None, "has no weights for moves_left_conv"),
        ("weights.ip2_mov_b", None, "has no moves_left bias"),
        ("weights.residual.1.conv2", None, "has no block2.conv2 weight"),
        ("weights.residual.1.conv2.weights.params", b"1", "block2.conv2 weight has 1 bytes, no multiple of 2"),
        ("weights.residual.0.se.b1", None, "has no block1.se.squeeze bias"),
        ("weights.residual.0.se.w2", None, "has no block1.se.expand weight"),
        ("weights.value.weights.encoding", 9, "value_conv weight names weights encoding 9"),
        ("weights.value.weights.max_val", float("nan"), "value_conv weight holds a number that is not finite"),
        ("weights.value.weights.max_val", -2.0, "value_conv weight has a range from -1 down to -2"),
        ("license", b"x" * 2_000_000, "has a licence of 2,000,000 bytes"),
        ("format.weights_encoding", 9, "weights encoding 9, which does not exist"),
    ],
)
def test_a_network_of_another_kind_or_shape_is_refused(make_network: Make, path: str, value: Any, words: str) -> None:
    message = message_of(make_network())
    change(path, value)(message)
    with pytest.raises(NetworkFormatError, match=words) as caught:
        read_message(message)
    text = str(caught.value)
    assert text.startswith("net.pb.gz ")
    assert text.endswith(".")
    assert "\n" not in text


def test_weights_that_batch_normalisation_takes_beyond_all_numbers_are_refused(make_network: Make) -> None:
    message = message_of(make_network())
    message.weights.input.weights.max_val = 1e30
    message.weights.input.bn_gammas.max_val = 1e30
    with pytest.raises(NetworkFormatError, match="the weights of input are too large for its batch normalisation"):
        read_message(message)


def test_heads_without_a_name_of_their_own_are_refused() -> None:
    whole = MULTIHEAD_FILE
    for key, words in [
        (b"", "a policy head whose name is empty, too long or not printable"),
        (b"a\nb", "a policy head whose name is empty, too long or not printable"),
        (b"x" * 65, "a policy head whose name is empty, too long or not printable"),
        (b"soft", "has two policy heads called 'soft'"),
    ]:
        message = new_file()
        message.ParseFromString(gzip.decompress(whole))
        message.weights.policy_heads.policy_head_map[0].key = key
        with pytest.raises(NetworkFormatError, match=words):
            read_message(message)
    message = new_file()
    message.ParseFromString(gzip.decompress(whole))
    for i in range(70):
        message.weights.value_heads.value_head_map.add(key=str(i).encode())
    with pytest.raises(NetworkFormatError, match="has 74 value heads; there must be at most 64"):
        read_message(message)


def test_encoders_that_share_their_smolgen_need_its_weights() -> None:
    message = new_file()
    message.ParseFromString(gzip.decompress(MULTIHEAD_FILE))
    message.weights.ClearField("smolgen_w")
    with pytest.raises(NetworkFormatError, match="has no smolgen_weights"):
        read_message(message)
    message.weights.headcount = 2**32 - 1
    with pytest.raises(NetworkFormatError, match=r"sizes in encoder1\.attention\.smolgen that do not fit"):
        read_message(message)
    for encoder in message.weights.encoder:
        encoder.mha.ClearField("smolgen")
    with pytest.raises(NetworkFormatError, match="impossible shape: in encoder1, heads is 4294967295"):
        read_message(message)


@pytest.mark.parametrize(
    ("text", "elo", "written"),
    [
        ("", 1234.0, "elo=1234"),
        ("--visits=64", 1234.5, "--visits=64\nelo=1234.5"),
        ("a\nelo=900\r\nelo=5\nb", -20.25, "a\nelo=-20.25\r\nelo=5\nb"),
        ("elo=0900.50\n", 900.5, "elo=0900.50\n"),
        ("elo=900", None, "elo=900"),
        ("my elo=900\nelo=many\n", 1.0, "my elo=900\nelo=many\nelo=1"),
    ],
)
def test_elo_is_a_line_of_the_free_text(make_network: Make, text: str, elo: float | None, written: str) -> None:
    network = make_network()
    content = serialise_network(network, NetworkInfo(training_parameters=text, elo=elo))
    _, info = parse_network(content, "net")
    assert info.training_parameters == written
    assert info.elo == (900.0 if elo is None else elo)
    assert serialise_network(network, info) == content


def test_information_that_has_no_room_is_not_written(make_network: Make) -> None:
    with pytest.raises(ValueError, match="elo is nan; it must be between -1000000 and 1000000"):
        NetworkInfo(elo=float("nan"))
    with pytest.raises(ValueError, match="accuracy is inf; it must be finite"):
        NetworkInfo(accuracy=float("inf"))
    with pytest.raises(ValueError, match="The licence has 2,000,000 bytes; a file has room for 1,048,576"):
        serialise_network(make_network(), NetworkInfo(licence="x" * 2_000_000))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_network_is_written_in_the_encoding_it_was_read_in(make_network: Make, encoding: str) -> None:
    content = serialise_network(make_network(), encoding=encoding)
    network, info = parse_network(content, "net")
    assert serialise_network(network, info) == content
    mixed = replace(info, encodings=("float16", "linear16"))
    assert serialise_network(network, mixed) == serialise_network(network, encoding="float32")


def test_texts_that_are_not_well_formed_are_shown_as_far_as_they_are(make_network: Make) -> None:
    message = message_of(make_network())
    message.license = b"GPL \xff 3"
    message.training_params.lc0_params = b"caf\xe9"
    message.training_params.accuracy = float("nan")
    _, info = read_message(message)
    assert (info.licence, info.training_parameters, info.accuracy) == ("GPL \ufffd 3", "caf\ufffd", 0.0)
