"""Authenticator apps and recovery codes: set up, shown, used up, taken away.

The app is pyotp, another implementation than the server's. The server runs with
a back-off that begins early.
"""

import base64
import json
import time
from concurrent.futures import ThreadPoolExecutor

import pyotp
import pytest
from lib import totp
from lib.client import Api
from lib.db import audit_of, audit_row, connect, database_bytes, redis_bytes
from lib.problem import problem, without_identity
from lib.process import wait_until
from lib.totp import SECOND_FACTOR, adopt, begin, enrol, forget_steps, show

pytestmark = [pytest.mark.restarts, pytest.mark.faults]

TRIES, FREE, FIRST, EVERYWHERE = 5, 7, 40, 20
SETTINGS = {
    "ELEUSIS_LOCKOUT_ALERT": str(EVERYWHERE),
    "ELEUSIS_LOCKOUT_FREE": str(FREE),
    "ELEUSIS_LOCKOUT_FIRST_S": str(FIRST),
    "ELEUSIS_SECOND_FACTOR_ROLES": "auditor",
}


@pytest.fixture(scope="module")
def outbox(instance):
    return instance.var / "second-factor.mbox"


@pytest.fixture(scope="module", autouse=True)
def server(instance, outbox):
    instance.restart(**SETTINGS, ELEUSIS_MAIL_URL=f"file:{outbox}")
    yield instance
    instance.restart()


@pytest.fixture(scope="module")
def somebody(log_in):
    """Makes a clinician with an authenticator app: her Api and the app."""

    def make() -> tuple[Api, totp.Authenticator]:
        api = log_in("clinician")
        return api, enrol(api)

    return make


@pytest.fixture
def again(instance):
    """Another log-in of a user, with her password only."""
    made = []

    def make(api: Api) -> Api:
        made.append(Api(instance).login(api.email, api.password))
        return made[-1]

    yield make
    for each in made:
        each.close()


def unknown_session(instance, token: str) -> None:
    with Api(instance, token) as old:
        problem(old.get("/v1/me"), "unauthenticated")


# ---- setting one up ------------------------------------------------------------


def test_an_app_is_set_up(instance, log_in):
    api = log_in("clinician")
    before = api.token
    reply = api.post("/v1/me/totp", {})
    assert reply.status_code == 200
    assert "no-store" in reply.headers["cache-control"]
    audit_row(instance, reply, "totp.begin")
    document = reply.json()
    read = pyotp.parse_uri(document["uri"])
    assert (read.secret, read.name, read.issuer) == (document["secret"], api.email, "localhost")
    assert (read.digits, read.interval, read.digest().name) == (6, 30, "sha1")
    app = totp.Authenticator(document["secret"])
    assert len(base64.b32decode(app.secret)) == 20
    assert api.get("/v1/me/factors").json() == {
        "totp": None, "recovery_codes_left": 0, "passkeys": 0, "password": True,
        "required": False,
    }  # fmt: skip

    wrong = api.post("/v1/me/totp/confirm", {"code": app.wrong()})
    problem(wrong, "bad-credentials")
    audit_row(instance, wrong, "totp.confirm", "denied")
    reply = api.post("/v1/me/totp/confirm", {"code": app.code()})
    audit_row(instance, reply, "totp.confirm")
    document = adopt(api, reply)
    assert document["stage"] == "full"
    assert set(document["amr"]) == {"pwd", "otp", "mfa"}
    assert set(document["methods"]) == {"totp", "recovery"}
    assert len(set(document["recovery_codes"])) == 10
    unknown_session(instance, before)
    found = api.get("/v1/me/factors").json()
    assert found["recovery_codes_left"] == 10
    assert found["totp"]["confirmed_at"] is not None
    problem(api.post("/v1/me/totp", {}), "conflict")
    problem(api.post("/v1/me/totp/confirm", {"code": app.code()}), "conflict")


def test_an_app_that_was_not_confirmed_counts_for_nothing(log_in, again):
    api = log_in("clinician")
    first, second = totp.begin(api), totp.begin(api)
    assert first.secret != second.secret
    assert again(api).reply["stage"] == "full"
    problem(show(api, code=second.code()), "conflict")
    problem(api.post("/v1/me/totp/confirm", {"code": first.code()}), "bad-credentials")
    adopt(api, api.post("/v1/me/totp/confirm", {"code": second.code()}))


def test_an_old_secret_is_not_confirmed(instance, log_in):
    api = log_in("clinician")
    app = totp.begin(api)
    with connect(instance) as db:
        db.execute(
            "UPDATE eleusis.totp SET created_at = now() - interval '11 minutes'"
            " WHERE user_id = %s", [api.user["id"]],
        )  # fmt: skip
    assert "too old" in problem(
        api.post("/v1/me/totp/confirm", {"code": app.code()}), "conflict"
    )["detail"]  # fmt: skip


def test_nothing_to_confirm(log_in):
    problem(log_in("clinician").post("/v1/me/totp/confirm", {"code": "123456"}), "conflict")


def test_the_first_app_ends_the_other_sessions(instance, log_in, again):
    """They have shown less than is asked for from now on, and could add factors of their own."""
    api = log_in("clinician")
    other = again(api)
    app = enrol(api)
    problem(other.get("/v1/me"), "unauthenticated")
    assert api.get("/v1/me/factors").json()["totp"] is not None
    forget_steps(instance, api.user["id"])
    half = again(api)
    adopt(half, show(half, code=app.code()))
    assert half.get("/v1/me").status_code == 200


def test_a_log_in_that_was_to_set_one_up_is_over_with_the_first(instance, log_in, again):
    api = log_in("auditor")
    thief = again(api)
    assert thief.reply["stage"] == "enrol"
    theirs = begin(thief)
    enrol(api)
    problem(thief.post("/v1/me/totp/confirm", {"code": theirs.code()}), "unauthenticated")
    problem(thief.post("/v1/me/passkeys/options"), "unauthenticated")


# ---- showing it ------------------------------------------------------------------


def test_a_log_in_takes_both(instance, somebody, again):
    api, app = somebody()
    forget_steps(instance, api.user["id"])
    half = again(api)
    assert half.reply["stage"] == "second-factor"
    assert half.reply["step_up_until"] is None
    assert set(half.reply["methods"]) == {"totp", "recovery"}
    for path in ("/v1/patients", "/v1/me/factors", "/v1/api-keys"):
        problem(half.get(path), "second-factor-required")
    problem(half.post("/v1/me/totp", {}), "second-factor-required")
    problem(half.http.delete("/v1/me/totp"), "second-factor-required")
    problem(half.post("/v1/me/recovery-codes"), "second-factor-required")
    assert half.get("/v1/me").status_code == 200
    before = half.token
    reply = show(half, code=app.code())
    row = audit_row(instance, reply, "auth.second_factor")
    assert (row["detail"], row["session"]) == ({"factor": "totp"}, half.reply["session_id"])
    after = adopt(half, reply)
    assert after["stage"] == "full"
    assert set(after["amr"]) == {"pwd", "otp", "mfa"}
    assert after["step_up_until"] is not None
    assert half.get("/v1/patients").status_code == 200
    unknown_session(instance, before)


def test_a_browser_gets_another_cookie(instance, somebody):
    api, app = somebody()
    forget_steps(instance, api.user["id"])
    with Api(instance) as browser:
        body = {"email": api.email, "password": api.password, "mode": "cookie"}
        first = browser.post("/v1/auth/login", body).json()
        assert first["stage"] == "second-factor"
        old = browser.http.cookies["__Host-eleusis"]
        problem(show(browser, code=app.code()), "csrf")
        reply = browser.post(
            SECOND_FACTOR, {"code": app.code()}, headers={"x-csrf-token": first["csrf_token"]}
        )
        assert reply.json()["csrf_token"] != first["csrf_token"]
        assert "token" not in reply.json()
        assert browser.http.cookies["__Host-eleusis"] != old
        assert browser.get("/v1/patients").status_code == 200
        browser.http.cookies.set("__Host-eleusis", old, domain="localhost.local")
    unknown_session(instance, old)


def test_a_code_is_used_once(somebody, again):
    """Not even the one that confirmed the app; nor one of before it."""
    api, app = somebody()
    used = app.code()
    problem(show(again(api), code=used), "bad-credentials")
    half = again(api)
    adopt(half, show(half, code=app.code(1)))
    for steps in (1, 0, -1):
        problem(show(again(api), code=app.code(steps)), "bad-credentials")
    problem(show(half, code=app.code(1)), "bad-credentials")


def test_of_many_at_once_one_is_let_in(instance, somebody, again):
    api, app = somebody()
    forget_steps(instance, api.user["id"])
    halves = [again(api) for _ in range(5)]
    code = app.code()
    with ThreadPoolExecutor(len(halves)) as pool:
        replies = list(pool.map(lambda half: show(half, code=code), halves))
    assert sorted(r.status_code for r in replies) == [200] + [401] * 4
    for reply in replies:
        if reply.status_code == 401:
            problem(reply, "bad-credentials")
    with connect(instance) as db:
        rows = db.execute(
            "SELECT outcome, count(*) AS n FROM eleusis.audit_event"
            " WHERE action = 'auth.second_factor' AND actor_id = %s"
            "   AND request_id = ANY(%s) GROUP BY 1",
            [api.user["id"], [r.headers["x-request-id"] for r in replies]],
        ).fetchall()
    assert {r["outcome"]: r["n"] for r in rows} == {"allowed": 1, "denied": 4}


@pytest.mark.parametrize(("steps", "status"), [(-2, 401), (-1, 200), (0, 200), (1, 200), (2, 401)])
def test_clocks_may_differ_by_one_step(instance, shared, again, steps, status):
    api, app = shared
    forget_steps(instance, api.user["id"])
    assert show(again(api), code=app.code(steps)).status_code == status


@pytest.fixture(scope="module")
def shared(somebody):
    return somebody()


# ---- recovery codes ----------------------------------------------------------------


def test_a_recovery_code_is_used_once(instance, somebody, again):
    api, app = somebody()
    code = app.codes[0]
    halves = [again(api) for _ in range(5)]
    with ThreadPoolExecutor(len(halves)) as pool:
        replies = list(pool.map(lambda half: show(half, recovery_code=code), halves))
    assert sorted(r.status_code for r in replies) == [200] + [401] * 4
    let_in = next(r for r in replies if r.status_code == 200)
    assert set(let_in.json()["amr"]) == {"pwd", "recovery", "mfa"}
    assert audit_row(instance, let_in, "auth.second_factor")["detail"]["factor"] == "recovery"
    assert api.get("/v1/me/factors").json()["recovery_codes_left"] == 9
    problem(show(again(api), recovery_code=code), "bad-credentials")


def test_how_a_recovery_code_is_typed(somebody, again):
    api, app = somebody()
    spelled = (
        app.codes[0].upper(),
        app.codes[1].replace("-", ""),
        app.codes[2].replace("-", " ").replace("0", "O").replace("1", "l"),
    )
    for text in spelled:
        half = again(api)
        assert adopt(half, show(half, recovery_code=text))["stage"] == "full"


def test_a_recovery_code_is_of_one_user(instance, somebody, again):
    (api, _), (_, other) = somebody(), somebody()
    problem(show(again(api), recovery_code=other.codes[0]), "bad-credentials")
    problem(show(again(api), recovery_code="0" * 24), "bad-credentials")
    problem(show(again(api), recovery_code="u" * 24), "bad-credentials")


def test_new_codes_replace_the_old(instance, somebody, again):
    api, app = somebody()
    reply = api.post("/v1/me/recovery-codes")
    assert reply.status_code == 200, reply.text
    audit_row(instance, reply, "recovery_codes.renew")
    fresh = reply.json()["recovery_codes"]
    assert len(fresh) == 10
    assert not set(fresh) & set(app.codes)
    problem(show(again(api), recovery_code=app.codes[1]), "bad-credentials")
    half = again(api)
    adopt(half, show(half, recovery_code=fresh[3]))


def test_no_recovery_codes_without_a_factor(log_in):
    api = log_in("clinician")
    problem(api.post("/v1/me/recovery-codes"), "conflict")
    problem(show(api, recovery_code="0" * 24), "conflict")


# ---- what is refused ---------------------------------------------------------------


@pytest.mark.parametrize(
    "body", [{}, {"code": "123456", "password": "x"}, {"code": None}, {"code": "12345"}]
)
def test_just_one_proof(shared, body):
    problem(shared[0].post(SECOND_FACTOR, body), "validation-failed")


def test_the_password_is_not_enough(somebody, again):
    api, _ = somebody()
    half = again(api)
    assert "second factor" in problem(show(half, password=api.password), "conflict")["detail"]
    problem(half.get("/v1/patients"), "second-factor-required")


def test_wrong_ones_are_told_alike(instance, somebody, again):
    api, app = somebody()
    adopt(api, show(api, recovery_code=app.codes[0]))
    half = again(api)
    used = app.code()
    replies = [
        show(half, code=app.wrong()),
        show(half, code=used),
        show(half, recovery_code=app.codes[0]),
        show(half, recovery_code="0" * 24),
    ]
    documents = [without_identity(problem(r, "bad-credentials")) for r in replies]
    assert documents == documents[:1] * 4
    for reply, factor in zip(replies, ["totp"] * 2 + ["recovery"] * 2, strict=True):
        detail = audit_row(instance, reply, "auth.second_factor", "denied")["detail"]
        assert (detail["reason"], detail["factor"]) == ("bad-credentials", factor)


def mails(outbox, email: str) -> str:
    """All that was sent to her."""
    text = outbox.read_text(errors="replace") if outbox.exists() else ""
    return " ".join(" ".join(m.split()) for m in text.split("\nFrom ") if email in m)


def test_an_unfinished_log_in_has_few_tries(instance, outbox, somebody, again, admin):
    """And the account from one address has not many more."""
    api, app = somebody()
    half = again(api)
    for n in range(1, TRIES + 1):
        reply = show(half, code=app.wrong())
        last = problem(reply, "bad-credentials")
        ended = audit_row(instance, reply, "auth.second_factor", "denied")["detail"]
        assert ended.get("session_ended", False) == (n == TRIES)
    assert "last try" in last["detail"]
    wait_until(lambda: "wrong codes" in mails(outbox, api.email), 20, "the mail about it")
    problem(half.get("/v1/me"), "unauthenticated")
    other = again(api)
    for _ in range(FREE - TRIES - 1):
        problem(show(other, code=app.wrong()), "bad-credentials")
    reply = show(other, code=app.wrong())
    rows = {(r["action"], r["outcome"]) for r in audit_of(instance, reply)}
    assert rows == {("auth.second_factor", "denied"), ("auth.lockout", "denied")}
    forget_steps(instance, api.user["id"])
    reply = show(other, code=app.code())
    problem(reply, "login-throttled")
    assert FIRST - 10 <= int(reply.headers["retry-after"]) <= FIRST
    problem(show(other, recovery_code=app.codes[0]), "login-throttled")
    assert again(api).reply["stage"] == "second-factor", "the password has counters of its own"
    assert admin.post(f"/v1/users/{api.user['id']}/unlock").status_code == 204
    adopt(other, show(other, code=app.code()))


def test_many_at_once_are_no_more_tries(somebody, again):
    api, app = somebody()
    half = again(api)
    wrong = app.wrong()
    with ThreadPoolExecutor(10) as pool:
        replies = list(pool.map(lambda _: show(half.twin(), code=wrong), range(20)))
    told = sorted(r.status_code for r in replies)
    assert told.count(401) + told.count(429) == 20
    checked = [r for r in replies if r.json()["type"].endswith("bad-credentials")]
    assert len(checked) <= FREE
    problem(half.get("/v1/me"), "unauthenticated")


def test_another_browser_has_no_tries_of_its_own(instance, somebody):
    """Whoever knows the password gets the cookie of a known device with each log-in."""
    api, app = somebody()
    told = []
    for _ in range(3):
        with Api(instance) as browser:
            body = {"email": api.email, "password": api.password, "mode": "cookie"}
            csrf = browser.post("/v1/auth/login", body).json()["csrf_token"]
            told += [
                browser.post(SECOND_FACTOR, {"code": app.wrong()}, headers={"x-csrf-token": csrf})
                for _ in range(TRIES - 1)
            ]
    assert [r.status_code for r in told] == [401] * FREE + [429] * (len(told) - FREE)
    problem(told[-1], "login-throttled")


def test_many_addresses_have_few_tries_together(instance, somebody):
    """Whoever knows the password guesses from everywhere; the owner's address is not held up."""
    api, app = somebody()
    told = []
    for net in range(EVERYWHERE // TRIES + 2):
        with Api(instance, source=f"127.77.{net}.1") as thief:
            thief.login(api.email, api.password)
            told += [show(thief, code=app.wrong()) for _ in range(TRIES)]
    for reply in told[EVERYWHERE:]:
        assert int(problem(reply, "login-throttled") and reply.headers["retry-after"]) > 1
    assert {r.status_code for r in told[:EVERYWHERE]} == {401}
    forget_steps(instance, api.user["id"])
    adopt(api, show(api, code=app.code()))


# ---- taking it away ------------------------------------------------------------------


def test_an_app_is_taken_away(instance, somebody, again):
    api, app = somebody()
    other = totp.log_in(instance, api, app)
    before = api.token
    reply = api.http.delete("/v1/me/totp")
    audit_row(instance, reply, "totp.remove")
    document = adopt(api, reply)
    assert document["methods"] == ["password"]
    unknown_session(instance, before)
    problem(other.get("/v1/me"), "unauthenticated")
    found = api.get("/v1/me/factors").json()
    assert (found["totp"], found["recovery_codes_left"]) == (None, 0)
    assert again(api).reply["stage"] == "full"
    problem(api.http.delete("/v1/me/totp"), "conflict")
    problem(show(api, code=app.code()), "conflict")
    # Set up anew within the same half minute; the old secret is good for nothing.
    fresh = enrol(api)
    forget_steps(instance, api.user["id"])
    problem(show(again(api), code=app.code()), "bad-credentials")
    half = again(api)
    adopt(half, show(half, code=fresh.code()))


def test_the_last_factor_stays_where_the_role_needs_one(log_in):
    api = log_in("auditor")
    enrol(api)
    assert api.get("/v1/me/factors").json()["required"]
    assert "last" in problem(api.http.delete("/v1/me/totp"), "conflict")["detail"]
    assert api.get("/v1/me/factors").json()["totp"] is not None


def test_an_administrator_resets_a_lost_factor(instance, somebody, again, admin, clinician):
    api, app = somebody()
    half = again(api)
    path = f"/v1/users/{api.user['id']}/factors"
    problem(clinician.http.delete(path), "forbidden")
    reply = admin.http.delete(path)
    assert reply.status_code == 204, reply.text
    row = audit_row(instance, reply, "user.reset_factors")
    assert str(row["object_id"]) == api.user["id"]
    assert row["detail"]["totp"] is True
    for each in (api, half):
        problem(each.get("/v1/me"), "unauthenticated")
    fresh = again(api)
    assert fresh.reply["stage"] == "full"
    assert fresh.get("/v1/me/factors").json()["recovery_codes_left"] == 0
    problem(show(fresh, recovery_code=app.codes[0]), "conflict")


def test_nobody_resets_her_own(instance, admin):
    reply = admin.http.delete(f"/v1/users/{admin.user['id']}/factors")
    problem(reply, "forbidden")
    audit_row(instance, reply, "user.reset_factors", "denied")


def test_a_reset_of_nobody(instance, admin):
    reply = admin.http.delete("/v1/users/01890000-0000-7000-8000-000000000000/factors")
    problem(reply, "not-found")
    audit_row(instance, reply, "user.reset_factors", "denied")


def test_eleusisctl_resets_a_lost_factor(instance, somebody, again):
    api, _ = somebody()
    done = instance.ctl("user", "reset-factors", api.email)
    assert api.email in done.stdout
    problem(api.get("/v1/me"), "unauthenticated")
    assert again(api).reply["stage"] == "full"
    with connect(instance) as db:
        rows = db.execute(
            "SELECT actor_kind, detail FROM eleusis.audit_event"
            " WHERE action = 'user.reset_factors' AND object_id = %s", [api.user["id"]],
        ).fetchall()  # fmt: skip
    assert [(r["actor_kind"], r["detail"]["tool"]) for r in rows] == [("system", "eleusisctl")]
    assert instance.ctl("user", "reset-factors", "nobody@example.org", check=False).returncode == 1


# ---- what is stored ------------------------------------------------------------------


def test_secrets_are_nowhere_in_clear(instance, somebody, again):
    offset = instance.log_size()
    api, app = somebody()
    forget_steps(instance, api.user["id"])
    half = again(api)
    code = app.code()
    adopt(half, show(half, code=code))
    show(half, recovery_code=app.codes[0])
    raw = base64.b32decode(app.secret)
    kept = database_bytes(instance) + redis_bytes(instance)
    logged = json.dumps(instance.log_lines(offset)).encode()
    for secret in (raw, raw.hex().encode(), app.secret.encode(), api.token.encode(),
                   half.token.encode(), *(c.encode() for c in app.codes),
                   *(c.replace("-", "").encode() for c in app.codes)):  # fmt: skip
        assert secret not in kept
        assert secret not in logged
    with connect(instance) as db:
        row = db.execute(
            "SELECT secret FROM eleusis.totp WHERE user_id = %s", [api.user["id"]]
        ).fetchone()
    assert bytes(row["secret"]) in kept, "the search finds what is there"


def test_a_secret_does_not_open_elsewhere(instance, somebody, again):
    """Sealed to user and version: a row of another one's, or of before, is no good."""
    (api, app), (other, _) = somebody(), somebody()
    with connect(instance) as db:
        db.execute(
            "UPDATE eleusis.totp AS t SET last_step = 0, secret = s.secret FROM eleusis.totp AS s"
            " WHERE t.user_id = %s AND s.user_id = %s", [other.user["id"], api.user["id"]],
        )  # fmt: skip
    half = again(other)
    assert show(half, code=app.code()).status_code == 500
    with connect(instance) as db:
        db.execute(
            "UPDATE eleusis.totp SET last_step = 0, version = version + 1 WHERE user_id = %s",
            [api.user["id"]],
        )
    assert show(again(api), code=app.code()).status_code == 500


def test_a_code_lives_for_a_minute_at_most(instance, somebody, again):
    """Server time decides: a code of an hour ago is none, whatever the client says."""
    api, app = somebody()
    forget_steps(instance, api.user["id"])
    old = app.totp.at(int(time.time()) - 3600)
    reply = again(api).post(
        SECOND_FACTOR, {"code": old}, headers={"date": "Tue, 01 Jan 2030 00:00:00 GMT"}
    )
    problem(reply, "bad-credentials")
