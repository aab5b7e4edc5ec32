"""The schema: rights, constraints, the append-only log, and the runner.

What changes the schema or the log for good runs in a database of its own,
in the same PostgreSQL, made by the real migrations.
"""

import os
import re
import secrets
import shutil
import subprocess
import time
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from lib.rows import HASH, NIL, add_user, call, event, insert, partition, sealed, uuid7
from lib.scratch import new_database
from lib.tables import ROOT
from psycopg import errors
from psycopg.types.json import Jsonb

MIGRATIONS = ROOT / "migrations"
FILES = sorted(p.name for p in MIGRATIONS.glob("[0-9]*.sql"))
LOCK_MIGRATE = 7305513001
FUNCTIONS = {
    "user_by_email", "user_by_id", "user_set_password",
    "patient_create", "patient_get", "patient_list", "patient_update", "patient_key",
    "observation_create", "observation_list", "observation_get", "observation_latest",
    "prediction_create", "prediction_get",
    "network_revision", "network_changes", "network_list", "network_get", "network_add",
    "network_change", "network_remove",
    "api_key_by_prefix", "api_key_create", "api_key_get", "api_key_list", "api_key_update",
    "api_key_rotate", "api_key_revoke", "api_key_used",
    "reply_claim", "reply_keep", "replies_forget",
    "mail_queue", "mail_lease", "mail_sent", "mail_retry", "mail_give_up", "mail_sweep",
    "user_rehash",
    "second_factor_get", "totp_begin", "totp_confirm", "totp_use", "totp_remove",
    "recovery_code_use", "recovery_codes_replace", "factors_reset",
    "user_get", "user_list", "user_keys", "user_invite", "user_update", "user_delete",
    "user_token_send", "user_reset_ask", "user_token_holder", "user_token_redeem", "user_rename",
    "care_visible", "care_list", "care_grant", "care_end",
    "break_glass_target", "break_glass_open", "break_glass_end", "break_glass_list",
    "break_glass_reason", "break_glass_review", "break_glass_unreviewed",
    "accesses_visible", "accesses_list",
    "passkey_list", "passkey_create", "passkey_rename", "passkey_delete", "passkey_by_credential",
    "passkey_used",
    "sessions_end", "user_sessions_end", "user_sessions_from", "other_sessions_end",
    "all_sessions_end", "session_ends", "user_session_holds", "place_known", "place_note",
    "identity_find", "identity_add", "identity_provision", "identity_role", "identity_used",
    "identity_list", "identity_remove",
}  # fmt: skip


# ---- databases ----------------------------------------------------------------


@pytest.fixture
def empty(instance):
    with new_database(instance) as database:
        yield database


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
def files(tmp_path):
    """A copy of the migrations that a test may spoil."""
    return shutil.copytree(MIGRATIONS, tmp_path / "migrations")


# ---- rights ---------------------------------------------------------------------


def test_the_servers_rights_are_exactly_these(instance):
    with psycopg.connect(instance.owner_dsn) as db:
        tables = db.execute("""
            SELECT c.relname, p.priv
              FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace,
                   unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE',
                                'REFERENCES', 'TRIGGER']) AS p (priv)
             WHERE n.nspname = 'eleusis' AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
               AND has_table_privilege('eleusis_server', c.oid, p.priv)""").fetchall()
        columns = db.execute("""
            SELECT attrelid::regclass::text, attname FROM pg_attribute
             WHERE attacl IS NOT NULL AND attnum > 0 AND NOT attisdropped
               AND attrelid::regclass::text LIKE 'eleusis.%'""").fetchall()
        functions = db.execute("""
            SELECT p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
             WHERE n.nspname = 'eleusis'
               AND has_function_privilege('eleusis_server', p.oid, 'EXECUTE')""").fetchall()
        public = db.execute("""
            SELECT p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace,
                   aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
             WHERE n.nspname = 'eleusis' AND a.grantee = 0""").fetchall()
    assert set(tables) == {("audit_event", "SELECT"), ("audit_event", "INSERT")}
    assert set(columns) == {("eleusis.app_user", c) for c in ("id", "name", "role")}
    assert {name for (name,) in functions} == FUNCTIONS
    assert public == []


def test_definer_functions_fix_their_search_path(owner):
    found = owner.execute("""
        SELECT p.proname, p.prosecdef, p.proconfig, r.rolname
          FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
          JOIN pg_roles r ON r.oid = p.proowner WHERE n.nspname = 'eleusis'""").fetchall()
    for name, definer, config, role in found:
        assert "search_path=pg_catalog, pg_temp" in (config or []), name
        assert definer == (name in FUNCTIONS), name
        assert role == "eleusis_owner", name


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE eleusis.audit_event SET outcome = 'allowed'",
        "DELETE FROM eleusis.audit_event",
        "TRUNCATE eleusis.audit_event",
        "INSERT INTO eleusis.audit_event_default (id) SELECT id FROM eleusis.audit_event",
        "SELECT count(*) FROM eleusis.audit_event_default",
        "SELECT count(*) FROM eleusis.patient",
        "SELECT count(*) FROM eleusis.care_relationship",
        "SELECT count(*) FROM eleusis.care_in_force",
        "SELECT count(*) FROM eleusis.observation",
        "SELECT count(*) FROM eleusis.prediction",
        "SELECT count(*) FROM eleusis.schema_migration",
        "SELECT count(*) FROM eleusis.api_key",
        "SELECT count(*) FROM eleusis.api_key_shown",
        "SELECT count(*) FROM eleusis.api_key_managed",
        "UPDATE eleusis.api_key SET revoked_at = NULL",
        "SELECT eleusis.api_key_refuse(gen_random_uuid(), 'admin', gen_random_uuid())",
        "SELECT count(*) FROM eleusis.network_rule",
        "UPDATE eleusis.network_rule_list SET revision = 0",
        "SELECT eleusis.network_revision_next(gen_random_uuid(), 0)",
        "SELECT count(*) FROM eleusis.outbox",
        "DELETE FROM eleusis.outbox",
        "SELECT password_hash FROM eleusis.app_user",
        "SELECT email FROM eleusis.app_user",
        "SELECT count(*) FROM eleusis.user_token",
        "SELECT count(*) FROM eleusis.app_user_shown",
        "SELECT count(*) FROM eleusis.app_user_manager",
        "SELECT eleusis.user_erase(gen_random_uuid())",
        "SELECT eleusis.user_token_put(gen_random_uuid(), 'invitation', 'x', 1)",
        "SELECT eleusis.user_change_begin(gen_random_uuid(), 'admin')",
        "UPDATE eleusis.app_user SET role = 'admin'",
        "INSERT INTO eleusis.care_relationship SELECT * FROM eleusis.care_relationship",
        "CREATE TABLE eleusis.t (i int)",
        "CREATE TABLE public.t (i int)",
        "CREATE TEMPORARY TABLE t (i int)",
        "CREATE SCHEMA s",
        "CREATE FUNCTION eleusis.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "ALTER TABLE eleusis.audit_event DISABLE TRIGGER audit_event_append_only",
        "DROP TABLE eleusis.audit_event",
        "DROP FUNCTION eleusis.patient_get(uuid, text, uuid)",
        "SELECT eleusis.audit_partitions_ensure(1)",
        "SELECT eleusis.audit_partition_create('2020-01-01')",
        "SET ROLE eleusis_owner",
        "SET session_replication_role = replica",
    ],
)
def test_the_server_may_not(instance, statement):
    with (
        psycopg.connect(instance.server_dsn) as db,
        pytest.raises(errors.InsufficientPrivilege),
    ):
        db.execute(statement)


def test_the_server_gives_up_by_itself(instance):
    with psycopg.connect(instance.server_dsn) as db:
        for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
            assert db.execute(f"SELECT current_setting('{name}')").fetchone()[0] != "0", name


def test_everything_is_commented(owner):
    bare = owner.execute("""
        SELECT c.relname, a.attname
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
          JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
         WHERE n.nspname = 'eleusis' AND c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition
           AND (col_description(c.oid, a.attnum) IS NULL
                OR obj_description(c.oid, 'pg_class') IS NULL)
        UNION ALL
        SELECT p.proname, NULL FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
         WHERE n.nspname = 'eleusis' AND obj_description(p.oid, 'pg_proc') IS NULL""")
    assert bare.fetchall() == []


# ---- the log --------------------------------------------------------------------


@pytest.mark.parametrize("who", ["owner", "superuser"])
@pytest.mark.parametrize("table", ["audit_event", "month", "audit_event_default"])
@pytest.mark.parametrize(
    "statement", ["UPDATE {} SET outcome = 'denied'", "DELETE FROM {}", "TRUNCATE {}"]
)
def test_nobody_changes_the_log(database, owner, who, table, statement):
    ids = [uuid7(), uuid7(datetime(1999, 1, 1, tzinfo=UTC))]
    for id in ids:
        insert(owner, "audit_event", **event(id=id))
    name = partition(owner, ids[0]) if table == "month" else f"eleusis.{table}"
    with getattr(database, who)() as db, pytest.raises(errors.InsufficientPrivilege) as caught:
        db.execute(statement.format(name))
    assert "is refused" in str(caught.value)
    assert partition(owner, ids[0]) != "eleusis.audit_event_default"
    assert partition(owner, ids[1]) == "eleusis.audit_event_default"


def test_an_event_lies_in_its_month(owner):
    start = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    for months in (0, 1, 13, 24):
        year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
        first = start.replace(year=year, month=month + 1)
        before = first - timedelta(milliseconds=1)
        for at in (first, before):
            id = uuid7(at)
            insert(owner, "audit_event", **event(id=id))
            assert partition(owner, id) == f"eleusis.audit_event_{at:%Y_%m}"


@pytest.mark.parametrize("year", [1970, 2015, 2400, 9999])
def test_far_dates_go_to_the_default_partition(server, owner, year):
    id = uuid7(datetime(year, 6, 1, tzinfo=UTC))
    insert(server, "audit_event", **event(id=id))
    assert partition(owner, id) == "eleusis.audit_event_default"


def test_partitions_reach_24_months_ahead(owner):
    names = {
        name
        for (name,) in owner.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits"
            " WHERE inhparent = 'eleusis.audit_event'::regclass"
        )
    }
    now = datetime.now(UTC)
    for months in range(-1, 25):
        year, month = divmod(now.year * 12 + now.month - 1 + months, 12)
        assert f"eleusis.audit_event_{year}_{month + 1:02d}" in names
    assert owner.execute("SELECT eleusis.audit_partitions_ensure(24)").fetchone()[0] == 0


def test_a_new_partition_takes_its_rows_from_the_default_one(empty):
    empty.migrate()
    now = datetime.now(UTC)
    at = (now + timedelta(days=30.5 * 28)).replace(day=2)
    other = at + timedelta(days=365 * 3)
    moved, stays = uuid7(at), uuid7(other)
    with empty.owner() as db:
        for id in (moved, stays):
            insert(db, "audit_event", **event(id=id, detail=Jsonb({"n": 1})))
            assert partition(db, id) == "eleusis.audit_event_default"
        assert db.execute("SELECT eleusis.audit_partitions_ensure(30)").fetchone()[0] == 6
        assert partition(db, moved) == f"eleusis.audit_event_{at:%Y_%m}"
        assert partition(db, stays) == "eleusis.audit_event_default"
        rows = db.execute("SELECT detail FROM eleusis.audit_event").fetchall()
        assert rows == [({"n": 1},)] * 2
        for statement in ("DELETE FROM {}", "UPDATE {} SET action = 'x'", "TRUNCATE {}"):
            for table in ("eleusis.audit_event_default", partition(db, moved)):
                with pytest.raises(errors.InsufficientPrivilege):
                    db.execute(statement.format(table))


def test_users_are_not_deleted(owner):
    user = add_user(owner)
    for statement in (f"DELETE FROM eleusis.app_user WHERE id = '{user.id}'",
                      "TRUNCATE eleusis.app_user CASCADE"):  # fmt: skip
        with pytest.raises(errors.InsufficientPrivilege):
            owner.execute(statement)


# ---- constraints ----------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": NIL},
        {"outcome": "maybe"},
        {"actor_kind": "robot"},
        {"actor_kind": "user"},
        {"object_id": uuid7()},
        {"action": ""},
        {"detail": Jsonb(["list"])},
    ],
)
def test_bad_events_are_refused(server, wrong):
    with pytest.raises(errors.CheckViolation):
        insert(server, "audit_event", **event(**wrong))


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": NIL},
        {"email": "nobody"},
        {"email": "a b@example.org"},
        {"name": ""},
        {"role": "root"},
        {"password_hash": "in clear, and long enough to pass for a hash by its length"},
    ],
)
def test_bad_users_are_refused(owner, wrong):
    with pytest.raises(errors.CheckViolation):
        add_user(owner, **wrong)


def test_an_email_is_one_user_in_any_case(owner, server):
    user = add_user(owner, email=f"{secrets.token_hex(8)}@example.org")
    with pytest.raises(errors.UniqueViolation):
        add_user(owner, email=user.email.upper())
    found = call(server, "user_by_email", None, user.email.title())
    assert found == [
        (user.id, user.email, "N", "clinician", HASH, False, False, None, False, 0, None, False)
    ]
    assert call(server, "user_by_id", None, user.id) == found
    assert call(server, "user_by_id", None, uuid7()) == []


@pytest.mark.parametrize(
    ("position", "value"),
    [
        (0, NIL),
        (1, sealed(44)),
        (2, sealed(44)),
        (3, sealed(15)),
        (4, 0),
        (5, sealed(76)),
        (6, 0),
    ],
)
def test_bad_patients_are_refused(owner, server, position, value):
    args = [uuid7(), sealed(45), sealed(45), sealed(16), 1, sealed(77), 1]
    user = add_user(owner)
    call(server, "patient_create", user, *args)
    args[0], args[3], args[position] = uuid7(), sealed(16), value
    with pytest.raises(errors.CheckViolation):
        call(server, "patient_create", user, *args)


# ---- the runner -----------------------------------------------------------------


def test_migrations_are_applied_once(empty):
    before = empty.migrate("--status").stdout
    assert before.count("pending") == len(FILES) + 1
    with empty.superuser() as db:
        assert db.execute("SELECT to_regnamespace('eleusis')").fetchone() == (None,)
    first = empty.migrate().stdout
    assert re.findall(r"^(\S+) +applied in \d+ ms$", first, re.M) == FILES
    assert "audit partitions" in first
    again = empty.migrate().stdout
    assert again == f"the schema is up to date ({len(FILES)} migrations)\n"
    assert f"{len(FILES)} applied, 0 pending" in empty.migrate("--status").stdout
    with empty.owner() as db:
        rows = db.execute(
            "SELECT name, length(sha256), applied_by FROM eleusis.schema_migration ORDER BY version"
        ).fetchall()
    assert rows == [(name, 64, "eleusis_owner") for name in FILES]


def test_a_changed_file_is_refused(database, files):
    with (files / FILES[1]).open("a") as f:
        f.write("-- one more word\n")
    for args in ((), ("--status",)):
        done = database.migrate("--dir", str(files), *args, check=False)
        assert done.returncode == 1
        assert f"{FILES[1]} was changed after it was applied" in done.stderr


def test_a_renamed_file_is_refused(database, files):
    (files / FILES[0]).rename(files / "0001_other.sql")
    done = database.migrate("--dir", str(files), check=False)
    assert done.returncode == 1
    assert f"0001_other.sql was applied under the name {FILES[0]}" in done.stderr


def test_an_older_checkout_is_refused(database, files):
    (files / FILES[-1]).unlink()
    done = database.migrate("--dir", str(files), check=False)
    assert done.returncode == 1
    assert f"{FILES[-1]} was applied, but is not here" in done.stderr


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (f"{len(FILES) + 2:04d}_late.sql", f"{len(FILES) + 1:04d} is missing"),
        ("0002_twin.sql", "have the same number"),
        ("0000_zero.sql", "not of the form NNNN_name.sql"),
        ("12_short.sql", "not of the form NNNN_name.sql"),
        ("0099_Upper.sql", "not of the form NNNN_name.sql"),
        ("notes.sql", "not of the form NNNN_name.sql"),
    ],
)
def test_misnumbered_files_are_refused(database, files, name, message):
    (files / name).write_text("SELECT 1;\n")
    done = database.migrate("--dir", str(files), check=False)
    assert done.returncode == 1
    assert message in done.stderr


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("CREATE TABLE eleusis.t (i int);\n-- é\nSELECT nothing_such;\n", ":3: column"),
        ("CREATE TABLE eleusis.t (i int);\nSELECT 1 / 0;\n", ": statement 2: division by zero"),
        ("CREATE TABLE eleusis.t (i int);\nSELEC;\n", ":2: syntax error"),
    ],
)
def test_a_failing_migration_leaves_nothing(database, files, text, where):
    name = f"{len(FILES) + 1:04d}_bad.sql"
    (files / name).write_text(text)
    done = database.migrate("--dir", str(files), check=False)
    assert done.returncode == 1
    assert name + where in done.stderr
    assert "rolled back" in done.stderr
    with database.owner() as db:
        assert db.execute("SELECT to_regclass('eleusis.t')").fetchone() == (None,)
        count = db.execute("SELECT count(*) FROM eleusis.schema_migration").fetchone()[0]
    assert count == len(FILES)


def test_a_migration_may_not_end_its_transaction(empty, files):
    (files / f"{len(FILES) + 1:04d}_commit.sql").write_text("SELECT 1; COMMIT; SELECT 2;\n")
    done = empty.migrate("--dir", str(files), check=False)
    assert done.returncode == 1
    assert "ends the transaction it is run in" in done.stderr


def test_a_run_waits_for_another(empty):
    with empty.owner() as db:
        db.execute("SELECT pg_advisory_lock(%s)", [LOCK_MIGRATE])
        waiting = empty.start_ctl("migrate")
        assert "waiting" in waiting.stderr.readline()
        time.sleep(0.3)
        assert waiting.poll() is None
        assert db.execute("SELECT to_regnamespace('eleusis')").fetchone() == (None,)
    out, err = waiting.communicate(timeout=60)
    assert waiting.returncode == 0, err
    assert out.count("applied in") == len(FILES)


def test_runs_at_once_apply_each_file_once(empty):
    runs = [empty.start_ctl("migrate") for _ in range(4)]
    done = [run.communicate(timeout=60) for run in runs]
    assert [run.returncode for run in runs] == [0] * 4, done
    assert sorted(re.findall(r"^(\S+) +applied in", "".join(o for o, _ in done), re.M)) == FILES
    assert sum("audit partitions" in out for out, _ in done) == 1


def test_bootstrap_can_be_run_again(instance):
    """With the same passwords: both roles still log in, and nothing is lost."""
    secret = instance.secret
    superuser = psycopg.conninfo.conninfo_to_dict(instance.superuser_dsn)
    env = os.environ | {
        "PGPASSWORD": superuser.get("password", ""),
        "ELEUSIS_DB_NAME": superuser["dbname"],
        "ELEUSIS_OWNER_PASSWORD": secret("ELEUSIS_DB_OWNER_PASSWORD_FILE"),
        "ELEUSIS_SERVER_PASSWORD": secret("ELEUSIS_DB_PASSWORD_FILE"),
    }
    done = subprocess.run(
        ["psql", "-X", "-q", "-h", superuser["host"], "-p", superuser["port"], "-U", "postgres",
         "-d", "postgres", "-f", MIGRATIONS / "bootstrap.sql"],
        env=env, text=True, capture_output=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    for dsn in (instance.owner_dsn, instance.server_dsn):
        with psycopg.connect(dsn) as db:
            assert db.execute("SELECT count(*) >= 0 FROM eleusis.audit_event").fetchone()[0]
