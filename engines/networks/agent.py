"""Agents: a network together with what is needed to ask it about chess boards."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from engines.chess.encoding import HISTORY_FILLS, INPUT_PLANES, check_board, pack_boards
from engines.chess.transforms import policy_indices
from engines.networks.architecture import Edits, Network
from engines.networks.checkpoint import CHECKPOINT_SUFFIX, read_checkpoint
from engines.networks.compiled import CompiledNetwork
from engines.networks.config import USUAL_HEADS, NetworkConfig
from engines.networks.errors import NetworkFormatError
from engines.networks.leela.container import is_compressed
from engines.networks.leela.info import NetworkInfo
from engines.networks.leela.reading import parse_network, read_content
from engines.networks.precision import DTYPES, prepared
from engines.networks.torch_network import TorchNetwork
from engines.python_chess import chess

__all__ = ["Agent", "Evaluation", "PackedEvaluation", "load_agent", "read_agent", "shipped_agents"]

_SUFFIX: Final = ".pb.gz"
_CHECKPOINTS: Final = Path(__file__).resolve().parents[1] / "checkpoints"


@dataclass(frozen=True)
class Evaluation:
    """What an agent says of n boards, each from the view of its side to move."""

    policy: list[dict[chess.Move, float]]
    """For each board, the probability of each legal move; sums to 1."""
    wdl: NDArray[np.float32]
    """float32 [n, 3]: probabilities of win, draw, loss. From a scalar value v: (1 + v)/2, 0, (1 − v)/2."""
    value: NDArray[np.float32]
    """float32 [n] in [-1, 1]: win − loss."""
    moves_left: NDArray[np.float32] | None
    """float32 [n]: plies to the end of the game; None if the network does not say."""


@dataclass(frozen=True)
class PackedEvaluation:
    """What an agent says of n packed positions, each from the view of its side to move."""

    logits: NDArray[np.float32]
    """float32 [n, 1858]: policy logits over all moves, legal or not."""
    wdl: NDArray[np.float32]
    """float32 [n, 3]: probabilities of win, draw, loss."""
    moves_left: NDArray[np.float32] | None
    """float32 [n]: plies to the end of the game; None if the network does not say."""

    @property
    def value(self) -> NDArray[np.float32]:
        """float32 [n] in [-1, 1]: win − loss."""
        return self.wdl[:, 0] - self.wdl[:, 2]


class Agent:
    """A policy/value network that can be asked about chess boards, also from several threads at once.

    In float32 on the CPU the network is compiled (`engines.networks.compiled.network`): a position then gets the same
    bits alone and in any batch. Elsewhere torch runs it, and the last bits may depend on the batch.

    Args:
        network: any network; the agent keeps a copy without batch normalisation, in evaluation mode.
        name: what to call it.
        history_fill: what the planes older than a board's known history show, ``"fen_only"`` or ``"no"``; see
            `engines.chess.encoding.pack_boards`.
        device: a torch device, such as ``"cpu"`` or ``"cuda"``.
        dtype: ``"float32"``, ``"float16"`` or ``"bfloat16"``; the last two round only what `engines.networks.precision`
            says. On 10,000 positions they keep the best move in at least 99.6 %; probabilities change by up to 0.008 in
            float16 (eight networks) and 0.022 in bfloat16 (the five of them that it rounds). They are for GPUs: on a
            CPU only float32 is compiled, which is two to six times as fast.
        path: the file it came from.
        info: what that file says of itself.
        sha256: hexadecimal SHA-256 of that file; worked out from the weights if not given.

    Raises:
        ValueError: an unknown history fill, type or device.
    """

    def __init__(
        self,
        network: Network,
        name: str,
        *,
        history_fill: str = "fen_only",
        device: str | torch.device = "cpu",
        dtype: str = "float32",
        path: Path | None = None,
        info: NetworkInfo | None = None,
        sha256: str | None = None,
    ) -> None:
        if history_fill not in HISTORY_FILLS:
            expected = " or ".join(map(repr, HISTORY_FILLS))
            raise ValueError(f"history_fill is {history_fill!r}; expected {expected}.")
        if dtype not in DTYPES:
            raise ValueError(f"dtype is {dtype!r}; expected {' or '.join(map(repr, DTYPES))}.")
        self.device = _device(device)
        self.name = name
        self.history_fill = history_fill
        self.dtype = dtype
        self.path = path
        self.info = info or NetworkInfo()
        self.network: Network = prepared(network, self.device, dtype)
        float32 = all(weight.dtype == torch.float32 for weight in self.network.parameters())
        compiled = self.device.type == "cpu" and float32
        self._forward = CompiledNetwork(self.network) if compiled else TorchNetwork(self.network)
        self._sha256 = sha256

    def __repr__(self) -> str:
        return f"Agent({self.name!r}, {_body(self.config)}, {self.device}, {self.dtype})"

    @property
    def config(self) -> NetworkConfig:
        """The shape of the network."""
        return self.network.config

    @property
    def input_format(self) -> int:
        """Leela's number of the format that the network wants its input in and means its moves in."""
        return self.config.input_format

    @property
    def layers(self) -> tuple[str, ...]:
        """Layer names in forward order."""
        return self.network.layer_names

    @property
    def batch_limit(self) -> int:
        """The most positions that are held in memory at once, of however many are asked for.

        It follows from the size of the network: all between the layers of so many fits into 64 MiB, or 2 GiB on a GPU.
        In float32 on the CPU, only positions whose layers are read or edited are held; others go by in blocks of 16.
        """
        return self._forward.positions_at_once

    @property
    def sha256(self) -> str:
        """Hexadecimal SHA-256 of the file's content, or of shape and weights for an agent made in memory.

        With other heads in use than the usual ones, it is that of this checksum and their names.
        """
        if self._sha256 is None:
            digest = hashlib.sha256(repr(self.config).encode())
            for name, tensor in self.network.state_dict().items():
                digest.update(name.encode())
                digest.update(tensor.float().cpu().contiguous().numpy().tobytes())
            self._sha256 = digest.hexdigest()
        heads = (self.config.policy_name, self.config.value_name)
        if heads == USUAL_HEADS:
            return self._sha256
        return hashlib.sha256(json.dumps([self._sha256, *heads]).encode()).hexdigest()

    def evaluate(self, boards: Sequence[chess.Board], *, edit: Edits | None = None) -> Evaluation:
        """Evaluate boards, with the history in their move stacks.

        Args:
            boards: at least one standard chess board, each with a legal move; they are only read.
            edit: as for `Network.forward`: functions that replace the outputs of layers. Each sees up to
                `batch_limit` positions at once and, other than in float32 on the CPU, filler behind the last board up
                to a multiple of four.

        Returns:
            Policies over the legal moves (softmax in float64), value and plies left.

        Raises:
            TypeError: `boards` is no sequence of ``chess.Board``.
            ValueError: no boards, a board that is not standard chess, a board without legal moves, or an `edit` that
                does not fit.
        """
        if isinstance(boards, chess.Board) or not isinstance(boards, Sequence):
            raise TypeError(f"boards is of type {type(boards).__name__}; expected a sequence of chess.Board.")
        if not boards:
            raise ValueError("There are no boards to evaluate; give at least one.")
        legal = [_legal_moves(board, i) for i, board in enumerate(boards)]
        masks, values = pack_boards(boards, self.input_format, self.history_fill)
        output = self.evaluate_packed(masks, values, edit=edit)
        policy = []
        for board, moves, logits in zip(boards, legal, output.logits, strict=True):
            chosen = logits[policy_indices(board, moves, self.input_format)].astype(np.float64)
            weights = np.exp(chosen - chosen.max())
            policy.append(dict(zip(moves, (weights / weights.sum()).tolist(), strict=True)))
        return Evaluation(policy, output.wdl, output.value, output.moves_left)

    def evaluate_packed(
        self, masks: NDArray[np.uint64], values: NDArray[np.float32], *, edit: Edits | None = None, threads: int = 1
    ) -> PackedEvaluation:
        """Evaluate positions given as packed input planes.

        Args:
            masks: uint64 [n, 112], as `engines.chess.encoding.pack_boards` gives them; n may be zero.
            values: float32 [n, 112].
            edit: as for `evaluate`.
            threads: how many threads share the positions, in float32 on the CPU; the results do not depend on it.

        Returns:
            Policy logits, value and plies left, in float32.

        Raises:
            ValueError: wrong shapes or types, an `edit` that does not fit, or outputs that are not finite.
        """
        self._check(masks, values, threads)
        if edit is not None:
            self.network.check_layers(edit)
        with torch.inference_mode():
            outputs, finite = self._forward.evaluate(masks, values, edit, threads)
        if not finite:
            cause = "its weights are unusable" if self.dtype != "float16" else "float16 ends at 65,504: try bfloat16"
            raise ValueError(f"The network of {self.name} gives numbers that are not finite; {cause}.")
        return PackedEvaluation(outputs.logits, outputs.wdl, outputs.moves_left if self.config.moves_left else None)

    def activations_packed(
        self, masks: NDArray[np.uint64], values: NDArray[np.float32], layers: Sequence[str], *, threads: int = 1
    ) -> dict[str, NDArray[np.float32]]:
        """Give what layers give for positions given as packed input planes.

        Args:
            masks: uint64 [n, 112].
            values: float32 [n, 112].
            layers: names out of `layers`.
            threads: as for `evaluate_packed`.

        Returns:
            By layer, in the order asked for, float32 [n, d]. The outputs of convolutions are flattened channel by
            channel: entry ``64 * channel + square``, square a1 = 0 … h8 = 63 as the side to move sees it.

        Raises:
            ValueError: wrong shapes or types, or a name that is no layer.
        """
        self._check(masks, values, threads)
        self.network.check_layers(layers)
        taken = self._forward.activations(masks, values, layers, threads)
        return {name: array.reshape(len(masks), math.prod(array.shape[1:])) for name, array in taken.items()}

    def _check(self, masks: NDArray[np.uint64], values: NDArray[np.float32], threads: int) -> None:
        if masks.ndim != 2 or masks.shape[1] != INPUT_PLANES or values.shape != masks.shape:
            shapes = f"{list(masks.shape)} and {list(values.shape)}"
            raise ValueError(f"masks and values must both be [n, {INPUT_PLANES}], not {shapes}.")
        if masks.dtype != np.uint64 or values.dtype != np.float32:
            raise ValueError(f"masks must be uint64 and values float32, not {masks.dtype} and {values.dtype}.")
        if threads < 1:
            raise ValueError(f"threads is {threads}; it must be at least 1.")


def load_agent(
    path_or_name: str | Path,
    *,
    history_fill: str = "fen_only",
    policy_head: str | None = None,
    value_head: str | None = None,
    device: str | torch.device = "cpu",
    dtype: str = "float32",
) -> Agent:
    """Load an agent from a network file, or a shipped one by its name.

    Args:
        path_or_name: the path of a Leela file (``.pb.gz``) or a checkpoint (``.safetensors``), or one of
            `shipped_agents`. A file of that path goes first.
        history_fill: what the planes older than a board's known history show: ``"fen_only"`` repeats the oldest known
            board for positions that do not begin at the start of a game, as lc0 does; ``"no"`` leaves them empty.
        policy_head: which policy head of a file with several; None for the usual one.
        value_head: which value head of a file with several; None for the usual one.
        device: a torch device, such as ``"cpu"`` or ``"cuda"``.
        dtype: ``"float32"``, ``"float16"`` or ``"bfloat16"``; the last two round only what `engines.networks.precision`
            says. On 10,000 positions they keep the best move in at least 99.6 %; probabilities change by up to 0.008 in
            float16 (eight networks) and 0.022 in bfloat16 (the five of them that it rounds). They are for GPUs: on a
            CPU only float32 is compiled, which is two to six times as fast.

    Returns:
        The agent, named after the file without its suffix.

    Raises:
        NetworkFormatError: no such file or name, or a file that is damaged, not supported or without the head.
        ValueError: an unknown history fill, type or device.
    """
    network, info, path, sha256 = _read(path_or_name, policy_head, value_head)
    return Agent(
        network,
        path.name.removesuffix(_SUFFIX).removesuffix(CHECKPOINT_SUFFIX),
        history_fill=history_fill,
        device=device,
        dtype=dtype,
        path=path,
        info=info,
        sha256=sha256,
    )


def read_agent(
    path_or_name: str | Path, *, policy_head: str | None = None, value_head: str | None = None
) -> tuple[Network, NetworkInfo, Path]:
    """Read what `load_agent` makes an agent of.

    Args:
        path_or_name: as for `load_agent`.
        policy_head: which policy head of a file with several; None for the usual one.
        value_head: which value head of a file with several; None for the usual one.

    Returns:
        ``(network, info, path)``: the network as the file has it, what the file says of it, and the file.

    Raises:
        NetworkFormatError: as for `load_agent`.
    """
    return _read(path_or_name, policy_head, value_head)[:3]


def shipped_agents() -> tuple[str, ...]:
    """Give the names of the agents that come with the package, sorted."""
    return tuple(sorted(path.name.removesuffix(_SUFFIX) for path in _CHECKPOINTS.glob(f"*{_SUFFIX}")))


def _read(
    path_or_name: str | Path, policy_head: str | None, value_head: str | None
) -> tuple[Network, NetworkInfo, Path, str]:
    """The network with the heads asked for, what its file says of it, the file, and its SHA-256."""
    path = _find(path_or_name)
    if _is_checkpoint(path):
        network, info = read_checkpoint(path)
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    else:
        content = read_content(path)
        network, info = parse_network(content, str(path))
        sha256 = hashlib.sha256(content).hexdigest()
    try:
        return network.with_heads(policy_head, value_head), info, path, sha256
    except ValueError as error:
        raise NetworkFormatError(f"{path}: {error}") from None


def _body(config: NetworkConfig) -> str:
    parts = [f"{config.tower.blocks} blocks of {config.tower.filters}"] if config.tower is not None else []
    if config.attention is not None:
        parts.append(f"{len(config.attention.encoders)} encoders of {config.attention.channels}")
    heads = (config.policy_name, config.value_name)
    return " and ".join(parts) + ("" if heads == USUAL_HEADS else f", heads {heads[0]!r} and {heads[1]!r}")


def _find(path_or_name: str | Path) -> Path:
    path, shipped = Path(path_or_name), str(path_or_name) in shipped_agents()
    try:
        # A folder of a shipped agent's name, of its results say, is not meant.
        if path.exists() and not (shipped and path.is_dir()):
            return path
    except OSError as error:  # a name that the system does not allow
        raise NetworkFormatError(f"The network file {path} cannot be read: {error.strerror}.") from None
    if shipped:
        return _CHECKPOINTS / f"{path_or_name}{_SUFFIX}"
    names = ", ".join(shipped_agents()) or "none"
    raise NetworkFormatError(f"There is no network file {path} and no shipped agent of that name ({names}).")


def _is_checkpoint(path: Path) -> bool:
    """Whether a file begins as safetensors files do, or is called one; NetworkFormatError for an ONNX model."""
    try:
        with path.open("rb") as file:
            start = file.read(9)
    except OSError:
        start = b""  # the reader will say why
    if path.suffix == ".onnx" and not is_compressed(start):
        raise NetworkFormatError(
            f"{path} is an ONNX model; those are only written, so give the file that it was made from."
        )
    return start[8:] == b"{" or (path.name.endswith(CHECKPOINT_SUFFIX) and not is_compressed(start))


def _legal_moves(board: chess.Board, index: int) -> list[chess.Move]:
    moves = list(check_board(board, index).legal_moves)
    if not moves:
        raise ValueError(f"Board {index} ({board.fen()}) has no legal move: the game is over, nothing to evaluate.")
    return moves


def _device(name: str | torch.device) -> torch.device:
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError):
        raise ValueError(f"The device {str(name)!r} cannot be used on this machine; try 'cpu'.") from None
    return device
