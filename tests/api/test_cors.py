"""Cross-origin requests: pages of listed origins read replies, others do not."""

import pytest
from lib import data, raw
from lib.problem import problem

pytestmark = pytest.mark.restarts

APP = "https://app.clinic.example"
PORT = "https://app.clinic.example:8444"
LISTED = [APP, PORT, "http://localhost:5173", "https://[2001:db8::1]:8443"]
UNLISTED = [
    "https://evil.example", "http://app.clinic.example", "https://app.clinic.example.evil.example",
    "https://evil.app.clinic.example", "https://app.clinic.example:443",
    "https://app.clinic.example:8445", "https://APP.clinic.example", "https://app.clinic.example/",
    f"{APP} {PORT}", f"{APP},{PORT}", "null", "*", "", "http://localhost", "https://localhost:5173",
]  # fmt: skip
EXPOSED = {
    "etag", "link", "location", "ratelimit", "ratelimit-policy", "retry-after", "x-request-id",
}  # fmt: skip
HEADERS = {
    "accept", "authorization", "content-digest", "content-type", "idempotency-key", "if-match",
    "if-none-match", "signature", "signature-input", "traceparent", "tracestate", "x-csrf-token",
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def allow_list(instance, unharmed):
    """The server with an allow-list, for the length of this module."""
    instance.restart(ELEUSIS_CORS_ORIGINS=" ".join(LISTED))
    yield
    instance.restart()


def preflight(api, path: str, origin: str, method: str = "GET", **more: str):
    sent = {"origin": origin, "access-control-request-method": method} | {
        name.replace("_", "-"): value for name, value in more.items()
    }
    return api.http.request("OPTIONS", path, headers=sent)


def words(value: str) -> set[str]:
    return {word.strip() for word in value.split(",")}


def cors_names(reply) -> set[str]:
    return {name for name in reply.headers if name.startswith("access-control-")}


def says_nothing(reply) -> None:
    """No header of CORS, and a cache keeps it apart from other origins' replies."""
    assert not cors_names(reply), reply.headers
    assert words(reply.headers["vary"]) == {"Origin"}


def allows(reply, origin: str) -> None:
    assert reply.headers.get_list("access-control-allow-origin") == [origin]
    assert words(reply.headers["vary"]) == {"Origin"}
    assert "access-control-allow-credentials" not in reply.headers


PATHS = {
    "/v1/patients": {"GET", "HEAD", "POST", "OPTIONS"},
    f"/v1/patients/{data.uuid7()}": {"GET", "HEAD", "PATCH", "OPTIONS"},
    "/v1/predictions": {"POST", "OPTIONS"},
    "/v1/auth/login": {"POST", "OPTIONS"},
    "/": {"GET", "HEAD", "OPTIONS"},
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("origin", LISTED)
def test_a_preflight(anonymous, path, origin):
    reply = preflight(
        anonymous, path, origin, "POST",
        access_control_request_headers="authorization,content-type,idempotency-key",
    )  # fmt: skip
    assert reply.status_code == 204, reply.text
    assert not reply.content
    allows(reply, origin)
    assert words(reply.headers["access-control-allow-methods"]) == PATHS[path]
    assert words(reply.headers["access-control-allow-headers"]) == HEADERS
    assert 60 <= int(reply.headers["access-control-max-age"]) <= 86400
    assert cors_names(reply) == {
        "access-control-allow-origin", "access-control-allow-methods",
        "access-control-allow-headers", "access-control-max-age",
    }  # fmt: skip


@pytest.mark.parametrize("origin", UNLISTED)
def test_a_preflight_from_elsewhere(anonymous, origin):
    reply = preflight(anonymous, "/v1/patients", origin)
    assert reply.status_code == 204
    assert words(reply.headers["allow"]) == PATHS["/v1/patients"]
    says_nothing(reply)


def test_options_that_is_no_preflight(anonymous):
    """It says which methods there are; the page may read that, and no more is promised."""
    reply = anonymous.http.request("OPTIONS", "/v1/patients", headers={"origin": APP})
    assert reply.status_code == 204
    allows(reply, APP)
    assert "access-control-allow-methods" not in reply.headers
    without_origin = anonymous.http.request(
        "OPTIONS", "/v1/patients", headers={"access-control-request-method": "GET"}
    )
    says_nothing(without_origin)


def test_a_preflight_of_an_unknown_path_fails(anonymous):
    """Browsers want a status of 2xx."""
    reply = preflight(anonymous, "/v1/nowhere", APP)
    problem(reply, "not-found")
    allows(reply, APP)


def test_the_connection_stays_open_after_a_preflight(instance):
    lines = (f"Origin: {APP}", "Access-Control-Request-Method: GET")
    with raw.connection(instance) as tls:
        for _ in range(3):
            tls.sendall(raw.head(instance, "OPTIONS", "/v1/me", *lines))
            reply = raw.receive(tls)
            assert raw.status(reply) == 204, reply
            assert b"connection: close" not in reply.lower()
            tls.sendall(raw.head(instance, "GET", "/v1/me", f"Origin: {APP}"))
            assert raw.status(raw.receive(tls)) == 401


def replies(api, instance, origin: str):
    """Successes and refusals of all kinds, asked for by a page."""
    api.http.headers["origin"] = origin
    try:
        made = api.post("/v1/patients", data.patient())
        yield 201, made
        one = f"/v1/patients/{made.json()['id']}"
        yield 200, api.get(one)
        yield 200, api.http.head(one)
        yield 200, api.get("/openapi.json")
        yield 200, api.get("/")
        yield 412, api.patch(one, {"notes": "x"}, **{"if-match": '"9"'})
        yield 400, api.raw("POST", "/v1/patients", b"{")
        yield 403, api.get("/v1/audit/events")
        yield 404, api.get("/v1/nowhere")
        yield 405, api.http.delete("/v1/me")
        yield 406, api.http.get("/v1/me", headers={"accept": "text/html"})
        yield 415, api.raw("POST", "/v1/patients", b"{}", content_type="text/plain")
        yield 422, api.post("/v1/patients", {})
        yield 401, api.http.get("/v1/me", headers={"authorization": "Bearer nobody"})
    finally:
        del api.http.headers["origin"]


def test_replies_may_be_read_also_refusals(instance, clinician):
    seen = []
    for status, reply in replies(clinician, instance, APP):
        assert reply.status_code == status, reply.text
        allows(reply, APP)
        assert words(reply.headers["access-control-expose-headers"]) == EXPOSED
        assert cors_names(reply) == {
            "access-control-allow-origin", "access-control-expose-headers",
        }  # fmt: skip
        seen.append(status)
    assert len(seen) == 14


def test_replies_to_pages_from_elsewhere(instance, clinician):
    """They are made as ever (CORS keeps nobody out), but no page may read them."""
    for status, reply in replies(clinician, instance, "https://evil.example"):
        assert reply.status_code == status, reply.text
        says_nothing(reply)


def test_without_an_origin(clinician):
    says_nothing(clinician.get("/v1/me"))


@pytest.mark.parametrize("mode", ["login", "me"])
def test_cookies_open_nothing_to_other_origins(new_user, anonymous, mode):
    """No reply allows credentials: a browser then keeps what a cookie opened from the page."""
    user = new_user("clinician")
    body = {"email": user.email, "password": user.password, "mode": "cookie"}
    reply = user.http.post("/v1/auth/login", json=body, headers={"origin": APP})
    if mode == "me" and reply.status_code == 200:
        reply = user.http.get("/v1/me", headers={"origin": APP})
    assert "access-control-allow-credentials" not in reply.headers
    user.http.cookies.clear()


def test_resources_are_not_opened_to_other_origins(anonymous):
    """CORP speaks of requests without CORS (images, scripts): it stays closed for listed
    origins too, and does not touch what CORS allows."""
    reply = anonymous.http.get("/openapi.json", headers={"origin": APP})
    assert reply.headers["cross-origin-resource-policy"] == "same-origin"
    allows(reply, APP)
