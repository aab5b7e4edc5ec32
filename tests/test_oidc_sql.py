"""The database's part of identities at providers: what its functions refuse.

They run as the server's role, in a database of their own.
"""

import secrets
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from lib.rows import add_user, call, insert, sqlstate, uuid7
from lib.scratch import new_database


@pytest.fixture(scope="module")
def database(instance):
    with new_database(instance) as made:
        made.migrate()
        yield made


@pytest.fixture
def owner(database):
    with database.owner() as db:
        yield db


@pytest.fixture
def server(database):
    with database.server() as db:
        yield db


def link(server, user, provider: str = "one", subject: bytes | None = None):
    made = uuid7()
    call(server, "identity_add", None, made, user.id, provider, subject or secrets.token_bytes(32))
    return made


def role_of(owner, user) -> str:
    return owner.execute("SELECT role FROM eleusis.app_user WHERE id = %s", [user.id]).fetchone()[0]


def test_one_there_is_one_here(owner, server):
    one, other = add_user(owner), add_user(owner)
    subject = secrets.token_bytes(32)
    made = link(server, one, subject=subject)
    with sqlstate("EL409"):
        link(server, other, subject=subject)
    with sqlstate("EL409"):
        link(server, one)
    link(server, one, "two", subject)
    assert call(server, "identity_find", None, "one", subject) == [(made, one.id)]
    assert call(server, "identity_find", None, "three", subject) == []


def test_a_disabled_account_is_not_linked(owner, server):
    user = add_user(owner, disabled=True)
    with sqlstate("EL404"):
        link(server, user)


def test_two_first_log_ins_at_once_make_one_link(database, owner):
    user, subject = add_user(owner), secrets.token_bytes(32)

    def add(_):
        with database.server() as db:
            try:
                link(db, user, subject=subject)
            except psycopg.Error as error:
                return error.sqlstate
        return "made"

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(add, range(4))) == ["EL409"] * 3 + ["made"]


def test_an_address_that_is_taken_makes_no_account(owner, server):
    user = add_user(owner)
    with sqlstate("EL409"):
        call(server, "identity_provision", None, uuid7(), uuid7(), "one",
             secrets.token_bytes(32), user.email.upper(), "N", "clinician")  # fmt: skip


def test_the_last_admin_who_could_log_in_keeps_the_role(owner, server):
    owner.execute("UPDATE eleusis.app_user SET disabled = true WHERE role = 'admin'")
    admin = add_user(owner, "admin")
    # Neither of these could log in.
    add_user(owner, "admin", password_hash=None)
    add_user(owner, "admin", disabled=True)
    with sqlstate("EL409"):
        call(server, "identity_role", None, admin.id, "admin", "clinician")
    assert role_of(owner, admin) == "admin"
    other = add_user(owner, "admin", password_hash=None)
    link(server, other)
    call(server, "identity_role", None, admin.id, "admin", "clinician")
    assert role_of(owner, admin) == "clinician"
    with sqlstate("EL412"):
        call(server, "identity_role", None, admin.id, "auditor", "clinician")


def test_a_role_that_changes_ends_sessions(owner, server):
    user = add_user(owner)
    query = "SELECT sessions_from, version FROM eleusis.app_user WHERE id = %s"
    _, version = owner.execute(query, [user.id]).fetchone()
    call(server, "identity_role", None, user.id, "clinician", "auditor")
    since, later = owner.execute(query, [user.id]).fetchone()
    assert since is not None
    assert later > version


def test_the_last_way_in_stays(owner, server):
    user = add_user(owner, password_hash=None)
    one, two = link(server, user), link(server, user, "two")
    with sqlstate("EL404"):
        call(server, "identity_remove", None, add_user(owner).id, one)
    call(server, "identity_remove", None, user.id, one)
    with sqlstate("EL409"):
        call(server, "identity_remove", None, user.id, two)
    owner.execute("UPDATE eleusis.app_user SET passkeys = 1 WHERE id = %s", [user.id])
    call(server, "identity_remove", None, user.id, two)


def test_a_deleted_account_is_nobody_anywhere(owner, server):
    user = add_user(owner)
    link(server, user)
    owner.execute(
        "UPDATE eleusis.app_user SET deleted_at = now(), disabled = true, password_hash = NULL"
        " WHERE id = %s",
        [user.id],
    )
    assert call(server, "identity_list", None, user.id) == []


def test_the_server_cannot_read_the_table(owner, server):
    for statement in (
        "SELECT * FROM eleusis.identity",
        "DELETE FROM eleusis.identity",
        "UPDATE eleusis.identity SET user_id = user_id",
    ):
        with sqlstate("42501"):
            server.execute(statement)
    with sqlstate("23514"):
        insert(owner, "identity", id=uuid7(), user_id=add_user(owner).id, provider="one",
               subject=b"plain")  # fmt: skip
