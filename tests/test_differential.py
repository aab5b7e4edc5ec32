"""The same bytes to our server, nginx and haproxy: do they agree on what is a request?

Where they disagree, whoever stands in front of the server may see other
requests than it does; so each difference is written down with its reason, and
on our side it is always the stricter reading.
"""

import contextlib
import json
import socket
import ssl
from dataclasses import dataclass

import pytest
from lib import frontends, raw

ACCEPT, REJECT, WAIT = "accept", "reject", "wait"
WAIT_SECONDS = 1.0
# Problems that our application has with a request that HTTP had none with.
OURS = {"validation-failed", "malformed-json", "method-not-allowed", "not-found"}


@dataclass(frozen=True)
class Case:
    """What is sent, and who takes it; nginx and haproxy are as ours unless said."""

    name: str
    data: bytes
    ours: str
    nginx: str = ""
    haproxy: str = ""
    why: str = ""

    def expected(self, server: str) -> str:
        return getattr(self, server) or self.ours


# ---- the requests --------------------------------------------------------------------

BODY = b'{"a":1}'
HOST = b"Host: localhost:@PORT@"  # replaced by each server's own port


def get(*lines: bytes, target=b"/health/live", method=b"GET", version=b"HTTP/1.1", host=HOST):
    top = [method + b" " + target + b" " + version, *([host] if host else []), *lines]
    return b"\r\n".join(top) + b"\r\n\r\n"


def post(*lines: bytes, body=BODY, method=b"POST", **more):
    return (
        get(b"Content-Type: application/json", *lines, method=method, target=LOGIN, **more) + body
    )


LOGIN = b"/v1/auth/login"
LENGTH = b"Content-Length: 7"
CHUNKED = b"Transfer-Encoding: chunked"
CHUNKS = b"7\r\n" + BODY + b"\r\n0\r\n\r\n"

LENIENT = "RFC 9112, 2.2 lets a recipient take a line feed alone for the end of a line"
IGNORED = "nginx drops a field that it cannot read, and goes on"
CONTROLS = "RFC 9110, 5.5 lets a recipient keep control characters other than CR, LF and NUL"
NUL = "haproxy keeps NUL in a value"
FOLDED = "haproxy makes spaces of it, as RFC 9112, 5.2 allows a proxy"
EQUAL = "haproxy makes one of equal ones, as RFC 9110, 8.6 allows for lengths"
CODED = "haproxy drops the length, as RFC 9112, 6.3 allows"
CHUNKS_10 = "haproxy does not look at the version"
NO_CHUNKS = "we take no transfer coding, as RFC 9112, 6.1 allows: lengths are known in advance"
NO_BODY = "RFC 9110, 9.3.1: a body of GET has no meaning, and may be refused"
NO_LENGTH = "RFC 9110, 15.5.12: a server may ask for a length; others take it for an empty body"
NEXT = "the others take the rest for the beginning of the next request"
PORT = "the others look at the name only"
SPACES = "RFC 9112, 3 lets a recipient split the first line at any white space"
VERSION = "haproxy takes versions that it does not speak; nginx any 1.x"
ASTERISK = "RFC 9112, 3.2.4 has it for OPTIONS only; haproxy leaves that to who is behind"
TARGET = "nginx cuts fragments off and keeps bytes that no URI has"
PATH = "a path's inside is left to who is behind; nginx joins dot segments"

VALID = [
    Case("plain", get(), ACCEPT),
    Case("head", get(method=b"HEAD"), ACCEPT),
    Case("options", get(method=b"OPTIONS"), ACCEPT),
    Case("post", post(LENGTH), ACCEPT),
    Case("put", post(LENGTH, method=b"PUT"), ACCEPT),
    Case("patch", post(LENGTH, method=b"PATCH"), ACCEPT),
    Case("delete", get(method=b"DELETE"), ACCEPT),
    Case("delete with a body", post(LENGTH, method=b"DELETE"), ACCEPT),
    Case("empty body", post(b"Content-Length: 0", body=b""), ACCEPT),
    Case("a length with zeros in front", post(b"Content-Length: 007"), ACCEPT),
    Case("a length on get that is zero", get(b"Content-Length: 0"), ACCEPT),
    Case("empty value", get(b"X-A:"), ACCEPT),
    Case("no space after the colon", get(b"X-A:b"), ACCEPT),
    Case("spaces and tabs around a value", get(b"X-A: \t b \t "), ACCEPT),
    Case("a tab in a value", get(b"X-A: b\tc"), ACCEPT),
    Case("every character of a token", get(b"X!#$%&'*+-.^_`|~0: b"), ACCEPT),
    Case("lower-case names", get(b"accept: */*", host=HOST.replace(b"Host", b"host")), ACCEPT),
    Case("the same field twice", get(b"X-A: b", b"X-A: c"), ACCEPT),
    Case("two lines of cookies", get(b"Cookie: a=b", b"Cookie: c=d"), ACCEPT),
    Case("a host in capitals", get(host=HOST.replace(b"localhost", b"LOCALHOST")), ACCEPT),
    Case("fields that look like host", get(b"Hostage: x", b"X-Host: x"), ACCEPT),
    Case("sixty fields", get(*(b"X-%d: y" % n for n in range(60))), ACCEPT),
    Case("a long field", get(b"X-A: " + b"b" * 4000), ACCEPT),
    Case("a query of all its characters", get(target=b"/nowhere?a=b&c=/?:@!$'()*+,;%20"), ACCEPT),
    Case("an escape", get(target=b"/nowhere%20x"), ACCEPT),
    Case("connection close", get(b"Connection: close"), ACCEPT),
    Case("a waiting client", post(LENGTH, b"Expect: 100-continue"), ACCEPT),
    Case("http/1.0", get(version=b"HTTP/1.0"), ACCEPT),
    Case("two requests at once: the first", get() + get(), ACCEPT),
    Case("an upgrade that is not asked for here", get(b"Upgrade: foo", b"Connection: upgrade"),
         ACCEPT),
]  # fmt: skip

LINES = [
    Case("bare line feeds", get().replace(b"\r\n", b"\n"), REJECT, ACCEPT, ACCEPT, LENIENT),
    Case("one bare line feed", get(b"X-A: b\nX-B: c"), REJECT, ACCEPT, ACCEPT, LENIENT),
    Case("a line feed ends the block", get()[:-2] + b"\n", REJECT, ACCEPT, ACCEPT, LENIENT),
    Case("a bare carriage return", get(b"X-A: b\rX-B: c"), REJECT),
    Case("a carriage return ends a line", get(b"X-A: b\r\r\nX-B: c"),
         REJECT, ACCEPT, REJECT, LENIENT),
    Case("nul in a value", get(b"X-A: b\0c"), REJECT, REJECT, ACCEPT, NUL),
    Case("nul in a name", get(b"X\0A: b"), REJECT),
    Case("a control character in a value", get(b"X-A: b\x01c"), REJECT, ACCEPT, ACCEPT, CONTROLS),
    Case("delete in a value", get(b"X-A: b\x7fc"), REJECT, ACCEPT, ACCEPT, CONTROLS),
    Case("a space before the colon", get(b"X-A : b"), REJECT),
    Case("a tab before the colon", get(b"X-A\t: b"), REJECT),
    Case("a space in a name", get(b"X A: b"), REJECT),
    Case("a bracket in a name", get(b"X(A): b"), REJECT, ACCEPT, REJECT, IGNORED),
    Case("a name beyond ascii", get(b"X\xc3\xa4: b"), REJECT, ACCEPT, REJECT, IGNORED),
    Case("an empty name", get(b": b"), REJECT),
    Case("no colon", get(b"nonsense"), REJECT, ACCEPT, REJECT, IGNORED),
    Case("a folded field", get(b"X-A: b\r\n c"), REJECT, REJECT, ACCEPT, FOLDED),
    Case("folded with a tab", get(b"X-A: b\r\n\tc"), REJECT, REJECT, ACCEPT, FOLDED),
    Case("the first field begins with a space", get(b"X-A: b", host=b" " + HOST), REJECT),
    Case("one field of 20,000 bytes", get(b"X-A: " + b"b" * 20000), REJECT),
    Case("fields of 64,000 bytes", get(*(b"X-%d: " % n + b"b" * 1000 for n in range(64))), REJECT),
]  # fmt: skip

FRAMING = [
    Case("a length twice", post(LENGTH, LENGTH), REJECT, REJECT, ACCEPT, EQUAL),
    Case("two lengths", post(LENGTH, b"Content-Length: 6"), REJECT),
    Case("a list of equal lengths", post(b"Content-Length: 7, 7"), REJECT, REJECT, ACCEPT, EQUAL),
    Case("a list of lengths", post(b"Content-Length: 7, 6"), REJECT),
    Case("a signed length", post(b"Content-Length: +7"), REJECT),
    Case("a negative length", post(b"Content-Length: -7"), REJECT),
    Case("an empty length", post(b"Content-Length:"), REJECT),
    Case("a length in hexadecimal", post(b"Content-Length: 0x7"), REJECT),
    Case("a length with a fraction", post(b"Content-Length: 7.0"), REJECT),
    Case("a length with a space", post(b"Content-Length: 7 0"), REJECT),
    Case("a length past 64 bits", post(b"Content-Length: 18446744073709551623"), REJECT),
    Case("a length past 2 GB", post(b"Content-Length: 9999999999"), REJECT),
    Case("a space before the length's colon", post(b"Content-Length : 7"), REJECT),
    Case("length and coding", post(LENGTH, CHUNKED, body=CHUNKS), REJECT, REJECT, ACCEPT, CODED),
    Case("coding and length", post(CHUNKED, LENGTH, body=CHUNKS), REJECT, REJECT, ACCEPT, CODED),
    Case("a coding", post(CHUNKED, body=CHUNKS), REJECT, ACCEPT, ACCEPT, NO_CHUNKS),
    Case("a coding in capitals", post(b"Transfer-Encoding: CHUNKED", body=CHUNKS),
         REJECT, ACCEPT, ACCEPT, NO_CHUNKS),
    Case("chunked twice", post(b"Transfer-Encoding: chunked, chunked", body=CHUNKS), REJECT),
    Case("two codings in two lines", post(CHUNKED, CHUNKED, body=CHUNKS), REJECT),
    Case("an unknown coding", post(b"Transfer-Encoding: xchunked", body=CHUNKS), REJECT),
    Case("identity", post(b"Transfer-Encoding: identity", LENGTH), REJECT),
    Case("chunked is not the last", post(b"Transfer-Encoding: chunked, gzip", body=CHUNKS), REJECT),
    Case("an empty coding", post(b"Transfer-Encoding:", LENGTH), REJECT),
    Case("a coding after a vertical tab", post(b"Transfer-Encoding: \x0bchunked", body=CHUNKS),
         REJECT),
    Case("a coding in quotes", post(b'Transfer-Encoding: "chunked"', body=CHUNKS), REJECT),
    Case("a coding in http/1.0", post(CHUNKED, body=CHUNKS, version=b"HTTP/1.0"),
         REJECT, REJECT, ACCEPT, CHUNKS_10),
    Case("a chunk's size is no number", post(CHUNKED, body=b"x\r\n"), REJECT),
    Case("get with a body", get(LENGTH) + BODY, REJECT, ACCEPT, ACCEPT, NO_BODY),
    Case("get with chunks", get(CHUNKED) + CHUNKS, REJECT, ACCEPT, ACCEPT, NO_BODY),
    Case("no length", post(body=b""), REJECT, ACCEPT, ACCEPT, NO_LENGTH),
    Case("more than the length says", post(b"Content-Length: 6"), REJECT, ACCEPT, ACCEPT, NEXT),
]  # fmt: skip

HOSTS = [
    Case("no host", get(host=b""), REJECT),
    Case("no host in http/1.0", get(host=b"", version=b"HTTP/1.0"), REJECT),
    Case("an empty host", get(host=b"Host:"), REJECT),
    Case("a host twice", get(HOST), REJECT, REJECT, ACCEPT, EQUAL),
    Case("two hosts", get(b"Host: evil.example"), REJECT),
    Case("another's host first", get(HOST, host=b"Host: evil.example"), REJECT),
    Case("another's host", get(host=b"Host: evil.example"), REJECT),
    Case("a host with a tail", get(host=b"Host: localhost.evil.example"), REJECT),
    Case("a list of hosts", get(host=b"Host: localhost, evil.example"), REJECT),
    Case("a host with a path", get(host=b"Host: localhost/x"), REJECT),
    Case("a host with a user", get(host=b"Host: a@localhost"), REJECT),
    Case("a host with a space", get(host=b"Host: local host"), REJECT),
    Case("a port of letters", get(host=b"Host: localhost:http"), REJECT, ACCEPT, ACCEPT, PORT),
    Case("a port too large", get(host=b"Host: localhost:99999"), REJECT, ACCEPT, ACCEPT, PORT),
    Case("a bracket left open", get(host=b"Host: [::1"), REJECT),
    Case("an absolute target of another host", get(target=b"https://evil.example/health/live"),
         REJECT),
]  # fmt: skip

FIRST_LINES = [
    Case("a method in lower case", get(method=b"get"), REJECT),
    Case("an unknown method", get(method=b"BREW"), REJECT),
    Case("trace", get(method=b"TRACE"), REJECT),
    Case("connect", get(method=b"CONNECT", target=b"localhost:443"), REJECT),
    Case("a bracket in the method", get(method=b"GE(T"), REJECT),
    Case("no method", get(method=b""), REJECT),
    Case("a tab after the method", get().replace(b"GET ", b"GET\t", 1),
         REJECT, REJECT, ACCEPT, SPACES),
    Case("a vertical tab after the method", get().replace(b"GET ", b"GET\x0b", 1), REJECT),
    Case("two spaces after the method", get().replace(b"GET ", b"GET  ", 1),
         REJECT, ACCEPT, ACCEPT, SPACES),
    Case("two spaces before the version", get().replace(b" HTTP", b"  HTTP", 1),
         REJECT, ACCEPT, ACCEPT, SPACES),
    Case("a space after the version", get(version=b"HTTP/1.1 "), REJECT, ACCEPT, REJECT, SPACES),
    Case("no version", get(version=b"").replace(b" \r\n", b"\r\n", 1), REJECT),
    Case("a version in lower case", get(version=b"http/1.1"), REJECT),
    Case("http/2.0 in words", get(version=b"HTTP/2.0"), REJECT, REJECT, ACCEPT, VERSION),
    Case("http/0.9 in words", get(version=b"HTTP/0.9"), REJECT, REJECT, ACCEPT, VERSION),
    Case("a version of three digits", get(version=b"HTTP/1.10"), REJECT, ACCEPT, REJECT, VERSION),
    Case("a version without a point", get(version=b"HTTP/11"), REJECT),
    Case("another protocol", get(version=b"HTCPCP/1.0"), REJECT),
    Case("the preface of http/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", REJECT),
    Case("no slash", get(target=b"health/live"), REJECT),
    Case("no target", get(target=b""), REJECT),
    Case("an asterisk on get", get(target=b"*"), REJECT, REJECT, ACCEPT, ASTERISK),
    Case("a space in the target", get(target=b"/health /live"), REJECT),
    Case("nul in the target", get(target=b"/health\0/live"), REJECT),
    Case("a control character in the target", get(target=b"/health\x01/live"), REJECT),
    Case("a byte beyond ascii in the target", get(target=b"/health/\xff"),
         REJECT, ACCEPT, REJECT, TARGET),
    Case("a fragment", get(target=b"/health/live#x"), REJECT, ACCEPT, REJECT, TARGET),
    Case("an escaped nul", get(target=b"/health/live%00"), REJECT, REJECT, ACCEPT, PATH),
    Case("an escape that is none", get(target=b"/health/%zz"), REJECT, REJECT, ACCEPT, PATH),
    Case("half an escape", get(target=b"/health/%2"), REJECT, REJECT, ACCEPT, PATH),
    Case("above the root", get(target=b"/../etc/passwd"), REJECT, REJECT, ACCEPT, PATH),
    Case("above the root, escaped", get(target=b"/%2e%2e/etc/passwd"),
         REJECT, REJECT, ACCEPT, PATH),
    Case("a dot segment", get(target=b"/v1/../health/live"), REJECT, ACCEPT, ACCEPT, PATH),
    Case("an escaped slash", get(target=b"/health%2flive"), REJECT, ACCEPT, ACCEPT, PATH),
    Case("escapes that are no utf-8", get(target=b"/health/%ff"), REJECT, ACCEPT, ACCEPT, PATH),
    Case("a target of 40,000 bytes", get(target=b"/" + b"a" * 40000), REJECT),
    Case("a status line", b"HTTP/1.1 200 OK\r\n\r\n", REJECT),
    Case("tls in the clear", b"\x16\x03\x01\x02\0\r\n\r\n", REJECT),
]  # fmt: skip

CASES = VALID + LINES + FRAMING + HOSTS + FIRST_LINES


# ---- the servers -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def ports(instance, tmp_path_factory):
    """Where each of the three listens."""
    with (
        frontends.backend() as behind,
        frontends.nginx(tmp_path_factory.mktemp("nginx"), behind) as nginx,
        frontends.haproxy(tmp_path_factory.mktemp("haproxy"), behind) as haproxy,
    ):
        yield {"ours": instance.address[1], "nginx": nginx, "haproxy": haproxy}


@contextlib.contextmanager
def connected(instance, server: str, port: int):
    if server == "ours":
        with raw.connection(instance, WAIT_SECONDS) as tls:
            yield tls
    else:
        with socket.create_connection(("127.0.0.1", port), timeout=WAIT_SECONDS) as plain:
            yield plain


def reply_to(connection, data: bytes) -> tuple[bytes, bool]:
    """The first final reply's bytes, and whether it was waited for in vain."""
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        connection.sendall(data)
    said = b""
    try:
        while not raw.complete(said):
            if raw.status(said) == 100:
                said = said.partition(b"\r\n\r\n")[2]
                continue
            piece = connection.recv(65536)
            if not piece:
                break
            said += piece
    except TimeoutError:
        return said, True
    except (ConnectionError, ssl.SSLError):
        pass
    return said, False


def verdict(said: bytes, waited: bool) -> str:
    if not said:
        return WAIT if waited else REJECT
    status = raw.status(said)
    if 200 <= status < 400:
        return ACCEPT
    with contextlib.suppress(ValueError):
        problem = json.loads(said.partition(b"\r\n\r\n")[2])
        if problem["type"].rpartition("/")[2] in OURS:
            return ACCEPT
    return REJECT


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_who_takes_it(instance, ports, case):
    said = {}
    for server, port in ports.items():
        data = case.data.replace(b"@PORT@", b"%d" % port)
        with connected(instance, server, port) as connection:
            said[server] = reply_to(connection, data)
    got = {server: verdict(*what) for server, what in said.items()}
    assert got == {server: case.expected(server) for server in ports}, {
        server: what[0][:120] for server, what in said.items()
    }


def test_the_cases_are_many_and_their_differences_explained():
    names = [case.name for case in CASES]
    assert len(names) == len(set(names)) >= 60
    for case in CASES:
        differs = any(case.expected(server) != case.ours for server in ("nginx", "haproxy"))
        assert differs == bool(case.why), case.name
        # Where we differ we are the stricter one.
        assert not differs or case.ours == REJECT, case.name
