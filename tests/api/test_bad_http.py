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
    "method", ["TRACE", "CONNECT", "PROPFIND", "get", "GETX", "X" * 50, "G\tT"]
)
def test_methods_that_http_or_we_do_not_know(instance, method):
    reply = raw.exchange(instance, raw.head(instance, method, "/v1/me", "Connection: close"))
    assert raw.status(reply) in (400, 401, 404, 405, 501), reply[:200]
    assert raw.status(reply) != 401 or method == "get"


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


FRAMING = {
    "length twice": ([LENGTH, LENGTH], BODY),
    "two lengths": ([LENGTH, "Content-Length: 5"], BODY),
    "signed length": ([f"Content-Length: +{len(BODY)}"], BODY),
    "negative length": (["Content-Length: -1"], BODY),
    "length of words": (["Content-Length: ten"], BODY),
    "length list": ([f"Content-Length: {len(BODY)}, {len(BODY)}"], BODY),
    "hexadecimal length": (["Content-Length: 0x10"], BODY),
    "huge length": (["Content-Length: 99999999999999999999"], BODY),
    "length and chunked": ([LENGTH, "Transfer-Encoding: chunked"], b"0\r\n\r\n"),
    "chunked": (["Transfer-Encoding: chunked"], b"5\r\nhello\r\n0\r\n\r\n"),
    "chunked twice": (["Transfer-Encoding: chunked, chunked"], b"0\r\n\r\n"),
    "identity": (["Transfer-Encoding: identity"], BODY),
    "no length": ([], BODY),
    "space before colon": (["Content-Length : 5"], b"hello"),
    "folded header": ["X-A: b\r\n c", LENGTH],
    "nul in a header": (["X-A: b\0c", LENGTH], BODY),
    "bare line feed": (["X-A: b\nX-B: c", LENGTH], BODY),
    "bare carriage return": (["X-A: b\rX-B: c", LENGTH], BODY),
    "no colon": (["nonsense", LENGTH], BODY),
    "empty name": ([": x", LENGTH], BODY),
    "bad name": (["X A: b", LENGTH], BODY),
    "two hosts": (["Host: evil.example", LENGTH], BODY),
    "hundred headers": ([*(f"X-{n}: y" for n in range(100)), LENGTH], BODY),
    "huge header": (["X-A: " + "b" * 40_000, LENGTH], BODY),
    "expectation": ([LENGTH, "Expect: 200-ok"], BODY),
}


@pytest.mark.parametrize("name", FRAMING)
def test_odd_framing_does_no_harm(instance, clinician, name):
    """Whatever the reply is, it is no success and no 500, and the server goes on."""
    case = FRAMING[name]
    headers, body = case if isinstance(case, tuple) else (case, BODY)
    reply = raw.exchange(instance, wire(instance, clinician, *headers, body=body), timeout=4)
    assert raw.status(reply) in REFUSALS, reply[:300]
    assert clinician.get("/v1/me").status_code == 200


REFUSALS = {0, 400, 401, 404, 405, 408, 411, 413, 414, 415, 417, 421, 422, 431, 501, 505}
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
    assert raw.status(first) in (0, 400, 413), first[:300]
    assert b"HTTP/1." not in (first + more)[8:], "a second reply came"
    grown = [process.rss_kib(pid) for pid in instance.worker_pids()]
    assert max(b - a for a, b in zip(rss, grown, strict=True)) < 4096
    assert clinician.get("/v1/me").status_code == 200


@pytest.mark.parametrize(
    ("headers", "slug"),
    [
        (["Transfer-Encoding: chunked"], "length-required"),
        (["Content-Length: 3000000"], "content-too-large"),
        ([f"Content-Length: {50_000_000_000}"], "content-too-large"),
    ],
)
def test_refusals_before_the_body_are_problems_too(instance, clinician, headers, slug):
    top, _, body = raw.exchange(instance, wire(instance, clinician, *headers)).partition(
        b"\r\n\r\n"
    )
    status, title = PROBLEMS[slug]
    assert raw.status(top) == status, top
    assert b"content-type: application/problem+json" in top.lower()
    document = json.loads(body)
    assert document["type"].endswith(f"/{slug}")
    assert (document["title"], document["status"]) == (title, status)


@pytest.mark.parametrize(
    "line",
    [
        b"GET /v1/me\r\n\r\n", b"GET /v1/me HTTP/9.9\r\n\r\n", b"GET /v1/me HTTP/1.1 x\r\n\r\n",
        b"GET  /v1/me HTTP/1.1\r\n\r\n", b"/v1/me\r\n\r\n", b"\r\n\r\n", b"\0\0\0\0\r\n\r\n",
        b"GET /v1/me HTTP/1.1\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"\x16\x03\x01\x02\0\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET " + b"/" * 20_000 + b" HTTP/1.1\r\n\r\n",
        b"GET /v1/me HTTP/1.1\nHost: localhost\n\n", b"A" * 100_000,
    ],
)  # fmt: skip
def test_first_lines_that_are_none(instance, line):
    reply = raw.exchange(instance, line, timeout=3)
    assert raw.status(reply) in REFUSALS, reply[:200]


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
