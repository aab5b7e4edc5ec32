"""Clients that take their time: each is cut off by its deadline, and nobody else notices.

The deadlines are those of kore.conf; the margins are for a busy machine.
"""

import contextlib
import socket
import ssl
import threading
import time

import pytest
from lib import process, raw
from lib.door import REPLY

HEADER_S = 10  # http_header_timeout
STALL_S = 10  # http_stall_timeout
SEND_S = 60  # http_send_timeout
GRACE_S = 4
POST = b"POST /v1/patients HTTP/1.1\r\nHost: %s\r\nContent-Length: 50000\r\n\r\n"


def host(instance) -> bytes:
    return b"%s:%d" % (instance.address[0].encode(), instance.address[1])


def trickle(tls, data: bytes, pause: float, seconds: float) -> bytes:
    """Send byte by byte until the server says something; what it says."""
    tls.settimeout(pause)
    end = time.monotonic() + seconds
    for i in range(len(data)):
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            tls.sendall(data[i : i + 1])
        try:
            return tls.recv(65536)
        except TimeoutError:
            assert time.monotonic() < end, "still waited for"
        except (ConnectionError, ssl.SSLError):
            return b""
    raise AssertionError("out of bytes")


def slow_headers(instance) -> None:
    with raw.connection(instance) as tls:
        data = b"GET /health/live HTTP/1.1\r\nHost: " + host(instance) + b"\r\nX-A: " + b"b" * 999
        said = trickle(tls, data, 0.25, HEADER_S + GRACE_S)
    assert raw.status(said) == 408, said[:200]
    assert b"problem+json" in said


def stalled_body(instance) -> None:
    with raw.connection(instance, STALL_S + GRACE_S) as tls:
        tls.sendall(POST % host(instance) + b"x" * 100)
        begin = time.monotonic()
        said = tls.recv(65536)
    assert raw.status(said) == 408, said[:200]
    assert time.monotonic() - begin > STALL_S - 1


def slow_handshake(instance) -> None:
    """A byte of the hello now and then: each would start the idle timer anew."""
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 400
    with socket.create_connection(instance.address, timeout=0.5) as plain:
        end = time.monotonic() + HEADER_S + GRACE_S
        for i in range(len(hello)):
            with contextlib.suppress(ConnectionError):
                plain.sendall(hello[i : i + 1])
            try:
                assert plain.recv(100) == b""
                return
            except TimeoutError:
                assert time.monotonic() < end, "the handshake still goes on"
            except ConnectionError:
                return


@contextlib.contextmanager
def small_window(instance):
    """A connection whose client can take in very little."""
    context = ssl.create_default_context(cafile=instance.ca)
    with socket.socket(socket.AF_INET) as plain:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        plain.settimeout(STALL_S + GRACE_S)
        plain.connect(("127.0.0.1", instance.address[1]))
        with context.wrap_socket(plain, server_hostname=instance.address[0]) as tls:
            yield tls


MANY = 400


def ask_for_much(instance, tls, times: int = MANY) -> None:
    """More than buffers hold; the server stops reading when it cannot write."""
    top = raw.head(instance, "GET", "/openapi.json")
    tls.settimeout(0.5)
    with contextlib.suppress(TimeoutError, ConnectionError, ssl.SSLError):
        for _ in range(times):
            tls.sendall(top)
            time.sleep(0.005)


def drained(tls) -> tuple[int, bool]:
    """How many replies there were, and whether the server has closed."""
    said = b""
    tls.settimeout(3)
    try:
        while piece := tls.recv(1 << 20):
            said += piece
    except TimeoutError:
        return len(REPLY.findall(said)), False
    except (ConnectionError, ssl.SSLError):
        pass
    return len(REPLY.findall(said)), True


def unread_reply(instance) -> None:
    with small_window(instance) as tls:
        ask_for_much(instance, tls)
        time.sleep(STALL_S + 2)
        replies, closed = drained(tls)
    assert closed, "an unread reply kept its connection"
    assert replies < MANY


SLOW = [slow_headers, stalled_body, slow_handshake, unread_reply]


def test_each_is_cut_off_and_others_are_served(instance, clinician):
    """All of them at once, while a usual client goes on."""
    failures: list[str] = []

    def run(client) -> None:
        try:
            client(instance)
        except BaseException as error:
            failures.append(f"{client.__name__}: {error!r}")

    threads = [threading.Thread(target=run, args=(client,)) for client in SLOW * 3]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert clinician.get("/v1/me").status_code == 200
        time.sleep(0.1)
    assert not failures, failures


def test_replies_that_nobody_takes_do_not_pile_up(instance, clinician):
    """Requests are left in the socket until the replies before are gone."""
    if instance.sanitized:
        pytest.skip("the sanitizer keeps freed memory: sizes tell nothing")
    before = [process.rss_kib(pid) for pid in instance.worker_pids()]
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(small_window(instance)) for _ in range(4)]
        for tls in clients:
            ask_for_much(instance, tls, 100)
        after = [process.rss_kib(pid) for pid in instance.worker_pids()]
        assert clinician.get("/v1/me").status_code == 200
    assert sum(after) - sum(before) < 16_384, (before, after)


@pytest.mark.full
def test_a_reply_is_not_taken_for_ever(instance):
    """A little at a time is progress, but there is an end to it."""
    with small_window(instance) as tls:
        ask_for_much(instance, tls)
        end = time.monotonic() + SEND_S + GRACE_S
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            while tls.recv(512):
                assert time.monotonic() < end, "still served"
                time.sleep(1)


@pytest.mark.full
def test_a_body_does_not_come_for_ever(instance):
    with raw.connection(instance) as tls:
        tls.sendall(POST % host(instance))
        said = trickle(tls, b"x" * 1000, 1, 60 + GRACE_S)
    assert raw.status(said) == 408
