"""The database's part of second factors: what its functions let happen once.

They run as the server's role, in a database of their own.
"""

import secrets
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import psycopg
import pytest
from lib.rows import add_user, call, sealed, sqlstate, uuid7
from lib.scratch import new_database

SECRET = 65


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


def hashes(n: int = 10) -> list[bytes]:
    return [secrets.token_bytes(32) for _ in range(n)]


@pytest.fixture
def user(owner, server):
    """One with a confirmed app and ten codes."""
    made = add_user(owner)
    made.codes = hashes()
    call(server, "totp_begin", None, made.id, 1, sealed(SECRET))
    call(server, "totp_confirm", None, made.id, 1, 100, made.codes)
    return made


def flags(owner, user) -> tuple:
    return owner.execute(
        "SELECT totp, passkeys FROM eleusis.app_user WHERE id = %s", [user.id]
    ).fetchone()


def left(server, user) -> int:
    return call(server, "second_factor_get", None, user.id)[0][5]


def sessions_from(server, user):
    return call(server, "user_sessions_from", None, user.id)[0][0]


def test_the_first_factor_ends_sessions_and_the_second_does_not(owner, server):
    user = add_user(owner)
    call(server, "totp_begin", None, user.id, 1, sealed(SECRET))
    before = sessions_from(server, user)
    call(server, "totp_confirm", None, user.id, 1, 7, hashes())
    first = sessions_from(server, user)
    assert first is not None
    assert first != before
    owner.execute("UPDATE eleusis.app_user SET passkeys = 1 WHERE id = %s", [user.id])
    assert sessions_from(server, user) == first
    call(server, "totp_remove", None, user.id, False)
    assert sessions_from(server, user) == first
    owner.execute("UPDATE eleusis.app_user SET passkeys = 0 WHERE id = %s", [user.id])
    assert sessions_from(server, user) == first
    owner.execute("UPDATE eleusis.app_user SET passkeys = 1 WHERE id = %s", [user.id])
    assert sessions_from(server, user) > first


def test_a_session_that_is_over_sets_nothing_up(owner, server, database):
    """Two that were to set up the first factor: the second waits for the first, and is over."""
    user, session = add_user(owner), uuid7()
    before = sessions_from(server, user)
    assert call(server, "user_session_holds", None, user.id, session, before)[0][0]
    with database.server() as slow, ThreadPoolExecutor(1) as pool:
        with slow.transaction():
            call(slow, "user_session_holds", None, user.id, uuid7(), before)
            waits = pool.submit(call, server, "user_session_holds", None, user.id, session, before)
            call(slow, "totp_begin", None, user.id, 1, sealed(SECRET))
            call(slow, "totp_confirm", None, user.id, 1, 7, hashes())
            assert not waits.done()
        with sqlstate("EL401"):
            waits.result(10)
    now = sessions_from(server, user)
    assert call(server, "user_session_holds", None, user.id, session, now)[0][0]
    owner.execute(
        "INSERT INTO eleusis.session_end (session_id, user_id, until)"
        " VALUES (%s, %s, now() + interval '1 hour')", [session, user.id],
    )  # fmt: skip
    with sqlstate("EL401"):
        call(server, "user_session_holds", None, user.id, session, now)


def test_the_account_says_whether_it_has_an_app(owner, server):
    user = add_user(owner)
    assert call(server, "second_factor_get", None, user.id)[0][:2] == (0, None)
    call(server, "totp_begin", None, user.id, 1, sealed(SECRET))
    assert flags(owner, user) == (False, 0)
    call(server, "totp_confirm", None, user.id, 1, 7, hashes())
    assert flags(owner, user) == (True, 0)
    call(server, "totp_remove", None, user.id, False)
    assert flags(owner, user) == (False, 0)
    assert left(server, user) == 0
    assert call(server, "second_factor_get", None, uuid7()) == []


def test_a_secret_is_confirmed_once_and_in_its_version(owner, server):
    user = add_user(owner)
    with sqlstate("EL409"):
        call(server, "totp_confirm", None, user.id, 1, 7, hashes())
    call(server, "totp_begin", None, user.id, 1, sealed(SECRET))
    with sqlstate("EL409"):
        call(server, "totp_begin", None, user.id, 1, sealed(SECRET))
    with sqlstate("EL409"):
        call(server, "totp_begin", None, user.id, 3, sealed(SECRET))
    call(server, "totp_begin", None, user.id, 2, sealed(SECRET))
    with sqlstate("EL409"):
        call(server, "totp_confirm", None, user.id, 1, 7, hashes())
    call(server, "totp_confirm", None, user.id, 2, 7, hashes())
    with sqlstate("EL409"):
        call(server, "totp_confirm", None, user.id, 2, 8, hashes())
    with sqlstate("EL409"):
        call(server, "totp_begin", None, user.id, 3, sealed(SECRET))


def test_a_step_and_those_before_it_are_used_up(server, user):
    for step in (100, 99, 1):
        with sqlstate("EL409"):
            call(server, "totp_use", None, user.id, 1, step)
    call(server, "totp_use", None, user.id, 1, 102)
    for step in (102, 101):
        with sqlstate("EL409"):
            call(server, "totp_use", None, user.id, 1, step)
    with sqlstate("EL409"):
        call(server, "totp_use", None, user.id, 2, 103)
    call(server, "totp_remove", None, user.id, False)
    with sqlstate("EL409"):
        call(server, "totp_use", None, user.id, 1, 103)


def at_once(database, function: str, *args) -> int:
    """The same call on eight connections at the same time; how many succeed."""

    def one(_) -> bool:
        with database.server() as db:
            try:
                call(db, function, None, *args)
            except psycopg.Error as error:
                if error.sqlstate != "EL409":
                    raise
                return False
            return True

    with ThreadPoolExecutor(8) as pool:
        return sum(pool.map(one, range(8)))


def test_of_many_one_uses_a_step(database, user):
    assert at_once(database, "totp_use", user.id, 1, 101) == 1


def test_of_many_one_uses_a_recovery_code(database, server, user):
    assert at_once(database, "recovery_code_use", user.id, user.codes[0]) == 1
    assert left(server, user) == 9


def test_a_recovery_code_is_of_one_user(owner, server, user):
    other = add_user(owner)
    with sqlstate("EL409"):
        call(server, "recovery_code_use", None, other.id, user.codes[0])
    assert call(server, "recovery_code_use", None, user.id, user.codes[0]) == [(9,)]


def test_recovery_codes_are_replaced_as_a_set(owner, server, user):
    fresh = hashes()
    call(server, "recovery_codes_replace", None, user.id, fresh)
    with sqlstate("EL409"):
        call(server, "recovery_code_use", None, user.id, user.codes[0])
    call(server, "recovery_code_use", None, user.id, fresh[9])
    with sqlstate("EL409"):
        call(server, "recovery_codes_replace", None, add_user(owner).id, hashes())


def test_the_last_factor(owner, server, user):
    with sqlstate("EL409"):
        call(server, "totp_remove", None, user.id, True)
    assert flags(owner, user) == (True, 0)
    owner.execute("UPDATE eleusis.app_user SET passkeys = 1 WHERE id = %s", [user.id])
    call(server, "totp_remove", None, user.id, True)
    assert left(server, user) == 10, "the passkey can be lost too"
    owner.execute("UPDATE eleusis.app_user SET passkeys = 0 WHERE id = %s", [user.id])
    assert left(server, user) == 0, "and with it the codes go"
    with sqlstate("EL404"):
        call(server, "totp_remove", None, user.id, False)


def test_a_disabled_account_changes_nothing(owner, server, user):
    owner.execute("UPDATE eleusis.app_user SET disabled = true WHERE id = %s", [user.id])
    for function, *args in (
        ("totp_begin", 2, sealed(SECRET)),
        ("totp_confirm", 1, 200, hashes()),
        ("totp_remove", False),
        ("recovery_codes_replace", hashes()),
    ):
        with sqlstate("EL409"):
            call(server, function, None, user.id, *args)


def reset_by(server, actor, user, role: str | None = None):
    return call(server, "factors_reset", actor, user.id, role=role)


def test_who_resets_factors(owner, server, user):
    admin, clinician = add_user(owner, "admin"), add_user(owner)
    gone = add_user(owner, "admin", disabled=True)
    for actor, role in ((clinician, None), (clinician, "admin"), (gone, None)):
        with sqlstate("EL403"):
            reset_by(server, actor, user, role)
    with sqlstate("EL403"):
        reset_by(server, admin, admin)
    with sqlstate("EL404"):
        reset_by(server, admin, SimpleNamespace(id=uuid7()))
    assert flags(owner, user) == (True, 0)
    reset_by(server, admin, user)
    assert flags(owner, user) == (False, 0)
    row = call(server, "second_factor_get", None, user.id)[0]
    assert (row[1], row[3], row[5]) == (None, None, 0)
    since = owner.execute(
        "SELECT sessions_from IS NOT NULL, version FROM eleusis.app_user WHERE id = %s", [user.id]
    ).fetchone()
    assert since[0]
    # The version only grows: no sealed secret of before opens again.
    with sqlstate("EL409"):
        call(server, "totp_begin", None, user.id, 1, sealed(SECRET))
    call(server, "totp_begin", None, user.id, 2, sealed(SECRET))


def test_a_deleted_account_keeps_nothing(owner, server, user):
    owner.execute(
        "UPDATE eleusis.app_user SET deleted_at = now(), disabled = true, password_hash = NULL"
        " WHERE id = %s", [user.id],
    )  # fmt: skip
    assert flags(owner, user) == (False, 0)
    row = call(server, "second_factor_get", None, user.id)[0]
    assert (row[1], row[5]) == (None, 0)
    for table in ("totp WHERE secret IS NOT NULL AND", "recovery_code WHERE"):
        found = owner.execute(
            f"SELECT count(*) FROM eleusis.{table} user_id = %s", [user.id]
        ).fetchone()
        assert found == (0,)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT secret FROM eleusis.totp",
        "UPDATE eleusis.totp SET last_step = 0",
        "SELECT code_hash FROM eleusis.recovery_code",
        "DELETE FROM eleusis.recovery_code",
        "SELECT eleusis.recovery_codes_put(gen_random_uuid(), '{}')",
        "SELECT eleusis.factor_lock(gen_random_uuid())",
        "UPDATE eleusis.app_user SET totp = false",
    ],
)
def test_the_server_may_not(server, statement):
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        server.execute(statement)
