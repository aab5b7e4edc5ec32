"""The second net: what the server's role can reach when a handler forgets to ask.

Nothing here goes through the server: it is the database that refuses. The catalogue is walked,
so that a table or a function that is added later is looked at too.
"""

import csv
import re
import threading
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import psycopg
import pytest
from lib.process import wait_until
from lib.rows import add_patient, add_user, call, insert, sealed, sqlstate, uuid7
from lib.scratch import new_database
from lib.tables import ROOT
from psycopg import errors, sql

READABLE = ROOT / "tests/data/server_readable.csv"
ROLES = ("admin", "clinician", "auditor", "service")
RECORDS = r"eleusis\.(patient|observation|prediction|care_|break_glass|accesses)"
# They name nobody: a number, and what a client has sent itself.
WITHOUT_ACTOR = {"break_glass_unreviewed"}
# What is sealed and comes out all the same: the key under which a reason is to be sealed (it
# opens nothing by itself), and the reason to those who review it.
GIVEN_OUT = {
    ("break_glass_target", "clinician"),
    ("break_glass_reason", "admin"),
    ("break_glass_reason", "auditor"),
}
# Changes that a role may make about patients who are not in her care.
CHANGES = {
    ("break_glass_open", "clinician"),
    ("break_glass_review", "admin"),
    ("break_glass_review", "auditor"),
    ("care_grant", "admin"),
    ("care_end", "admin"),
}


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
def case(owner, server):
    """A clinician's patient with a measurement, a prediction and an emergency that is over."""
    user, guest = add_user(owner), add_user(owner)
    made = SimpleNamespace(user=user, guest=guest)
    made.secrets = [*(sealed() for _ in range(5)), sealed(77)]
    identity, clinical, payload, score, reason, wrapped = made.secrets
    made.mrn, made.code = sealed(16), sealed(16)
    made.patient, made.observation, made.prediction, made.grant = (uuid7() for _ in range(4))
    call(server, "patient_create", user, made.patient, identity, clinical, made.mrn, 1, wrapped, 1)
    call(server, "observation_create", user, made.patient, made.observation, made.code, payload)
    call(
        server, "prediction_create", user, made.prediction, made.patient, "m", "1.0.0",
        "a" * 64, "sha256:" + "b" * 64, "e 1", score, uuid7(),
    )  # fmt: skip
    call(server, "break_glass_open", guest, made.grant, made.patient, reason, 60, 5)
    call(server, "break_glass_end", guest, made.grant)
    return made


# ---- tables -------------------------------------------------------------------------


def test_the_server_reads_these_columns_and_no_others(database, server):
    with READABLE.open(newline="") as file:
        allowed = {(r["relation"], c) for r in csv.DictReader(file) for c in r["columns"].split()}
    found = server.execute("""
        SELECT c.relname, a.attname, has_column_privilege(c.oid, a.attnum, 'SELECT')
          FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
         WHERE c.relnamespace = 'eleusis'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
           AND a.attnum > 0 AND NOT a.attisdropped""").fetchall()
    assert {(relation, column) for relation, column, may in found if may} == allowed
    for relation in {relation for relation, _, _ in found} - {r for r, _ in allowed}:
        with pytest.raises(errors.InsufficientPrivilege):
            server.execute(sql.SQL("SELECT * FROM eleusis.{}").format(sql.Identifier(relation)))


@pytest.mark.parametrize("relation", ["pg_authid", "pg_shadow", "pg_user_mapping", "pg_statistic"])
def test_the_servers_secrets_are_not_the_servers_to_read(server, relation):
    with pytest.raises(errors.InsufficientPrivilege):
        server.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(relation)))


def test_every_way_in_is_a_function_of_the_owners(server):
    found = server.execute("""
        SELECT p.proname, p.prosecdef, p.proconfig, r.rolname
          FROM pg_proc p JOIN pg_roles r ON r.oid = p.proowner
         WHERE p.pronamespace = 'eleusis'::regnamespace
           AND has_function_privilege(p.oid, 'EXECUTE')""").fetchall()
    assert len(found) > 20
    for name, definer, config, role in found:
        assert definer, name
        assert "search_path=pg_catalog, pg_temp" in config, name
        assert role == "eleusis_owner", name


# ---- functions ----------------------------------------------------------------------


def functions(db) -> list[tuple[str, list[str], list[str]]]:
    """(name, names and types of parameters) of those that know of patients."""
    found = db.execute("""
        SELECT p.proname, p.proargnames[1:p.pronargs],
               ARRAY(SELECT format_type(t, NULL)
                       FROM unnest(p.proargtypes::oid[]) WITH ORDINALITY AS u (t, n) ORDER BY n),
               p.prosrc
          FROM pg_proc p
         WHERE p.pronamespace = 'eleusis'::regnamespace
           AND has_function_privilege('eleusis_server', p.oid, 'EXECUTE')""").fetchall()
    return [
        (name, names or [], types)
        for name, names, types, source in found
        if re.search(RECORDS, source) and name not in WITHOUT_ACTOR
    ]


def argument(case, function: str, name: str, kind: str, actor):
    """What a stranger would like to be true."""
    ids = {
        "p_patient": case.patient,
        "p_user": actor.id if function != "care_end" else case.user.id,
        "p_actor": actor.id,
        "p_role": actor.role,
        "p_mrn_index": case.mrn if function in ("patient_list", "patient_update") else None,
        "p_code_index": case.code,
        "p_wrapped": sealed(77),
        "p_codes": [case.code],
        "p_before": [None],
        "p_reason": sealed() if kind == "bytea" else "referral",
        "p_verdict": "justified",
        "p_expected": 1,
        "p_history": True,
    }
    if name in ids:
        return ids[name]
    if name == "p_id":
        table = function.partition("_")[0]
        own = {
            "patient_create": uuid7(),
            "observation_create": uuid7(),
            "prediction_create": uuid7(),
            "break_glass_open": uuid7(),
        }
        objects = {
            "patient": case.patient,
            "observation": case.observation,
            "prediction": case.prediction,
            "break": case.grant,
        }
        return own.get(function, objects.get(table, uuid7()))
    if name.endswith("_digest"):
        return "a" * 64
    kinds = {
        "uuid": uuid7(), "integer": 20, "bytea": sealed(60), "text": "1", "boolean": True,
        "bigint": 1, "timestamp with time zone": None,
    }  # fmt: skip
    return kinds[kind] if name not in ("p_after", "p_state", "p_since", "p_until") else None


SNAPSHOT = """
SELECT (SELECT array_agg(p ORDER BY p.id) FROM eleusis.patient AS p),
       (SELECT count(*) FROM eleusis.observation), (SELECT count(*) FROM eleusis.prediction),
       (SELECT array_agg(c ORDER BY c.patient_id, c.user_id) FROM eleusis.care_relationship AS c),
       (SELECT array_agg(g ORDER BY g.id) FROM eleusis.break_glass AS g)
"""


def attempt(db, case, function: str, names: list[str], types: list[str], actor):
    """What the server's role gets out of it, and whether anything has changed."""
    values = [
        argument(case, function, n, k, actor) for n, k in zip(names, types, strict=True)
    ]  # fmt: skip
    marks = sql.SQL(", ").join(sql.SQL("%s::" + k) for k in types)
    query = sql.SQL("SELECT * FROM eleusis.{}({})").format(sql.Identifier(function), marks)
    before = db.execute(SNAPSHOT).fetchone()
    with db.transaction(force_rollback=True):
        db.execute("SET LOCAL ROLE eleusis_server")
        try:
            with db.transaction():
                rows = db.execute(query, values).fetchall()
        except psycopg.Error as error:
            # Refused; any other error would say that the attempt was none.
            if not error.sqlstate.startswith("EL"):
                raise
            rows = []
        db.execute("RESET ROLE")
        after = db.execute(SNAPSHOT).fetchone()
    return rows, before != after


@pytest.mark.parametrize("role", ROLES)
def test_a_forgotten_check_shows_and_changes_nothing(database, owner, case, role):
    """Every function that knows of patients, asked by one who has no care."""
    actor, asked = add_user(owner, role), set()
    with database.superuser() as db:
        for function, names, types in functions(db):
            assert names[:2] == ["p_actor", "p_role"], f"{function} does not ask who acts"
            rows, changed = attempt(db, case, function, names, types, actor)
            shown = [v for row in rows for v in row if v in case.secrets]
            assert not shown or (function, role) in GIVEN_OUT, function
            if function != "patient_create":  # her own, with an id of its own
                assert not changed or (function, role) in CHANGES, function
            asked.add(function)
    assert len(asked) >= 20


@pytest.mark.parametrize("role", ROLES)
def test_a_borrowed_id_needs_the_right_role(database, case, role):
    """The acting role must be the one that the user has."""
    actor = SimpleNamespace(id=case.user.id, role=role)
    with database.superuser() as db:
        for function, names, types in functions(db):
            rows, changed = attempt(db, case, function, names, types, actor)
            if role == "clinician":
                continue
            assert not [v for row in rows for v in row if v in case.secrets], function
            assert not changed, function


def test_the_walk_would_find_a_hole(database, case):
    """The same attempt by the one who is in care shows what it is to hide."""
    with database.superuser() as db:
        found = {name: (names, types) for name, names, types in functions(db)}
        rows, _ = attempt(db, case, "patient_get", *found["patient_get"], case.user)
        assert [v for row in rows for v in row if v in case.secrets]
        _, changed = attempt(db, case, "patient_update", *found["patient_update"], case.user)
        assert changed


# ---- history ------------------------------------------------------------------------


def history(owner, patient, user) -> list[tuple]:
    return owner.execute(
        "SELECT kind, reason, ended_at IS NOT NULL FROM eleusis.care_history"
        " WHERE patient_id = %s AND user_id = %s ORDER BY since",
        [patient, user.id],
    ).fetchall()


def test_history_follows_whoever_changes_care(owner, server, case):
    """Also the owner, by hand: a trigger keeps it."""
    other = add_user(owner)
    insert(owner, "care_relationship", patient_id=case.patient, user_id=other.id, reason="on_call")
    assert history(owner, case.patient, other) == [("assigned", "on_call", False)]
    owner.execute(
        "UPDATE eleusis.care_relationship SET reason = 'admission', since = now()"
        " WHERE user_id = %s",
        [other.id],
    )
    owner.execute("DELETE FROM eleusis.care_relationship WHERE user_id = %s", [other.id])
    assert history(owner, case.patient, other) == [
        ("assigned", "on_call", True), ("assigned", "admission", True),
    ]  # fmt: skip
    assert history(owner, case.patient, case.guest) == [("break_glass", "break_glass", True)]


@pytest.mark.parametrize("who", ["owner", "superuser"])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE eleusis.care_history SET since = since - interval '1 day'",
        "UPDATE eleusis.care_history SET ended_at = NULL WHERE ended_at IS NOT NULL",
        "UPDATE eleusis.care_history SET kind = 'created' WHERE kind = 'break_glass'",
        "DELETE FROM eleusis.care_history",
        "TRUNCATE eleusis.care_history",
        "UPDATE eleusis.break_glass SET reason = reason || '\\x00'",
        "UPDATE eleusis.break_glass SET until = until + interval '1 day'",
        "UPDATE eleusis.break_glass SET ended_at = NULL WHERE ended_at IS NOT NULL",
        "UPDATE eleusis.break_glass SET user_id = patient_id",
        "DELETE FROM eleusis.break_glass",
        "TRUNCATE eleusis.break_glass CASCADE",
    ],
)
def test_nobody_rewrites_what_was(database, case, who, statement):
    with getattr(database, who)() as db, pytest.raises(errors.InsufficientPrivilege) as caught:
        db.execute(statement)
    assert "is refused" in str(caught.value)


def test_a_verdict_stands(owner, server, case):
    auditor = add_user(owner, "auditor")
    call(server, "break_glass_review", auditor, case.grant, "not_justified", None)
    with pytest.raises(errors.InsufficientPrivilege):
        owner.execute(
            "UPDATE eleusis.break_glass SET verdict = 'justified' WHERE id = %s", [case.grant]
        )


def test_care_of_before_is_in_the_history(instance, tmp_path):
    """The migration takes along what was there."""
    with new_database(instance) as made:
        files = sorted((ROOT / "migrations").glob("[0-9]*.sql"))
        last = next(i for i, f in enumerate(files) if f.name.endswith("_care.sql"))
        for file in files[:last]:
            (tmp_path / file.name).write_bytes(file.read_bytes())
        made.migrate("--dir", str(tmp_path))
        with made.owner() as owner, made.server() as server:
            user, other = add_user(owner), add_user(owner)
            patient = add_patient(server, user)
            insert(
                owner, "care_relationship", patient_id=patient, user_id=other.id, reason="on_call"
            )
        made.migrate()
        with made.owner() as owner:
            assert history(owner, patient, user) == [("created", "created", False)]
            assert history(owner, patient, other) == [("assigned", "on_call", False)]


def test_two_emergencies_at_once_count_one_after_the_other(database, owner, server, case):
    hasty, other, caught = add_user(owner), add_patient(server, case.user), []
    one, two = database.server(), database.server()
    with one, two, database.owner() as watch:
        with one.transaction():
            call(one, "break_glass_open", hasty, uuid7(), case.patient, sealed(), 60, 1)
            two.execute("SET lock_timeout = '10s'")

            def late() -> None:
                try:
                    call(two, "break_glass_open", hasty, uuid7(), other, sealed(), 60, 1)
                except psycopg.Error as error:
                    caught.append(error.sqlstate)

            thread = threading.Thread(target=late)
            thread.start()
            wait_until(
                lambda: (
                    watch.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone()[0]
                    > 0
                ),
                5,
                "the second one to wait",
            )
        thread.join()
    assert caught == ["EL429"]


def test_an_end_in_the_past_grants_nothing(owner, server, case):
    other = add_user(owner)
    with pytest.raises(errors.CheckViolation):
        call(
            server, "care_grant", case.user, case.patient, other.id, "referral",
            datetime.now(UTC) - timedelta(hours=1),
        )  # fmt: skip
    with sqlstate("EL404"):
        call(server, "care_grant", other, case.patient, other.id, "referral", None)


def test_accesses_are_found_without_reading_the_log(owner, server, case):
    """What a page costs is decided by the patient's rows, not by those of all others."""
    auditor = add_user(owner, "auditor")
    owner.execute(
        """
        INSERT INTO eleusis.audit_event (
            id, occurred_at, action, outcome, actor_kind, actor_id, object_type, object_id,
            request_id, detail, patient_id
        )
        SELECT eleusis.uuid_v7(), now(), CASE WHEN i %% 4 > 0 THEN 'patient.read'
                ELSE 'patient.list' END, 'allowed', 'user', %(user)s,
            'patient', CASE WHEN i %% 4 > 0 THEN p.id END, gen_random_uuid(),
            CASE WHEN i %% 4 = 0 THEN jsonb_build_object('patients', jsonb_build_array(
                CASE WHEN i = 4 THEN %(patient)s ELSE p.id END::text)) END,
            CASE WHEN i %% 4 > 0 THEN p.id END
        FROM generate_series(1, 20000) AS i
        CROSS JOIN LATERAL (SELECT gen_random_uuid() AS id WHERE i > 0) AS p
        """,
        {"user": case.user.id, "patient": case.patient},
    )
    owner.execute("ANALYZE eleusis.audit_event")
    args = [auditor.id, case.patient]
    query = "SELECT * FROM eleusis.accesses_list(%s, 'auditor', %s, NULL, 51, NULL, NULL)"
    assert [row[2] for row in server.execute(query, args)] == ["patient.list"]
    ((plan,),) = server.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {query}", args)
    pages = plan[0]["Plan"]["Shared Hit Blocks"] + plan[0]["Plan"]["Shared Read Blocks"]
    assert pages < 2000
