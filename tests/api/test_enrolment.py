"""Roles that need a second factor: who has none can do nothing but set one up."""

import re

import pytest
from lib.client import Api
from lib.db import audit_row
from lib.problem import problem
from lib.process import wait_until
from lib.tables import rows
from lib.totp import adopt, enrol, log_in, show

pytestmark = pytest.mark.restarts

ROLES = ["admin", "clinician", "auditor", "service"]
NOWHERE = "01890000-0000-7000-8000-000000000000"


@pytest.fixture(scope="module")
def outbox(instance):
    return instance.var / "enrolment.mbox"


@pytest.fixture(scope="module", autouse=True)
def server(instance, outbox):
    instance.restart(ELEUSIS_SECOND_FACTOR_ROLES=" ".join(ROLES), ELEUSIS_MAIL_URL=f"file:{outbox}")
    yield instance
    instance.restart()


@pytest.fixture(scope="module")
def users(new_user):
    """A new user of each role, as yet without a second factor."""
    return {role: new_user(role) for role in ROLES}


def operations() -> list[tuple[str, str, set[str]]]:
    """Method, path and flags of every operation that is not public."""
    found = []
    for method, path, _, _, _, auth, *rest in rows("app/tbl/endpoints.def", "ENDPOINT"):
        if auth != "PUBLIC":
            flags = set(rest[-2].replace(" ", "").split("|"))
            found.append((method, re.sub(r"\{\w+\}", NOWHERE, path), flags))
    return found


@pytest.mark.parametrize("role", ROLES)
def test_who_has_none_can_do_nothing_else(users, role):
    api = users[role]
    api.login(api.email, api.password)
    assert (api.reply["stage"], api.reply["methods"]) == ("enrol", ["password"])
    refused = 0
    for method, path, flags in operations():
        if "EP_ENROL" in flags:
            continue
        reply = api.http.request(method, path, json={} if method in ("POST", "PATCH") else None)
        problem(reply, "enrolment-required")
        refused += 1
    assert refused > 20
    assert api.get("/v1/me").status_code == 200
    assert api.get("/v1/me/factors").json()["required"]


@pytest.mark.parametrize("role", ROLES)
def test_setting_it_up_finishes_the_log_in(instance, users, role):
    api = users[role]
    if not api.token:
        api.login(api.email, api.password)
    app = enrol(api)
    assert api.reply["stage"] == "full"
    assert api.get("/v1/me/factors").status_code == 200
    with Api(instance) as other:
        other.login(api.email, api.password)
        assert other.reply["stage"] == "second-factor"
        problem(other.get("/v1/me/factors"), "second-factor-required")
    with log_in(instance, api, app) as other:
        assert other.reply["stage"] == "full"
        assert other.get("/v1/me/factors").status_code == 200


def test_the_password_once_more_does_not_finish_it(instance, new_user):
    api = new_user("clinician")
    api.login(api.email, api.password)
    reply = show(api, password=api.password)
    audit_row(instance, reply, "auth.second_factor")
    assert adopt(api, reply)["stage"] == "enrol"
    problem(api.get("/v1/patients"), "enrolment-required")


def test_an_unfinished_log_in_is_short(instance, new_user):
    api = new_user("clinician")
    api.login(api.email, api.password)
    session = api.get("/v1/me").json()["session"]
    created, ends = (session[k][:19] for k in ("created_at", "expires_at"))
    assert ends > created
    minutes = [int(t[11:13]) * 60 + int(t[14:16]) for t in (created, ends)]
    assert (minutes[1] - minutes[0]) % 1440 in (9, 10)


def test_the_owner_is_told_by_mail(instance, outbox, new_user, users):
    api = new_user("clinician")
    api.login(api.email, api.password)
    enrol(api)
    admin = users["admin"]
    reply = admin.http.delete(f"/v1/users/{api.user['id']}/factors")
    assert reply.status_code == 204, reply.text

    def mails() -> list[str]:
        text = outbox.read_text(errors="replace") if outbox.exists() else ""
        found = re.split(r"^From ", text, flags=re.M)
        return [" ".join(m.split()) for m in found if api.email in m]

    wait_until(lambda: len(mails()) == 2, 20, "two mails")
    added, removed = sorted(mails(), key=lambda m: "was removed" in m)
    assert "was added to your account" in added
    assert "an authenticator app" in added
    assert "was removed from your account" in removed
    assert "all second factors, by an administrator" in removed
