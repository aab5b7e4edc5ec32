"""What ends sessions ends them: at once, without Redis, and when Redis is set back."""

import contextlib
import time

import pytest
from lib.client import Api, fresh_replies
from lib.cookies import Browser
from lib.db import audit_row, connect, store
from lib.problem import problem
from lib.process import wait_until
from lib.totp import adopt, enrol, forget_steps, show

pytestmark = pytest.mark.restarts

POLL_S = 0.1  # as the instance under test has it
NO_REDIS = {"ELEUSIS_REDIS_PORT": "1"}
NEW = "a new one for the test"


def ended(api: Api, times: int = 4) -> None:
    """With the very next request, whichever worker gets it."""
    for reply in fresh_replies(api, "/v1/me", times):
        problem(reply, "unauthenticated")


def alive(api: Api, times: int = 4) -> None:
    assert {r.status_code for r in fresh_replies(api, "/v1/me", times)} == {200}


def soon(api: Api) -> None:
    """Workers ask every POLL_S; with room for a busy machine."""
    wait_until(
        lambda: {r.status_code for r in fresh_replies(api, "/v1/me", 12)} == {401},
        2, "the end of the session everywhere", 0.02,
    )  # fmt: skip
    ended(api)


class Dump:
    """Redis as it is now, to be restored."""

    def __init__(self, instance):
        self.instance = instance
        with store(instance) as r:
            names = [k for k in r.scan_iter(count=1000) if k.startswith((b"s:", b"u:"))]
            self.entries = {k: (r.dump(k), max(r.pttl(k), 0)) for k in names}

    def restore(self) -> None:
        with store(self.instance) as r:
            for name, (value, ttl) in self.entries.items():
                if value is not None:
                    r.restore(name, ttl, value, replace=True)


@pytest.fixture
def pair(instance, new_user):
    """Two sessions of a user."""
    who = new_user("clinician")
    first = who.login(who.email, who.password)
    with Api(instance).login(who.email, who.password) as second:
        yield first, second


# ---- every way to end them -----------------------------------------------------------------

# Each is given the two sessions, an admin and the instance, and returns those that are to
# be over and those that go on.


def by_log_out(one, two, admin, instance):
    assert one.post("/v1/auth/logout").status_code == 204
    return [one], [two]


def by_its_name(one, two, admin, instance):
    assert one.http.delete(f"/v1/me/sessions/{two.reply['session_id']}").status_code == 204
    return [two], [one]


def with_all_others(one, two, admin, instance):
    before = one.twin()
    one.adopt(one.http.delete("/v1/me/sessions"))
    return [two, before], [one]


def by_an_administrator(one, two, admin, instance):
    assert admin.http.delete(f"/v1/users/{one.user['id']}/sessions").status_code == 204
    return [one, two], [admin]


def by_a_new_password(one, two, admin, instance):
    before = one.twin()
    body = {"current_password": one.password, "new_password": NEW + one.password}
    one.adopt(one.post("/v1/auth/password", body))
    return [two, before], [one]


def by_being_disabled(one, two, admin, instance):
    changed(admin, one, disabled=True)
    return [one, two], [admin]


def by_another_role(one, two, admin, instance):
    changed(admin, one, role="auditor")
    return [one, two], [admin]


def by_fewer_scopes(one, two, admin, instance):
    changed(admin, one, scopes=["self"])
    return [one, two], [admin]


def by_deletion(one, two, admin, instance):
    path = f"/v1/users/{one.user['id']}"
    tag = admin.get(path).headers["etag"]
    reply = admin.http.delete(path, headers={"if-match": tag})
    assert reply.status_code == 204, reply.text
    return [one, two], [admin]


def by_eleusisctl_disable(one, two, admin, instance):
    instance.ctl("user", "disable", one.email)
    return [one, two], [admin]


def by_eleusisctl_password(one, two, admin, instance):
    instance.ctl("user", "reset-password", one.email)
    return [one, two], [admin]


def by_eleusisctl(one, two, admin, instance):
    instance.ctl("sessions", "end", "--user", one.email)
    return [one, two], [admin]


def with_everybody_s(one, two, admin, instance):
    reply = admin.post("/v1/sessions/end", {"confirm": "all-users"})
    assert reply.status_code == 204
    audit_row(instance, reply, "session.end_all")
    return [one, two, admin], []


def with_everybody_s_by_eleusisctl(one, two, admin, instance):
    instance.ctl("sessions", "end", "--all")
    return [one, two, admin], []


def changed(admin: Api, who: Api, **members) -> None:
    path = f"/v1/users/{who.user['id']}"
    tag = admin.get(path).headers["etag"]
    reply = admin.http.patch(
        path,
        json=members,
        headers={"if-match": tag, "content-type": "application/merge-patch+json"},
    )
    assert reply.status_code == 200, reply.text


WAYS = [
    by_log_out, by_its_name, with_all_others, by_an_administrator, by_a_new_password,
    by_being_disabled, by_another_role, by_fewer_scopes, by_deletion, by_eleusisctl_disable,
    by_eleusisctl_password, by_eleusisctl, with_everybody_s, with_everybody_s_by_eleusisctl,
]  # fmt: skip


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_an_end_is_at_once_and_outlives_an_old_redis(instance, pair, log_in, way):
    one, two = pair
    admin = log_in("admin")
    alive(one)
    alive(two)
    old = Dump(instance)
    over, on = way(one, two, admin, instance)
    for api in over:
        ended(api)
    for api in on:
        alive(api)
    # Whatever Redis held before: PostgreSQL knows better.
    time.sleep(2 * POLL_S)
    old.restore()
    for api in over:
        soon(api)


def test_an_ended_session_that_is_met_is_taken_out(instance, pair):
    """Then whoever holds its token is a stranger, and not charged to the user."""
    one, two = pair
    old = Dump(instance)
    assert one.post("/v1/auth/logout").status_code == 204
    time.sleep(2 * POLL_S)
    old.restore()
    with store(instance) as r:
        assert r.scard(f"u:{two.user['id']}") == 2
        ended(one, 1)
        assert r.scard(f"u:{two.user['id']}") == 1
    alive(two, 1)


@pytest.mark.parametrize(
    "command",
    [["user", "disable"], ["user", "reset-password"], ["sessions", "end", "--user"]],
    ids=" ".join,
)
def test_an_end_without_redis_is_soon(instance, pair, command):
    """Redis still has the sessions, and nobody told it anything."""
    done = instance.ctl(*command, pair[0].email, check=False, **NO_REDIS)
    assert done.returncode == 3
    assert "within a second" in done.stderr
    for api in pair:
        soon(api)


def test_everybody_s_end_without_redis_is_soon(instance, pair, log_in):
    other = log_in("auditor")
    done = instance.ctl("sessions", "end", "--all", check=False, **NO_REDIS)
    assert done.returncode == 3
    for api in (*pair, other):
        soon(api)


def test_what_a_worker_has_never_seen_it_reads_when_it_starts(instance, pair):
    one, two = pair
    third = one.twin()
    with connect(instance) as db:
        db.execute(
            "UPDATE eleusis.app_user SET sessions_from = now() WHERE id = %s", [one.user["id"]]
        )
    instance.restart()
    for api in (one, two, third):
        ended(api)
    alive(one.login(one.email, one.password))


def test_ends_that_commit_late_are_not_missed(instance, pair, log_in):
    """Transactions end in another order than they begin."""
    one, two = pair
    other = log_in("auditor")
    with contextlib.ExitStack() as stack:
        late = stack.enter_context(connect(instance))
        late.autocommit = False
        late.execute(
            "UPDATE eleusis.app_user SET sessions_from = now() WHERE id = %s", [one.user["id"]]
        )
        instance.ctl("sessions", "end", "--user", other.email, check=False, **NO_REDIS)
        soon(other)
        time.sleep(5 * POLL_S)
        alive(one, 2)
        late.commit()
    soon(one)
    soon(two)


def test_ends_grow_whatever_the_clock_does(instance, log_in):
    """What sessions say is compared with them: two ends are never the same."""
    user = log_in("auditor")
    with connect(instance) as db:
        db.execute("ALTER TABLE eleusis.app_user DISABLE TRIGGER app_user_sessions_end")
        try:
            db.execute(
                "UPDATE eleusis.app_user SET sessions_from = now() + interval '1 hour'"
                " WHERE id = %s",
                [user.user["id"]],
            )
        finally:
            db.execute("ALTER TABLE eleusis.app_user ENABLE TRIGGER app_user_sessions_end")
        end = "SELECT eleusis.user_sessions_end(%s) AS at"
        ends = [db.execute(end, [user.user["id"]]).fetchone()["at"] for _ in range(3)]
    assert ends == sorted(set(ends))
    soon(user)
    alive(user.login(user.email, user.password))


@pytest.mark.full
def test_sessions_wait_for_postgresql_when_a_worker_begins(instance, log_in):
    """503, not a session that may have ended; then all is well."""
    who = log_in("auditor")
    instance.stop_postgres()
    try:
        instance.stop()
        instance.spawn()
        wait_until(instance.listening, 15, "the port")
        reply = None
        for _ in range(50):
            with contextlib.suppress(Exception), who.twin() as api:
                reply = api.get("/v1/me")
                break
            time.sleep(0.2)
        assert reply is not None
        problem(reply, "unavailable")
        assert reply.headers["retry-after"] == "1"
    finally:
        instance.start_postgres()
    wait_until(instance.healthy, 15, "readiness", 0.1)
    wait_until(lambda: who.get("/v1/me").status_code == 200, 5, "the session", 0.1)
    alive(who)


@pytest.mark.full
def test_sessions_wait_when_the_ends_could_not_be_read_for_a_minute(instance, log_in):
    who = log_in("auditor")
    instance.stop_postgres()
    try:
        assert who.get("/v1/me").status_code == 200
        time.sleep(61)
        problem(who.get("/v1/me"), "unavailable")
    finally:
        instance.start_postgres()
    wait_until(lambda: who.get("/v1/me").status_code == 200, 15, "the session", 0.1)


# ---- timeouts and limits of a server's own ----------------------------------------------------

IDLE, BROWSER, LONGEST, MOST = 4, 2, 7, 3


@pytest.fixture(scope="module")
def strict(instance):
    instance.restart(
        ELEUSIS_SESSION_IDLE_S=str(IDLE),
        ELEUSIS_SESSION_IDLE_BROWSER_S=str(BROWSER),
        ELEUSIS_SESSION_MAX_S=str(LONGEST),
        ELEUSIS_SESSIONS_MAX=str(MOST),
    )
    yield instance
    instance.restart()


def test_idle_and_absolute_timeouts(strict, new_user):
    """A browser logs off sooner; use keeps a session, but not for ever."""
    who = new_user("clinician")
    who.login(who.email, who.password)
    began = time.monotonic()
    with (
        Browser(strict).enter(who.email, who.password) as idle,
        Browser(strict).enter(who.email, who.password) as used,
    ):
        assert idle.reply["idle_timeout_seconds"] == BROWSER
        assert who.reply["idle_timeout_seconds"] == IDLE
        while time.monotonic() - began < BROWSER + 0.8:
            assert used.get("/v1/me").status_code == 200
            time.sleep(0.3)
        problem(idle.get("/v1/me"), "unauthenticated")
        assert who.get("/v1/me").status_code == 200
        while used.get("/v1/me").status_code == 200:
            assert time.monotonic() - began < LONGEST + 2, "it never ends"
            time.sleep(0.3)
        assert time.monotonic() - began > LONGEST - 1
        problem(used.get("/v1/me"), "unauthenticated")
        with store(strict) as r:
            assert not r.smembers(f"u:{who.user['id']}") & set(r.scan_iter("s:*"))


def test_who_has_but_a_password_displaces_no_finished_session(strict, new_user):
    who = new_user("clinician")
    who.login(who.email, who.password)
    app = enrol(who)
    half = []
    for _ in range(7):
        api = Api(strict)
        reply = api.post("/v1/auth/login", {"email": who.email, "password": who.password})
        assert reply.json()["stage"] == "second-factor"
        half.append(api.adopt(reply))
    assert who.get("/v1/me").status_code == 200
    states = [api.get("/v1/me").status_code for api in half]
    assert states == [401] * 4 + [200] * 3
    problem(half[-1].get("/v1/me/sessions"), "second-factor-required", set())
    token = half[-1].token
    forget_steps(strict, who.user["id"])
    adopt(half[-1], show(half[-1], code=app.code()))
    assert half[-1].token != token
    with Api(strict, token) as before:
        problem(before.get("/v1/me"), "unauthenticated")
    assert who.get("/v1/me").status_code == 200
    for api in half:
        api.close()


def test_the_limit_is_a_setting(strict, new_user):
    who = new_user("auditor")
    made = [Api(strict).login(who.email, who.password) for _ in range(MOST + 1)]
    assert [api.get("/v1/me").status_code for api in made] == [401] + [200] * MOST
    assert made[-1].get("/v1/me/sessions").json()["max"] == MOST
    for api in made:
        api.close()
