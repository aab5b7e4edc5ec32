"""Requests that are wrong below JSON: paths, methods, framing, half requests."""

import contextlib
import json
import secrets
import socket
import ssl
import threading
import time

import pytest
from lib import data, process, raw
from lib.db import audit_row, connect
from lib.problem import PROBLEMS, problem, traced

PATIENTS = "/v1/patients"
HEADER_MAX = 16384  # bytes, kore.conf


# ---- paths and methods ------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/", "/v1", "/v1/", "/v2/patients", "/v1/patient", "/v1/patients/", "/v1/Patients",
        "/v1/auth", "/v1/auth/", "/v1/auth/register", "/v1/me/", "/v1/me/x", "/health",
        "/health/", "/health/x", "/metrics/", "/openapi.yaml", "/index.html", "/.env",
        "/v1/audit/", "/v1/audit/events/", "/v1/predictions/", "/v1/models/",
        "/favicon.ico", "/" + "a" * 1000,
    ],
)  # fmt: skip
def test_unknown_paths(clinician, path):
    for method in ("GET", "POST", "DELETE"):
        reply = clinician.http.request(method, path)
        problem(reply, "not-found")
        traced(reply)


@pytest.mark.parametrize(
    "path",
    [
        "/v1//patients", "//v1/patients", "/v1/./patients", "/v1/x/../patients", "/v1/patients/..",
        "/v1/%70atients", "/v1/patients%2f", "/%2e%2e/etc/passwd", "/../../etc/passwd",
        "/v1/patients%00", "/v1/patients;x", "/v1/patients%", "/v1/patients%zz",
        "/v1/patients?%00", "/v1/patients#x", "/v1\\patients", "/v1/patients/%ff",
        "http://localhost/v1/patients", "*", "",
    ],
)  # fmt: skip
def test_paths_are_not_bent(instance, anonymous, path):
    """Nothing but the plain path reaches a resource; nothing is normalised."""
    reply = raw.exchange(instance, raw.head(instance, "GET", path, "Connection: close"))
    assert raw.status(reply) in REFUSALS, reply[:200]
    assert b"root:" not in reply


def test_other_methods_name_the_right_ones(clinician, patient):
    one = patient()["id"]
    expected = {
        PATIENTS: {"GET", "HEAD", "POST"},
        f"{PATIENTS}/{one}": {"GET", "HEAD", "PATCH"},
        f"{PATIENTS}/{one}/observations": {"GET", "HEAD", "POST"},
        "/v1/predictions": {"POST"},
        f"/v1/predictions/{one}": {"GET", "HEAD"},
        "/v1/models": {"GET", "HEAD"},
        "/v1/me": {"GET", "HEAD"},
        "/v1/auth/login": {"POST"},
        "/v1/auth/logout": {"POST"},
        "/v1/audit/events": {"GET", "HEAD"},
        "/health/live": {"GET", "HEAD"},
        "/metrics": {"GET", "HEAD"},
        "/openapi.json": {"GET", "HEAD"},
    }
    for path, allowed in expected.items():
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - allowed:
            reply = clinician.http.request(method, path)
            problem(reply, "method-not-allowed")
            names = {m.strip() for m in reply.headers["allow"].split(",")}
            assert names - {"HEAD", "OPTIONS"} == allowed - {"HEAD"}, path


@pytest.mark.parametrize(
    "method", ["TRACE", "CONNECT", "PROPFIND", "get", "Post", "GETX", "X" * 50, "G\tT"]
)
def test_methods_that_http_or_we_do_not_know(instance, method):
    refused(instance, "not-implemented", raw.head(instance, method, "/v1/me"))


def test_every_reply_has_an_id_of_its_own(clinician):
    replies = [clinician.get(p) for p in ("/v1/me", "/v1/me", "/nowhere", "/health/live")]
    assert len({traced(r) for r in replies}) == 4


# ---- framing -------------------------------------------------------------------------------


def wire(instance, who, *headers: str, body: bytes = b"", method="POST", path=PATIENTS) -> bytes:
    lines = (f"Authorization: Bearer {who.token}", "Content-Type: application/json", *headers)
    return raw.head(instance, method, path, *lines) + body


BODY = json.dumps({"given_name": 1}).encode()
LENGTH = f"Content-Length: {len(BODY)}"


def test_the_wire_itself_works(instance, clinician):
    """What the cases below vary is accepted when it is right."""
    reply = raw.exchange(instance, wire(instance, clinician, LENGTH, body=BODY))
    assert raw.status(reply) == 422, reply


def until_closed(instance, *pieces: bytes) -> tuple[bytes, bool]:
    """All that the server says, and whether it closed; each piece is a TLS record or more."""
    said = b""
    with raw.connection(instance, 4) as tls:
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            for piece in pieces:
                tls.sendall(piece)
        try:
            while piece := tls.recv(65536):
                said += piece
        except TimeoutError:
            return said, False
        except (ConnectionError, ssl.SSLError):
            pass
    return said, True


def refused(instance, slug: str, *pieces: bytes) -> None:
    """One reply, this problem in full, and the connection is closed."""
    said, closed = until_closed(instance, *pieces)
    assert closed, f"left open after {said[:300]}"
    assert said.count(b"HTTP/1.") == 1, said[:600]
    top, _, body = said.partition(b"\r\n\r\n")
    status, title = PROBLEMS[slug]
    assert raw.status(top) == status, top
    assert b"content-type: application/problem+json" in top.lower()
    assert b"connection: close" in top.lower()
    document = json.loads(body)
    assert document["type"].endswith(f"/{slug}")
    assert (document["title"], document["status"]) == (title, status)


MALFORMED = {
    "length twice": ([LENGTH, LENGTH], BODY),
    "two lengths": ([LENGTH, "Content-Length: 5"], BODY),
    "signed length": ([f"Content-Length: +{len(BODY)}"], BODY),
    "padded length": ([f"Content-Length: {len(BODY)} "], BODY),
    "empty length": (["Content-Length:"], BODY),
    "negative length": (["Content-Length: -1"], BODY),
    "length of words": (["Content-Length: ten"], BODY),
    "length list": ([f"Content-Length: {len(BODY)}, {len(BODY)}"], BODY),
    "hexadecimal length": (["Content-Length: 0x10"], BODY),
    "twenty digits": (["Content-Length: 00000000000000000017"], BODY),
    "length and chunked": ([LENGTH, "Transfer-Encoding: chunked"], b"0\r\n\r\n"),
    "chunked and length": (["Transfer-Encoding: chunked", LENGTH], BODY),
    "length and identity": ([LENGTH, "Transfer-Encoding: identity"], BODY),
    "space before colon": (["Content-Length : 5"], b"hello"),
    "folded header": (["X-A: b\r\n c", LENGTH], BODY),
    "header folded with a tab": (["X-A: b\r\n\tc: d", LENGTH], BODY),
    "first header folded": ([LENGTH, " X-A: b"], BODY),
    "nul in a header": (["X-A: b\0c", LENGTH], BODY),
    "nul ends a header": ([LENGTH + "\0", "X-A: b"], BODY),
    "control character": (["X-A: b\x01c", LENGTH], BODY),
    "delete character": (["X-A: b\x7fc", LENGTH], BODY),
    "bare line feed": (["X-A: b\nX-B: c", LENGTH], BODY),
    "bare carriage return": (["X-A: b\rX-B: c", LENGTH], BODY),
    "no colon": (["nonsense", LENGTH], BODY),
    "empty name": ([": x", LENGTH], BODY),
    "bad name": (["X A: b", LENGTH], BODY),
    "two hosts": (["Host: evil.example", LENGTH], BODY),
    "host twice": (["Host: localhost", LENGTH], BODY),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_framing(instance, clinician, name):
    headers, body = MALFORMED[name]
    refused(instance, "malformed-request", wire(instance, clinician, *headers, body=body))


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("coding", ["chunked", "chunked, chunked", "identity", "gzip", ""])
def test_no_transfer_coding_is_taken(instance, clinician, method, coding):
    """Nor is what follows executed as a request."""
    top = wire(instance, clinician, f"Transfer-Encoding: {coding}", method=method)
    refused(instance, "length-required", top, me(instance, clinician))


def test_a_body_needs_a_length(instance, clinician):
    refused(instance, "length-required", wire(instance, clinician, body=BODY))


def test_an_expectation_of_another_kind(instance, clinician):
    reply = raw.exchange(instance, wire(instance, clinician, LENGTH, "Expect: 200-ok", body=BODY))
    assert raw.status(reply) == 422, reply[:300]


def me(instance, who) -> bytes:
    """A request that is right and that its reply gives away."""
    return wire(instance, who, method="GET", path="/v1/me")


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
@pytest.mark.parametrize("framing", ["length", "chunked", "gzip", "both"])
def test_a_body_where_none_belongs_is_no_request(instance, clinician, method, framing):
    """Exactly one reply: the body, a second request, is not executed."""
    second = me(instance, clinician)
    headers = {
        "length": [f"Content-Length: {len(second)}"],
        "chunked": ["Transfer-Encoding: chunked"],
        "gzip": ["Transfer-Encoding: gzip"],
        "both": ["Content-Length: 0", "Transfer-Encoding: chunked"],
    }[framing]
    top = wire(instance, clinician, *headers, method=method, path="/v1/me")
    refused(instance, "malformed-request", top, second)


def test_an_empty_body_may_come_with_any_method(instance, clinician):
    with raw.connection(instance) as tls:
        for digits in ("0", "000"):
            length = f"Content-Length: {digits}"
            tls.sendall(wire(instance, clinician, length, method="GET", path="/v1/me"))
            assert raw.status(raw.receive(tls)) == 200


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_what_comes_along_with_a_request_is_dropped(instance, clinician, method):
    """The first is answered, and the connection says that this was all."""
    first = wire(instance, clinician, method=method, path="/v1/me")
    said, closed = until_closed(instance, first + me(instance, clinician))
    assert raw.status(said) == (200 if method == "GET" else 405), said[:300]
    assert closed
    assert b"connection: close" in said.lower()
    assert said.count(b"HTTP/1.") == 1, said[:600]


def test_delete_may_have_a_body(instance, clinician):
    with raw.connection(instance) as tls:
        for _ in range(2):
            tls.sendall(wire(instance, clinician, LENGTH, body=BODY, method="DELETE"))
            assert raw.status(raw.receive(tls)) == 405


# ---- header fields ---------------------------------------------------------------------


def test_only_host_is_the_host(instance, clinician):
    """Fields whose names begin so are others; they neither count nor hurt."""
    request = me(instance, clinician)
    before = request.replace(b"Host:", b"Hostage: evil.example\r\nHost:")
    assert raw.status(raw.exchange(instance, before)) == 200
    refused(instance, "malformed-request", request.replace(b"Host:", b"Host-X:"))


@pytest.mark.parametrize(
    "name", ["X-A", "Accept", "Cookie", "If-Match", "Range", "Traceparent", "User-Agent", "Referer"]
)
@pytest.mark.parametrize("space", ["", " ", "\t "])
def test_a_field_may_be_empty(instance, clinician, name, space):
    request = wire(instance, clinician, f"{name}:{space}", method="GET", path="/v1/me")
    reply = raw.exchange(instance, request)
    assert raw.status(reply) == 200, reply[:300]


def change(instance, who, one: str, fields: int) -> bytes:
    """A change under a condition that does not hold; so many fields, the condition last."""
    body = b'{"notes": "changed"}'
    filler = [f"X-{n}: y" for n in range(fields - 5)]
    headers = [f"Content-Length: {len(body)}", *filler, 'If-Match: "99"']
    path = f"{PATIENTS}/{one}"
    return wire(instance, who, *headers, body=body, method="PATCH", path=path)


def test_no_field_is_dropped(instance, clinician, patient):
    """A hundred are taken, the condition among them; one more is too many."""
    one = patient()["id"]
    reply = raw.exchange(instance, change(instance, clinician, one, 100))
    assert raw.status(reply) == 412, reply[:300]
    for fields in (101, 102, 103, 104, 500):
        refused(instance, "headers-too-large", change(instance, clinician, one, fields))
    assert clinician.get(f"{PATIENTS}/{one}").headers["etag"] == '"1"'


@pytest.mark.parametrize("size", [HEADER_MAX, HEADER_MAX + 1, 40_000])
def test_headers_that_do_not_end_are_not_waited_for(instance, size):
    top = b"GET /v1/me HTTP/1.1\r\nHost: localhost\r\nX-A: "
    refused(instance, "headers-too-large", top + b"b" * (size - len(top)))


REFUSALS = {0, 400, 401, 404, 405, 406, 408, 411, 413, 414, 415, 417, 421, 422, 431, 501, 505}
SURPLUS = {
    "a little more": BODY + b"!",
    "a second request": BODY + b"GET /v1/me HTTP/1.1\r\nHost: x\r\n\r\n",
    "much more": BODY + b"x" * 3_000_000,
}


@pytest.mark.parametrize("name", SURPLUS)
def test_bytes_beyond_the_body_are_refused_once(instance, clinician, name):
    """Never a second reply, and never more memory than the limit of a body."""
    rss = [process.rss_kib(pid) for pid in instance.worker_pids()]
    with raw.connection(instance, 4) as tls:
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            tls.sendall(wire(instance, clinician, LENGTH, body=SURPLUS[name]))
        first = raw.receive(tls)
        tls.settimeout(0.5)
        more = raw.receive(tls)
    assert raw.status(first) == 400 or (name == "much more" and not first), first[:300]
    assert b"HTTP/1." not in (first + more)[8:], "a second reply came"
    grown = [process.rss_kib(pid) for pid in instance.worker_pids()]
    assert max(b - a for a, b in zip(rss, grown, strict=True)) < 4096
    assert clinician.get("/v1/me").status_code == 200


@pytest.mark.parametrize("length", [3_000_000, 50_000_000_000, 9_999_999_999_999_999_999])
def test_a_body_too_large_is_refused_before_it_comes(instance, clinician, length):
    refused(instance, "content-too-large", wire(instance, clinician, f"Content-Length: {length}"))


@pytest.mark.parametrize(
    "line",
    [
        b"GET /v1/me\r\n\r\n", b"GET /v1/me HTTP/9.9\r\n\r\n", b"GET /v1/me HTTP/1.1 x\r\n\r\n",
        b"GET  /v1/me HTTP/1.1\r\n\r\n", b"/v1/me\r\n\r\n", b"\r\n\r\n", b"\0\0\0\0\r\n\r\n",
        b"GET /v1/me HTTP/1.1\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"\x16\x03\x01\x02\0\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET /v1/me HTTP/1.1\nHost: localhost\n\n",
        b"GET /v1/me HTTP/1.1\r\nHost: localhost\n\r\n", b"GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
)  # fmt: skip
def test_first_lines_that_are_none(instance, line):
    refused(instance, "malformed-request", line)


@pytest.mark.parametrize("line", [b"GET " + b"/" * 20_000 + b" HTTP/1.1\r\n\r\n", b"A" * 100_000])
def test_first_lines_without_end(instance, line):
    refused(instance, "headers-too-large", line)


def test_other_versions_of_http(instance):
    top = raw.head(instance, "GET", "/v1/me")
    for version in (b"HTTP/0.9", b"HTTP/2.0", b"HTTP/9.9", b"HTTP", b"x"):
        refused(instance, "version-not-supported", top.replace(b"HTTP/1.1", version))


def test_requests_on_one_connection_are_answered_in_turn(instance, clinician):
    with raw.connection(instance) as tls:
        for _ in range(20):
            tls.sendall(wire(instance, clinician, LENGTH, body=BODY))
            assert raw.status(raw.receive(tls)) == 422


def test_a_request_may_come_byte_by_byte(instance, clinician):
    with raw.connection(instance) as tls:
        for byte in wire(instance, clinician, LENGTH, body=BODY):
            tls.sendall(bytes([byte]))
        assert raw.status(raw.receive(tls)) == 422


# ---- clients that leave --------------------------------------------------------------------


def leave(tls: ssl.SSLSocket, how: str) -> None:
    if how == "reset":
        tls.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    if how == "half":
        tls.shutdown(socket.SHUT_WR)
        time.sleep(0.02)
    tls.close()


@pytest.mark.parametrize("how", ["close", "reset", "half"])
@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_clients_that_leave_are_no_harm(instance, clinician, how, part):
    """Gone in the first line, in the headers, in the body, or while it is served."""
    body = json.dumps(data.patient()).encode()
    request = wire(instance, clinician, f"Content-Length: {len(body)}", body=body)
    for _ in range(5):
        with raw.connection(instance) as tls:
            tls.sendall(request[: int(len(request) * part)])
            leave(tls, how)
    assert clinician.get("/v1/me").status_code == 200


def test_a_write_whose_client_left_is_done_in_full_or_not_at_all(instance, clinician):
    """Patient and audit row together, even when nobody waits for the reply."""
    bodies = [data.patient() for _ in range(20)]
    for patient in bodies:
        body = json.dumps(patient).encode()
        with raw.connection(instance) as tls:
            tls.sendall(wire(instance, clinician, f"Content-Length: {len(body)}", body=body))
            leave(tls, "reset")
    time.sleep(1)
    with connect(instance) as db:
        counts = db.execute(
            "SELECT (SELECT count(*) FROM eleusis.patient WHERE created_by = %(me)s) AS patients,"
            " (SELECT count(*) FROM eleusis.audit_event WHERE actor_id = %(me)s"
            "   AND action = 'patient.create' AND outcome = 'allowed') AS events",
            {"me": clinician.user["id"]},
        ).fetchone()
    assert counts["patients"] == counts["events"]
    for patient in bodies:
        assert clinician.get(PATIENTS, mrn=patient["mrn"]).status_code == 200


def test_leaving_during_a_log_in(instance, new_user):
    """The password hash runs on a thread; its request may be gone when it ends."""
    who = new_user("clinician")
    body = json.dumps({"email": who.email, "password": who.password}).encode()
    request = raw.head(
        instance, "POST", "/v1/auth/login",
        "Content-Type: application/json", f"Content-Length: {len(body)}",
    ) + body  # fmt: skip

    def hurry():
        for _ in range(10):
            with raw.connection(instance) as tls:
                tls.sendall(request)
                time.sleep(secrets.randbelow(20) / 1000)
                leave(tls, "reset")

    threads = [threading.Thread(target=hurry) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert who.login(who.email, who.password).get("/v1/me").status_code == 200


def test_idle_connections_do_not_keep_others_out(instance, clinician):
    with contextlib.ExitStack() as stack:
        for _ in range(150):
            stack.enter_context(raw.connection(instance))
        assert clinician.twin().get("/v1/me").status_code == 200


def test_plain_http_on_the_tls_port_is_no_harm(instance, clinician):
    for junk in (
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        secrets.token_bytes(300),
        b"\x16\x03",
    ):
        with socket.create_connection(instance.address, timeout=5) as plain:
            plain.sendall(junk)
            plain.settimeout(0.5)
            with contextlib.suppress(TimeoutError, ConnectionError):
                assert b"200 OK" not in plain.recv(4096)
    assert clinician.get("/v1/me").status_code == 200


# ---- header values -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("traceparent", "00-" + "0" * 32 + "-" + "0" * 16 + "-00"),
        ("traceparent", "x" * 3000),
        ("x-request-id", "not mine"),
        ("x-forwarded-for", "6.6.6.6"),
        ("accept", "text/html"),
        ("accept", "application/json"),
        ("accept-encoding", "gzip, br, x"),
        ("user-agent", '"}{"evil": 1'),
        ("if-match", '"1"'),
        ("range", "bytes=0-1"),
        ("cookie", "a" * 4000),
    ],
)
def test_headers_of_any_kind_are_harmless(instance, clinician, name, value):
    reply = clinician.http.get("/v1/me", headers={name: value.encode("latin-1")})
    assert reply.status_code in (200, 400, 406, 431)
    if reply.status_code == 200:
        assert reply.json()["user"] == clinician.user


def test_a_forged_address_is_not_believed(instance, clinician, patient):
    path = f"{PATIENTS}/{patient()['id']}"
    headers = {"x-forwarded-for": "6.6.6.6", "forwarded": "for=6.6.6.6", "x-real-ip": "6.6.6.6"}
    reply = clinician.http.get(path, headers=headers)
    assert audit_row(instance, reply, "patient.read")["client_ip"] in ("127.0.0.1", "::1")
