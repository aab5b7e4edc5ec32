"""Bytes on the wire: TLS sockets that say exactly what a test wants said."""

import contextlib
import socket
import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit


@contextlib.contextmanager
def connection(instance, timeout: float = 10.0, name: str | None = None) -> Iterator[ssl.SSLSocket]:
    """A handshaken connection to the instance, for its name or another one."""
    where = urlsplit(instance.url)
    context = ssl.create_default_context(cafile=instance.ca)
    with (
        socket.create_connection((where.hostname, where.port), timeout=timeout) as plain,
        context.wrap_socket(plain, server_hostname=name or where.hostname) as tls,
    ):
        yield tls


def head(instance, method: str, path: str, *headers: str, host: str | None = None) -> bytes:
    """A request's first line and headers, with the blank line."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host or urlsplit(instance.url).netloc}"]
    lines += headers
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def receive(tls: ssl.SSLSocket, limit: int = 1 << 20) -> bytes:
    """What the server says until it closes, falls silent or has said one reply."""
    data = b""
    with contextlib.suppress(TimeoutError, ConnectionError, ssl.SSLError):
        while len(data) < limit and not complete(data):
            piece = tls.recv(65536)
            if not piece:
                break
            data += piece
    return data


def complete(data: bytes) -> bool:
    """One whole reply with a Content-Length (or one that has no body)."""
    top, blank, body = data.partition(b"\r\n\r\n")
    if not blank:
        return False
    if top.split(b" ", 2)[1:2] in ([b"204"], [b"304"]):
        return True
    for line in top.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return len(body) >= int(value)
    return False


def status(data: bytes) -> int:
    """The status of a reply; 0 when there is none."""
    if not data.startswith(b"HTTP/1."):
        return 0
    return int(data.split(b" ", 2)[1])


def exchange(instance, data: bytes, timeout: float = 10.0) -> bytes:
    """Send these bytes on a new connection; return the reply's bytes."""
    with connection(instance, timeout) as tls:
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            tls.sendall(data)
        return receive(tls)
