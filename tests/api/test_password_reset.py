"""A forgotten password: asked for by anybody, told to nobody, set by who has the mail."""

import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from lib import data
from lib.accounts import (
    ASK,
    CONFIRM,
    FORGOTTEN,
    account,
    changed,
    forget_pause,
    invited,
    joined,
    overdue,
    path,
)
from lib.client import Api
from lib.db import audit_of, audit_row, connect
from lib.mail import mails, wait_mail, wait_mails
from lib.problem import problem
from lib.process import wait_until

BAD = "bad-token"


@pytest.fixture
def who(admin):
    api = joined(admin)
    yield api
    api.close()


def ask(instance, email: str):
    with Api(instance) as api:
        reply = api.post(ASK, {"email": email})
    assert reply.status_code == 202, reply.text
    return reply


def confirm(instance, token: str, password: str | None = None):
    with Api(instance) as api:
        return api.post(CONFIRM, {"token": token, "password": password or data.password()})


def link(instance, who: Api, after: int = 0) -> str:
    """The token of a new link that she asked for."""
    ask(instance, who.email)
    return wait_mail(instance, who.email, FORGOTTEN, after).token


def log_in(instance, email: str, password: str):
    with Api(instance) as api:
        return api.post("/v1/auth/login", {"email": email, "password": password})


def asked_rows(instance, reply) -> list[dict]:
    return [r for r in audit_of(instance, reply) if r["action"] == "user.password_reset"]


def quiet(instance, admin) -> None:
    """Until a mail that was asked for later has come: no other is on its way."""
    with joined(admin) as last:
        ask(instance, last.email)
        wait_mail(instance, last.email, FORGOTTEN)


# ---- asking ---------------------------------------------------------------------------------


def test_who_has_the_mail_sets_another_password(instance, who):
    reply = ask(instance, who.email)
    mail = wait_mail(instance, who.email, FORGOTTEN)
    assert mail.link.startswith(f"{instance.env['ELEUSIS_ORIGIN']}/reset#token=")
    assert "30 minutes" in " ".join(mail.text.split())
    wait_until(lambda: asked_rows(instance, reply), 5, "the row of the mail")
    (row,) = asked_rows(instance, reply)
    assert (row["actor_kind"], str(row["object_id"])) == ("anonymous", who.user["id"])
    new = data.password()
    done = confirm(instance, mail.token, new)
    assert (done.status_code, done.content) == (204, b"")
    assert "set-cookie" not in done.headers
    row = audit_row(instance, done, "auth.reset_confirm")
    assert str(row["object_id"]) == who.user["id"]
    problem(log_in(instance, who.email, who.password), "bad-credentials")
    assert log_in(instance, who.email, new).status_code == 200


def test_every_session_ends_and_she_is_told(instance, admin, who):
    body = {"name": "a script", "scopes": ["patients:read"]}
    with (
        Api(instance, who.made("/v1/api-keys", body)["key"]) as key,
        Api(instance).login(who.email, who.password) as other,
    ):
        assert confirm(instance, link(instance, who)).status_code == 204
        for api in (who, other):
            problem(api.get("/v1/me"), "unauthenticated")
        assert key.get("/v1/patients").status_code == 200
    told = wait_mail(instance, who.email, "was changed")
    assert "Network: 127.0.0.0/24" in told.text
    assert who.password not in told.text


def test_the_reply_tells_nobody_who_has_an_account(instance, admin, who):
    service = admin.made("/v1/users", account(role="service"))
    waiting, _ = invited(admin)
    off = joined(admin)
    changed(admin, off, disabled=True)
    gone = joined(admin)
    assert admin.http.delete(path(gone)).status_code == 204
    silent = [data.email(), service["email"], waiting["email"], off.email, gone.email,
              "nobody", f"deleted-{gone.user['id']}@invalid"]  # fmt: skip
    replies = [ask(instance, each) for each in (*silent, who.email, who.email.upper())]
    wait_mail(instance, who.email, FORGOTTEN)
    quiet(instance, admin)
    for reply in replies:
        assert reply.content == b""
        assert {k for k in reply.headers if k not in ("x-request-id", "date")} == {
            k for k in replies[0].headers if k not in ("x-request-id", "date")
        }
        first = audit_of(instance, reply)[0]
        assert (first["action"], first["object_id"]) == ("auth.reset_ask", None)
        assert "@" not in str(first["detail"])
    for each in silent:
        assert mails(instance, each, FORGOTTEN) == []
    for api in (off, gone):
        api.close()


def test_the_reply_takes_the_same_time_for_everybody(instance, admin, who):
    """A link made before the reply would take a transaction more: twice as long, at least."""
    waiting, _ = invited(admin)
    asked = {"account": who.email, "nobody": data.email(), "invited": waiting["email"]}
    took: dict[str, list[float]] = {name: [] for name in asked}
    with Api(instance) as api:
        for _ in range(25):
            forget_pause(instance, who.user)
            for name, email in asked.items():
                start = time.perf_counter()
                reply = api.post(ASK, {"email": email})
                took[name].append(time.perf_counter() - start)
                assert reply.status_code == 202
                time.sleep(0.02)  # what one has begun must not slow the next
    medians = {name: statistics.median(each) for name, each in took.items()}
    assert max(medians.values()) < 2 * min(medians.values()), medians
    assert len(wait_mails(instance, who.email, 5, FORGOTTEN)) >= 5


def test_one_mail_in_a_while(instance, admin, who):
    first = link(instance, who)
    for _ in range(3):
        ask(instance, who.email)
    quiet(instance, admin)
    assert len(mails(instance, who.email, FORGOTTEN)) == 1
    forget_pause(instance, who.user)
    second = link(instance, who, after=1)
    problem(confirm(instance, first), BAD)
    assert confirm(instance, second).status_code == 204


@pytest.mark.parametrize("wrong", [{}, {"email": ""}, {"email": 1}, {"email": "x" * 255}], ids=str)
def test_what_is_no_question(anonymous, wrong):
    problem(anonymous.post(ASK, wrong), "validation-failed", {"/email"})


# ---- links that are no good -----------------------------------------------------------------


def test_a_link_works_once(instance, who):
    token, new = link(instance, who), data.password()
    assert confirm(instance, token, new).status_code == 204
    problem(confirm(instance, token), BAD)
    assert log_in(instance, who.email, new).status_code == 200


def test_of_two_at_once_one_wins(instance, who):
    token = link(instance, who)
    passwords = [data.password() for _ in range(6)]
    barrier = threading.Barrier(len(passwords))

    def race(password: str):
        barrier.wait()
        return confirm(instance, token, password)

    with ThreadPoolExecutor(len(passwords)) as pool:
        replies = list(pool.map(race, passwords))
    assert sorted(r.status_code for r in replies) == [204] + [400] * (len(passwords) - 1)
    for reply, password in zip(replies, passwords, strict=True):
        won = reply.status_code == 204
        assert (log_in(instance, who.email, password).status_code == 200) == won
    assert len(wait_mails(instance, who.email, 1, "was changed")) == 1


def test_a_link_expires(instance, who):
    token = link(instance, who)
    overdue(instance, who.user, "password-reset")
    problem(confirm(instance, token), BAD)
    assert log_in(instance, who.email, who.password).status_code == 200


def test_a_link_dies_with_what_it_was_for(instance, admin, who):
    """A change of the password, a change of the address, a disabled account."""
    token = link(instance, who)
    change = {"current_password": who.password, "new_password": data.password()}
    who.adopt(who.post("/v1/auth/password", change))
    problem(confirm(instance, token), BAD)
    forget_pause(instance, who.user)
    token = link(instance, who, after=1)
    changed(admin, who, disabled=True)
    changed(admin, who, disabled=False)
    problem(confirm(instance, token), BAD)
    assert log_in(instance, who.email, change["new_password"]).status_code == 200


def test_an_invitation_is_no_link_for_a_password(instance, admin):
    _, token = invited(admin)
    problem(confirm(instance, token), BAD)
    problem(confirm(instance, "A" * 43), BAD)


def test_a_password_that_the_policy_refuses_uses_nothing_up(instance, who):
    token = link(instance, who)
    for password in ("short", who.email):
        problem(confirm(instance, token, password), "validation-failed", {"/password"})
    assert who.get("/v1/me").status_code == 200
    assert confirm(instance, token).status_code == 204


# ---- what it does not do -----------------------------------------------------------------


def test_a_second_factor_is_asked_for_as_ever(instance, who):
    with connect(instance) as db:
        db.execute("UPDATE eleusis.app_user SET totp = true WHERE id = %s", [who.user["id"]])
    new = data.password()
    assert confirm(instance, link(instance, who), new).status_code == 204
    reply = log_in(instance, who.email, new).json()
    assert reply["stage"] == "second-factor"
    with Api(instance, reply["token"]) as api:
        problem(api.get("/v1/patients"), "second-factor-required")


def test_a_one_time_password_is_over(instance, admin, who):
    changed(admin, who, must_change_password=True)
    new = data.password()
    assert confirm(instance, link(instance, who), new).status_code == 204
    assert not log_in(instance, who.email, new).json()["password_change_required"]


# ---- by an administrator -------------------------------------------------------------------


def test_an_admin_sends_a_link_and_sees_no_password(instance, admin, who):
    reply = admin.post(path(who, "/password-reset"))
    assert (reply.status_code, reply.content) == (202, b"")
    row = audit_row(instance, reply, "user.password_reset")
    assert (str(row["actor_id"]), str(row["object_id"])) == (admin.user["id"], who.user["id"])
    assert who.get("/v1/me").status_code == 200
    assert log_in(instance, who.email, who.password).status_code == 200
    token = wait_mail(instance, who.email, FORGOTTEN).token
    assert admin.post(path(who, "/password-reset")).status_code == 202
    again = wait_mail(instance, who.email, FORGOTTEN, after=1).token
    problem(confirm(instance, token), BAD)
    assert confirm(instance, again).status_code == 204
    for body in ({"password": data.password()}, {"must_change_password": True, "password": "x"}):
        problem(admin.patch(path(who), body), "validation-failed", {"/password"})


def test_who_has_no_password_is_invited_instead(admin):
    waiting, _ = invited(admin)
    found = problem(admin.post(path(waiting, "/password-reset")), "conflict")
    assert "invite" in found["detail"]
