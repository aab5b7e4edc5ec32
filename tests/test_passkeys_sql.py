"""The database's part of passkeys: counted, unique, and out of the server's reach but by functions.

They run as the server's role, in a database of their own.
"""

import secrets
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from lib.rows import add_user, call, sqlstate, uuid7
from lib.scratch import new_database
from psycopg import errors

MAX = 20


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


@pytest.fixture
def user(owner):
    return add_user(owner)


def add(db, user, credential: bytes | None = None, count: int = 0, most: int = MAX):
    """A passkey's id."""
    passkey = uuid7()
    call(
        db, "passkey_create", None, user.id, passkey, credential or secrets.token_bytes(32),
        b"k" * 77, -7, count, uuid7(), ["usb"], True, False, "a key", most,
    )  # fmt: skip
    return passkey


def state(owner, user) -> tuple[int, int]:
    """What the account says, and how many there are."""
    return owner.execute(
        "SELECT passkeys, (SELECT count(*) FROM eleusis.passkey WHERE user_id = u.id)"
        " FROM eleusis.app_user AS u WHERE id = %s",
        [user.id],
    ).fetchone()


def test_the_account_counts_them(owner, server, user):
    first, second = add(server, user), add(server, user)
    assert state(owner, user) == (2, 2)
    assert [row[0] for row in call(server, "passkey_list", None, user.id)] == [first, second]
    assert call(server, "passkey_delete", None, user.id, first, True)[0][0] == 1
    assert state(owner, user) == (1, 1)


def test_the_last_factor_stays_where_one_is_needed(owner, server, user):
    only = add(server, user)
    with sqlstate("EL409"):
        call(server, "passkey_delete", None, user.id, only, True)
    assert state(owner, user) == (1, 1)
    owner.execute("UPDATE eleusis.app_user SET totp = true WHERE id = %s", [user.id])
    call(server, "passkey_delete", None, user.id, only, True)
    assert state(owner, user) == (0, 0)


def test_one_user_cannot_touch_anothers(owner, server, user):
    other, only = add_user(owner), add(server, user)
    with sqlstate("EL404"):
        call(server, "passkey_delete", None, other.id, only, False)
    with sqlstate("EL404"):
        call(server, "passkey_rename", None, other.id, only, "mine")
    assert call(server, "passkey_list", None, other.id) == []
    assert state(owner, user) == (1, 1)


def test_a_credential_is_of_one_user(owner, server, user):
    credential = secrets.token_bytes(64)
    add(server, user, credential)
    with pytest.raises(errors.UniqueViolation):
        add(server, add_user(owner), credential)


def test_many_at_once_are_not_too_many(database, owner, user):
    def one(_) -> bool:
        with database.server() as db:
            try:
                add(db, user, most=3)
            except psycopg.Error as error:
                return error.sqlstate != "EL409"
            return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(one, range(6))) == 3
    assert state(owner, user) == (3, 3)


@pytest.mark.parametrize(
    ("before", "now", "good"),
    [(0, 0, True), (0, 1, True), (1, 2, True), (1, 1, False), (2, 1, False), (1, 0, False)],
)
def test_the_counter_only_grows(owner, server, user, before, now, good):
    passkey = add(server, user, count=before)
    if good:
        call(server, "passkey_used", None, passkey, now, False)
    else:
        with sqlstate("EL409"):
            call(server, "passkey_used", None, passkey, now, False)
    kept, used = owner.execute(
        "SELECT sign_count, last_used_at IS NOT NULL FROM eleusis.passkey WHERE id = %s", [passkey]
    ).fetchone()
    assert (kept, used) == (now if good else before, good)


def test_of_two_copies_at_once_one_gets_through(database, server, user):
    passkey = add(server, user, count=5)

    def use(_) -> bool:
        with database.server() as db:
            try:
                call(db, "passkey_used", None, passkey, 6, False)
            except psycopg.Error as error:
                return error.sqlstate != "EL409"
            return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(use, range(4))) == 1


def test_who_is_disabled_adds_none(owner, server, user):
    owner.execute("UPDATE eleusis.app_user SET disabled = true WHERE id = %s", [user.id])
    with sqlstate("EL404"):
        add(server, user)


@pytest.mark.parametrize(
    "change",
    [
        "factors_from = now()",
        "disabled = true, password_hash = NULL, deleted_at = now()",
    ],
)
def test_they_go_with_the_account_and_with_its_factors(owner, server, user, change):
    other = add_user(owner)
    for each in (user, other):
        add(server, each)
    owner.execute(f"UPDATE eleusis.app_user SET {change} WHERE id = %s", [user.id])
    assert state(owner, user) == (0, 0)
    assert state(owner, other) == (1, 1)


def test_the_server_cannot_change_a_public_key(owner, server, user):
    """Nor read the table, nor put a key there for somebody but by the function that registers."""
    passkey = add(server, user)
    for statement in (
        "UPDATE eleusis.passkey SET public_key = 'x' WHERE id = %s",
        "UPDATE eleusis.passkey SET user_id = gen_random_uuid() WHERE id = %s",
        "DELETE FROM eleusis.passkey WHERE id = %s",
        "SELECT public_key FROM eleusis.passkey WHERE id = %s",
        "SELECT name FROM eleusis.passkey_shown WHERE id = %s",
    ):
        with pytest.raises(errors.InsufficientPrivilege):
            server.execute(statement, [passkey])
        server.rollback()
    written = owner.execute(
        "SELECT p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"
        " WHERE n.nspname = 'eleusis' AND p.prosrc ~ 'passkey' AND p.prosrc ~ 'public_key'"
    ).fetchall()
    assert {name for (name,) in written} == {"passkey_create", "passkey_by_credential"}
