"""Sessions: cookies and CSRF, and what Redis holds of them."""

import time
from http.cookies import SimpleCookie

import pytest
from lib import data
from lib.client import Api
from lib.cookies import COOKIE, Browser
from lib.db import keys, redis_bytes, store
from lib.problem import problem

SEAL_OVERHEAD = 45


@pytest.fixture(scope="module")
def browser(instance, new_user):
    who = new_user("clinician")
    with Browser(instance).enter(who.email, who.password) as made:
        made.email, made.password = who.email, who.password
        yield made


def test_the_cookie_has_every_guard(browser):
    lines = browser.first.headers.get_list("set-cookie")
    (header,) = [line for line in lines if line.startswith(COOKIE + "=")]
    morsel = SimpleCookie(header)[COOKIE]
    assert len(morsel.value) == 43
    assert morsel["path"] == "/"
    assert morsel["secure"] is True
    assert morsel["httponly"] is True
    assert morsel["samesite"].lower() == "strict"
    assert not morsel["domain"]
    assert "token" not in browser.reply
    assert morsel.value not in browser.first.text
    assert browser.csrf != morsel.value


def test_reading_needs_the_cookie_only(browser):
    assert browser.get("/v1/patients").status_code == 200
    me = browser.get("/v1/me").json()
    assert me["user"] == browser.user
    assert me["session"]["mode"] == "cookie"


def send(browser: Browser, **headers):
    named = {k.replace("_", "-"): v for k, v in headers.items()}
    return browser.post("/v1/patients", data.patient(), headers=named)


def test_writing_needs_the_csrf_token(browser, instance):
    assert send(browser, x_csrf_token=browser.csrf).status_code == 201
    problem(send(browser), "csrf")
    problem(send(browser, x_csrf_token="A" * 43), "csrf")
    problem(send(browser, x_csrf_token=browser.csrf[:-1]), "csrf")
    problem(send(browser, x_csrf_token=browser.cookie), "csrf")
    with Browser(instance).enter(browser.email, browser.password) as other:
        assert other.csrf != browser.csrf
        problem(send(browser, x_csrf_token=other.csrf), "csrf")


def test_every_unsafe_method_needs_the_csrf_token(browser):
    made = send(browser, x_csrf_token=browser.csrf).json()
    path = f"/v1/patients/{made['id']}"
    problem(browser.patch(path, {"notes": "x"}), "csrf")
    problem(browser.post(f"{path}/observations", {}), "csrf")
    problem(browser.post("/v1/predictions", {}), "csrf")
    problem(browser.post("/v1/auth/password", {}), "csrf")
    problem(browser.post("/v1/auth/logout"), "csrf")
    assert browser.get(path).json() == made


def test_a_foreign_origin_is_refused(browser, instance):
    sure = {"x_csrf_token": browser.csrf}
    assert send(browser, origin=instance.env["ELEUSIS_ORIGIN"], **sure).status_code == 201
    own = instance.env["ELEUSIS_ORIGIN"]
    for origin in (
        "https://evil.example",
        "null",
        own + ".evil.example",
        "http://localhost",
        own + "0",
    ):
        problem(send(browser, origin=origin, **sure), "csrf")


def test_a_browser_s_word_on_where_a_request_comes_from(browser):
    for site in ("cross-site", "same-site", "none", "SAME-ORIGIN", ""):
        problem(send(browser, x_csrf_token=browser.csrf, sec_fetch_site=site), "csrf")
    sure = send(browser, x_csrf_token=browser.csrf, sec_fetch_site="same-origin")
    assert sure.status_code == 201


def test_reading_takes_no_csrf_token_wherever_it_comes_from(browser):
    """Nothing is changed, and CORS keeps the reply from other origins' scripts."""
    headers = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
    reply = browser.http.get("/v1/me", headers=headers)
    assert reply.status_code == 200
    assert "access-control-allow-origin" not in reply.headers


def test_logout_takes_the_cookie_back(instance, browser):
    with Browser(instance).enter(browser.email, browser.password) as other:
        cookie = other.cookie
        reply = other.post("/v1/auth/logout", headers={"x-csrf-token": other.csrf})
        assert reply.status_code == 204
        morsel = SimpleCookie(reply.headers["set-cookie"])[COOKIE]
        assert morsel.value == "" or morsel["max-age"] == "0"
        assert COOKIE not in other.http.cookies
        reply = other.http.get("/v1/me", headers={"cookie": f"{COOKIE}={cookie}"})
        problem(reply, "unauthenticated")


def test_a_bearer_token_is_no_cookie_and_a_cookie_no_bearer_token(instance, browser, clinician):
    """Else a stolen cookie would get round CSRF, or a token into a browser."""
    with Api(instance) as api:
        headers = {"authorization": f"Bearer {browser.cookie}"}
        problem(api.http.get("/v1/me", headers=headers), "unauthenticated")
        headers = {"cookie": f"{COOKIE}={clinician.token}"}
        problem(api.http.get("/v1/me", headers=headers), "unauthenticated")


def test_a_bearer_header_does_not_switch_csrf_off(browser, clinician):
    """With both, the request is never the cookie's without its CSRF token."""
    for token in ("A" * 43, clinician.token):
        reply = browser.http.post(
            "/v1/patients", json=data.patient(), headers={"authorization": f"Bearer {token}"}
        )
        if reply.status_code == 201:
            path = f"/v1/patients/{reply.json()['id']}"
            problem(browser.get(path), "not-found")
        else:
            assert reply.status_code in (400, 401, 403)


def test_the_cookie_is_found_among_others(browser, anonymous):
    value = f"a=b; {COOKIE}x=1; x{COOKIE}=2; {COOKIE}={browser.cookie}; z=1"
    assert anonymous.http.get("/v1/me", headers={"cookie": value}).status_code == 200
    for value in (f"{COOKIE.lower()}={browser.cookie}", f"x{COOKIE}={browser.cookie}"):
        problem(anonymous.http.get("/v1/me", headers={"cookie": value}), "unauthenticated")


def test_cookie_values_of_any_kind_are_harmless(anonymous):
    for value in (
        "",
        "=",
        ";",
        f"{COOKIE}",
        f"{COOKIE}=",
        f"{COOKIE}=%00",
        "=" * 500,
        f"{COOKIE}=" + "é" * 40,
    ):
        reply = anonymous.http.get("/v1/me", headers={"cookie": value.encode()})
        assert reply.status_code in (400, 401), value


@pytest.mark.parametrize("name", ["🔒" * 200, "語" * 199 + "b", "n" * 200])
def test_a_session_holds_a_name_in_full(instance, new_user, name):
    who = new_user("auditor", name)
    with Api(instance).login(who.email, who.password) as api:
        assert api.user["name"] == name
        assert api.get("/v1/me").json()["user"]["name"] == name


@pytest.mark.parametrize("command", ["disable", "reset-password"])
def test_eleusisctl_ends_a_users_sessions(instance, log_in, clinician, command):
    """An auditor's too, whom no care relationship shuts out."""
    api = log_in("auditor")
    with (
        Api(instance).login(api.email, api.password) as second,
        Browser(instance).enter(api.email, api.password) as third,
    ):
        all_three = (api, second, third)
        assert [each.get("/v1/me").status_code for each in all_three] == [200] * 3
        assert api.get("/v1/audit/events").status_code == 200
        with store(instance) as r:
            sessions = r.smembers(f"u:{api.user['id']}")
            assert len(sessions) == 3
            instance.ctl("user", command, api.email)
            assert not r.exists(f"u:{api.user['id']}", *sessions)
        problem(api.get("/v1/audit/events"), "unauthenticated")
        instance.ctl("user", "enable", api.email)
        for each in all_three:
            problem(each.get("/v1/me"), "unauthenticated")
    assert clinician.get("/v1/me").status_code == 200


# ---- what Redis holds ------------------------------------------------------------


class Stored:
    """The Redis keys that hold one session's value, found by its absence before."""

    def __init__(self, instance, who: Api):
        before = keys(instance)
        self.api = Api(instance).login(who.email, who.password)
        self.instance = instance
        with store(instance) as r:
            self.keys = sorted(k for k in keys(instance) - before if sealed_values(r, k))
        assert self.keys, "a log-in left nothing in Redis"

    def dump(self) -> dict[bytes, tuple[bytes, int]]:
        with store(self.instance) as r:
            return {k: (r.dump(k), max(r.pttl(k), 0)) for k in self.keys}

    def load(self, dump: dict[bytes, tuple[bytes, int]]) -> None:
        with store(self.instance) as r:
            for key, (value, ttl) in dump.items():
                r.restore(key, ttl, value, replace=True)

    def works(self) -> bool:
        reply = self.api.get("/v1/me")
        if reply.status_code != 200:
            problem(reply, "unauthenticated")
        return reply.status_code == 200


@pytest.fixture
def stored(instance, clinician):
    made = Stored(instance, clinician)
    yield made
    made.api.close()


def spoil(value: bytes, position: int) -> bytes:
    return value[:position] + bytes([value[position] ^ 1]) + value[position + 1 :]


def sealed_values(r, key: bytes) -> list[tuple[bytes | None, bytes]]:
    """(hash field or None, value) of what is long enough to be sealed."""
    kind, found = r.type(key), []
    if kind == b"hash":
        found = list(r.hgetall(key).items())
    elif kind == b"string":
        found = [(None, r.get(key) or b"")]
    return [(field, value) for field, value in found if len(value) > SEAL_OVERHEAD]


def write_value(r, key: bytes, field: bytes | None, value: bytes) -> None:
    if field is None:
        r.set(key, value, keepttl=True)
    else:
        r.hset(key, field, value)


def test_a_changed_session_value_does_not_open(stored):
    """Every byte is under the seal: version, nonce, ciphertext and tag."""
    tried = 0
    with store(stored.instance) as r:
        for key in stored.keys:
            for field, value in sealed_values(r, key):
                for position in (0, 3, 7, 30, len(value) // 2, len(value) - 1):
                    write_value(r, key, field, spoil(value, position))
                    assert not stored.works(), f"byte {position} of {len(value)}"
                    write_value(r, key, field, value)
                    assert stored.works(), "the true value no longer opens"
                    tried += 1
                for wrong in (b"", b"x", value[:-1], value + b"\0", value * 2):
                    write_value(r, key, field, wrong)
                    assert not stored.works()
                    write_value(r, key, field, value)
    assert tried >= 6, "no sealed value was found"


def test_a_session_value_opens_under_its_own_key_only(instance, stored, log_in):
    """Whoever writes Redis cannot put an admin's session under her own token."""
    admin = log_in("admin")
    other = Stored(instance, admin)
    mine, theirs = stored.dump(), other.dump()
    assert len(mine) == len(theirs)
    pairs = zip(mine, theirs.values(), strict=True)
    stored.load(dict(pairs))
    assert not stored.works()
    stored.load(mine)
    assert stored.works()
    other.api.close()


def test_redis_holds_neither_token_nor_person(stored, browser):
    everything = redis_bytes(stored.instance)
    for secret in (
        stored.api.token, stored.api.email, stored.api.user["name"], stored.api.password,
        browser.cookie, browser.csrf,
    ):  # fmt: skip
        assert secret.encode() not in everything


def test_sessions_in_redis_all_end_by_themselves(stored):
    with store(stored.instance) as r:
        for key in stored.keys:
            assert 0 < r.ttl(key) <= 43200, key


def test_an_idle_session_ends(stored):
    assert stored.works()
    with store(stored.instance) as r:
        for key in stored.keys:
            r.pexpire(key, 20)
    time.sleep(0.05)
    assert not stored.works()


def test_use_keeps_a_session_alive(stored):
    with store(stored.instance) as r:
        for key in stored.keys:
            r.expire(key, 100)
        assert stored.works()
        for key in stored.keys:
            assert 1700 < r.ttl(key) <= 1800


# ---- one place only -------------------------------------------------------------------------


def test_two_authorization_lines_are_nobody(instance, clinician, anonymous):
    """A proxy may have judged the other one."""
    for tokens in ((clinician.token, "A" * 43), ("A" * 43, clinician.token), [clinician.token] * 2):
        lines = [("authorization", f"Bearer {token}") for token in tokens]
        problem(anonymous.http.get("/v1/me", headers=lines), "unauthenticated")


@pytest.mark.parametrize("name", ["origin", "sec-fetch-site", "x-csrf-token"])
def test_two_lines_of_what_guards_a_cookie_session(browser, instance, name):
    right = {
        "origin": instance.url,
        "sec-fetch-site": "same-origin",
        "x-csrf-token": browser.csrf,
        "content-type": "application/json",
    }
    wrong = "cross-site" if name == "sec-fetch-site" else "https://elsewhere.example"
    lines = [*right.items(), (name, wrong)]
    one = browser.http.post("/v1/patients", json=data.patient(), headers=right)
    assert one.status_code == 201, one.text
    problem(browser.http.post("/v1/patients", json=data.patient(), headers=lines), "csrf")
