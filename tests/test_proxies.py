"""Behind proxies: whose word on the client is believed, and what follows from it."""

import contextlib
import socket
import ssl

import pytest
from lib import data, raw
from lib.client import Api
from lib.db import audit_of
from lib.metrics import scrape, value
from lib.network import add, denied, followed, remove_all, rule
from lib.problem import problem
from lib.process import wait_until

pytestmark = pytest.mark.restarts
PROXY, INNER, CLIENT = "127.0.0.2", "127.0.0.3", "127.0.0.4"
XFF, FORWARDED = "x-forwarded-for", "forwarded"


def restart(instance, header: str, proxies: str = f"{PROXY} {INNER}/32 2001:db8:f::/48", **more):
    instance.restart(
        ELEUSIS_TRUSTED_PROXIES=proxies, ELEUSIS_PROXY_HEADER=header,
        ELEUSIS_LOG_LEVEL="info", **more,
    )  # fmt: skip


@pytest.fixture(scope="module")
def listed(instance):
    """A server that believes X-Forwarded-For."""
    restart(instance, XFF)
    yield instance
    instance.restart()


@pytest.fixture(scope="module")
def elements(instance):
    """A server that believes Forwarded."""
    restart(instance, FORWARDED)
    yield instance
    instance.restart()


def seen(instance, source: str, *lines: tuple[str, str]) -> str:
    """The client address that the audit log has of a refused log-in."""
    with Api(instance, source=source) as api:
        body = {"email": data.email(), "password": "no such thing"}
        reply = api.http.post("/v1/auth/login", json=body, headers=list(lines))
    problem(reply, "bad-credentials")
    rows = audit_of(instance, reply)
    assert len(rows) == 1
    return rows[0]["client_ip"]


@pytest.mark.parametrize(
    ("source", "lines", "client"),
    [
        (PROXY, [], PROXY),
        (PROXY, ["192.0.2.1"], "192.0.2.1"),
        (PROXY, ["2001:DB8::1"], "2001:db8::1"),
        (PROXY, ["::ffff:192.0.2.1"], "192.0.2.1"),
        (PROXY, ["[2001:db8::1]:4711"], "2001:db8::1"),
        (PROXY, ["6.6.6.6, 192.0.2.1"], "192.0.2.1"),
        (PROXY, [f"6.6.6.6, 192.0.2.1, {INNER}"], "192.0.2.1"),
        (PROXY, ["192.0.2.1, 2001:db8:f::9"], "192.0.2.1"),
        (PROXY, ["6.6.6.6", "192.0.2.1"], "192.0.2.1"),
        (PROXY, ["192.0.2.1", f"{INNER}, {PROXY}"], "192.0.2.1"),
        (PROXY, ["\"'<script>, 192.0.2.1"], "192.0.2.1"),
        (PROXY, ["192.0.2.1, unknown"], PROXY),
        (PROXY, [f"{INNER}"], INNER),
        # Nobody else is believed, not even on this host.
        (CLIENT, ["192.0.2.1"], CLIENT),
        ("127.0.0.1", ["192.0.2.1"], "127.0.0.1"),
    ],
)
def test_x_forwarded_for(listed, source, lines, client):
    assert seen(listed, source, *[("X-Forwarded-For", line) for line in lines]) == client


def test_only_the_one_header_counts(listed):
    others = [
        ("Forwarded", "for=192.0.2.1"), ("X-Real-IP", "192.0.2.2"), ("Via", "1.1 192.0.2.3"),
        ("X-Client-IP", "192.0.2.4"), ("True-Client-IP", "192.0.2.5"),
    ]  # fmt: skip
    assert seen(listed, PROXY, *others) == PROXY


@pytest.mark.parametrize("line", ["x", "192.0.2.1, x", f"x, {INNER}", "192.0.2.0/24", "1.2.3.4 5"])
def test_a_word_that_cannot_be_read_is_refused(listed, line):
    with Api(listed, source=PROXY) as api, Api(listed) as me:
        before = value(scrape(me), "eleusis_forwarded_malformed_total")
        reply = api.http.get("/v1/me", headers={"X-Forwarded-For": line})
        problem(reply, "malformed-request")
        assert value(scrape(me), "eleusis_forwarded_malformed_total") == before + 1
    with Api(listed, source=CLIENT) as api:
        reply = api.http.get("/v1/me", headers={"X-Forwarded-For": line})
        problem(reply, "unauthenticated")


def test_rules_are_about_the_client(listed, admin):
    add(admin, rule("deny", "198.51.100.0/24"))
    try:
        wait_until(lambda: followed(listed), 10, "workers to follow")
        with Api(listed, source=PROXY) as proxy, Api(listed, source=CLIENT) as other:

            def through(api, *clients):
                headers = {"X-Forwarded-For": ", ".join(clients)}
                return api.http.get("/v1/me", headers=headers)

            problem(through(proxy, "198.51.100.7"), "network-denied")
            problem(through(proxy, "192.0.2.1", "198.51.100.7", INNER), "network-denied")
            problem(through(proxy, "192.0.2.1"), "unauthenticated")
            # What somebody claims for herself neither harms nor helps.
            problem(through(proxy, "198.51.100.7", "192.0.2.1"), "unauthenticated")
            problem(through(other, "198.51.100.7"), "unauthenticated")
            # Health behind a proxy is not this host's own.
            reply = proxy.http.get("/health/live", headers={"X-Forwarded-For": "198.51.100.7"})
            problem(reply, "network-denied")
            assert proxy.get("/health/live").status_code == 200
    finally:
        remove_all(listed)


def test_an_untrusted_peer_cannot_borrow_an_allowed_address(listed, admin):
    with (
        denied(listed, admin, CLIENT, CLIENT),
        Api(listed, source=CLIENT) as api,
    ):
        reply = api.http.get("/v1/me", headers={"X-Forwarded-For": "192.0.2.1"})
        problem(reply, "network-denied")


def test_the_log_names_the_client(listed):
    offset = listed.log_size()
    with Api(listed, source=PROXY) as api:
        api.http.get("/v1/me", headers={"X-Forwarded-For": "192.0.2.77"})
    lines = [r for r in listed.log_lines(offset) if r.get("client.ip") == "192.0.2.77"]
    assert len(lines) == 1


def test_metrics_are_not_for_those_behind_a_proxy_here(listed):
    with Api(listed, source=PROXY) as proxy, Api(listed, source=CLIENT) as me:
        assert me.get("/metrics").status_code == 200
        for headers in (
            {}, {"X-Forwarded-For": "127.0.0.1"}, {"X-Forwarded-For": "192.0.2.1"},
            {"X-Forwarded-For": "::1"}, {"Forwarded": "for=127.0.0.1"},
        ):  # fmt: skip
            problem(proxy.http.get("/metrics", headers=headers), "unauthenticated")


@pytest.fixture
def six(instance):
    """A second server, at [::1]; asks it for a path."""
    port = instance.address[1]
    context = ssl.create_default_context(cafile=instance.ca)
    pid_file = instance.var / "run" / "six.pid"

    def ask(path: str, *headers: str) -> int:
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("::1", port), 10) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as tls,
        ):
            tls.sendall(raw.head(instance, "GET", path, *headers, host=f"localhost:{port}"))
            return raw.status(raw.receive(tls))
        return 0

    child = instance.spawn(
        KORE_BIND=f"::1 {port}", KORE_PIDFILE=str(pid_file), KORE_WORKERS="1",
        ELEUSIS_TRUSTED_PROXIES=PROXY, ELEUSIS_PROXY_HEADER=XFF,
    )  # fmt: skip
    try:
        wait_until(lambda: ask("/health/ready") == 200, 30, "the second server")
        yield ask
    finally:
        child.terminate()
        child.wait(40)


def test_ipv6_peers_and_rules(listed, six, admin):
    offset = listed.log_size()
    assert six("/v1/me", "X-Forwarded-For: 192.0.2.1") == 401
    assert [r for r in listed.log_lines(offset) if r.get("client.ip") == "::1"]
    add(admin, rule("deny", "::/0"))
    try:
        wait_until(lambda: six("/v1/me") == 403, 10, "the rule")
        assert six("/metrics") == 200
        with Api(listed) as api:
            problem(api.get("/v1/me"), "unauthenticated")
    finally:
        remove_all(listed)
    wait_until(lambda: six("/v1/me") == 401, 10, "the end of the rule")


@pytest.mark.parametrize(
    ("lines", "client"),
    [
        (["for=192.0.2.1"], "192.0.2.1"),
        (['For="[2001:db8::1]:4711";proto=https;by=_x'], "2001:db8::1"),
        ([f"for=6.6.6.6, for=192.0.2.1, for={INNER}"], "192.0.2.1"),
        (["for=6.6.6.6", "for=192.0.2.1"], "192.0.2.1"),
        (['for="', "for=192.0.2.1"], "192.0.2.1"),
        (["for=192.0.2.1, for=_hidden"], PROXY),
        ([f"for=192.0.2.1, for=unknown, for={INNER}"], INNER),
    ],
)
def test_forwarded(elements, lines, client):
    assert seen(elements, PROXY, *[("Forwarded", line) for line in lines]) == client


def test_forwarded_is_read_strictly(elements):
    with Api(elements, source=PROXY) as api:
        for line in ("for=::1", "for=192.0.2.1;for=192.0.2.2", 'for="192.0.2.1', "x"):
            reply = api.http.get("/v1/me", headers={"Forwarded": line})
            problem(reply, "malformed-request")
        assert api.http.get("/v1/me", headers={"X-Forwarded-For": "x"}).status_code == 401


def test_limits_count_the_client(instance, new_user):
    """One that tries passwords through the proxy is held up; its neighbour is not."""
    restart(instance, XFF, ELEUSIS_RATE_AUTH="5")
    try:
        with Api(instance, source=PROXY) as api:

            def attempt(client):
                body = {"email": data.email(), "password": "no such thing"}
                headers = {"X-Forwarded-For": client}
                return api.http.post("/v1/auth/login", json=body, headers=headers).status_code

            first = [attempt("192.0.2.1") for _ in range(9)]
            assert first[0] == 401
            assert first[-1] == 429
            # A forged first hop is no way out, and another client is not concerned.
            assert attempt("6.6.6.6, 192.0.2.1") == 429
            assert attempt("192.0.2.2") == 401
    finally:
        instance.restart()


@pytest.mark.parametrize(
    "settings",
    [
        {"ELEUSIS_TRUSTED_PROXIES": "10.0.0.1/8"},
        {"ELEUSIS_TRUSTED_PROXIES": "proxy.example"},
        {"ELEUSIS_PROXY_HEADER": "forwarded"},
        {"ELEUSIS_TRUSTED_PROXIES": "10.0.0.0/8", "ELEUSIS_PROXY_HEADER": "x-real-ip"},
    ],
)
def test_mistakes_stop_the_start(instance, settings):
    apart = {
        "KORE_PIDFILE": str(instance.var / "run" / "mistaken.pid"),
        "KORE_BIND": f"127.0.0.9 {instance.address[1]}",
    }
    child = instance.spawn(**apart, **settings)
    with contextlib.ExitStack() as later:
        later.callback(child.kill)
        assert child.wait(30) != 0
    assert "prox" in instance.tail(4000)
