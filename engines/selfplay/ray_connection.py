"""Being connected to a Ray cluster, or hearing within seconds why that cannot be."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

_CONNECT_S = 5.0


@contextmanager
def connected(address: str) -> Iterator[None]:
    """Be connected to a Ray cluster; a connection that stands already is used, and left as it is.

    Args:
        address: ``host:port`` of the cluster's head, ``auto`` for the cluster that this machine belongs to (or that
            ``RAY_ADDRESS`` names), or ``local`` for one of this machine alone that lives as long as the connection.

    Raises:
        ModuleNotFoundError: the package ray is not installed.
        ValueError: there is no such cluster, or it does not answer.
    """
    try:
        import ray
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "games over a cluster need the package ray: install it with pip install 'conceptmine[ray]'"
        ) from None
    if ray.is_initialized():
        yield
        return
    if address == "auto":
        address = os.environ.get("RAY_ADDRESS", address)
    if address not in ("auto", "local"):
        _check_answers(address)
    try:
        ray.init(address=address, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    except (ValueError, ConnectionError, RuntimeError, ray.exceptions.RayError) as error:
        reason = " ".join(str(error).split()).split(". ")[0].rstrip(".")
        if address == "auto":
            hint = "start one with ray start --head"
        else:
            hint = "this machine must be one of its nodes, and RAY_AUTH_MODE=token be set if it wants a token"
        raise ValueError(f"no Ray cluster can be used at {address} ({reason}): {hint}") from None
    try:
        yield
    finally:
        ray.shutdown()


def _check_answers(address: str) -> None:
    """Raise ``ValueError`` unless something at ``host:port`` speaks Ray's protocol.

    Ray itself tries for some minutes; a machine that does not answer or another server's port is told here.
    """
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdecimal():
        raise ValueError(f"{address} is no address of a Ray cluster: give host:port, auto or local")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_S) as connection:
            if os.environ.get("RAY_USE_TLS", "0") != "0":
                return
            connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
            answer = connection.recv(9)
    except (OSError, OverflowError, UnicodeError) as error:
        reason = str(error.args[-1]) if error.args else type(error).__name__
        raise ValueError(
            f"no Ray cluster answers at {address} ({reason}): give the address that ray start --head printed"
        ) from None
    if answer[3:4] != b"\x04":  # gRPC begins with its settings
        raise ValueError(f"{address} is not the port of a Ray cluster: give the address that ray start --head printed")
