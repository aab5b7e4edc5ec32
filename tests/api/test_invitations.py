"""Invitations: a link by mail that sets the first password, once, for a while."""

import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from lib import data
from lib.accounts import INVITE, INVITED, accept, account, changed, invited, joined, overdue, path
from lib.client import Api
from lib.db import audit_of, audit_row, connect, database_bytes, redis_bytes, store
from lib.mail import wait_mail
from lib.metrics import PUBLISHED_S, scrape, value
from lib.problem import field_code, problem, without_identity

TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
BAD = "bad-token"


def log_in(instance, email: str, password: str):
    with Api(instance) as api:
        return api.post("/v1/auth/login", {"email": email, "password": password})


# ---- the link --------------------------------------------------------------------------


def test_the_mail_has_a_link_with_the_token_behind_the_hash(instance, admin):
    made = admin.made("/v1/users", account(role="auditor"))
    mail = wait_mail(instance, made["email"])
    assert mail.subject.startswith(INVITED)
    origin = instance.env["ELEUSIS_ORIGIN"]
    assert re.fullmatch(re.escape(f"{origin}/invite#token=") + TOKEN.pattern, mail.link)
    for word in (made["name"], "72 hours", '"auditor"'):
        assert word in " ".join(mail.text.split())


def test_the_token_is_nowhere_but_in_the_mail(instance, admin):
    _, token = invited(admin)
    assert accept(instance, token).status_code == 200
    where = {
        "PostgreSQL": database_bytes(instance),
        "Redis": redis_bytes(instance),
        "the log": instance.log_file.read_bytes(),
        "standard output": instance.output.read_bytes(),
    }
    assert [name for name, kept in where.items() if token.encode() in kept] == []


# ---- accepting ------------------------------------------------------------------------


def test_accepting_sets_the_password_and_logs_in(instance, admin):
    made, token = invited(admin)
    password = data.password()
    reply = accept(instance, token, password)
    assert reply.status_code == 200, reply.text
    body = reply.json()
    assert (body["stage"], body["amr"]) == ("full", ["pwd"])
    assert body["user"]["email"] == made["email"]
    rows = audit_of(instance, reply)
    assert [r["action"] for r in rows] == ["user.activate", "auth.invitation"]
    assert {str(r["actor_id"]) for r in rows} == {made["id"]}
    with Api(instance, body["token"]) as api:
        assert api.get("/v1/patients").status_code == 200
    assert log_in(instance, made["email"], password).status_code == 200
    found = admin.get(path(made)).json()
    assert (found["status"], found["has_password"]) == ("active", True)
    assert found["invited_until"] is None
    assert found["version"] == made["version"] + 1


def test_a_browser_gets_a_cookie_and_is_known(instance, admin):
    _, token = invited(admin)
    with Api(instance) as api:
        reply = api.post(INVITE, {"token": token, "password": data.password(), "mode": "cookie"})
        assert reply.status_code == 200, reply.text
        assert "token" not in reply.json()
        assert {"__Host-eleusis", "__Host-eleusis-device"} <= set(reply.cookies)
        assert api.get("/v1/me").json()["session"]["mode"] == "cookie"


def test_the_name_can_be_put_right(instance, admin):
    made, token = invited(admin)
    problem(accept(instance, token, name="Two\nLines"), "validation-failed", {"/name"})
    assert accept(instance, token, name="Right Name").json()["user"]["name"] == "Right Name"
    assert admin.get(path(made)).json()["name"] == "Right Name"


def test_a_role_that_needs_a_second_factor_leads_to_its_set_up(instance, admin):
    """As every log-in does: see SECOND_FACTOR_ROLES."""
    made, token = invited(admin)
    with connect(instance) as db:
        db.execute("UPDATE eleusis.app_user SET totp = true WHERE id = %s", [made["id"]])
    reply = accept(instance, token).json()
    assert reply["stage"] == "second-factor"
    with Api(instance, reply["token"]) as api:
        problem(api.get("/v1/patients"), "second-factor-required")


def test_a_password_that_the_policy_refuses_uses_nothing_up(instance, admin):
    made, token = invited(admin)
    for password in ("short", made["email"], "x" * 1025, "é" * 600):
        found = accept(instance, token, password)
        problem(found, "validation-failed", {"/password"})
    assert field_code(accept(instance, token, "short").json(), "/password") == "min_length"
    assert accept(instance, token).status_code == 200


# ---- tokens that are no good --------------------------------------------------------------


def test_a_token_works_once(instance, admin):
    made, token = invited(admin)
    password = data.password()
    assert accept(instance, token, password).status_code == 200
    problem(accept(instance, token), BAD)
    assert log_in(instance, made["email"], password).status_code == 200


def test_of_two_at_once_one_wins(instance, admin):
    made, token = invited(admin)
    passwords = [data.password() for _ in range(6)]
    barrier = threading.Barrier(len(passwords))

    def race(password: str):
        barrier.wait()
        return accept(instance, token, password)

    with ThreadPoolExecutor(len(passwords)) as pool:
        replies = list(pool.map(race, passwords))
    assert sorted(r.status_code for r in replies) == [200] + [400] * (len(passwords) - 1)
    for reply, password in zip(replies, passwords, strict=True):
        won = reply.status_code == 200
        if not won:
            problem(reply, BAD)
        assert (log_in(instance, made["email"], password).status_code == 200) == won


def test_sending_again_kills_the_old_link(instance, admin):
    made, old = invited(admin)
    reply = admin.post(path(made, "/invite"))
    assert reply.status_code == 200, reply.text
    assert reply.json()["invited_until"] > made["invited_until"]
    assert reply.headers["etag"] == f'"{reply.json()["version"]}"'
    audit_row(instance, reply, "user.invite")
    new = wait_mail(instance, made["email"], INVITED, after=1).token
    assert new not in reply.text
    problem(accept(instance, old), BAD)
    assert accept(instance, new).status_code == 200
    found = problem(admin.post(path(made, "/invite")), "conflict")
    assert "no password yet" in found["detail"]


def test_an_invitation_expires(instance, admin):
    made, token = invited(admin)
    overdue(instance, made, "invitation")
    problem(accept(instance, token), BAD)
    assert admin.get(path(made)).json()["status"] == "invited"
    assert admin.post(path(made, "/invite")).status_code == 200
    again = wait_mail(instance, made["email"], INVITED, after=1).token
    assert accept(instance, again).status_code == 200


@pytest.mark.parametrize("end", ["disabled", "deleted"])
def test_no_invitation_outlives_its_account(instance, admin, end):
    made, token = invited(admin)
    if end == "deleted":
        assert admin.http.delete(path(made)).status_code == 204
    else:
        changed(admin, made, disabled=True)
    problem(accept(instance, token), BAD)
    if end == "disabled":
        problem(admin.post(path(made, "/invite")), "conflict")
        changed(admin, made, disabled=False)
        problem(accept(instance, token), BAD)


def test_all_that_is_wrong_with_a_token_looks_the_same(instance, admin):
    """And costs a stranger what a failed log-in does."""
    used, token = invited(admin)
    assert accept(instance, token).status_code == 200
    late, expired = invited(admin)
    overdue(instance, late, "invitation")
    with joined(admin) as who:
        admin.post(path(who, "/password-reset"))
        reset = wait_mail(instance, who.email, "Choose a new").token
    before = value(scrape(admin), "eleusis_denials_total", kind="unauthenticated")
    tokens = [token, expired, reset, "A" * 43, "x", token[:-1], "ü" * 43]
    replies = [accept(instance, each) for each in tokens]
    assert len({str(without_identity(problem(r, BAD))) for r in replies}) == 1
    assert [audit_of(instance, r) for r in replies] == [[]] * len(replies)
    time.sleep(PUBLISHED_S)
    after = value(scrape(admin), "eleusis_denials_total", kind="unauthenticated")
    assert after - before >= len(tokens)
    assert used["id"] != late["id"]


def test_before_it_is_accepted_nothing_opens(instance, admin):
    made, token = invited(admin)
    for password in (token, data.password(), ""):
        reply = log_in(instance, made["email"], password)
        assert reply.status_code in (401, 422), reply.text
    with store(instance) as r:
        assert not r.exists(f"u:{made['id']}")
    with Api(instance, token) as api:
        problem(api.get("/v1/me"), "unauthenticated")


@pytest.mark.parametrize(
    "wrong",
    [{"token": ""}, {"token": 1}, {"token": "x" * 201}, {"password": ""}, {"mode": "cookies"}],
    ids=str,
)
def test_what_is_no_acceptance(anonymous, wrong):
    body = {"token": "A" * 43, "password": data.password()} | wrong
    (name,) = wrong
    problem(anonymous.post(INVITE, body), "validation-failed", {f"/{name}"})
