"""Log-in, log-out, the account, and changing a password."""

import statistics
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from lib import data
from lib.client import Api, fresh_replies
from lib.db import audit_of, audit_row, connect, held, store, wait_for_waiters
from lib.problem import field_code, problem, without_identity
from lib.process import wait_until
from lib.tables import roles

LOGIN = "/v1/auth/login"


def credentials(api: Api, **changes) -> dict:
    return {"email": api.email, "password": api.password} | changes


@pytest.fixture(scope="module")
def user(new_user):
    return new_user("clinician", "Hedwig Fröhlich")


def test_login_answers_a_bearer_session(anonymous, user):
    reply = anonymous.post(LOGIN, credentials(user))
    assert reply.status_code == 200
    body = reply.json()
    assert set(body) == {
        "token", "session_id", "stage", "methods", "amr", "step_up_until", "expires_at",
        "idle_timeout_seconds", "password_change_required", "user",
    }  # fmt: skip
    assert (body["stage"], body["amr"], body["methods"]) == ("full", ["pwd"], ["password"])
    assert len(body["token"]) == 43
    assert body["password_change_required"] is False
    assert body["idle_timeout_seconds"] == 1800
    assert body["expires_at"].endswith("Z")
    assert body["user"] | {"id": 0} == {
        "id": 0,
        "email": user.email,
        "name": "Hedwig Fröhlich",
        "role": "clinician",
        "scopes": roles()["clinician"],
    }
    assert "set-cookie" not in reply.headers
    assert "no-store" in reply.headers["cache-control"]


@pytest.mark.parametrize("role", sorted(roles()))
def test_every_role_gets_its_scopes(log_in, role):
    api = log_in(role)
    me = api.get("/v1/me").json()
    assert me["user"] == api.user
    assert set(me["user"]["scopes"]) == set(roles()[role])
    assert me["session"]["mode"] == "bearer"
    assert me["session"]["created_at"] < me["session"]["expires_at"] == api.reply["expires_at"]


def test_tokens_are_never_the_same(anonymous, user):
    tokens = {anonymous.post(LOGIN, credentials(user)).json()["token"] for _ in range(5)}
    assert len(tokens) == 5


def test_email_is_matched_without_case(anonymous, user):
    reply = anonymous.post(LOGIN, credentials(user, email=user.email.upper()))
    assert reply.status_code == 200
    assert reply.json()["user"]["email"] == user.email


def test_wrong_password_and_unknown_user_look_the_same(anonymous, user):
    wrong = anonymous.post(LOGIN, credentials(user, password=data.password()))
    unknown = anonymous.post(LOGIN, {"email": data.email(), "password": user.password})
    first, second = problem(wrong, "bad-credentials"), problem(unknown, "bad-credentials")
    assert without_identity(first) == without_identity(second)
    assert set(wrong.headers) == set(unknown.headers)


def test_a_refusal_takes_the_same_time_whatever_the_reason(instance, anonymous, new_user):
    """All are hashed and recorded; a hash left out would show as a half or less."""
    who, shut = new_user("clinician"), new_user("clinician")
    instance.ctl("user", "disable", shut.email)
    asked = {
        "unknown": {"email": data.email(), "password": who.password},
        "wrong": credentials(who, password=data.password()),
        "disabled, right": credentials(shut),
        "disabled, wrong": credentials(shut, password=data.password()),
    }
    took: dict[str, list[float]] = {name: [] for name in asked}
    for _ in range(25):
        for name, body in asked.items():
            start = time.perf_counter()
            reply = anonymous.post(LOGIN, body)
            took[name].append(time.perf_counter() - start)
            problem(reply, "bad-credentials")
    medians = {name: statistics.median(each) for name, each in took.items()}
    assert max(medians.values()) < 1.5 * min(medians.values()), medians


def test_password_is_matched_with_case_and_in_full(anonymous, user):
    for password in (user.password.swapcase(), user.password[:-1], user.password + " "):
        problem(anonymous.post(LOGIN, credentials(user, password=password)), "bad-credentials")


def test_failed_logins_are_in_the_audit_log_without_the_address(instance, anonymous, user):
    for body in (
        credentials(user, password=data.password()),
        {"email": data.email(), "password": data.password()},
    ):
        reply = anonymous.post(LOGIN, body)
        row = audit_row(instance, reply, "auth.login", "denied")
        assert row["client_ip"] in ("127.0.0.1", "::1")
        assert body["email"] not in str(row)
        assert body["password"] not in str(row)


def test_login_logout_and_password_are_in_the_audit_log(instance, anonymous, new_user):
    who = new_user("service")
    reply = anonymous.post(LOGIN, credentials(who))
    mine = reply.json()["user"]["id"]
    row = audit_row(instance, reply, "auth.login")
    assert (row["actor_kind"], str(row["actor_id"])) == ("user", mine)
    with Api(instance, reply.json()["token"]) as api:
        change = {"current_password": who.password, "new_password": data.password()}
        reply = api.post("/v1/auth/password", change)
        api.adopt(reply)
        row = audit_row(instance, reply, "auth.password")
        assert str(row["actor_id"]) == mine
        assert change["new_password"] not in str(row)
        row = audit_row(instance, api.post("/v1/auth/logout"), "auth.logout")
        assert str(row["actor_id"]) == mine


def outcomes(instance, reply: httpx.Response) -> list[tuple[str, str]]:
    return [(row["action"], row["outcome"]) for row in audit_of(instance, reply)]


OVERTAKING = {
    "password": "password_hash = overlay(password_hash PLACING 'AAAA' FROM 60),"
    " updated_at = now()",  # which a hash made anew of the same password leaves alone
    "disabled": "disabled = true",
    "role": "role = 'auditor'",
}


@pytest.mark.parametrize("change", OVERTAKING)
def test_a_login_that_a_change_overtakes_leaves_no_session(instance, anonymous, new_user, change):
    """The old password was right when it was read; the change came before the session."""
    who = new_user("clinician")
    hold = "LOCK TABLE eleusis.audit_event IN SHARE MODE"
    with ThreadPoolExecutor(1) as pool:
        with held(instance, hold) as db:
            asked = pool.submit(anonymous.post, LOGIN, credentials(who))
            wait_for_waiters(instance, 1)
            db.execute(
                f"UPDATE eleusis.app_user SET {OVERTAKING[change]} WHERE email = %s", [who.email]
            )
        reply = asked.result()
    problem(reply, "bad-credentials")
    assert outcomes(instance, reply) == [("auth.login", "allowed"), ("auth.login", "denied")]
    user = audit_of(instance, reply)[1]["object_id"]
    with store(instance) as r:
        assert not r.exists(f"u:{user}")


@pytest.mark.parametrize(
    ("changes", "pointers"),
    [
        ({"email": None}, {"/email"}),
        ({"password": None}, {"/password"}),
        ({"email": 7, "password": []}, {"/email", "/password"}),
        ({"email": "", "password": ""}, {"/email", "/password"}),
        ({"email": "a" * 1100 + "@b.example"}, {"/email"}),
        ({"password": "x" * 1025}, {"/password"}),
        ({"email": "a\0b@c.example"}, {"/email"}),
        ({"mode": "oauth"}, {"/mode"}),
        ({"mode": None}, {"/mode"}),
        ({"remember": True, "mode": 1}, {"/remember", "/mode"}),
    ],
)
def test_login_body_is_checked(anonymous, changes, pointers):
    body = {"email": data.email(), "password": data.password()} | changes
    problem(anonymous.post(LOGIN, body), "validation-failed", pointers)


def test_login_names_what_is_missing(anonymous):
    found = problem(anonymous.post(LOGIN, {}), "validation-failed", {"/email", "/password"})
    assert field_code(found, "/email") == field_code(found, "/password") == "required"


def test_logout_ends_the_session_at_once_in_every_worker(log_in):
    api = log_in("clinician")
    assert api.get("/v1/me").status_code == 200
    assert all(r.status_code == 200 for r in fresh_replies(api, "/v1/me", 6))
    reply = api.post("/v1/auth/logout")
    assert reply.status_code == 204
    assert reply.content == b""
    problem(api.get("/v1/me"), "unauthenticated")
    for reply in fresh_replies(api, "/v1/me", 12):
        problem(reply, "unauthenticated")
    problem(api.post("/v1/auth/logout"), "unauthenticated")


def test_logout_leaves_other_sessions_alone(instance, log_in):
    first = log_in("clinician")
    with Api(instance).login(first.email, first.password) as second:
        assert first.post("/v1/auth/logout").status_code == 204
        assert second.get("/v1/me").status_code == 200


BAD_AUTHORIZATION = {
    "none": None,
    "scheme only": "Bearer",
    "short": "Bearer " + "A" * 42,
    "long": "Bearer " + "A" * 44,
    "unknown": "Bearer " + "A" * 43,
    "alphabet": "Bearer " + "!" * 43,
    "standard base64": "Bearer " + "+" * 43,
    "basic": "Basic YWRtaW46YWRtaW4=",
    "two": "Bearer " + "A" * 43 + ", Bearer " + "B" * 43,
    "token only": "A" * 43,
    "huge": "Bearer " + "A" * 2000,
}


@pytest.mark.parametrize("name", BAD_AUTHORIZATION)
def test_bad_authorization_is_unauthenticated(anonymous, name):
    value = BAD_AUTHORIZATION[name]
    headers = {} if value is None else {"authorization": value}
    reply = anonymous.http.get("/v1/me", headers=headers)
    problem(reply, "unauthenticated")
    assert reply.headers["www-authenticate"].startswith("Bearer")


def test_a_changed_token_is_no_token(clinician, anonymous):
    for position in (0, 21, 41):
        other = "A" if clinician.token[position] != "A" else "B"
        token = clinician.token[:position] + other + clinician.token[position + 1 :]
        reply = anonymous.http.get("/v1/me", headers={"authorization": f"Bearer {token}"})
        problem(reply, "unauthenticated")


def test_the_scheme_is_matched_without_case(clinician, anonymous):
    for scheme in ("bearer", "BEARER"):
        headers = {"authorization": f"{scheme} {clinician.token}"}
        assert anonymous.http.get("/v1/me", headers=headers).status_code == 200


def test_unauthenticated_requests_reach_no_data(anonymous, instance):
    """Authentication comes before the body, the query and the object."""
    some = "01890000-0000-7000-8000-000000000000"
    replies: list[httpx.Response] = [
        anonymous.get("/v1/patients"),
        anonymous.get("/v1/patients", limit="x"),
        anonymous.post("/v1/patients", {"bad": 1}),
        anonymous.get(f"/v1/patients/{some}"),
        anonymous.patch(f"/v1/patients/{some}", {}),
        anonymous.post("/v1/predictions", {}),
        anonymous.get("/v1/audit/events"),
        anonymous.post("/v1/auth/logout"),
        anonymous.post("/v1/auth/password", {}),
    ]
    for reply in replies:
        problem(reply, "unauthenticated", set())
        assert not [r for r in audit_of(instance, reply) if r["outcome"] == "allowed"]


# ---- passwords ----------------------------------------------------------------


def change_password(api: Api, new: str, current: str | None = None) -> httpx.Response:
    body = {"current_password": current or api.password, "new_password": new}
    reply = api.post("/v1/auth/password", body)
    if reply.status_code == 200:
        api.adopt(reply)
    return reply


def test_a_password_change_ends_the_other_sessions(instance, log_in, anonymous):
    api = log_in("clinician")
    with Api(instance).login(api.email, api.password) as other:
        new = data.password()
        before = api.twin()
        assert change_password(api, new).status_code == 200
        assert api.token != before.token
        assert api.get("/v1/me").status_code == 200
        problem(before.get("/v1/me"), "unauthenticated")
        problem(other.get("/v1/me"), "unauthenticated")
    problem(anonymous.post(LOGIN, credentials(api)), "bad-credentials")
    assert anonymous.post(LOGIN, credentials(api, password=new)).status_code == 200


def test_a_password_change_needs_the_current_one(log_in, anonymous):
    api = log_in("auditor")
    reply = change_password(api, data.password(), current=data.password())
    problem(reply, "bad-credentials")
    assert anonymous.post(LOGIN, credentials(api)).status_code == 200
    assert api.get("/v1/me").status_code == 200


@pytest.mark.parametrize("length", [0, 1, 11, 1025])
def test_a_new_password_has_12_to_1024_characters(clinician, length):
    problem(change_password(clinician, "p" * length), "validation-failed", {"/new_password"})


@pytest.mark.parametrize("new", ["é" * 513, "🔒" * 257, "y" * 1023 + "é"])
def test_a_new_password_has_at_most_1024_bytes(clinician, new):
    found = problem(change_password(clinician, new), "validation-failed", {"/new_password"})
    assert field_code(found, "/new_password") == "max_length"
    assert "1024 bytes" in found["errors"][0]["detail"]


@pytest.mark.parametrize(
    "new", ["mkzqvwxyjbtr", "y" * 1024, "🔒" * 256, "pässwörter🔒!!", "  spaces stay  "]
)
def test_passwords_at_the_bounds_work(log_in, anonymous, new):
    api = log_in("clinician")
    assert change_password(api, new).status_code == 200
    assert anonymous.post(LOGIN, credentials(api, password=new)).status_code == 200
    problem(anonymous.post(LOGIN, credentials(api, password=new[:-1])), "bad-credentials")


def account_held(instance, api: Api):
    """Changes of the account have to wait, after their passwords were checked."""
    query = "SELECT 1 FROM eleusis.app_user WHERE id = %s FOR UPDATE"
    return held(instance, query, api.user["id"])


def test_of_two_password_changes_at_once_one_is_made(instance, log_in, anonymous):
    api = log_in("clinician")
    new = [data.password(), data.password()]
    with Api(instance).login(api.email, api.password) as other, ThreadPoolExecutor(2) as pool:
        with account_held(instance, api):
            asked = [
                pool.submit(change_password, who, password)
                for who, password in zip((api, other), new, strict=True)
            ]
            wait_for_waiters(instance, 2)
        replies = [each.result() for each in asked]
    assert sorted(r.status_code for r in replies) == [200, 409]
    made = replies[0].status_code != 200
    assert outcomes(instance, replies[made]) == [("auth.password", "allowed")]
    found = problem(replies[not made], "conflict")
    assert "not made" in found["detail"]
    row = audit_row(instance, replies[not made], "auth.password", "failed")
    assert str(row["object_id"]) == api.user["id"]
    assert anonymous.post(LOGIN, credentials(api, password=new[made])).status_code == 200
    problem(anonymous.post(LOGIN, credentials(api, password=new[not made])), "bad-credentials")


def test_a_password_change_of_a_user_just_disabled_is_not_made(instance, log_in):
    api = log_in("clinician")
    with ThreadPoolExecutor(1) as pool:
        with account_held(instance, api) as db:
            asked = pool.submit(change_password, api, data.password())
            wait_for_waiters(instance, 1)
            db.execute(
                "UPDATE eleusis.app_user SET disabled = true WHERE id = %s", [api.user["id"]]
            )
        reply = asked.result()
    problem(reply, "conflict")
    assert outcomes(instance, reply) == [("auth.password", "failed")]


def test_a_session_that_ends_during_a_password_change_stays_ended(instance, log_in):
    """As eleusisctl ends it, or a log-out that another worker answers."""
    api = log_in("clinician")
    with ThreadPoolExecutor(1) as pool:
        with account_held(instance, api):
            asked = pool.submit(change_password, api, data.password())
            wait_for_waiters(instance, 1)
            with store(instance) as r:
                mine = r.smembers(f"u:{api.user['id']}")
                assert r.delete(*mine) == 1
        found = problem(asked.result(), "unauthenticated")
        assert "was changed" in found["detail"]
    problem(api.get("/v1/me"), "unauthenticated")


def all_ready(api: Api) -> bool:
    return all(r.status_code == 200 for r in fresh_replies(api, "/health/ready", 12))


def test_a_password_change_without_redis_says_what_was_done(instance, log_in, anonymous):
    api = log_in("clinician")
    new = data.password()
    with store(instance) as r, ThreadPoolExecutor(1) as pool:
        try:
            with account_held(instance, api):
                asked = pool.submit(change_password, api, new)
                wait_for_waiters(instance, 1)
                r.execute_command("CLIENT", "PAUSE", "20000", "WRITE")
            reply = asked.result()
        finally:
            r.execute_command("CLIENT", "UNPAUSE")
    found = problem(reply, "unavailable")
    assert "was changed" in found["detail"]
    assert "every session has ended" in found["detail"]
    assert outcomes(instance, reply) == [("auth.password", "allowed")]
    with connect(instance) as db:
        row = db.execute(
            "SELECT onetime FROM eleusis.app_user WHERE id = %s AND updated_at > created_at",
            [api.user["id"]],
        ).fetchone()
    assert row == {"onetime": False}
    wait_until(lambda: all_ready(anonymous), 10, "every worker's readiness")
    problem(anonymous.post(LOGIN, credentials(api)), "bad-credentials")
    assert anonymous.post(LOGIN, credentials(api, password=new)).status_code == 200


# ---- one-time passwords ---------------------------------------------------------


@pytest.fixture
def onetime(instance):
    """A clinician who must first change the password that was made for her."""
    api = Api(instance)
    api.email = data.email()
    out = instance.ctl(
        "user", "create", "--email", api.email, "--name", data.word(), "--role", "clinician"
    ).stdout
    api.password = one_time_password(out)
    with api:
        yield api.login(api.email, api.password)


def one_time_password(output: str) -> str:
    """The longest word of what eleusisctl printed last is the password."""
    return max(output.strip().splitlines()[-1].split(), key=len)


def test_a_one_time_password_opens_only_the_account(onetime):
    assert onetime.reply["password_change_required"] is True
    assert onetime.get("/v1/me").status_code == 200
    for reply in (
        onetime.get("/v1/patients"),
        onetime.post("/v1/patients", data.patient()),
        onetime.get("/v1/models"),
        onetime.post("/v1/predictions", {}),
    ):
        problem(reply, "password-change-required")
    assert onetime.post("/v1/auth/logout").status_code == 204


def test_changing_a_one_time_password_opens_the_rest(onetime):
    new = data.password()
    assert change_password(onetime, new).status_code == 200
    onetime.login(onetime.email, new)
    assert onetime.reply["password_change_required"] is False
    assert onetime.get("/v1/patients").status_code == 200
