"""eleusisctl: help, keys, users, settings; what it prints, writes and audits."""

import ctypes
import ctypes.util
import json
import os
import re
import secrets
import socket
import stat
import subprocess
import time

import psycopg
import pytest
from lib.scratch import new_database
from lib.tables import ROOT
from psycopg.rows import dict_row

COMMANDS = [
    "keys create", "keys check", "migrate", "user create", "user list", "user disable",
    "user enable", "user reset-password", "user reset-factors", "user role", "user scopes",
    "user delete", "user unlock", "sessions end", "api-key list", "api-key revoke",
    "mail test", "mail list",
    "network list", "network clear", "passwords build", "passwords check", "settings",
    "tls check", "version",
]  # fmt: skip
ONETIME = re.compile(r"one-time password[^:\n]*[: ]\s*(\S{24,31})\b")
SETTING = re.compile(r'^SETTING\((\w+), \w+, "([^"]*)",', re.M)
SETTING_ROW = re.compile(r"^\| `(\w+)` \| (?:`(.*?)`|\(empty\)) \| (.*?) \| (.*) \|$", re.M)


def verified(hash: str, password: str) -> bool:
    """libsodium's own answer, not through Eleusis."""
    sodium = ctypes.CDLL(ctypes.util.find_library("sodium"))
    assert sodium.sodium_init() >= 0
    text = password.encode()
    length = ctypes.c_ulonglong(len(text))
    return sodium.crypto_pwhash_str_verify(hash.encode(), text, length) == 0


def user_row(instance, email: str, **connection) -> dict | None:
    with psycopg.connect(instance.owner_dsn, row_factory=dict_row, **connection) as db:
        return db.execute(
            "SELECT * FROM eleusis.app_user WHERE lower(email) = %s", [email]
        ).fetchone()


def audit_rows(instance, user: dict, **connection) -> list[dict]:
    with psycopg.connect(instance.owner_dsn, row_factory=dict_row, **connection) as db:
        return db.execute(
            "SELECT * FROM eleusis.audit_event WHERE object_id = %s ORDER BY id", [user["id"]]
        ).fetchall()


@pytest.fixture
def empty(instance):
    """A database without a schema."""
    with new_database(instance) as database:
        yield database


@pytest.fixture
def email():
    return f"{secrets.token_hex(8)}@example.org"


@pytest.fixture
def made(instance, email):
    """A clinician; her row and her password."""
    password = secrets.token_urlsafe(18)
    instance.ctl("user", "create", "--email", email, "--name", "Ada Byron", "--role", "clinician",
                 "--password-file", "-", input=password + "\n")  # fmt: skip
    return user_row(instance, email) | {"password": password}


def failed(done: subprocess.CompletedProcess, code: int, *words: str) -> None:
    """Failed with this code, said why on standard error, and what to do."""
    assert done.returncode == code, done
    assert done.stdout == ""
    assert done.stderr.startswith("eleusisctl: ")
    for word in words:
        assert word in done.stderr


# ---- the command line -------------------------------------------------------------


def test_help_lists_every_command(instance):
    text = instance.ctl("--help").stdout
    assert re.findall(r"^  ([a-z-]+(?: [a-z-]+)?)  ", text, re.M) == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(instance, command):
    for flag in ("--help", "-h"):
        done = instance.ctl(*command.split(), flag, ELEUSIS_DB_PORT="no number")
        assert done.stdout.startswith(f"Usage: eleusisctl {command} ")
        assert done.stderr == ""


@pytest.mark.parametrize(
    ("args", "word"),
    [
        ([], "Usage"),
        (["nothing"], "no command"),
        (["user"], "no command"),
        (["user", "nothing"], "no command"),
        (["--nothing"], "not understood"),
        (["--config"], "not understood"),
        (["migrate", "--nothing"], "no such option"),
        (["migrate", "--dir"], "needs a value"),
        (["migrate", "--status=yes"], "takes no value"),
        (["migrate", "--dir", "a", "--dir", "b"], "given twice"),
        (["migrate", "word"], "one word too many"),
        (["user", "disable"], "--email is needed"),
        (["user", "create", "a@b.c", "--email", "a@b.c", "--name", "N", "--role", "admin"],
         "given twice"),
        (["user", "create", "a@b.c", "--role", "admin"], "--name is needed"),
        (["user", "create", "a@b.c", "--name", "N"], "--role is needed"),
        (["user", "create", "a@b.c", "--name", "N", "--role", "root"], "no role"),
        (["user", "create", "a@b.c", "--name", "", "--role", "admin"], "name"),
        (["user", "create", "a@b.c", "--name", "two\nlines", "--role", "admin"], "name"),
        (["user", "create", "a@b.c", "--name", "N" * 201, "--role", "admin"], "name"),
        (["user", "create", "--first-admin", "--role", "auditor"], "do not go together"),
    ],
)  # fmt: skip
def test_what_is_not_understood_exits_2(instance, args, word):
    done = instance.ctl(*args, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert word in done.stderr


@pytest.mark.parametrize(
    "wrong",
    [
        "", "@", "a@", "@b", "a b@c.d", "a@b c", "a@b@c", ".a@b.c", "a.@b.c", "a..b@c.d", "a@.b",
        "a@b.", "a@-b.c", "a@b-.c", "a@b_c.d", "ä@b.c", "a@b\n.c", "a" * 65 + "@b.c",
        "a@" + "b" * 64 + ".c", "a@" + "b." * 130 + "c",
    ],
)  # fmt: skip
def test_wrong_addresses_exit_2(instance, wrong):
    done = instance.ctl("user", "disable", f"--email={wrong}", check=False)
    failed(done, 2, "is not an e-mail address")


def test_version(instance):
    out = instance.ctl("version").stdout
    assert re.fullmatch(r"eleusisctl \S+\n", out)
    assert instance.ctl("--version").stdout == out


def test_output_that_is_lost_is_a_failure(instance):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [instance.build / "eleusisctl", "--help"], stdout=full, stderr=subprocess.PIPE
        )
    assert done.returncode == 1
    assert b"standard output" in done.stderr


# ---- settings ---------------------------------------------------------------------


def test_the_documentation_has_every_setting(instance):
    found = SETTING_ROW.findall(instance.ctl("settings", "--markdown").stdout)
    table = SETTING.findall((ROOT / "src/base/tbl/settings.def").read_text())
    assert [(name, default) for name, default, *_ in found] == [
        (id.lower(), default) for id, default in table
    ]
    assert all(values and text for *_, values, text in found)


def test_the_documentation_is_up_to_date(instance):
    text = (ROOT / "docs" / "settings.md").read_text()
    assert text == instance.ctl("settings", "--markdown").stdout


def test_environment_over_file_over_default(instance, tmp_path):
    conf = tmp_path / "my.conf"
    conf.write_text("db_timeout_ms = 777\nredis_timeout_ms = 333\n")
    with_env = {"ELEUSIS_REDIS_TIMEOUT_MS": "444"}
    for done in (
        instance.ctl("--config", str(conf), "settings", **with_env),
        instance.ctl("settings", "--config", str(conf), **with_env),
        instance.ctl("settings", ELEUSIS_CONFIG=str(conf), **with_env),
    ):
        assert re.search(r"^db_timeout_ms += 777 +# file:", done.stdout, re.M)
        assert re.search(r"^redis_timeout_ms += 444 +# env:", done.stdout, re.M)
        assert re.search(r"^pool_queue += 64 +# default:", done.stdout, re.M)


def test_wrong_settings_are_all_named(instance, tmp_path):
    conf = tmp_path / "my.conf"
    conf.write_text("no_such_thing = 1\npool_queue = many\n")
    done = instance.ctl("--config", str(conf), "user", "list", check=False, ELEUSIS_DB_PORT="0")
    failed(done, 1, "no_such_thing", "pool_queue", "db_port")
    missing = instance.ctl("--config", str(tmp_path / "none"), "settings", check=False)
    failed(missing, 1, "No such file")


# ---- keys -------------------------------------------------------------------------


def test_keys_are_made_once(instance, tmp_path):
    directory = tmp_path / "keys"
    env = {"ELEUSIS_KEY_DIR": str(directory)}
    failed(instance.ctl("keys", "check", check=False, **env), 1, "keys create")
    instance.ctl("keys", "create", **env)
    root = directory / "root.key"
    key = root.read_bytes()
    assert len(key) == 32
    assert stat.S_IMODE(root.stat().st_mode) == 0o600
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    instance.ctl("keys", "create", **env)
    instance.ctl("keys", "check", **env)
    assert root.read_bytes() == key


@pytest.mark.parametrize(("mode", "size"), [(0o644, 32), (0o640, 32), (0o600, 31), (0o600, 33)])
def test_bad_keys_are_found(instance, tmp_path, mode, size):
    tmp_path.chmod(0o700)
    root = tmp_path / "root.key"
    root.write_bytes(secrets.token_bytes(size))
    root.chmod(mode)
    for command in ("check", "create"):
        done = instance.ctl("keys", command, check=False, ELEUSIS_KEY_DIR=str(tmp_path))
        failed(done, 1, "root.key")


# ---- users ------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["admin", "clinician", "auditor", "service"])
def test_a_user_is_made_with_her_audit_row(instance, email, role):
    password = "pässwörter — long enough"
    instance.ctl("user", "create", email.upper(), "--name", "Ädä", "--role", role,
                 "--password-file", "-", input=password + "\nsecond line\n")  # fmt: skip
    user = user_row(instance, email)
    assert (user["email"], user["name"], user["role"]) == (email, "Ädä", role)
    assert (user["onetime"], user["disabled"], user["id"].version) == (False, False, 7)
    assert verified(user["password_hash"], password)
    assert not verified(user["password_hash"], password + " ")
    (row,) = audit_rows(instance, user)
    assert (row["action"], row["outcome"], row["actor_kind"]) == (
        "user.create", "allowed", "system",
    )  # fmt: skip
    assert (row["actor_id"], row["object_type"]) == (None, "user")
    assert row["detail"] == {
        "tool": "eleusisctl", "role": role, "onetime": False, "os_uid": os.getuid(),
    }  # fmt: skip
    assert password not in json.dumps(row, default=str)


def test_the_hash_has_the_settings_parameters(instance, email):
    instance.ctl("user", "create", email, "--name", "N", "--role", "auditor",
                 ELEUSIS_ARGON2_OPS="3", ELEUSIS_ARGON2_MEM_KIB="9000")  # fmt: skip
    hash = user_row(instance, email)["password_hash"]
    assert hash.startswith("$argon2id$v=19$m=9000,t=3,p=1$")


def test_without_a_password_a_one_time_password_is_shown(instance, email):
    out = instance.ctl("user", "create", email, "--name", "N", "--role", "clinician").stdout
    user = user_row(instance, email)
    assert user["onetime"] is True
    assert verified(user["password_hash"], ONETIME.search(out)[1])


def test_a_given_password_may_be_for_once(instance, email, tmp_path):
    path = tmp_path / "password"
    path.write_text("a password in a file")
    out = instance.ctl("user", "create", email, "--name", "N", "--role", "clinician", "--onetime",
                       "--password-file", str(path)).stdout  # fmt: skip
    user = user_row(instance, email)
    assert user["onetime"] is True
    assert verified(user["password_hash"], "a password in a file")
    assert "a password in a file" not in out


@pytest.mark.parametrize(
    ("password", "word"),
    [
        (b"", "empty"),
        (b"\nsecond line only\n", "empty"),
        (b"eleven char\n", "at least 12"),
        ("ä".encode() * 11 + b"\n", "at least 12"),
        (b"a" * 1025 + b"\n", "1024"),
        ("ä".encode() * 513 + b"\n", "1024 bytes"),
        (b"a" * 9000 + b"\n", "more than"),
        (b"not UTF-8: \xff\xfe\n", "UTF-8"),
    ],
)
def test_bad_passwords_make_no_user(instance, email, tmp_path, password, word):
    path = tmp_path / "password"
    path.write_bytes(password)
    done = instance.ctl("user", "create", email, "--name", "N", "--role", "admin",
                        "--password-file", str(path), check=False)  # fmt: skip
    failed(done, 1, word)
    assert user_row(instance, email) is None


def test_an_address_is_taken_once(instance, made):
    done = instance.ctl("user", "create", made["email"].upper(), "--name", "N", "--role", "admin",
                        check=False)  # fmt: skip
    failed(done, 1, "already", "reset-password")
    assert user_row(instance, made["email"])["name"] == "Ada Byron"
    assert len(audit_rows(instance, made)) == 1


def test_disable_and_enable(instance, made):
    for command, disabled in (("disable", True), ("enable", False)):
        first = instance.ctl("user", command, "--email", made["email"].upper())
        assert first.stdout == f"{made['email']} is {command}d\n"
        assert user_row(instance, made["email"])["disabled"] is disabled
        again = instance.ctl("user", command, made["email"])
        assert again.stdout == f"{made['email']} was already {command}d\n"
    actions = [row["action"] for row in audit_rows(instance, made)]
    assert actions == ["user.create", "user.disable", "user.enable"]


def test_reset_password(instance, made):
    out = instance.ctl("user", "reset-password", made["email"]).stdout
    user = user_row(instance, made["email"])
    assert user["onetime"] is True
    assert verified(user["password_hash"], ONETIME.search(out)[1])
    assert not verified(user["password_hash"], made["password"])
    row = audit_rows(instance, made)[-1]
    assert (row["action"], row["detail"]["onetime"]) == ("user.password", True)


@pytest.fixture
def no_redis(request, tmp_path):
    """Settings of a Redis that does not end sessions."""
    wrong = tmp_path / "wrong"
    wrong.write_text("wrong\n")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        yield {
            "refused": {"ELEUSIS_REDIS_PORT": "1"},
            "silent": {"ELEUSIS_REDIS_PORT": str(silent.getsockname()[1])},
            "no socket": {"ELEUSIS_REDIS_HOST": str(tmp_path / "none")},
            "wrong password": {"ELEUSIS_REDIS_PASSWORD_FILE": str(wrong)},
            "no password": {"ELEUSIS_REDIS_PASSWORD_FILE": ""},
            "no file": {"ELEUSIS_REDIS_PASSWORD_FILE": str(tmp_path / "none")},
        }[request.param]


@pytest.mark.parametrize("command", ["disable", "reset-password"])
@pytest.mark.parametrize(
    "no_redis",
    ["refused", "silent", "no socket", "wrong password", "no password", "no file"],
    indirect=True,
)
def test_without_redis_the_change_is_made_with_a_warning(instance, made, no_redis, command):
    started = time.monotonic()
    done = instance.ctl("user", command, made["email"], check=False, **no_redis)
    assert time.monotonic() - started < 15
    assert done.returncode == 3, done
    assert made["email"] in done.stdout
    assert "eleusisctl: warning: " in done.stderr
    assert "within a second all the same" in done.stderr
    user = user_row(instance, made["email"])
    changed = user["disabled"] if command == "disable" else user["onetime"]
    assert changed is True
    again = instance.ctl("user", command, made["email"])
    assert again.stderr == ""


@pytest.mark.parametrize("command", ["disable", "reset-password"])
def test_the_help_names_the_exit_status_without_redis(instance, command):
    assert "Exit status 3:" in instance.ctl("user", command, "--help").stdout
    assert "3 done, but" in instance.ctl("--help").stdout


@pytest.mark.parametrize("command", ["disable", "enable", "reset-password"])
def test_unknown_users(instance, email, command):
    failed(instance.ctl("user", command, email, check=False), 1, "there is no user", "user list")


def test_list(instance, made):
    instance.ctl("user", "disable", made["email"])
    lines = instance.ctl("user", "list").stdout.splitlines()
    (line,) = [line for line in lines if line.startswith(made["email"] + " ")]
    assert line.split()[1:3] == ["clinician", "disabled"]
    assert line.endswith("  Ada Byron")


# ---- the first admin ----------------------------------------------------------------


def test_one_first_admin_is_made(instance, empty):
    empty.migrate()
    command = ["user", "create", "--first-admin"]
    runs = [empty.start_ctl(*command) for _ in range(3)]
    done = [run.communicate(timeout=60) for run in runs]
    assert [run.returncode for run in runs] == [0, 0, 0], done
    (box,) = [out for out, _ in done if out]
    user = user_row(instance, "admin@localhost", dbname=empty.name)
    assert (user["role"], user["onetime"]) == ("admin", True)
    assert verified(user["password_hash"], ONETIME.search(box)[1])
    assert len(audit_rows(instance, user, dbname=empty.name)) == 1
    assert len({len(line) for line in box.splitlines()}) == 1
    again = instance.ctl(*command, "--email", "other@example.org", ELEUSIS_DB_NAME=empty.name)
    assert (again.stdout, again.stderr) == ("", "")
    assert user_row(instance, "other@example.org", dbname=empty.name) is None


# ---- failures -----------------------------------------------------------------------


def test_no_database(instance):
    done = instance.ctl("user", "list", check=False, ELEUSIS_DB_PORT="1")
    failed(done, 1, "refused", "is PostgreSQL running?")


def test_a_wrong_password(instance, tmp_path):
    path = tmp_path / "password"
    path.write_text("wrong\n")
    env = {"ELEUSIS_DB_OWNER_PASSWORD_FILE": str(path)}
    failed(instance.ctl("migrate", check=False, **env), 1, "authentication failed")
    path.unlink()
    failed(instance.ctl("migrate", check=False, **env), 1, "No such file")


def test_no_schema(instance, empty):
    done = instance.ctl("user", "list", check=False, ELEUSIS_DB_NAME=empty.name)
    failed(done, 1, "run eleusisctl migrate")


def test_no_migrations_there(instance, tmp_path):
    for directory, word in ((tmp_path, "no migrations"), (tmp_path / "none", "No such file")):
        done = instance.ctl("migrate", "--dir", str(directory), check=False)
        failed(done, 1, word, "--dir")
