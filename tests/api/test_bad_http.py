"""Requests that are wrong below JSON, of users who are known: paths, methods, framing, half
requests. The front door by itself is in test_gate.py."""

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
from lib.door import ask, refused
from lib.problem import problem, traced

PATIENTS = "/v1/patients"
HEADER_MAX = 16384  # bytes, kore.conf


# ---- paths and methods ------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/v1", "/v1/", "/v2/patients", "/v1/patient", "/v1/patients/", "/v1/Patients",
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
        "/v1/me": {"GET", "HEAD", "PATCH"},
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


CODINGS = {
    "chunked": "length-required",
    "chunked, chunked": "malformed-request",
    "gzip, chunked": "not-implemented",
    "identity": "malformed-request",
    "": "malformed-request",
}


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("coding", CODINGS)
def test_what_follows_a_transfer_coding_is_no_request(instance, clinician, method, coding):
    top = wire(instance, clinician, f"Transfer-Encoding: {coding}", method=method)
    refused(instance, CODINGS[coding], top, me(instance, clinician))


def test_a_body_needs_a_length(instance, clinician):
    refused(instance, "length-required", wire(instance, clinician, body=BODY))


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
    refused(instance, "malformed-request", top, second, head=method == "HEAD")


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
    answer = ask(instance, first + me(instance, clinician))
    assert answer.statuses == [200 if method == "GET" else 405], answer.said[:600]
    assert answer.headers[b"connection"] == b"close"
    assert answer.closed


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
