"""TLS connections of which a test wants to know how they came about."""

import contextlib
import os
import signal
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass

from lib.process import stat, wait_until
from lib.raw import receive

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


def context(instance, version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    made = ssl.create_default_context(cafile=instance.ca)
    if version:
        made.minimum_version = made.maximum_version = version
    return made


@contextlib.contextmanager
def connected(
    instance,
    trust: ssl.SSLContext,
    session: ssl.SSLSession | None = None,
    port: int | None = None,
    name: str | None = "localhost",
) -> Iterator[ssl.SSLSocket]:
    with (
        socket.create_connection(("127.0.0.1", port or instance.address[1]), timeout=10) as plain,
        trust.wrap_socket(plain, server_hostname=name, session=session) as tls,
    ):
        yield tls


def get(tls: ssl.SSLSocket, path: str = "/health/live", host: str = "localhost") -> bytes:
    """One request for the host's port of this connection; TLS 1.3 tickets arrive with its reply."""
    return ask(tls, path, f"{host}:{tls.getpeername()[1]}")


def ask(tls: ssl.SSLSocket, path: str, host: str) -> bytes:
    tls.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    return receive(tls)


@dataclass
class Visit:
    session: ssl.SSLSession
    reused: bool


def visit(instance, trust: ssl.SSLContext, session=None, **where) -> Visit:
    """A connection, one request, and its end."""
    with connected(instance, trust, session, **where) as tls:
        assert b" 200 " in get(tls)[:16]
        return Visit(tls.session, bool(tls.session_reused))


@contextlib.contextmanager
def only_worker(instance, pid: int) -> Iterator[None]:
    """The other workers stand still: this one takes the connections."""
    others = [p for p in instance.worker_pids() if p != pid]
    try:
        for other in others:
            os.kill(other, signal.SIGSTOP)
            # Else it may take the wake-up for the connection along.
            wait_until(lambda p=other: stat(p)[0] == "T", 5, "a worker's standstill", 0.001)
        yield
    finally:
        for other in others:
            os.kill(other, signal.SIGCONT)
