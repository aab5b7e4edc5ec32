"""What the front door answers: one reply to some bytes, and is the connection kept?"""

import contextlib
import json
import re
import ssl
import uuid
from dataclasses import dataclass

from lib import raw
from lib.problem import PROBLEMS

REPLY = re.compile(rb"HTTP/1\.[01] (\d{3}) ")
ALWAYS = (b"date", b"x-request-id", b"content-security-policy", b"x-content-type-options")


@dataclass
class Answer:
    said: bytes
    closed: bool  # in an orderly way: the end was announced, nothing was reset

    @property
    def statuses(self) -> list[int]:
        return [int(found) for found in REPLY.findall(self.said)]

    @property
    def headers(self) -> dict[bytes, bytes]:
        """Of the last reply."""
        start = [m.start() for m in REPLY.finditer(self.said)][-1]
        top = self.said[start:].partition(b"\r\n\r\n")[0]
        pairs = (line.partition(b":") for line in top.split(b"\r\n")[1:])
        return {name.lower(): value.strip() for name, _, value in pairs}

    @property
    def body(self) -> bytes:
        start = [m.start() for m in REPLY.finditer(self.said)][-1]
        return self.said[start:].partition(b"\r\n\r\n")[2]


def ask(instance, *pieces: bytes, timeout: float = 4.0) -> Answer:
    """All that the server says to these bytes, each piece a TLS record or more."""
    said = b""
    with raw.connection(instance, timeout) as tls:
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            for piece in pieces:
                tls.sendall(piece)
        try:
            while not closing(said):
                piece = tls.recv(65536)
                if not piece:
                    return Answer(said, True)
                said += piece
            while piece := tls.recv(65536):
                said += piece
        except (ConnectionError, ssl.SSLError, TimeoutError):
            return Answer(said, False)
    return Answer(said, True)


def closing(said: bytes) -> bool:
    """Is there a whole reply that says whether the connection goes on?"""
    return raw.complete(said) and b"connection: keep-alive" not in said.lower()


def kept(instance, data: bytes) -> tuple[Answer, int]:
    """The reply, and the status of a plain request after it on the same connection."""
    with raw.connection(instance, 4) as tls:
        tls.sendall(data)
        first = raw.receive(tls)
        tls.sendall(raw.head(instance, "GET", "/health/live"))
        return Answer(first, False), raw.status(raw.receive(tls))


def check_problem(answer: Answer, slug: str, *, head: bool = False) -> None:
    """A whole problem document, with the headers of every reply."""
    status, title = PROBLEMS[slug]
    assert answer.statuses[-1:] == [status], answer.said[:400]
    assert answer.headers[b"content-type"] == b"application/problem+json"
    for name in ALWAYS:
        assert name in answer.headers, name
    assert b"server" not in answer.headers
    if head:
        assert answer.body == b""
        assert int(answer.headers[b"content-length"]) > 0
        return
    document = json.loads(answer.body)
    assert document["type"] == f"/problems/{slug}"
    assert (document["title"], document["status"]) == (title, status)
    assert len(document["detail"]) > 20
    request = uuid.UUID(answer.headers[b"x-request-id"].decode())
    assert document["instance"] == f"urn:uuid:{request}"


def refused(instance, slug: str, *pieces: bytes, head: bool = False) -> Answer:
    """One reply, this problem in full, and then the connection is closed in good order."""
    answer = ask(instance, *pieces)
    assert len(answer.statuses) == 1, answer.said[:800]
    check_problem(answer, slug, head=head)
    assert answer.headers[b"connection"] == b"close"
    assert answer.closed, f"left open or reset after {answer.said[:200]}"
    return answer
