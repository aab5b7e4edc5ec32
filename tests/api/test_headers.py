"""The security headers of every kind of reply: those of the table, each once."""

import json
import re

import pytest
from lib import data, raw
from lib.tables import rows

pytestmark = pytest.mark.restarts

TABLE = rows("http/tbl/security_headers.def", "SECURITY_HEADER")
YEAR = 31_536_000
# What browsers' lists of HTTPS-only hosts ask for (hstspreload.org).
HSTS = r"max-age=(\d+); includeSubDomains; preload"
# OWASP Secure Headers Project: what it says a reply should have.
OWASP = {
    "strict-transport-security", "x-frame-options", "x-content-type-options",
    "content-security-policy", "x-permitted-cross-domain-policies", "referrer-policy",
    "cross-origin-embedder-policy", "cross-origin-opener-policy",
    "cross-origin-resource-policy", "cache-control", "permissions-policy",
    "x-dns-prefetch-control",
}  # fmt: skip
# Of Permissions-Policy: what reaches people, devices and money.
REACHES_OUT = {"camera", "microphone", "geolocation", "payment", "usb", "display-capture"}
# ... and what OWASP says a reply should not have.
UNWANTED = {
    "server", "x-powered-by", "x-xss-protection", "expect-ct", "public-key-pins", "feature-policy",
    "via", "x-runtime", "x-version",
}  # fmt: skip


def test_the_table_is_that_of_owasp():
    assert {name for name, _, _ in TABLE} == OWASP
    values = {name: value for name, value, when in TABLE if when != "PAGE"}
    for directive in ("default-src", "base-uri", "form-action", "frame-ancestors"):
        assert f"{directive} 'none'" in values["content-security-policy"]
    features = values["permissions-policy"].split(", ")
    assert len(features) == len(set(features))
    assert {f"{name}=()" for name in REACHES_OUT} <= set(features)
    assert all(re.fullmatch(r"[a-z-]+=\(\)", feature) for feature in features)
    # Each reply of the API pays for it.
    assert sum(len(f"{name}: {value}\r\n") for name, value in values.items()) < 700


def test_pages_run_what_is_ours_and_nothing_else():
    values = {name: value for name, value, when in TABLE if when == "PAGE"}
    policy = dict(part.split(" ", 1) for part in values["content-security-policy"].split("; "))
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["require-trusted-types-for"] == "'script'"
    assert policy["trusted-types"] == "'none'"
    assert "unsafe" not in values["content-security-policy"]
    features = set(values["permissions-policy"].split(", "))
    assert {f"{name}=()" for name in REACHES_OUT} <= features
    assert features - {f for f in features if f.endswith("=()")} == {
        "publickey-credentials-create=(self)",
        "publickey-credentials-get=(self)",
    }


def authorized(who) -> str:
    return f"Authorization: Bearer {who.token}"


def json_request(instance, who, method: str, path: str, body: bytes) -> bytes:
    lines = ("Content-Type: application/json", f"Content-Length: {len(body)}")
    return raw.head(instance, method, path, authorized(who), *lines) + body


def with_session(method: str, path: str, body: bytes | None = None):
    def make(instance, who):
        if body is None:
            return raw.head(instance, method, path, authorized(who))
        return json_request(instance, who, method, path, body)

    return make


def without(method: str, path: str, *lines: str, host: str | None = None):
    return lambda instance, _: raw.head(instance, method, path, *lines, host=host)


BODY = json.dumps(data.patient()).encode()
NO_ID = "018f0000-0000-7000-8000-000000000000"
# kind -> status, is it cacheable, the request's bytes
KINDS = {
    "a document": (200, False, with_session("GET", "/v1/me")),
    "the service": (200, True, without("GET", "/")),
    "the description": (200, True, without("GET", "/openapi.json")),
    "the description's head": (200, True, without("HEAD", "/openapi.json")),
    "metrics": (200, False, without("GET", "/metrics")),
    "liveness": (200, False, without("GET", "/health/live")),
    "created": (201, False, with_session("POST", "/v1/patients", BODY)),
    "options": (204, False, without("OPTIONS", "/v1/patients")),
    "not json": (400, False, with_session("POST", "/v1/patients", b"{")),
    "a bad query": (400, False, with_session("GET", "/v1/patients?limit=x")),
    "nobody": (401, False, without("GET", "/v1/me")),
    "bad credentials": (
        401, False,
        with_session("POST", "/v1/auth/login", b'{"email":"a@b.example","password":"x"}'),
    ),
    "a missing scope": (403, False, with_session("GET", "/v1/audit/events")),
    "no such path": (404, False, without("GET", "/nowhere")),
    "no such record": (404, False, with_session("GET", f"/v1/patients/{NO_ID}")),
    "no such method": (405, False, without("DELETE", "/v1/me")),
    "cannot be cached either": (405, False, without("POST", "/openapi.json", "Content-Length: 0")),
    "not acceptable": (406, False, without("GET", "/health/live", "Accept: text/html")),
    "no length": (411, False, without("POST", "/v1/auth/login")),
    "too large": (413, False, without("POST", "/v1/auth/login", "Content-Length: 9999999")),
    "another type": (
        415, False,
        lambda instance, _: raw.head(
            instance, "POST", "/v1/auth/login", "Content-Type: text/plain", "Content-Length: 2"
        ) + b"{}",
    ),
    "does not fit": (422, False, with_session("POST", "/v1/patients", b"{}")),
    "a folded field": (400, False, without("GET", "/", "X-A: b\r\n c")),
    "two hosts": (400, False, without("GET", "/", "Host: other.example")),
    "too many fields": (431, False, without("GET", "/", *(f"X-{n}: y" for n in range(150)))),
    "an unknown method": (501, False, without("BREW", "/")),
    # 408 is in tests/test_slow_clients.py: it takes as long as a client may.
    "another version": (
        505, False,
        lambda instance, _: raw.head(instance, "GET", "/").replace(b"HTTP/1.1", b"HTTP/3.0"),
    ),
}  # fmt: skip


def fields(reply: bytes) -> list[tuple[str, str]]:
    top = reply.partition(b"\r\n\r\n")[0].decode("latin-1")
    pairs = (line.partition(":") for line in top.split("\r\n")[1:])
    return [(name.lower(), value.strip()) for name, _, value in pairs]


def has_the_table(reply: bytes, cacheable: bool, page: bool = False) -> None:
    """Each row of the table once with its value, and nothing that tells of the server."""
    got = fields(reply)
    names = [name for name, _ in got]
    assert len(names) == len(set(names)), f"twice: {names}"
    values = dict(got)
    for name, value, when in TABLE:
        if when == ("API" if page else "PAGE"):
            continue
        if when == "NO_STORE" and cacheable:
            assert values.get(name) != value
        elif value == "hsts":
            assert int(re.fullmatch(HSTS, values[name]).group(1)) >= YEAR
        else:
            assert values[name] == value
    assert "date" in values
    assert not UNWANTED & set(values) or values.get("server") == "eleusis"


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_reply(instance, clinician, kind):
    status, cacheable, request = KINDS[kind]
    reply = raw.exchange(instance, request(instance, clinician))
    assert raw.status(reply) == status, reply[:300]
    has_the_table(reply, cacheable)


def test_a_page(instance):
    """It is kept by nobody, for any Accept; a HEAD tells the same."""
    for method in ("GET", "HEAD"):
        reply = raw.exchange(instance, raw.head(instance, method, "/login", "Accept: text/html"))
        assert raw.status(reply) == 200
        has_the_table(reply, cacheable=False, page=True)


def test_a_part_of_a_page(instance, anonymous):
    """It is kept for good, whole or compressed, and asked for again in vain."""
    (path,) = re.findall(r"/assets/style\.[0-9a-f]{16}\.css", anonymous.get("/login").text)
    tags = set()
    for coding, lines in (("", ()), ("gzip", ("Accept-Encoding: br, gzip",))):
        reply = raw.exchange(instance, raw.head(instance, "GET", path, *lines))
        has_the_table(reply, cacheable=True, page=True)
        got = dict(fields(reply))
        assert got["content-type"] == "text/css; charset=utf-8"
        assert got.get("content-encoding", "") == coding
        assert got["vary"] == "Accept-Encoding"
        assert got.pop("cache-control") == "public, max-age=31536000, immutable"
        assert raw.status(reply) == 200
        again = raw.exchange(
            instance, raw.head(instance, "GET", path, *lines, f"If-None-Match: {got['etag']}")
        )
        assert raw.status(again) == 304
        assert dict(fields(again))["etag"] == got["etag"]
        assert again.partition(b"\r\n\r\n")[2] == b""
        tags.add(got["etag"])
    assert len(tags) == 2


def test_a_part_by_its_plain_name(anonymous):
    """Never used without asking."""
    reply = anonymous.get("/assets/style.css")
    assert reply.headers["cache-control"] == "no-cache"
    again = anonymous.http.get(
        "/assets/style.css", headers={"if-none-match": reply.headers["etag"]}
    )
    assert again.status_code == 304
    assert again.headers["cache-control"] == "no-cache"


def test_no_such_part(instance):
    """A problem as any other: nothing of a page about it."""
    for name in ("style.js", "style.0000000000000000.css", "SHA256SUMS", "login.html"):
        reply = raw.exchange(instance, raw.head(instance, "GET", f"/assets/{name}"))
        assert raw.status(reply) == 404
        has_the_table(reply, cacheable=False)


def test_a_log_out(instance, log_in):
    """204: no body, all headers."""
    leaver = log_in("clinician")
    request = raw.head(instance, "POST", "/v1/auth/logout", authorized(leaver), "Content-Length: 0")
    reply = raw.exchange(instance, request)
    assert raw.status(reply) == 204, reply[:300]
    has_the_table(reply, False)


def test_a_part_that_is_away(instance, clinician):
    instance.stop_redis()
    try:
        reply = raw.exchange(instance, raw.head(instance, "GET", "/v1/me", authorized(clinician)))
    finally:
        instance.start_redis()
        instance.ensure_running()
    assert raw.status(reply) == 503, reply[:300]
    has_the_table(reply, False)


def restarted(instance, **settings: str):
    instance.restart(**settings)
    try:
        return raw.exchange(instance, raw.head(instance, "GET", "/"))
    finally:
        instance.restart()


def test_hsts_is_a_setting(instance):
    reply = restarted(instance, ELEUSIS_HSTS_MAX_AGE_S="300", ELEUSIS_HSTS_PRELOAD="false")
    assert dict(fields(reply))["strict-transport-security"] == "max-age=300; includeSubDomains"
