"""Who sees whom, and what the functions do that are the server's only way in.

They run as the server's role, in a database of their own.
"""

import contextlib
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import psycopg
import pytest
from lib.process import wait_until
from lib.rows import HASH, add_patient, add_user, call, insert, sealed, sqlstate, uuid7
from lib.scratch import new_database
from psycopg import errors


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


# ---- who sees whom --------------------------------------------------------------


@pytest.fixture
def case(owner, server):
    """A clinician with a patient who has an observation and a prediction."""
    user = add_user(owner)
    made = SimpleNamespace(user=user, mrn=sealed(16), code=sealed(16))
    made.patient = add_patient(server, user, made.mrn)
    made.observation, made.prediction, made.audit = uuid7(), uuid7(), uuid7()
    call(server, "observation_create", user, made.patient, made.observation, made.code, sealed())
    call(
        server, "prediction_create", user, made.prediction, made.patient, "m", "1.0.0",
        "a" * 64, "sha256:" + "b" * 64, "e 1", sealed(), made.audit,
    )  # fmt: skip
    return made


def seen(server, case, user, role: str | None = None) -> set[str]:
    """Which of the reading functions show something of the case."""
    reads = {
        "patient_get": [case.patient],
        "patient_list": [None, 10, None],
        "patient_key": [case.patient],
        "observation_list": [case.patient, None, 10],
        "observation_get": [case.patient, case.observation],
        "observation_latest": [case.patient, [case.code], [None], 1],
        "prediction_get": [case.prediction],
    }
    by_mrn = call(server, "patient_list", user, None, 10, case.mrn, role=role)
    return {name for name, args in reads.items() if call(server, name, user, *args, role=role)} | (
        {"by mrn"} if by_mrn else set()
    )


ALL = {
    "patient_get", "patient_list", "patient_key", "observation_list", "observation_get",
    "observation_latest", "prediction_get", "by mrn",
}  # fmt: skip


def writes_refused(server, case, user, role: str | None = None) -> None:
    with sqlstate("EL404"):
        call(server, "patient_update", user, case.patient, 1, sealed(), sealed(), None, role=role)
    with sqlstate("EL404"):
        call(server, "observation_create", user, case.patient, uuid7(), sealed(16), sealed(),
             role=role)  # fmt: skip
    with sqlstate("EL404"):
        call(
            server, "prediction_create", user, uuid7(), case.patient, "m", "1", "a" * 64,
            "b" * 64, "e", sealed(), uuid7(), role=role,
        )  # fmt: skip


def test_the_creator_sees_her_patient(server, case):
    assert seen(server, case, case.user) == ALL


@pytest.mark.parametrize("role", ["clinician", "service", "admin", "auditor"])
def test_others_do_not(owner, server, case, role):
    other = add_user(owner, role)
    assert seen(server, case, other) == set()
    writes_refused(server, case, other)


@pytest.mark.parametrize("role", ["admin", "auditor", "service", "", "root"])
def test_a_role_that_is_not_hers_sees_nothing(server, case, role):
    assert seen(server, case, case.user, role=role) == set()
    writes_refused(server, case, case.user, role=role)


@pytest.mark.parametrize(
    ("role", "since", "until", "sees"),
    [
        ("clinician", -1, None, True),
        ("service", -1, 1, True),
        ("clinician", -2, -1, False),
        ("clinician", 1, None, False),
        ("admin", -1, None, False),
        ("auditor", -1, None, False),
    ],
)
def test_a_given_relationship(owner, server, case, role, since, until, sees):
    other, now = add_user(owner, role), datetime.now(UTC)
    insert(
        owner, "care_relationship", patient_id=case.patient, user_id=other.id, reason="referral",
        since=now + timedelta(hours=since),
        until=None if until is None else now + timedelta(hours=until),
    )  # fmt: skip
    assert seen(server, case, other) == (ALL if sees else set())
    if not sees:
        writes_refused(server, case, other)


def test_a_disabled_user_sees_nothing_at_once(owner, server, case):
    owner.execute("UPDATE eleusis.app_user SET disabled = true WHERE id = %s", [case.user.id])
    assert seen(server, case, case.user) == set()
    writes_refused(server, case, case.user)
    with sqlstate("EL409"):
        call(server, "user_set_password", None, case.user.id, HASH, HASH, True)
    with sqlstate("EL403"):
        add_patient(server, case.user)


def test_a_password_hash_is_replaced_once(owner, server):
    user, new, other = add_user(owner), HASH[:-1] + "y", HASH[:-1] + "z"
    assert call(server, "user_set_password", None, user.id, HASH, new, False) == [(True,)]
    with sqlstate("EL409"):
        call(server, "user_set_password", None, user.id, HASH, other, False)
    found = call(server, "user_by_id", None, user.id)
    assert found[0][4] == new


def test_an_erased_patient_is_gone(owner, server, case):
    owner.execute(
        "UPDATE eleusis.patient SET erased_at = now(), wrapped_key = NULL, mrn_index = NULL"
        " WHERE id = %s",
        [case.patient],
    )
    assert seen(server, case, case.user) == set()
    writes_refused(server, case, case.user)


def test_erasing_destroys_the_key(owner, case):
    with pytest.raises(errors.CheckViolation):
        owner.execute(
            "UPDATE eleusis.patient SET erased_at = now(), mrn_index = NULL WHERE id = %s",
            [case.patient],
        )


@pytest.mark.parametrize("role", ["admin", "auditor"])
def test_who_may_not_create(owner, server, role):
    with sqlstate("EL403"):
        add_patient(server, add_user(owner, role))


# ---- what the functions do --------------------------------------------------------


def test_a_patient_comes_back_as_written(owner, server):
    user, id, mrn = add_user(owner, "service"), uuid7(), sealed(16)
    identity, clinical, wrapped = sealed(300), sealed(3000), sealed(77)
    ((created,),) = call(server, "patient_create", user, id, identity, clinical, mrn, 3, wrapped, 2)
    ((*columns, at, updated),) = call(server, "patient_get", user, id)
    assert columns == [id, 1, identity, clinical, 3, wrapped, 2]
    assert at == updated == created
    assert call(server, "patient_key", user, id) == [(3, wrapped, 2)]


def test_an_update_needs_the_version(owner, server, case):
    new = sealed(), sealed()
    ((version, updated),) = call(server, "patient_update", case.user, case.patient, 1, *new, None)
    assert version == 2
    for expected in (1, 3, None):
        with sqlstate("EL412"):
            call(server, "patient_update", case.user, case.patient, expected, *new, None)
    row = call(server, "patient_get", case.user, case.patient)[0]
    assert (row[1], row[2], row[3], row[8]) == (2, *new, updated)
    assert call(server, "patient_list", case.user, None, 10, case.mrn) == []


def test_of_two_updates_at_once_one_wins(database, case):
    args = case.patient, 1, sealed(), sealed(), None
    with database.server() as one, database.server() as two, database.owner() as watch:
        with one.transaction():
            call(one, "patient_update", case.user, *args)
            pid = two.info.backend_pid
            two.execute("SET lock_timeout = 0")
            two.pgconn.send_query_params(
                b"SELECT * FROM eleusis.patient_update($1,$2,$3,1,$4,$4,NULL)",
                [str(case.user.id).encode(), b"clinician", str(case.patient).encode(),
                 b"\\x" + sealed().hex().encode()],
            )  # fmt: skip
            two.pgconn.flush()
            wait_until(
                lambda: watch.execute(
                    "SELECT 1 FROM pg_locks WHERE pid = %s AND NOT granted", [pid]
                ).fetchone(),
                10,
                "the second update's wait",
            )
        result = two.pgconn.get_result()
        assert result.error_field(psycopg.pq.DiagnosticField.SQLSTATE) == b"EL412"
        while two.pgconn.get_result():
            pass


def test_a_record_number_is_taken_once(owner, server, case):
    other = add_user(owner)
    with pytest.raises(errors.UniqueViolation):
        add_patient(server, other, case.mrn)
    mine = add_patient(server, other)
    with pytest.raises(errors.UniqueViolation):
        call(server, "patient_update", other, mine, 1, sealed(), sealed(), case.mrn)


def test_patients_are_listed_in_pages(owner, server):
    user = add_user(owner)
    ids = [add_patient(server, user, sealed(16)) for _ in range(7)]
    add_patient(server, add_user(owner))
    ids.sort(reverse=True)
    got, after = [], None
    while page := call(server, "patient_list", user, after, 3, None):
        assert len(page) <= 3
        got += [row[0] for row in page]
        after = got[-1]
    assert got == ids


def test_observations_are_listed_in_pages_and_by_code(server, case):
    start, codes = datetime.now(UTC), [sealed(16), sealed(16)]
    rows = [(uuid7(start + timedelta(seconds=i)), codes[i % 2], sealed()) for i in range(9)]
    for row in rows:
        call(server, "observation_create", case.user, case.patient, *row)
    rows.reverse()
    listed = call(server, "observation_list", case.user, case.patient, None, 5)
    assert [(r[0], r[1]) for r in listed] == [(r[0], r[2]) for r in rows[:5]]
    after = call(server, "observation_list", case.user, case.patient, listed[-1][0], 50)
    assert [r[0] for r in after] == [r[0] for r in rows[5:]] + [case.observation]
    for count in (1, 2):
        latest = call(
            server, "observation_latest", case.user, case.patient, [*codes, sealed(16)],
            [None] * 3, count,
        )  # fmt: skip
        want = {r for code in codes for r in [x for x in rows if x[1] == code][:count]}
        assert {r[:3] for r in latest} == want
    # Each code goes on from a place of its own.
    mine = [[x for x in rows if x[1] == code] for code in codes]
    before = [mine[0][0][0], mine[1][2][0]]
    latest = call(server, "observation_latest", case.user, case.patient, codes, before, 2)
    assert {r[:3] for r in latest} == {*mine[0][1:3], *mine[1][3:5]}
    got = call(server, "observation_get", case.user, case.patient, rows[0][0])
    assert [r[:2] for r in got] == [(rows[0][0], rows[0][2])]


def test_an_observation_belongs_to_its_patient(server, case):
    other = add_patient(server, case.user)
    assert call(server, "observation_get", case.user, other, case.observation) == []


def test_a_prediction_comes_with_its_key(server, case):
    ((*columns, payload, audit, _, version, wrapped, kek),) = call(
        server, "prediction_get", case.user, case.prediction
    )
    assert columns == [
        case.prediction, case.patient, "m", "1.0.0", "a" * 64, "sha256:" + "b" * 64, "e 1",
    ]  # fmt: skip
    assert len(payload) == 60
    assert audit == case.audit
    assert [(version, wrapped, kek)] == call(server, "patient_key", case.user, case.patient)


def test_effect_and_audit_row_stand_or_fall_together(owner, server, case):
    statement = """
        WITH a AS (INSERT INTO eleusis.audit_event
            (id, occurred_at, action, outcome, actor_kind, client_ip, detail)
            VALUES (%s, now(), 'patient.update', 'allowed', 'system', %s::text::inet,
                    %s::text::jsonb))
        SELECT version FROM eleusis.patient_update(%s, %s, %s, %s, %s, %s, NULL)"""
    ids = [uuid7(), uuid7()]
    for id, expected in zip(ids, (1, 7), strict=True):
        with contextlib.suppress(psycopg.Error):
            server.execute(
                statement,
                [id, "127.0.0.1", '{"version": 2}', case.user.id, "clinician", case.patient,
                 expected, sealed(), sealed()],
            )  # fmt: skip
    found = owner.execute("SELECT id FROM eleusis.audit_event WHERE id = ANY(%s)", [ids])
    assert found.fetchall() == [(ids[0],)]
