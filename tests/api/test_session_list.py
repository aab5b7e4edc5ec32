"""Sessions as their users and administrators see and end them, and how many there may be."""

import hashlib
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from lib.client import Api, fresh_replies
from lib.cookies import COOKIE, DEVICE_COOKIE, Browser
from lib.db import audit_of, audit_row, connect, keys, redis_bytes, store
from lib.mail import mails, wait_mails
from lib.problem import problem

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
MEMBERS = {
    "id", "current", "created_at", "last_seen_at", "expires_at", "device", "network", "amr",
    "mode", "stage",
}  # fmt: skip
NOWHERE = "01890000-0000-7000-8000-000000000000"
MAX = 10


@pytest.fixture
def more(instance):
    """Further sessions of a user."""
    made = []

    def make(who: Api, agent: str | None = None, source: str | None = None) -> Api:
        api = Api(instance, source=source)
        made.append(api)
        if agent is not None:
            api.http.headers["user-agent"] = agent
        return api.login(who.email, who.password)

    yield make
    for api in made:
        api.close()


def listed(api: Api, path: str = "/v1/me/sessions") -> list[dict]:
    reply = api.get(path)
    assert reply.status_code == 200, reply.text
    return reply.json()["sessions"]


def dead_everywhere(api: Api) -> None:
    """On the very next request, whichever worker gets it."""
    for reply in fresh_replies(api, "/v1/me", 6):
        problem(reply, "unauthenticated")


def works(api: Api) -> None:
    assert {r.status_code for r in fresh_replies(api, "/v1/me", 6)} == {200}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def name_of(r, api: Api) -> bytes:
    """The Redis key of a session: its token's hash is in it."""
    digest = hashlib.blake2b(api.token.encode(), digest_size=32).hexdigest()
    name = f"s:{digest}".encode()
    assert r.exists(name), "sessions are stored under another name"
    return name


# ---- what is shown ------------------------------------------------------------------


def test_one_s_own_sessions(instance, log_in, more):
    who = log_in("clinician")
    with Browser(instance) as browser:
        browser.http.headers["user-agent"] = FIREFOX
        browser.enter(who.email, who.password)
        other = more(who, "nothing we know <b>")
        mine = {s["id"]: s for s in listed(other)}
        ids = [api.reply["session_id"] for api in (who, browser, other)]
        assert set(mine) == set(ids)
        assert all(set(s) == MEMBERS for s in mine.values())
        assert [mine[i]["current"] for i in ids] == [False, False, True]
        assert [mine[i]["device"] for i in ids] == [
            "python-httpx", "Firefox on Linux", "Unknown device",
        ]  # fmt: skip
        assert [mine[i]["mode"] for i in ids] == ["bearer", "cookie", "bearer"]
        for session in mine.values():
            assert session["network"] == "127.0.0.0/24"
            assert session["amr"] == ["pwd"]
            assert session["stage"] == "full"
            assert at(session["expires_at"]) - at(session["created_at"]) == timedelta(hours=12)
            assert (
                timedelta(0) <= datetime.now(UTC) - at(session["created_at"]) < timedelta(hours=1)
            )
        assert who.get("/v1/me/sessions").json()["max"] == MAX


def test_the_one_used_last_comes_first(log_in, more):
    who = log_in("auditor")
    second, third = more(who), more(who)
    time.sleep(0.01)
    assert second.get("/v1/me").status_code == 200
    order = [s["id"] for s in listed(who)]
    assert order == [api.reply["session_id"] for api in (who, second, third)]
    seen = [at(s["last_seen_at"]) for s in listed(who)]
    assert seen == sorted(seen, reverse=True)
    assert abs(datetime.now(UTC) - seen[0]) < timedelta(seconds=5)


def test_when_a_session_was_last_used(instance, log_in, more):
    """What is left of its life in silence tells."""
    who = log_in("auditor")
    idle = more(who)
    with store(instance) as r:
        for name in r.smembers(f"u:{who.user['id']}"):
            r.pexpire(name, (1800 - 600) * 1000)
    ago = {s["id"]: datetime.now(UTC) - at(s["last_seen_at"]) for s in listed(who)}
    assert ago[who.reply["session_id"]] < timedelta(seconds=5)
    created = at(listed(who)[1]["created_at"])
    # Never before it began.
    assert at(listed(who)[1]["last_seen_at"]) == created
    assert ago[idle.reply["session_id"]] < timedelta(minutes=5)


def test_others_see_nothing_of_them(log_in, clinician):
    who, stranger = log_in("clinician"), log_in("clinician")
    assert who.reply["session_id"] not in stranger.get("/v1/me/sessions").text
    path = f"/v1/me/sessions/{who.reply['session_id']}"
    reply = stranger.http.delete(path)
    problem(reply, "not-found")
    works(who)


def test_an_administrator_sees_a_user_s_sessions(instance, log_in, admin, clinician, more):
    who = log_in("service")
    second = more(who)
    path = f"/v1/users/{who.user['id']}/sessions"
    reply = admin.get(path)
    found = reply.json()["sessions"]
    assert {s["id"] for s in found} == {a.reply["session_id"] for a in (who, second)}
    assert not any(s["current"] for s in found)
    row = audit_row(instance, reply, "session.list")
    assert str(row["object_id"]) == who.user["id"]
    problem(admin.get(f"/v1/users/{NOWHERE}/sessions"), "not-found")
    problem(clinician.get(path), "forbidden", set())


def test_expired_and_forged_entries_are_not_listed(instance, log_in, more):
    who = log_in("auditor")
    gone, forged = more(who), more(who)
    names = {}
    with store(instance) as r:
        for api in (gone, forged):
            names[api] = name_of(r, api)
        r.delete(names[gone])
        value = r.get(names[forged])
        r.set(names[forged], value[:-1] + bytes([value[-1] ^ 1]), keepttl=True)
        r.sadd(f"u:{who.user['id']}", "s:zz", "rubbish")
        r.set("rubbish", "x", ex=60)
    assert [s["id"] for s in listed(who)] == [who.reply["session_id"]]


# ---- ending -------------------------------------------------------------------------------


def test_ending_one_of_them(instance, log_in, more):
    who = log_in("clinician")
    lost, kept = more(who), more(who)
    reply = who.http.delete(f"/v1/me/sessions/{lost.reply['session_id']}")
    assert reply.status_code == 204
    dead_everywhere(lost)
    works(kept)
    works(who)
    row = audit_row(instance, reply, "session.end")
    assert (row["object_type"], str(row["object_id"])) == ("session", lost.reply["session_id"])
    assert len(listed(who)) == 2
    problem(who.http.delete(f"/v1/me/sessions/{lost.reply['session_id']}"), "not-found")


def test_ending_the_one_in_use(instance, log_in):
    who = log_in("clinician")
    with Browser(instance).enter(who.email, who.password) as browser:
        reply = browser.send("DELETE", f"/v1/me/sessions/{browser.reply['session_id']}")
        assert reply.status_code == 204
        assert COOKIE not in browser.http.cookies
    works(who)


def test_ending_all_others(instance, log_in, more):
    who = log_in("clinician")
    others = [more(who) for _ in range(3)]
    before = who.twin()
    reply = who.http.delete("/v1/me/sessions")
    audit_row(instance, reply, "session.end_others")
    assert reply.json()["session_id"] == who.reply["session_id"]
    who.adopt(reply)
    for each in [*others, before]:
        dead_everywhere(each)
    works(who)
    assert [s["current"] for s in listed(who)] == [True]
    time.sleep(0.3)  # until all have read of it, who goes on goes on
    works(who)


def test_an_administrator_ends_a_user_s_sessions(instance, log_in, admin, more):
    who = log_in("clinician")
    second = more(who)
    with Browser(instance).enter(who.email, who.password) as browser:
        reply = admin.http.delete(f"/v1/users/{who.user['id']}/sessions")
        assert reply.status_code == 204
        for each in (who, second):
            dead_everywhere(each)
        problem(browser.get("/v1/me"), "unauthenticated")
    row = audit_row(instance, reply, "session.end_user")
    assert str(row["object_id"]) == who.user["id"]
    assert admin.get(f"/v1/users/{who.user['id']}/sessions").json()["sessions"] == []
    works(who.login(who.email, who.password))
    problem(admin.http.delete(f"/v1/users/{NOWHERE}/sessions"), "not-found")


# ---- how many there may be ---------------------------------------------------------------------


def test_one_more_ends_the_one_idle_longest(instance, log_in, more):
    who = log_in("clinician")
    sessions = [who] + [more(who) for _ in range(MAX - 1)]
    time.sleep(0.01)
    for each in [sessions[0], *sessions[2:]]:
        assert each.get("/v1/me").status_code == 200
    last = more(who)
    dead_everywhere(sessions[1])
    for each in [sessions[0], *sessions[2:], last]:
        assert each.get("/v1/me").status_code == 200
    with connect(instance) as db:
        (row,) = db.execute(
            "SELECT object_type, actor_id, detail ->> 'session' AS by FROM eleusis.audit_event"
            " WHERE action = 'session.displaced' AND object_id = %s",
            [sessions[1].reply["session_id"]],
        ).fetchall()
    assert (row["object_type"], str(row["actor_id"])) == ("session", who.user["id"])
    assert row["by"] == last.reply["session_id"]
    assert len(listed(who)) == MAX


def test_parallel_log_ins_at_the_limit(instance, new_user):
    who = new_user("auditor")
    with ThreadPoolExecutor(8) as pool:
        made = list(
            pool.map(lambda _: Api(instance).login(who.email, who.password), range(MAX + 6))
        )
    alive = [api for api in made if api.get("/v1/me").status_code == 200]
    assert len(alive) == MAX
    assert len(listed(alive[0])) == MAX
    with connect(instance) as db:
        displaced = db.execute(
            "SELECT count(*) AS n FROM eleusis.audit_event"
            " WHERE action = 'session.displaced' AND actor_id = %s",
            [alive[0].user["id"]],
        ).fetchone()["n"]
    assert displaced == 6
    for api in made:
        api.close()


# ---- fixation, rotation ---------------------------------------------------------


def test_a_token_set_before_a_log_in_is_never_adopted(instance, log_in):
    """Neither one that is nobody's nor one that is somebody else's."""
    who, attacker = log_in("clinician"), log_in("clinician")
    with Browser(instance).enter(attacker.email, attacker.password) as theirs:
        planted = theirs.cookie
        for value in (planted, "A" * 43):
            with Browser(instance) as browser:
                browser.http.cookies.set(COOKIE, value, domain="localhost.local")
                browser.enter(who.email, who.password)
                assert browser.first.request.headers["cookie"] == f"{COOKIE}={value}"
                (fresh,) = [
                    line.split(";")[0].split("=", 1)[1]
                    for line in browser.first.headers.get_list("set-cookie")
                    if line.startswith(COOKIE + "=")
                ]
                assert fresh != value
            # What was planted knows nothing of who has logged in: it is over.
            with Api(instance) as api:
                reply = api.http.get("/v1/me", headers={"cookie": f"{COOKIE}={value}"})
                problem(reply, "unauthenticated")


def test_a_browser_s_next_log_in_ends_its_session(instance, log_in):
    who = log_in("clinician")
    with Browser(instance).enter(who.email, who.password) as browser:
        first, csrf = browser.cookie, browser.csrf
        before = browser.reply["session_id"]
        browser.enter(who.email, who.password)
        assert [(r["action"], str(r["object_id"])) for r in audit_of(instance, browser.first)] == [
            ("auth.login", who.user["id"]), ("session.displaced", before),
        ]  # fmt: skip
        assert browser.cookie != first
        assert browser.csrf != csrf
        assert browser.get("/v1/me").status_code == 200
    with Api(instance) as api:
        reply = api.http.get("/v1/me", headers={"cookie": f"{COOKIE}={first}"})
        problem(reply, "unauthenticated")
    works(who)


# ---- new devices ------------------------------------------------------------------


def log_in_rows(instance, user: dict) -> list[bool]:
    """Of each log-in: was it from a new device?"""
    with connect(instance) as db:
        found = db.execute(
            "SELECT detail ->> 'new_device' AS new FROM eleusis.audit_event"
            " WHERE action = 'auth.login' AND outcome = 'allowed' AND actor_id = %s ORDER BY id",
            [user["id"]],
        ).fetchall()
    return [row["new"] == "true" for row in found]


def test_a_new_place_is_told_once(instance, log_in, more):
    who = log_in("clinician")
    more(who)
    assert log_in_rows(instance, who.user) == [False, False]
    assert mails(instance, who.email) == []
    more(who, "curl/8.0")
    more(who, "curl/8.1")
    more(who, source="127.0.9.1")
    assert log_in_rows(instance, who.user) == [False, False, True, False, True]
    told = wait_mails(instance, who.email, 2, "new log-in")
    assert len(told) == 2
    assert "Device: curl" in told[0].text
    assert "Network: 127.0.0.0/24" in told[0].text
    assert "Network: 127.0.9.0/24" in told[1].text


def test_a_browser_is_known_by_its_cookie(instance, log_in):
    who = log_in("clinician")
    with Browser(instance).enter(who.email, who.password) as browser:
        browser.enter(who.email, who.password)
        assert log_in_rows(instance, who.user) == [False, True, False]
        del browser.http.cookies[DEVICE_COOKIE]
        browser.enter(who.email, who.password)
    assert log_in_rows(instance, who.user) == [False, True, False, True]
    assert len(wait_mails(instance, who.email, 2)) == 2


def test_a_place_is_forgotten_in_time(instance, log_in, more):
    who = log_in("auditor")

    def age(days: int) -> None:
        with connect(instance) as db:
            db.execute(
                "UPDATE eleusis.known_place SET last_seen_at = now() - make_interval(days => %s)"
                " WHERE user_id = %s",
                [days, who.user["id"]],
            )

    age(29)
    more(who)
    age(31)
    more(who)
    assert log_in_rows(instance, who.user) == [False, False, True]
    with connect(instance) as db:
        (row,) = db.execute(
            "SELECT digest, now() - last_seen_at < interval '1 minute' AS now"
            " FROM eleusis.known_place WHERE user_id = %s",
            [who.user["id"]],
        ).fetchall()
    assert row["now"]
    assert len(row["digest"]) == 32


def test_places_are_few(instance, log_in, more):
    who = log_in("auditor")
    with connect(instance) as db:
        db.execute(
            "INSERT INTO eleusis.known_place SELECT %s, sha256(n::text::bytea),"
            " now() - make_interval(hours => n) FROM generate_series(1, 80) AS n",
            [who.user["id"]],
        )
        more(who, "Wget/1.21")
        left = db.execute(
            "SELECT count(*) AS n, min(last_seen_at) > now() - interval '50 hours' AS latest"
            " FROM eleusis.known_place WHERE user_id = %s",
            [who.user["id"]],
        ).fetchone()
    assert left == {"n": 50, "latest": True}


def test_redis_and_the_database_name_no_place(instance, log_in, more):
    who = log_in("clinician")
    more(who, FIREFOX)
    everything = redis_bytes(instance)
    assert b"Firefox" not in everything
    assert b"127.0.0.0/24" not in b"".join(
        name for name in keys(instance) if name.startswith((b"s:", b"u:"))
    )
