"""Back-off after failed log-ins: what it slows, and whom it must not shut out.

The server runs with settings of this module's own. Each test guesses from
networks of its own (127.x.y.0/24), so that no other test's failures count.
Time is made to pass by moving a counter's own times in Redis.
"""

import itertools
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from http.cookies import SimpleCookie

import httpx
import pytest
from lib import data, device
from lib.client import Api
from lib.db import audit_of, audit_row, connect, store
from lib.device import COOKIE
from lib.metrics import scrape, value
from lib.problem import problem, without_identity

pytestmark = [pytest.mark.restarts, pytest.mark.faults]

LOGIN = "/v1/auth/login"
PASSWORD = "/v1/auth/password"
FREE, FIRST, MAX, NETWORK_FREE, ALERT = 3, 40, 100, 20, 12
DECAY = 3600
SETTINGS = {
    "ELEUSIS_LOCKOUT_FREE": str(FREE),
    "ELEUSIS_LOCKOUT_FIRST_S": str(FIRST),
    "ELEUSIS_LOCKOUT_MAX_S": str(MAX),
    "ELEUSIS_LOCKOUT_DECAY_S": str(DECAY),
    "ELEUSIS_LOCKOUT_NETWORK_FREE": str(NETWORK_FREE),
    "ELEUSIS_LOCKOUT_NETWORK_DECAY_S": str(DECAY),
    "ELEUSIS_LOCKOUT_ALERT": str(ALERT),
}
networks = itertools.count(1)


@pytest.fixture(scope="module", autouse=True)
def server(instance):
    instance.restart(**SETTINGS)
    with store(instance) as r:
        for key in r.scan_iter("l:*"):
            r.delete(key)
    yield instance
    instance.restart()


def network() -> str:
    """The beginning of the addresses of a network that nobody has used."""
    n = next(networks)
    return f"127.{100 + n // 200}.{n % 200}."


@pytest.fixture
def place(instance):
    """Clients, each from the given address or one of a network of its own."""
    made = []

    def make(address: str | None = None) -> Api:
        made.append(Api(instance, source=address or network() + "1"))
        return made[-1]

    yield make
    for api in made:
        api.close()


def attempt(api: Api, email: str, password: str | None = None, **more) -> httpx.Response:
    api.http.cookies.clear()
    return api.post(LOGIN, {"email": email, "password": password or data.password()} | more)


def fail(api: Api, email: str, times: int = 1) -> httpx.Response:
    for _ in range(times):
        reply = attempt(api, email)
        problem(reply, "bad-credentials")
    return reply


def throttled(reply: httpx.Response, seconds: int = FIRST) -> None:
    problem(reply, "login-throttled")
    assert seconds - 10 <= int(reply.headers["retry-after"]) <= seconds


def enter(api: Api, who: Api, **more) -> httpx.Response:
    reply = attempt(api, who.email, who.password, **more)
    assert reply.status_code == 200, reply.text
    return reply


def cookie_of(reply: httpx.Response) -> str:
    found = [SimpleCookie(line) for line in reply.headers.get_list("set-cookie")]
    return next(c[COOKIE].value for c in found if COOKIE in c)


def with_device(api: Api, email: str, password: str, token: str, **more) -> httpx.Response:
    api.http.cookies.clear()
    body = {"email": email, "password": password} | more
    return api.post(LOGIN, body, headers={"cookie": f"{COOKIE}={token}"})


def account_key(instance, email: str) -> str:
    return "l:p:" + device.account(device.subkey(device.root_key(instance)), email).hex()


def counters(instance, email: str) -> list[str]:
    """The account's own counters: those of addresses and devices."""
    with store(instance) as r:
        found = [k.decode() for k in r.scan_iter(account_key(instance, email) + ":*")]
    return [k for k in found if not k.endswith(":i")]


def move(instance, key: str, field: str, seconds: int) -> None:
    with store(instance) as r:
        r.hincrby(key, field, -1000 * seconds)


def over(instance, email: str) -> None:
    """The wait of the account, wherever it has to, is over."""
    with store(instance) as r:
        for key in counters(instance, email):
            if r.hexists(key, "until"):
                r.hset(key, "until", 1)


@pytest.fixture(scope="module")
def user(new_user):
    return new_user("clinician")


# ---- what it slows -----------------------------------------------------------------


def test_the_first_failures_are_free_and_then_one_waits(place, new_user):
    who, api = new_user("clinician"), place()
    fail(api, who.email, FREE)
    reply = attempt(api, who.email)
    throttled(reply)
    assert "no-store" in reply.headers["cache-control"]
    problem(attempt(api, who.email, who.password), "login-throttled")


def test_known_and_unknown_accounts_are_told_the_same(place, new_user):
    real, ghost = new_user("clinician").email, data.email()
    api, other = place(), place()
    replies = [(attempt(api, real), attempt(other, ghost)) for _ in range(FREE + 2)]
    assert [r.status_code for r, _ in replies] == [401] * FREE + [429, 429]
    for one, two in replies:
        assert one.status_code == two.status_code
        assert set(one.headers) == set(two.headers)
        if one.status_code == 401:
            assert without_identity(one.json()) == without_identity(two.json())
        else:
            throttled(one)
            throttled(two)
            assert one.json()["type"] == two.json()["type"]


def test_the_wait_doubles_up_to_the_longest(instance, place):
    email, api = data.email(), place()
    fail(api, email, FREE)
    waits = []
    for _ in range(4):
        waits.append(int(attempt(api, email).headers["retry-after"]))
        over(instance, email)
        fail(api, email)
    wanted = [FIRST, 2 * FIRST, MAX, MAX]
    assert all(w - 5 <= got <= w for got, w in zip(waits, wanted, strict=True)), waits


def test_attempts_that_have_to_wait_do_not_make_it_longer(instance, place):
    email, api = data.email(), place()
    fail(api, email, FREE)
    for _ in range(30):
        throttled(attempt(api, email))
    (key,) = counters(instance, email)
    with store(instance) as r:
        assert int(r.hget(key, "n")) == FREE


def test_failures_are_forgotten_with_time(instance, place):
    email, api = data.email(), place()
    fail(api, email, FREE)
    over(instance, email)
    (key,) = counters(instance, email)
    move(instance, key, "at", 2 * DECAY)
    fail(api, email, 2)
    throttled(attempt(api, email))
    with store(instance) as r:
        assert 0 < r.pttl(key) <= (FREE + 1) * DECAY * 1000


def test_spelling_the_account_otherwise_gains_nothing(place, new_user):
    who, api = new_user("clinician"), place()
    fail(api, who.email, 1)
    fail(api, who.email.upper(), 1)
    fail(api, who.email.title(), FREE - 2)
    throttled(attempt(api, who.email.swapcase()))


def test_letters_that_only_become_the_same_name_no_account(instance, place, new_user):
    """The Kelvin sign is a k in lower case: as a spelling it would count apart."""
    who, api = new_user("clinician"), place()
    with connect(instance) as db:
        email = "k" + who.email
        db.execute("UPDATE eleusis.app_user SET email = %s WHERE email = %s", [email, who.email])
    assert attempt(api, email, who.password).status_code == 200
    assert attempt(api, "K" + email[1:], who.password).status_code == 200
    problem(attempt(api, "\u212a" + email[1:], who.password), "bad-credentials")


def test_many_at_once_are_no_more_guesses(instance, place):
    """However many connections and workers: as many as one after the other."""
    email, address, size = data.email(), network() + "9", instance.log_size()

    def guess(_) -> int:
        with Api(instance, source=address) as api:
            return attempt(api, email).status_code

    with ThreadPoolExecutor(25) as pool:
        found = list(pool.map(guess, range(100)))
    assert found.count(401) == FREE, found
    assert found.count(429) == 100 - FREE
    mine = [x for x in instance.log_lines(size) if x.get("client.ip") == address]
    assert len(mine) == 100
    if len(instance.worker_pids()) > 1:
        assert len({x["process.pid"] for x in mine}) > 1, "one worker answered all"


def test_a_log_in_forgets_the_failures_of_the_account_there(place, new_user):
    who, api = new_user("clinician"), place()
    for _ in range(3):
        fail(api, who.email, FREE - 1)
        enter(api, who)
    fail(api, who.email, FREE)
    throttled(attempt(api, who.email))


def test_an_attempt_whose_password_was_not_looked_at_is_none(instance, place, new_user):
    who, api = new_user("clinician"), place()
    name = "FUNCTION eleusis.user_by_email(text)"
    with connect(instance) as db:
        db.execute(f"REVOKE EXECUTE ON {name} FROM eleusis_server")
        try:
            for _ in range(FREE + 3):
                problem(attempt(api, who.email), "internal")
        finally:
            db.execute(f"GRANT EXECUTE ON {name} TO eleusis_server")
    assert counters(instance, who.email) == []
    fail(api, who.email, FREE)
    throttled(attempt(api, who.email))


# ---- whom it must not shut out -------------------------------------------------------


def test_a_thousand_failures_do_not_keep_the_owner_out(instance, place, new_user):
    """Not from another address, nor from her own browser at the attacker's address."""
    who, base = new_user("clinician"), network()
    attacker = base + "66"
    known = cookie_of(enter(place(attacker), who, mode="cookie"))

    def guess(_) -> list[int]:
        with Api(instance, source=attacker) as api:
            return [attempt(api, who.email).status_code for _ in range(100)]

    with ThreadPoolExecutor(4) as pool:
        statuses = [s for many in pool.map(guess, range(10)) for s in many]
    assert len(statuses) == 1000
    assert set(statuses) == {401, 429}
    assert statuses.count(401) == FREE
    enter(place(), who)
    throttled(attempt(place(attacker), who.email, who.password))
    api = place(attacker)
    assert with_device(api, who.email, who.password, known).status_code == 200
    throttled(attempt(api, who.email, who.password))


def spray(api: Api, times: int) -> None:
    """One failure each, of accounts that are nobody's."""
    for _ in range(times):
        fail(api, data.email())


def test_a_network_that_tries_many_accounts_has_to_wait(instance, place, new_user):
    regular, stranger, base = new_user("clinician"), new_user("clinician"), network()
    enter(place(base + "7"), regular)
    own = cookie_of(enter(place(), stranger, mode="cookie"))
    spray(place(base + "66"), NETWORK_FREE)
    throttled(attempt(place(base + "67"), data.email()))
    throttled(attempt(place(base + "7"), stranger.email, stranger.password))
    # Who has logged in there lately, or brings a known device, is let through.
    enter(place(base + "7"), regular)
    reply = with_device(place(base + "7"), stranger.email, stranger.password, own)
    assert reply.status_code == 200
    # Nor does it cost other networks, and their log-ins do not end it.
    enter(place(), stranger)
    throttled(attempt(place(base + "67"), data.email()))


def test_a_log_in_does_not_forget_the_failures_of_the_network(place, new_user):
    who, base = new_user("clinician"), network()
    for i in range(4):
        spray(place(f"{base}{i + 1}"), NETWORK_FREE // 4)
        enter(place(base + "200"), who)
    throttled(attempt(place(base + "99"), data.email()))


def test_log_ins_are_not_counted_against_their_network(place, new_user):
    who, api = new_user("clinician"), place()
    for _ in range(NETWORK_FREE + 5):
        enter(api, who)
    fail(api, data.email())


def test_being_known_at_an_address_is_no_free_pass(place, new_user):
    who, api = new_user("clinician"), place()
    enter(api, who)
    fail(api, who.email, FREE)
    throttled(attempt(api, who.email, who.password))


def test_log_ins_of_ones_own_do_not_end_the_wait_of_a_network(place, new_user):
    """Else an attacker with an account would go on guessing others'."""
    mine, base = new_user("clinician"), network()
    enter(place(base + "66"), mine)
    spray(place(base + "66"), NETWORK_FREE)
    for _ in range(30):
        enter(place(base + "66"), mine)
    throttled(attempt(place(base + "66"), data.email()))


# ---- known devices -------------------------------------------------------------------


def test_the_cookie_of_a_device_has_every_guard(place, new_user):
    who, api = new_user("clinician"), place()
    reply = enter(api, who, mode="cookie")
    (line,) = [x for x in reply.headers.get_list("set-cookie") if COOKIE in x]
    morsel = SimpleCookie(line)[COOKIE]
    assert len(morsel.value) == 119
    assert (morsel["path"], morsel["domain"]) == ("/", "")
    assert morsel["secure"] is True
    assert morsel["httponly"] is True
    assert morsel["samesite"].lower() == "strict"
    assert int(morsel["max-age"]) == 180 * 86400
    assert morsel.value not in reply.text


def test_programs_get_no_cookie(place, user):
    assert "set-cookie" not in enter(place(), user).headers


def test_a_device_logs_nobody_in(place, new_user):
    who, api = new_user("clinician"), place()
    known = cookie_of(enter(api, who, mode="cookie"))
    api.http.cookies.clear()
    reply = api.http.get("/v1/me", headers={"cookie": f"{COOKIE}={known}"})
    problem(reply, "unauthenticated")
    problem(with_device(api, who.email, data.password(), known), "bad-credentials")


def test_a_stolen_device_has_the_tries_of_one_address(place, new_user):
    """From however many addresses; and the owner elsewhere keeps hers."""
    who = new_user("clinician")
    known = cookie_of(enter(place(), who, mode="cookie"))
    for _ in range(FREE):
        problem(with_device(place(), who.email, data.password(), known), "bad-credentials")
    throttled(with_device(place(), who.email, data.password(), known))
    throttled(with_device(place(), who.email, who.password, known))
    enter(place(), who)


def test_log_ins_keep_the_device(instance, place, new_user):
    who, api = new_user("clinician"), place()
    known = cookie_of(enter(api, who, mode="cookie"))
    problem(with_device(api, who.email, data.password(), known), "bad-credentials")
    (key,) = [k for k in counters(instance, who.email) if ":d:" in k]
    reply = with_device(api, who.email, who.password, known, mode="cookie")
    later = cookie_of(reply)
    assert later != known
    assert not [k for k in counters(instance, who.email) if ":d:" in k], "not forgotten"
    problem(with_device(api, who.email, data.password(), later), "bad-credentials")
    assert [k for k in counters(instance, who.email) if ":d:" in k] == [key]


def exhausted(place, email: str) -> Api:
    """A client at an address where the account has to wait."""
    api = place()
    fail(api, email, FREE)
    throttled(attempt(api, email))
    return api


def test_a_device_is_known_to_its_account_only(place, new_user):
    who, other = new_user("clinician"), new_user("clinician")
    known = cookie_of(enter(place(), who, mode="cookie"))
    api = exhausted(place, other.email)
    throttled(with_device(api, other.email, other.password, known))
    changed = known[:40] + ("A" if known[40] != "A" else "B") + known[41:]
    api = exhausted(place, who.email)
    for token in (changed, known[:-1], known + "A", "", "x"):
        throttled(with_device(api, who.email, who.password, token))
    assert with_device(api, who.email, who.password, known).status_code == 200


def test_a_device_is_known_for_a_time(instance, place, new_user):
    who = new_user("clinician")
    api = exhausted(place, who.email)
    with connect(instance) as db:
        row = db.execute(
            "SELECT password_hash FROM eleusis.app_user WHERE email = %s", [who.email]
        ).fetchone()
    root, day, now = device.root_key(instance), 86400 * 10**6, time.time_ns() // 1000

    def made(at: int) -> str:
        return device.token(root, who.email, row["password_hash"], at)

    throttled(with_device(api, who.email, who.password, made(now - 181 * day)))
    assert with_device(api, who.email, who.password, made(now - 179 * day)).status_code == 200


def test_a_change_of_the_password_ends_known_devices(instance, place, new_user):
    """But for the browser that makes it."""
    who, new = new_user("clinician"), data.password()
    old = cookie_of(enter(place(), who, mode="cookie"))
    api = place()
    reply = enter(api, who, mode="cookie")
    mine, csrf = cookie_of(reply), reply.json()["csrf_token"]
    changed = api.post(
        PASSWORD,
        {"current_password": who.password, "new_password": new},
        headers={"x-csrf-token": csrf},
    )
    assert changed.status_code == 200
    fresh = cookie_of(changed)
    api = exhausted(place, who.email)
    for token in (old, mine):
        throttled(with_device(api, who.email, new, token))
    assert with_device(api, who.email, new, fresh).status_code == 200


def test_a_new_password_from_eleusisctl_ends_known_devices(instance, place, new_user):
    who = new_user("clinician")
    known = cookie_of(enter(place(), who, mode="cookie"))
    instance.ctl("user", "reset-password", who.email)
    api = exhausted(place, who.email)
    throttled(with_device(api, who.email, who.password, known))


def test_strangers_do_not_use_up_the_limit_of_a_known_device(instance, place, new_user):
    """Log-ins are also limited by address: hers must not be the attacker's to spend."""
    who, address = new_user("clinician"), network() + "66"
    known = cookie_of(enter(place(), who, mode="cookie"))
    instance.restart(**SETTINGS, ELEUSIS_RATE_AUTH="5")
    try:
        for _ in range(8):
            reply = attempt(place(address), data.email())
        problem(reply, "rate-limited")
        problem(attempt(place(address), who.email, who.password), "rate-limited")
        api = place(address)
        assert with_device(api, who.email, who.password, known).status_code == 200
        # It is a limit of its own, not none.
        for _ in range(8):
            reply = with_device(api, who.email, who.password, known)
        problem(reply, "rate-limited")
        forged = known[:-2] + ("A" if known[-2] != "A" else "B") + known[-1]
        problem(with_device(place(address), who.email, who.password, forged), "rate-limited")
    finally:
        instance.restart(**SETTINGS)


# ---- guessing from everywhere ----------------------------------------------------------


def lockouts(instance, email: str) -> list[dict]:
    """The rows about one account, oldest first."""
    digest = account_key(instance, email)[4:]
    with connect(instance) as db:
        return db.execute(
            "SELECT outcome, object_type, object_id, request_id, detail FROM eleusis.audit_event"
            " WHERE action = 'auth.lockout' AND detail ->> 'account' = %s ORDER BY id",
            [digest],
        ).fetchall()


def test_guesses_from_many_networks_raise_the_alert(instance, place, new_user):
    who, size = new_user("clinician"), instance.log_size()
    before = scrape(place())
    home, away = place(), place()
    enter(home, who)
    own = cookie_of(enter(place(), who, mode="cookie"))
    for _ in range(ALERT // 2):
        fail(place(), who.email, 2)
    (row,) = lockouts(instance, who.email)
    reply_id = who_of(instance, who.email)
    assert row["outcome"] == "denied"
    assert (row["object_type"], row["object_id"]) == ("user", reply_id)
    detail = row["detail"]
    assert (detail["by"], detail["factor"]) == ("everywhere", "password")
    assert (detail["failures"], detail["places"]) == (ALERT, ALERT // 2)
    lines = [x for x in instance.log_lines(size) if x.get("event.action") == "auth.alert"]
    assert [str(row["request_id"]) in x["message"] for x in lines] == [True]
    grown = value(scrape(place()), "eleusis_lockout_alerts_total") - value(
        before, "eleusis_lockout_alerts_total"
    )
    assert grown == 1
    # From now on an unknown place has one try; places that are known have all.
    fail(away, who.email, 1)
    throttled(attempt(away, who.email))
    fail(home, who.email, FREE - 1)
    enter(home, who)
    api = place()
    for _ in range(FREE - 1):
        problem(with_device(api, who.email, data.password(), own), "bad-credentials")
    assert with_device(api, who.email, who.password, own).status_code == 200
    enter(place(), who)
    # The next row comes with twice as many failures.
    while len(everywhere(instance, who.email)) < 2:
        fail(place(), who.email, 1)
    assert everywhere(instance, who.email)[1]["failures"] == 2 * ALERT


def everywhere(instance, email: str) -> list[dict]:
    rows = lockouts(instance, email)
    return [r["detail"] for r in rows if r["detail"]["by"] == "everywhere"]


def who_of(instance, email: str):
    with connect(instance) as db:
        return db.execute("SELECT id FROM eleusis.app_user WHERE email = %s", [email]).fetchone()[
            "id"
        ]


# ---- what is recorded --------------------------------------------------------------------


def test_the_beginning_of_a_back_off_is_in_the_audit_log(instance, place, new_user):
    who, base, size = new_user("clinician"), network(), instance.log_size()
    api = place(base + "66")
    fail(api, who.email, FREE - 1)
    assert lockouts(instance, who.email) == []
    reply = fail(api, who.email)
    rows = audit_of(instance, reply)
    assert sorted(r["action"] for r in rows) == ["auth.lockout", "auth.login"]
    assert {r["outcome"] for r in rows} == {"denied"}
    (row,) = lockouts(instance, who.email)
    assert row["detail"] == {
        "by": "account",
        "factor": "password",
        "account": account_key(instance, who.email)[4:],
        "failures": FREE,
        "network": base + "66/32",
    }
    assert row["object_id"] == who_of(instance, who.email)
    # Neither refusals nor longer waits make more of them.
    for wait in (FIRST, 2 * FIRST):
        throttled(attempt(api, who.email), wait)
        over(instance, who.email)
        fail(api, who.email)
    assert len(lockouts(instance, who.email)) == 1
    lines = [x for x in instance.log_lines(size) if x.get("event.action") == "auth.lockout"]
    assert len(lines) == 1
    assert who.email not in str(lines)


def test_so_is_that_of_an_account_that_is_nobodys(instance, place):
    email, api = data.email(), place()
    fail(api, email, FREE)
    (row,) = lockouts(instance, email)
    assert (row["object_type"], row["object_id"]) == (None, None)
    assert row["detail"]["failures"] == FREE
    assert email not in str(row)


def test_so_is_that_of_a_network(instance, place):
    base = network()
    spray(place(base + "66"), NETWORK_FREE - 1)
    reply = fail(place(base + "67"), data.email())
    (row,) = [r for r in audit_of(instance, reply) if r["action"] == "auth.lockout"]
    assert row["detail"] == {"by": "network", "factor": "password", "network": base + "0/24"}


def test_refusals_are_counted_and_make_no_rows_of_their_own(instance, place):
    email, api = data.email(), place()
    before = scrape(api)
    fail(api, email, FREE)
    replies = [attempt(api, email) for _ in range(5)]
    for reply in replies:
        throttled(reply)
        assert audit_of(instance, reply) == []
    after = scrape(api)

    def grown(name: str, **labels: str) -> float:
        return value(after, name, **labels) - value(before, name, **labels)

    assert grown("eleusis_logins_total", outcome="throttled") == 5
    assert grown("eleusis_logins_total", outcome="failure") == FREE
    assert grown("eleusis_denials_total", kind="throttled") == 5
    assert grown("eleusis_lockouts_total", by="account") == 1
    assert grown("eleusis_pool_jobs_total") == FREE, "a refusal hashes nothing"


def test_redis_holds_no_names(instance, place, new_user):
    who, api = new_user("clinician"), place()
    fail(api, who.email, FREE)
    enter(place(), who, mode="cookie")
    with store(instance) as r:
        text = b" ".join(
            key + str(r.hgetall(key) if r.type(key) == b"hash" else "").encode()
            for key in r.scan_iter("l:*")
        )
    assert account_key(instance, who.email).encode() in text
    for part in (who.email, *who.email.split("@")):
        assert part.encode() not in text


# ---- the password's change -----------------------------------------------------------------


def change(api: Api, current: str) -> httpx.Response:
    return api.post(PASSWORD, {"current_password": current, "new_password": data.password()})


def test_a_change_of_the_password_is_under_the_same_protection(instance, place, new_user):
    who, address = new_user("clinician"), network() + "5"
    api = place(address).login(who.email, who.password)
    for _ in range(FREE):
        problem(change(api, data.password()), "bad-credentials")
    reply = change(api, who.password)
    throttled(reply)
    row = audit_row(instance, reply, "auth.password", "denied")
    assert str(row["actor_id"]) == api.user["id"]
    assert row["detail"]["problem"] == "login-throttled"
    throttled(attempt(place(address), who.email, who.password))
    elsewhere = place().login(who.email, who.password)
    assert change(elsewhere, who.password).status_code == 200


# ---- unlocking -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def boss(instance, new_user):
    who = new_user("admin")
    with Api(instance).login(who.email, who.password) as api:
        yield api


def unlock(api: Api, user) -> httpx.Response:
    return api.post(f"/v1/users/{user}/unlock")


def test_an_administrator_unlocks_an_account(instance, place, new_user, boss):
    who = new_user("clinician")
    known = cookie_of(enter(place(), who, mode="cookie"))
    for _ in range(FREE):
        problem(with_device(place(), who.email, data.password(), known), "bad-credentials")
    one, two = exhausted(place, who.email), exhausted(place, who.email)
    id = who_of(instance, who.email)
    reply = unlock(boss, id)
    assert (reply.status_code, reply.content) == (204, b"")
    row = audit_row(instance, reply, "user.unlock")
    assert (row["object_type"], row["object_id"]) == ("user", id)
    assert str(row["actor_id"]) == boss.user["id"]
    with store(instance) as r:
        assert not r.exists(account_key(instance, who.email))
    enter(one, who)
    enter(two, who)
    assert with_device(place(), who.email, who.password, known).status_code == 200


def test_unlocking_gives_no_more_than_the_free_tries(instance, place, new_user, boss):
    who = new_user("clinician")
    api = exhausted(place, who.email)
    assert unlock(boss, who_of(instance, who.email)).status_code == 204
    fail(api, who.email, FREE)
    throttled(attempt(api, who.email))


def test_unlocking_leaves_others_alone(instance, place, new_user, boss):
    who, other = new_user("clinician"), new_user("clinician")
    exhausted(place, who.email)
    api = exhausted(place, other.email)
    assert unlock(boss, who_of(instance, who.email)).status_code == 204
    throttled(attempt(api, other.email, other.password))


def test_unlocking_what_is_not_there(instance, boss):
    id = data.uuid7()
    reply = unlock(boss, id)
    problem(reply, "not-found")
    row = audit_row(instance, reply, "user.unlock", "denied")
    assert row["object_id"] == id
    problem(unlock(boss, "nobody"), "not-found")


@pytest.mark.parametrize("role", ["clinician", "auditor", "service"])
def test_unlocking_takes_the_scope(instance, place, new_user, role):
    who = new_user(role)
    with Api(instance).login(who.email, who.password) as api:
        reply = unlock(api, api.user["id"])
        problem(reply, "forbidden")
        audit_row(instance, reply, "user.unlock", "denied")
    with Api(instance) as nobody:
        problem(unlock(nobody, who_of(instance, who.email)), "unauthenticated")


def test_eleusisctl_unlocks_an_account(instance, place, new_user):
    who = new_user("clinician")
    api = exhausted(place, who.email)
    out = instance.ctl("user", "unlock", who.email.upper()).stdout
    assert who.email in out
    enter(api, who)
    with connect(instance) as db:
        (row,) = db.execute(
            "SELECT actor_kind, outcome, detail ->> 'tool' AS tool FROM eleusis.audit_event"
            " WHERE action = 'user.unlock' AND object_id = %s",
            [who_of(instance, who.email)],
        ).fetchall()
    assert row == {"actor_kind": "system", "outcome": "allowed", "tool": "eleusisctl"}


def test_eleusisctl_says_when_it_cannot(instance, new_user):
    who = new_user("clinician")
    done = instance.ctl("user", "unlock", data.email(), check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "there is no user" in done.stderr
    done = instance.ctl("user", "unlock", who.email, check=False, ELEUSIS_REDIS_PORT="1")
    assert (done.returncode, done.stdout) == (1, "")
    assert "could not be cleared" in done.stderr
    done = instance.ctl("user", "unlock", who.email, check=False, ELEUSIS_KEY_DIR="/nonexistent")
    assert (done.returncode, done.stdout) == (1, "")
    assert "key_dir" in done.stderr


# ---- time tells nothing ----------------------------------------------------------------------


def times(work: dict, rounds: int) -> dict[str, list[float]]:
    """How long each takes, turn by turn, so that all see the same weather."""
    found: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(rounds):
        for name, ask in work.items():
            start = time.perf_counter()
            ask()
            found[name].append(time.perf_counter() - start)
    return found


def alike(found: dict[str, list[float]]) -> None:
    """Medians within half of the least: hashing or not differs by far more."""
    medians = {name: statistics.median(each) for name, each in found.items()}
    assert max(medians.values()) < 1.5 * min(medians.values()), medians


def test_a_throttled_account_takes_the_same_time_whether_it_exists(place, new_user):
    who, ghost = new_user("clinician"), data.email()
    api = place()
    fail(api, who.email, FREE)
    fail(api, ghost, FREE)
    alike(
        times(
            {
                "account": lambda: throttled(attempt(api, who.email)),
                "owner": lambda: throttled(attempt(api, who.email, who.password)),
                "nobody": lambda: throttled(attempt(api, ghost)),
            },
            40,
        )
    )
