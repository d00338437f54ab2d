"""``engine selfplay --ray``: what cannot be reached is refused soon, in one sentence, and touches nothing."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

import engines
from engines.selfplay import ray_connection

CONFIG = Path(engines.__file__).parent / "selfplay" / "small.toml"


@contextmanager
def server(answer: bytes | None) -> Iterator[int]:
    """The port of a server that says ``answer`` to everybody, or nothing at all."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection, suppress(ConnectionResetError):
                connection.recv(64)
                if answer is not None:
                    connection.sendall(answer)
                while connection.recv(64):  # until the other side has gone
                    pass

        thread = threading.Thread(target=serve)
        thread.start()
        yield listening.getsockname()[1]
        thread.join()


def refusal(command: Callable[..., Any], folder: Path, address: str) -> str:
    begun = time.monotonic()
    outcome = command("engine", "selfplay", CONFIG, "--minutes", 1, "--state", folder / "state", "--ray", address)
    assert time.monotonic() - begun < 20
    assert outcome.code == 2
    assert outcome.out == ""
    assert outcome.err.startswith("conceptmine: ")
    assert outcome.err.count("\n") == 1
    assert not list(folder.iterdir())
    return str(outcome.err)


@pytest.mark.parametrize("address", ["nonsense", "ray://host:10001", "host:", ":6379", "host:port"])
def test_what_is_no_address(command: Callable[..., Any], tmp_path: Path, address: str) -> None:
    assert f"{address} is no address of a Ray cluster" in refusal(command, tmp_path, address)


def test_nobody_there(command: Callable[..., Any], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    assert f"no Ray cluster answers at 127.0.0.1:{port}" in refusal(command, tmp_path, f"127.0.0.1:{port}")
    assert "no Ray cluster answers at 127.0.0.1:99999" in refusal(command, tmp_path, "127.0.0.1:99999")


def test_another_server(command: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with server(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        assert f"127.0.0.1:{port} is not the port of a Ray" in refusal(command, tmp_path, f"127.0.0.1:{port}")
    monkeypatch.setattr(ray_connection, "_CONNECT_S", 0.1)
    with server(None) as port:
        assert f"no Ray cluster answers at 127.0.0.1:{port} (timed out)" in refusal(
            command, tmp_path, f"127.0.0.1:{port}"
        )


def test_no_cluster_on_this_machine(
    command: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:99999")
    assert "no Ray cluster answers at 127.0.0.1:99999" in refusal(command, tmp_path, "auto")


def test_ray_is_not_installed(command: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert "pip install 'conceptmine[ray]'" in refusal(command, tmp_path, "auto")
