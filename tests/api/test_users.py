"""Accounts as administrators see them: made, narrowed, changed, shut out, deleted."""

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from lib import data
from lib.accounts import INVITED, account, changed, invited, joined, path
from lib.client import Api
from lib.db import audit_of, audit_row, connect, redis_bytes
from lib.mail import mails, wait_mail, wait_mails
from lib.problem import field_code, problem
from lib.rows import HASH, add_user, call, sqlstate, uuid7
from lib.scratch import new_database
from lib.tables import roles, rows

NOWHERE = "01890000-0000-7000-8000-000000000000"
MEMBERS = {
    "id", "email", "name", "role", "scopes", "status", "disabled", "must_change_password",
    "has_password", "has_second_factor", "invited_until", "version", "created_at", "updated_at",
}  # fmt: skip
CHANGED = "was changed"


@pytest.fixture
def user(admin):
    """Makes users by invitation, logged in."""
    made = []

    def make(role: str = "clinician", **more) -> Api:
        made.append(joined(admin, role=role, **more))
        return made[-1]

    yield make
    for api in made:
        api.close()


@pytest.fixture
def key_of(instance):
    """An API key of a user, as a client of its own."""
    made = []

    def make(api: Api, *scopes: str) -> Api:
        body = {"name": data.word(), "scopes": list(scopes) or ["self", "patients:read"]}
        made.append(Api(instance, api.made("/v1/api-keys", body)["key"]))
        return made[-1]

    yield make
    for api in made:
        api.close()


def shut(api: Api) -> None:
    problem(api.get("/v1/me"), "unauthenticated")


# ---- making -------------------------------------------------------------------


def test_an_account_is_made_without_a_password(instance, admin):
    body = account(scopes=["self", "patients:read"])
    reply = admin.post("/v1/users", body)
    assert reply.status_code == 201, reply.text
    made = reply.json()
    assert set(made) == MEMBERS
    assert {k: made[k] for k in body} == body
    assert (made["status"], made["has_password"], made["version"]) == ("invited", False, 1)
    assert reply.headers["location"] == path(made)
    assert reply.headers["etag"] == '"1"'
    token = wait_mail(instance, body["email"]).token
    assert token not in reply.text
    row = audit_row(instance, reply, "user.create")
    assert str(row["object_id"]) == made["id"]
    assert row["detail"]["scopes"] == "self patients:read"
    assert body["email"] not in str(row)
    read = admin.get(path(made))
    assert read.json() == made
    assert read.headers["etag"] == '"1"'
    audit_row(instance, read, "user.read")


def test_an_address_is_kept_in_lower_case_and_taken_once(admin):
    body = account()
    made = admin.made("/v1/users", body | {"email": body["email"].title()})
    assert made["email"] == body["email"]
    found = problem(admin.post("/v1/users", body), "conflict")
    assert "already" in found["detail"]


@pytest.mark.parametrize(
    ("wrong", "pointer", "code"),
    [
        ({"email": "nobody"}, "/email", "format"),
        ({"email": "a b@example.org"}, "/email", "format"),
        ({"email": "-a@example.org"}, "/email", "format"),
        ({"email": "a@example.org\nBcc: x@example.org"}, "/email", "format"),
        ({"email": "é@example.org"}, "/email", "format"),
        ({"name": "One\nTwo"}, "/name", "format"),
        ({"name": "   "}, "/name", "format"),
        ({"name": ""}, "/name", "min_length"),
        ({"name": "x" * 201}, "/name", "max_length"),
        ({"role": "root"}, "/role", "enum"),
        ({"scopes": ["patients:all"]}, "/scopes/0", "enum"),
        ({"scopes": ["self", "audit:read"]}, "/scopes/1", "not_allowed"),
        ({"scopes": ["self", "self"]}, "/scopes/1", "duplicate"),
        ({"password": "given out by an admin"}, "/password", "unknown"),
        ({"disabled": True}, "/disabled", "unknown"),
    ],
)
def test_what_an_account_may_not_be(admin, wrong, pointer, code):
    found = problem(admin.post("/v1/users", account(**wrong)), "validation-failed", {pointer})
    assert field_code(found, pointer) == code


def test_a_service_gets_no_mail_and_no_password(instance, admin):
    made = admin.made("/v1/users", account(role="service"))
    assert (made["status"], made["invited_until"]) == ("active", None)
    problem(admin.post(path(made, "/invite")), "conflict")
    problem(admin.post(path(made, "/password-reset")), "conflict")
    other = admin.made("/v1/users", account())
    wait_mail(instance, other["email"])
    assert mails(instance, made["email"]) == []
    body = {"name": "an integration", "scopes": ["patients:read"], "user_id": made["id"]}
    with Api(instance, admin.made("/v1/api-keys", body)["key"]) as key:
        assert key.get("/v1/patients").status_code == 200


def test_a_repeated_request_makes_one_account_and_one_mail(instance, admin):
    key, body = {"idempotency-key": str(uuid.uuid4())}, account()
    first = admin.post("/v1/users", body, headers=key)
    again = admin.post("/v1/users", body, headers=key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again.headers["etag"] == first.headers["etag"]
    assert again.headers["idempotency-replayed"] == "true"
    wait_mail(instance, body["email"])
    other = admin.made("/v1/users", account())
    wait_mail(instance, other["email"])
    assert len(mails(instance, body["email"])) == 1


# ---- who may --------------------------------------------------------------------


@pytest.mark.parametrize("role", ["clinician", "auditor", "service"])
def test_only_admins_change_accounts(instance, request, admin, role):
    who = request.getfixturevalue(role)
    made = admin.made("/v1/users", account())
    for reply, action in (
        (who.post("/v1/users", account()), "user.create"),
        (who.patch(path(made), {"name": "x"}), "user.update"),
        (who.http.delete(path(made)), "user.delete"),
        (who.post(path(made, "/invite")), "user.invite"),
        (who.post(path(made, "/password-reset")), "user.password_reset"),
    ):
        problem(reply, "forbidden")
        audit_row(instance, reply, action, "denied")
    seen = 200 if role == "auditor" else 403
    assert who.get(path(made)).status_code == seen
    assert who.get("/v1/users").status_code == seen
    assert admin.get(path(made)).json() == made


def test_dangerous_operations_want_a_fresh_proof_and_no_api_key():
    flags = {row[3]: (row[5], row[-2]) for row in rows("app/tbl/endpoints.def", "ENDPOINT")}
    for name in ("inviteUser", "updateUser", "deleteUser"):
        auth, of = flags[name]
        assert auth == "SESSION"
        assert "EP_STEP_UP" in of, name
    for name in ("inviteUserAgain", "sendPasswordReset"):
        assert flags[name][0] == "SESSION"


def test_an_admin_with_less_has_no_power_over_one_with_more(instance, admin, user):
    """Else she could invite one, or take one over, and have it all."""
    less = user("admin", scopes=["self", "users:read", "users:write"])
    other = joined(admin, role="admin")
    for reply in (
        less.post("/v1/users", account(role="admin")),
        less.patch(path(other), {"email": data.email()}),
        less.patch(path(other), {"disabled": True}),
        less.http.delete(path(other)),
        less.post(path(other, "/password-reset")),
        less.http.delete(path(other, "/factors")),
    ):
        found = problem(reply, "forbidden")
        assert "more scopes" in found["detail"]
    clerk = less.made("/v1/users", account(role="clinician"))
    problem(less.patch(path(clerk), {"role": "admin"}), "forbidden")
    changed(less, clerk, role="admin", scopes=["self", "users:read"])
    assert less.post("/v1/users", account(role="admin", scopes=["self"])).status_code == 201
    problem(less.get("/v1/audit/events"), "forbidden")
    assert other.get("/v1/me").status_code == 200
    reply = less.http.delete(path(other, "/factors"))
    assert "more scopes" in problem(reply, "forbidden")["detail"]
    audit_row(instance, reply, "user.reset_factors", "denied")
    assert other.get("/v1/me").status_code == 200
    other.close()


def test_nobody_changes_her_own_rights(instance, user):
    mine = user("admin")
    for patch in ({"role": "auditor"}, {"disabled": True}, {"scopes": ["self", "users:write"]}):
        reply = mine.patch(path(mine), patch)
        problem(reply, "forbidden")
        audit_row(instance, reply, "user.update", "denied")
    problem(mine.http.delete(path(mine)), "forbidden")
    assert mine.get(path(mine)).json()["status"] == "active"
    assert changed(mine, mine, name="Another Name")["name"] == "Another Name"


# ---- lists --------------------------------------------------------------------------


def test_accounts_are_listed_newest_first(instance, admin, auditor):
    made = [admin.made("/v1/users", account(role="service"))["id"] for _ in range(3)]
    first = auditor.get("/v1/users", limit=2, role="service")
    assert [u["id"] for u in first.json()["items"]] == made[:0:-1]
    audit_row(instance, first, "user.list")
    then = auditor.get("/v1/users", limit=2, role="service", cursor=first.json()["next_cursor"])
    assert then.json()["items"][0]["id"] == made[0]
    assert 'rel="next"' in first.headers["link"]


def test_a_list_is_of_one_status(admin):
    made = admin.made("/v1/users", account())
    off = admin.made("/v1/users", account(role="service"))
    changed(admin, off, disabled=True)

    def listed(**query) -> dict[str, str]:
        items = admin.get("/v1/users", limit=100, **query).json()["items"]
        return {u["id"]: u["status"] for u in items}

    assert listed()[made["id"]] == "invited"
    assert listed()[off["id"]] == "disabled"
    for status, there in (("invited", made["id"]), ("disabled", off["id"])):
        found = listed(status=status)
        assert there in found
        assert set(found.values()) == {status}
    assert not {made["id"], off["id"]} & set(listed(status="active"))
    assert admin.http.delete(path(off)).status_code == 204
    assert off["id"] not in listed()
    assert listed(status="deleted")[off["id"]] == "deleted"
    problem(admin.get("/v1/users", status="gone"), "invalid-query")


def test_an_unknown_account(instance, admin):
    for reply, action in (
        (admin.get(f"/v1/users/{NOWHERE}"), "user.read"),
        (admin.patch(f"/v1/users/{NOWHERE}", {"name": "x"}), "user.update"),
        (admin.http.delete(f"/v1/users/{NOWHERE}"), "user.delete"),
        (admin.post(f"/v1/users/{NOWHERE}/invite"), "user.invite"),
        (admin.post(f"/v1/users/{NOWHERE}/password-reset"), "user.password_reset"),
    ):
        problem(reply, "not-found")
        assert audit_of(instance, reply)[-1]["outcome"] == "denied", action


# ---- changing -------------------------------------------------------------------------


def test_a_change_needs_the_version_it_was_made_for(admin):
    made = admin.made("/v1/users", account())
    assert changed(admin, made, name="First")["version"] == 2
    found = problem(
        admin.patch(path(made), {"name": "Second"}, **{"if-match": '"1"'}), "precondition-failed"
    )
    assert "If-Match" in found["detail"]
    reply = admin.patch(path(made), {"name": "Second"}, **{"if-match": '"2"'})
    assert (reply.status_code, reply.headers["etag"]) == (200, '"3"')
    problem(admin.patch(path(made), {}, **{"if-match": "3"}), "malformed-request")
    gone = admin.http.delete(path(made), headers={"if-match": '"2"'})
    problem(gone, "precondition-failed")


def test_a_change_of_nothing_is_none(admin, user):
    who = user()
    before = admin.get(path(who)).json()
    assert changed(admin, who, role="clinician", disabled=False) == before
    assert changed(admin, who) == before
    assert who.get("/v1/me").status_code == 200


def test_a_change_is_recorded_without_its_words(instance, admin, user):
    who = user()
    new = {"email": data.email(), "name": data.word(), "role": "auditor"}
    reply = admin.patch(path(who), new)
    row = audit_row(instance, reply, "user.update")
    assert row["detail"]["changed"] == "name email role"
    assert row["detail"]["role"] == "auditor"
    assert row["detail"]["version"] == reply.json()["version"]
    for word in (new["email"], new["name"], who.email):
        assert word not in str(row)


@pytest.mark.parametrize(
    "change",
    [
        {"role": "auditor"},
        {"scopes": ["self"]},
        {"disabled": True},
        {"must_change_password": True},
        {"email": "new"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_decides_about_access_ends_the_sessions(instance, admin, user, change):
    if "email" in change:
        change = {"email": data.email()}
    who = user()
    with who.twin() as twin, Api(instance).login(who.email, who.password) as other:
        assert twin.get("/v1/me").status_code == 200
        changed(admin, who, **change)
        for api in (who, twin, other):
            shut(api)


def test_a_name_ends_no_session(admin, user):
    who = user()
    changed(admin, who, name=data.word())
    assert who.get("/v1/me").status_code == 200


def test_who_is_disabled_is_shut_out_on_the_next_request(instance, admin, user, key_of):
    who = user()
    key = key_of(who)
    assert key.get("/v1/patients").status_code == 200
    assert changed(admin, who, disabled=True)["status"] == "disabled"
    shut(who)
    shut(key)
    credentials = {"email": who.email, "password": who.password}
    with Api(instance) as api:
        problem(api.post("/v1/auth/login", credentials), "bad-credentials")
        changed(admin, who, disabled=False)
        assert key.get("/v1/patients").status_code == 200
        api.login(who.email, who.password)
        assert api.get("/v1/me").status_code == 200


def test_an_api_key_follows_its_users_role_at_once(admin, user, key_of):
    who = user()
    key = key_of(who, "self", "patients:read", "models:read")
    assert key.get("/v1/patients").status_code == 200
    changed(admin, who, role="auditor")
    problem(key.get("/v1/patients"), "forbidden")
    assert key.get("/v1/me").json()["user"]["scopes"] == ["self", "models:read"]
    assert key.get("/v1/models").status_code == 200
    changed(admin, who, role="clinician")
    assert key.get("/v1/patients").status_code == 200


def test_a_users_own_scopes_narrow_all_she_has(instance, admin, user, key_of):
    who = user()
    key = key_of(who, "self", "patients:read", "models:read")
    assert set(who.user["scopes"]) == set(roles()["clinician"])
    assert key.get("/v1/models").status_code == 200
    narrow = ["self", "patients:read", "keys:write"]
    assert set(changed(admin, who, scopes=narrow)["scopes"]) == set(narrow)
    problem(key.get("/v1/models"), "forbidden")
    assert key.get("/v1/patients").status_code == 200
    who.login(who.email, who.password)
    assert set(who.user["scopes"]) == set(narrow)
    reply = who.get("/v1/models")
    problem(reply, "forbidden")
    assert audit_of(instance, reply)[-1]["outcome"] == "denied"
    for by, more in ((who, {}), (admin, {"user_id": who.user["id"]})):
        body = {"name": "more", "scopes": ["self", "models:read"]} | more
        found = problem(by.post("/v1/api-keys", body), "validation-failed", {"/scopes/1"})
        assert field_code(found, "/scopes/1") == "not_allowed"
    assert changed(admin, who, scopes=None)["scopes"] is None
    assert key.get("/v1/models").status_code == 200


def test_scopes_that_another_role_lacks_go(admin):
    made = admin.made("/v1/users", account(scopes=["self", "patients:read", "models:read"]))
    assert changed(admin, made, role="auditor")["scopes"] == ["self", "models:read"]
    wrong = admin.patch(path(made), {"scopes": ["patients:read"]})
    problem(wrong, "validation-failed", {"/scopes/0"})


def test_an_account_can_be_made_to_change_its_password(instance, admin, user):
    who = user()
    assert changed(admin, who, must_change_password=True)["must_change_password"]
    who.login(who.email, who.password)
    assert who.reply["password_change_required"]
    problem(who.get("/v1/patients"), "password-change-required")
    change = {"current_password": who.password, "new_password": data.password()}
    who.adopt(who.post("/v1/auth/password", change))
    assert who.get("/v1/patients").status_code == 200
    made = admin.made("/v1/users", account())
    found = problem(
        admin.patch(path(made), {"must_change_password": True}),
        "validation-failed",
        {"/must_change_password"},
    )
    assert field_code(found, "/must_change_password") == "conflict"


def test_a_password_does_not_age(instance, user):
    who = user()
    with connect(instance) as db:
        db.execute(
            "UPDATE eleusis.app_user SET created_at = created_at - interval '20 years',"
            " updated_at = updated_at - interval '20 years' WHERE id = %s",
            [who.user["id"]],
        )
    who.login(who.email, who.password)
    assert not who.reply["password_change_required"]


def test_another_address_is_told_to_the_old_one(instance, admin, user):
    who = user()
    new = data.email()
    changed(admin, who, email=new)
    told = wait_mail(instance, who.email, "e-mail address")
    assert new not in told.text
    assert mails(instance, new) == []
    with Api(instance) as api:
        old = {"email": who.email, "password": who.password}
        problem(api.post("/v1/auth/login", old), "bad-credentials")
        api.login(new, who.password)
    with joined(admin) as other:
        problem(admin.patch(path(other), {"email": new.upper()}), "conflict")


def test_a_user_is_told_what_was_changed(instance, admin, user):
    who = user()
    changed(admin, who, role="auditor", scopes=["self"])
    told = wait_mail(instance, who.email, CHANGED)
    words = " ".join(told.text.split())
    assert 'your role is now "auditor", what you are permitted to do.' in words
    changed(admin, who, disabled=True)
    assert "disabled" in wait_mails(instance, who.email, 2, CHANGED)[-1].text


def test_a_log_in_under_way_is_overtaken(instance, admin, user):
    """It read the account before the change; its session must not outlive that."""
    who = user()
    credentials = {"email": who.email, "password": who.password}
    stop = threading.Event()
    tokens = []

    def log_in_again() -> None:
        with Api(instance) as api:
            while not stop.is_set():
                reply = api.post("/v1/auth/login", credentials)
                if reply.status_code == 200:
                    tokens.append(reply.json()["token"])

    with ThreadPoolExecutor(3) as pool:
        running = [pool.submit(log_in_again) for _ in range(3)]
        while len(tokens) < 6:
            assert not any(r.done() for r in running)
        changed(admin, who, disabled=True)
        ended = len(tokens)
        stop.set()
    assert ended
    for token in tokens:
        with Api(instance, token) as api:
            shut(api)


# ---- from the machine itself -------------------------------------------------------------


def test_eleusisctl_gives_another_role(instance, user, key_of):
    who = user()
    key = key_of(who, "self", "patients:read", "models:read")
    assert key.get("/v1/patients").status_code == 200
    done = instance.ctl("user", "role", who.email, "--role", "auditor")
    assert done.stdout == f"{who.email} has the role auditor\n"
    shut(who)
    problem(key.get("/v1/patients"), "forbidden")
    assert key.get("/v1/models").status_code == 200
    with connect(instance) as db:
        row = db.execute(
            "SELECT * FROM eleusis.audit_event WHERE object_id = %s AND actor_kind = 'system'",
            [who.user["id"]],
        ).fetchone()
    assert (row["action"], row["detail"]["role"]) == ("user.update", "auditor")
    assert row["detail"]["tool"] == "eleusisctl"
    wrong = instance.ctl("user", "role", who.email, "--role", "root", check=False)
    assert wrong.returncode == 2


def test_eleusisctl_narrows_scopes(instance, admin, user):
    who = user()
    instance.ctl("user", "scopes", who.email, "--scopes", "self models:read audit:read")
    shut(who)
    who.login(who.email, who.password)
    assert who.user["scopes"] == ["self", "models:read"]
    instance.ctl("user", "scopes", who.email, "--all")
    assert admin.get(path(who)).json()["scopes"] is None
    for wrong in (["--scopes", "self all"], [], ["--all", "--scopes", "self"]):
        assert instance.ctl("user", "scopes", who.email, *wrong, check=False).returncode == 2


def test_eleusisctl_deletes(instance, admin, user, key_of):
    who = user()
    key = key_of(who)
    assert key.get("/v1/patients").status_code == 200
    instance.ctl("user", "delete", who.email)
    shut(who)
    shut(key)
    assert admin.get(path(who)).json()["status"] == "deleted"
    assert who.email not in instance.ctl("user", "list").stdout
    again = instance.ctl("user", "delete", who.email, check=False)
    assert "there is no user" in again.stderr


# ---- the last admin ------------------------------------------------------------------------


@pytest.fixture
def database(instance):
    with new_database(instance) as made:
        made.migrate()
        yield made


def update(db, actor, of, version: int = 1, **changes) -> list[tuple]:
    row = {"name": "N", "email": of.email, "role": of.role, "scopes": None} | changes
    return call(
        db, "user_update", actor, of.id, version, row["name"], row["email"], row["role"],
        row["scopes"], row.get("disabled", False), False, True,
    )  # fmt: skip


def test_the_last_admin_stays(database):
    with database.owner() as owner, database.server() as server:
        one, two = add_user(owner, "admin"), add_user(owner, "admin")
        add_user(owner, "admin", disabled=True)
        invited = uuid7()
        call(server, "user_invite", one, invited, "i@example.org", "I", "admin", None, b"h" * 32, 9)
        assert len(update(server, one, two, disabled=True)) == 1
        for actor in (two, add_user(owner, "auditor")):
            with sqlstate("EL403"):
                update(server, actor, one, disabled=True)
        with sqlstate("EL403"):
            update(server, one, one, role="auditor")
        # Somebody else's hand, in the name of an admin who may: nobody is left after it.
        third = add_user(owner, "admin")
        owner.execute("UPDATE eleusis.app_user SET password_hash = NULL WHERE id = %s", [third.id])
        call(server, "user_token_send", one, third.id, "invitation", b"x" * 32, 9)
        for lost in ({"disabled": True}, {"role": "auditor"}):
            with sqlstate("EL409"):
                update(server, third, one, **lost)
        with sqlstate("EL409"):
            call(server, "user_delete", third, one.id, 1)
        owner.execute("UPDATE eleusis.app_user SET password_hash = %s WHERE id = %s",
                      [HASH, third.id])  # fmt: skip
        assert len(update(server, third, one, disabled=True)) == 1


def test_an_admin_without_a_way_in_or_without_rights_is_none(database):
    """Whoever is left must be able to log in and to change accounts."""
    with database.owner() as owner, database.server() as server:
        one, two = add_user(owner, "admin"), add_user(owner, "admin")
        keyless = add_user(owner, "service", password_hash=None)
        update(server, one, keyless, role="admin")
        new = uuid7()
        call(server, "user_invite", one, new, "j@example.org", "J", "admin", None, b"j" * 32, 9)
        moved = SimpleNamespace(id=new, email="k@example.org", role="admin")
        (row,) = update(server, one, moved)
        assert "invited" in row
        update(server, one, two, scopes=["self", "users:read"])
        with sqlstate("EL403"):
            update(server, two, one, disabled=True)
        # In the name of one who may, though she could not log in.
        owner.execute("UPDATE eleusis.app_user SET scopes = NULL WHERE id = %s", [keyless.id])
        keyless.role = "admin"
        for lost in ({"disabled": True}, {"role": "auditor"}, {"scopes": ["self"]}):
            with sqlstate("EL409"):
                update(server, keyless, one, **lost)
        owner.execute(
            "INSERT INTO eleusis.identity (id, user_id, provider, subject)"
            " VALUES (%s, %s, 'idp', %s)",
            [uuid7(), keyless.id, b"s" * 32],
        )
        assert len(update(server, keyless, one, scopes=["self"])) == 1


def test_two_admins_who_demote_each_other_leave_one(database):
    with database.owner() as owner:
        one, two = add_user(owner, "admin"), add_user(owner, "admin")
        barrier, outcomes = threading.Barrier(2), []

        def demote(actor, of) -> None:
            with database.server() as db:
                barrier.wait()
                try:
                    update(db, actor, of, role="auditor")
                    outcomes.append("done")
                except Exception as refused:
                    outcomes.append(refused.sqlstate)

        with ThreadPoolExecutor(2) as pool:
            for each in (pool.submit(demote, one, two), pool.submit(demote, two, one)):
                each.result()
        left = owner.execute(
            "SELECT count(*) FROM eleusis.app_user WHERE role = 'admin' AND NOT disabled"
        ).fetchone()[0]
    assert left == 1
    assert sorted(outcomes) == ["EL403", "done"]


# ---- deleting ----------------------------------------------------------------------------


def test_a_deleted_account_is_nobodys(instance, admin, user, key_of):
    who = user()
    patient = who.made("/v1/patients", data.patient())
    key = key_of(who)
    assert key.get(f"/v1/patients/{patient['id']}").status_code == 200
    name = who.user["name"]
    reply = admin.http.delete(path(who))
    assert reply.status_code == 204
    audit_row(instance, reply, "user.delete")
    shut(who)
    shut(key)
    left = admin.get(path(who))
    assert left.headers["etag"] == reply.headers["etag"]
    found = left.json()
    assert (found["email"], found["name"], found["status"]) == (None, "Deleted user", "deleted")
    assert not found["has_password"]
    with connect(instance) as db:
        row = db.execute(
            "SELECT * FROM eleusis.app_user WHERE id = %s", [who.user["id"]]
        ).fetchone()
        care = db.execute(
            "SELECT count(*) AS n FROM eleusis.care_relationship"
            " WHERE user_id = %s AND (until IS NULL OR until > now())",
            [who.user["id"]],
        ).fetchone()
        live = db.execute(
            "SELECT count(*) AS n FROM eleusis.api_key WHERE user_id = %s AND revoked_at IS NULL",
            [who.user["id"]],
        ).fetchone()
        (named,) = db.execute(
            "SELECT name = prefix AS same FROM eleusis.api_key WHERE user_id = %s", [who.user["id"]]
        ).fetchall()
    assert named["same"], "what she called her keys is gone"
    for word in (who.email, name):
        assert word not in str(row)
    assert (care["n"], live["n"]) == (0, 0)
    with Api(instance) as api:
        body = {"email": who.email, "password": who.password}
        problem(api.post("/v1/auth/login", body), "bad-credentials")
    problem(admin.http.delete(path(who)), "not-found")
    problem(admin.patch(path(who), {"disabled": False}), "not-found")
    problem(admin.post(path(who, "/invite")), "not-found")
    assert who.user["id"].encode() not in redis_bytes(instance)


def test_what_a_deleted_user_did_stays_in_the_log(instance, admin, auditor, user):
    who = user()
    did = who.made("/v1/patients", data.patient())
    assert admin.http.delete(path(who)).status_code == 204
    items = auditor.get("/v1/audit/events", actor_id=who.user["id"]).json()["items"]
    assert "patient.create" in {event["action"] for event in items}
    assert did["id"] in {event["object"]["id"] for event in items}
    assert auditor.get(path(who)).json()["id"] == who.user["id"]


def test_the_address_of_a_deleted_account_is_free(instance, admin, user):
    who = user()
    assert admin.http.delete(path(who)).status_code == 204
    again = joined(admin, email=who.email)
    assert again.user["id"] != who.user["id"]
    assert len(wait_mails(instance, who.email, 2, INVITED)) == 2
    again.close()


def test_a_deleted_account_stays_so(instance, admin):
    made = admin.made("/v1/users", account(role="service"))
    assert admin.http.delete(path(made)).status_code == 204
    with connect(instance) as db:
        for change in ("deleted_at = NULL", "disabled = false"):
            with sqlstate("42501"):
                db.execute(f"UPDATE eleusis.app_user SET {change} WHERE id = %s", [made["id"]])


# ---- one's own name ---------------------------------------------------------------------


def test_ones_own_name(instance, user, key_of):
    who = user()
    new = f"{data.word()} Ünïcode"
    reply = who.patch("/v1/me", {"name": new})
    assert reply.status_code == 200, reply.text
    assert reply.json()["user"]["name"] == new
    row = audit_row(instance, reply, "user.rename")
    assert new not in str(row)
    assert who.get("/v1/me").json()["user"]["name"] == new
    with Api(instance).login(who.email, who.password) as other:
        assert other.user["name"] == new
    for wrong in ({"name": None}, {"name": "a\nb"}, {"email": data.email()}, {"role": "admin"}):
        assert who.patch("/v1/me", wrong).status_code == 422
    assert who.patch("/v1/me", {}).json()["user"]["name"] == new
    problem(key_of(who).patch("/v1/me", {"name": "x"}), "forbidden")


def test_links_are_dead_after_a_change_of_address(instance, admin):
    made, token = invited(admin)
    changed(admin, made, email=data.email())
    with Api(instance) as api:
        body = {"token": token, "password": data.password()}
        problem(api.post("/v1/auth/invitation", body), "bad-token")
    again = admin.get(path(made)).json()
    assert again["status"] == "invited", "she has not come yet"
    assert admin.post(path(made, "/invite")).json()["status"] == "invited"
