"""Log-in, log-out, the account, and changing a password."""

import httpx
import pytest
from lib import data
from lib.client import Api, fresh_replies
from lib.db import audit_of, audit_row
from lib.problem import field_code, problem, without_identity
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
        "token", "expires_at", "idle_timeout_seconds", "password_change_required", "user",
    }  # fmt: skip
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
        row = audit_row(instance, api.post("/v1/auth/password", change), "auth.password")
        assert str(row["actor_id"]) == mine
        assert change["new_password"] not in str(row)
        row = audit_row(instance, api.post("/v1/auth/logout"), "auth.logout")
        assert str(row["actor_id"]) == mine


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
    return api.post("/v1/auth/password", body)


def test_a_password_change_ends_the_other_sessions(instance, log_in, anonymous):
    api = log_in("clinician")
    with Api(instance).login(api.email, api.password) as other:
        new = data.password()
        reply = change_password(api, new)
        assert reply.status_code == 204
        assert reply.content == b""
        assert api.get("/v1/me").status_code == 200
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


@pytest.mark.parametrize("new", ["x" * 12, "y" * 1024, "pässwörter🔒!!", "  spaces stay  "])
def test_passwords_at_the_bounds_work(log_in, anonymous, new):
    api = log_in("clinician")
    assert change_password(api, new).status_code == 204
    assert anonymous.post(LOGIN, credentials(api, password=new)).status_code == 200
    problem(anonymous.post(LOGIN, credentials(api, password=new[:-1])), "bad-credentials")


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
    assert change_password(onetime, new).status_code == 204
    onetime.login(onetime.email, new)
    assert onetime.reply["password_change_required"] is False
    assert onetime.get("/v1/patients").status_code == 200
