"""The running server: its processes and sandbox, TLS, settings and limits."""

import contextlib
import json
import os
import signal
import socket
import ssl
import stat
import subprocess
import threading
import time
from collections import Counter

import httpx
import pytest
from lib import data, process, raw
from lib.client import Api
from lib.db import connect, store
from lib.metrics import scrape, value
from lib.problem import problem
from lib.process import wait_until
from lib.tables import ROOT

pytestmark = pytest.mark.restarts

PRIVILEGED = os.geteuid() == 0


@pytest.fixture
def server(instance):
    """The instance, with its usual settings again afterwards."""
    yield instance
    instance.restart()


# ---- processes -------------------------------------------------------------------


def sandboxed(instance) -> bool:
    """False for the sanitizer build, which runs without the sandbox."""
    return "-r" not in instance.command()


def test_workers_and_key_manager_run(instance):
    workers = instance.worker_pids()
    assert len(workers) == int(instance.env["KORE_WORKERS"])
    titles = [process.title(p) for p in process.children(instance.parent_pid())]
    assert len([t for t in titles if "keymgr" in t]) == 1, titles


def test_children_have_no_privileges(instance):
    if not (PRIVILEGED and sandboxed(instance)):
        pytest.skip("the server was started without privileges to drop")
    users = Counter()
    for pid in process.children(instance.parent_pid()):
        status = process.status(pid)
        uids = set(status["Uid"].split())
        assert "0" not in uids
        assert len(uids) == 1
        assert "0" not in status["Gid"].split()
        assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 0
        assert status["NoNewPrivs"] == "1"
        assert status["Seccomp"] == "2"
        assert os.readlink(f"/proc/{pid}/root") != "/"
        users[uids.pop()] += 1
    assert len(users) == 2, "the key manager shares the workers' user"


def test_threads_are_in_the_sandbox_too(instance):
    if not sandboxed(instance):
        pytest.skip("this build runs without the sandbox")
    for pid in instance.worker_pids():
        tasks = os.listdir(f"/proc/{pid}/task")
        assert len(tasks) >= 2, "a worker without pool threads"
        for task in tasks:
            text = (process.PROC / str(pid) / "task" / task / "status").read_text()
            assert "\nSeccomp:\t2\n" in text


def test_workers_see_an_empty_root(instance):
    if not (PRIVILEGED and sandboxed(instance)):
        pytest.skip("the server was started without a chroot")
    for pid in instance.worker_pids():
        seen = {p.name for p in (process.PROC / str(pid) / "root").iterdir()}
        assert seen <= {"etc", "var", "tmp", "dev", "models", "usr", "lib"}, seen
        root = process.PROC / str(pid) / "root"
        assert not (root / "etc/shadow").exists()
        assert not (root / "etc/passwd").exists()


def test_the_key_manager_sees_key_and_certificate_and_changes_neither(instance):
    if not (PRIVILEGED and sandboxed(instance)):
        pytest.skip("the server was started without a chroot")
    children = process.children(instance.parent_pid())
    manager = next(p for p in children if "keymgr" in process.title(p))
    root = process.PROC / str(manager) / "root"
    seen = [root, *root.rglob("*")]
    assert {p.name for p in seen[1:]} == {"server.pem", "server.key"}
    for path in seen:
        assert path.stat().st_uid == 0, path
        assert stat.S_IMODE(path.stat().st_mode) & 0o027 == 0, path


def test_the_server_may_be_process_one(instance):
    """As it is in a container: its children must not take it for init."""
    apart = ["unshare", "--pid", "--fork", "--kill-child"]
    if not PRIVILEGED or subprocess.run([*apart, "true"], capture_output=True).returncode != 0:
        pytest.skip("no process id namespaces here")
    port = free_port()
    env = {
        "KORE_BIND": f"127.0.0.1 {port}",
        "KORE_PIDFILE": str(instance.var / "run" / "one.pid"),
        "ELEUSIS_LOG_FILE": "",
        "ELEUSIS_HOSTS": f"localhost:{port}",
    }
    child = subprocess.Popen(
        [*apart, *instance.command()],
        env=os.environ | instance.env | env,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"https://localhost:{port}/health/ready"
    verify = ssl.create_default_context(cafile=instance.ca)

    def ready() -> bool:
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(url, verify=verify, trust_env=False).status_code == 200
        return False

    try:
        wait_until(ready, 20, "an answer", 0.1)
    finally:
        process.end(child.pid, signal.SIGKILL)


def test_secrets_are_in_files_of_their_own(instance):
    assert stat.S_IMODE(instance.keys.stat().st_mode) == 0o700
    for path in instance.keys.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert (instance.keys / "root.key").stat().st_size == 32
    assert stat.S_IMODE((ROOT / "cert" / "server.key").stat().st_mode) & 0o077 == 0


def test_no_secret_is_on_a_command_line(instance):
    secrets = [p.read_text().strip() for p in instance.keys.glob("*.pw")]
    assert secrets
    for entry in process.PROC.iterdir():
        if entry.name.isdigit():
            line = process.title(int(entry.name))
            assert not [s for s in secrets if s in line]


# ---- TLS ---------------------------------------------------------------------------


def handshake(instance, **settings) -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=instance.ca)
    for name, wanted in settings.items():
        setattr(context, name, wanted)
    plain = socket.create_connection(instance.address, timeout=10)
    return context.wrap_socket(plain, server_hostname=instance.address[0])


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_both_tls_versions_are_spoken(instance, version):
    with handshake(instance, minimum_version=version, maximum_version=version) as tls:
        assert tls.version() == version.name.replace("_", ".")
        assert "GCM" in tls.cipher()[0] or "CHACHA20" in tls.cipher()[0]
        tls.sendall(raw.head(instance, "GET", "/health/live"))
        assert raw.status(raw.receive(tls)) == 200


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_older_tls_is_not(instance):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(instance.ca)
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with (
        socket.create_connection(instance.address, timeout=10) as plain,
        pytest.raises(ssl.SSLError),
    ):
        context.wrap_socket(plain, server_hostname="localhost")


def test_weak_ciphers_are_not_taken(instance):
    context = ssl.create_default_context(cafile=instance.ca)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AES128-SHA:AES256-SHA:ECDHE-RSA-AES128-SHA:@SECLEVEL=0")
    with (
        socket.create_connection(instance.address, timeout=10) as plain,
        pytest.raises(ssl.SSLError),
    ):
        context.wrap_socket(plain, server_hostname="localhost")


def test_handshakes_at_once_do_not_mix(instance):
    """Signatures come from the key manager; each goes to the handshake that asked."""
    failed: Counter = Counter()

    def greet(number: int):
        for turn in range(40):
            try:
                if (number + turn) % 3 == 0:
                    leave_early(instance)
                else:
                    with handshake(instance) as tls:
                        tls.sendall(raw.head(instance, "GET", "/health/live"))
                        assert raw.status(raw.receive(tls)) == 200
            except (OSError, AssertionError) as error:
                failed[f"{type(error).__name__}: {error}"[:120]] += 1

    threads = [threading.Thread(target=greet, args=[n]) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed, failed


def leave_early(instance) -> None:
    """Say hello to the server and go, while it has the reply signed."""
    context = ssl.create_default_context(cafile=instance.ca)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    hello = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        hello.do_handshake()
    with socket.create_connection(instance.address, timeout=10) as plain:
        plain.sendall(outgoing.read())
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


# ---- settings -------------------------------------------------------------------------


def refuses(instance, **env: str) -> str:
    """Start a second server with these settings; it must end by itself, saying why."""
    apart = {
        "KORE_BIND": f"127.0.0.1 {free_port()}",
        "KORE_PIDFILE": str(instance.var / "run" / "refused.pid"),
        "ELEUSIS_LOG_FILE": "",
    }
    done = subprocess.run(
        instance.command(),
        env=os.environ | instance.env | apart | env,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode != 0
    return done.stdout + done.stderr


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


@pytest.mark.parametrize(
    ("name", "wrong", "shown"),
    [
        ("DB_PORT", "x", "db_port"),
        ("DB_PORT", "70000", "db_port"),
        ("REQUEST_TIMEOUT_MS", "-1", "request_timeout_ms"),
        ("COROUTINES_MAX", "1", "coroutines_max"),
        ("POOL_THREADS", "", "pool_threads"),
        ("LOG_LEVEL", "loud", "log_level"),
        ("ENV", "nowhere", "nowhere"),
        ("ORIGIN", "http://localhost", "origin"),
        ("MODELS_DIR", "/nonexistent", "models_dir"),
        ("KEY_DIR", "/nonexistent", "/nonexistent"),
        ("DB_PASSWORD_FILE", "/nonexistent", "/nonexistent"),
        ("REDIS_PASSWORD_FILE", "/nonexistent", "/nonexistent"),
    ],
)
def test_a_wrong_setting_stops_the_start_and_is_named(instance, name, wrong, shown):
    assert shown in refuses(instance, **{f"ELEUSIS_{name}": wrong})


def test_all_wrong_settings_are_named_at_once(instance):
    said = refuses(instance, ELEUSIS_DB_PORT="x", ELEUSIS_POOL_QUEUE="y", ELEUSIS_ARGON2_OPS="z")
    assert all(name in said for name in ("db_port", "pool_queue", "argon2_ops")), said


def test_production_refuses_what_only_development_may_have(instance):
    said = refuses(instance, ELEUSIS_ENV="prod", ELEUSIS_KEY_DIR="var/keys")
    assert "key_dir: production needs its own value" in said
    assert "argon2_mem_kib" in said
    assert "origin: production is not reached at localhost" in said


def test_a_key_that_others_can_read_stops_the_start(instance, tmp_path):
    loose = tmp_path / "keys"
    loose.mkdir(mode=0o700)
    (loose / "root.key").write_bytes(os.urandom(32))
    (loose / "root.key").chmod(0o644)
    assert "root.key" in refuses(instance, ELEUSIS_KEY_DIR=str(loose))


def test_a_second_server_on_the_port_ends(instance):
    apart = {"KORE_PIDFILE": str(instance.var / "run" / "second.pid")}
    child = instance.spawn(**apart)
    try:
        assert child.wait(30) != 0
    finally:
        if child.poll() is None:
            process.end(child.pid)
    assert instance.healthy()


# ---- limits -----------------------------------------------------------------------------


def test_log_ins_are_limited_by_address(server, new_user):
    who = new_user("clinician")
    server.restart(ELEUSIS_RATE_AUTH="5", ELEUSIS_RATE_BURST_S="60")
    body = {"email": who.email, "password": data.password()}
    with Api(server, source="127.0.0.77") as one, Api(server, source="127.0.1.88") as two:
        replies = [one.post("/v1/auth/login", body) for _ in range(12)]
        statuses = [r.status_code for r in replies]
        assert (statuses[0], statuses[-1]) == (401, 429), statuses
        assert 4 <= statuses.count(401) <= 7
        found = next(r for r in replies if r.status_code == 429)
        problem(found, "rate-limited")
        assert 1 <= int(found.headers["retry-after"]) <= 60
        right = {"email": who.email, "password": who.password}
        problem(one.post("/v1/auth/login", right), "rate-limited")
        assert two.post("/v1/auth/login", right).status_code == 200
        assert value(scrape(two), "eleusis_rate_limited_total") >= 5


def test_reads_writes_and_predictions_are_limited_by_user(server, new_user):
    one, two = new_user("clinician"), new_user("clinician")
    server.restart(
        ELEUSIS_RATE_READ="10", ELEUSIS_RATE_WRITE="3", ELEUSIS_RATE_PREDICT="3",
        ELEUSIS_RATE_BURST_S="60",
    )  # fmt: skip
    one.login(one.email, one.password)
    two.login(two.email, two.password)
    writes = [one.post("/v1/patients", data.patient()) for _ in range(8)]
    statuses = [r.status_code for r in writes]
    assert (statuses[0], statuses[-1]) == (201, 429), statuses
    assert statuses.count(201) <= 5
    limited = writes[-1]
    problem(limited, "rate-limited")
    assert int(limited.headers["retry-after"]) >= 1
    assert one.get("/v1/patients").status_code == 200, "reads have a limit of their own"
    reads = [one.get("/v1/patients").status_code for _ in range(25)]
    assert reads[-1] == 429
    assert set(reads) == {200, 429}
    assert two.post("/v1/patients", data.patient()).status_code == 201
    predictions = [one.post("/v1/predictions", {}).status_code for _ in range(10)]
    assert predictions[-1] == 429


# The hash of an unknown user is a dummy with the server's own cost.
def unknown_user() -> dict:
    return {"email": data.email(), "password": data.password()}


def test_many_log_ins_at_once_are_answered_or_put_off(server):
    """The password pool has a bound: past it 503 busy with Retry-After, no hang."""
    server.restart(ELEUSIS_POOL_QUEUE="4", ELEUSIS_POOL_THREADS="1", ELEUSIS_ARGON2_OPS="20")
    replies = []

    def log_in():
        with Api(server) as api:
            replies.append(api.post("/v1/auth/login", unknown_user()))

    threads = [threading.Thread(target=log_in) for _ in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(replies) == 64
    counts = Counter(r.status_code for r in replies)
    assert set(counts) <= {401, 503}, counts
    assert counts[401] >= 5, counts
    assert counts[503] >= 1, "64 log-ins fit queues of 4"
    for reply in replies:
        if reply.status_code == 503:
            problem(reply, "busy")
            assert int(reply.headers["retry-after"]) >= 1


def test_other_requests_do_not_wait_for_passwords(server, log_in):
    """Argon2 runs on threads: the loop goes on answering."""
    reader = log_in("clinician")
    server.restart(ELEUSIS_ARGON2_OPS="20", ELEUSIS_ARGON2_MEM_KIB="262144")

    def log_in_slowly():
        with Api(server) as api:
            api.post("/v1/auth/login", unknown_user())

    threads = [threading.Thread(target=log_in_slowly) for _ in range(3)]
    for thread in threads:
        thread.start()
    time.sleep(0.1)
    answered = 0
    while any(t.is_alive() for t in threads):
        reply = reader.get("/v1/me")
        assert reply.status_code == 200
        assert reply.elapsed.total_seconds() < 1
        answered += 1
    assert answered >= 5


def test_slow_log_ins_survive_their_client(server):
    """Orphans run to their end and are counted; nothing is left running."""
    server.restart(ELEUSIS_ARGON2_OPS="10", ELEUSIS_ARGON2_MEM_KIB="65536")
    body = json.dumps(unknown_user()).encode()
    headers = ("Content-Type: application/json", f"Content-Length: {len(body)}")
    request = raw.head(server, "POST", "/v1/auth/login", *headers) + body
    with Api(server) as api:
        time.sleep(1.1)
        before = scrape(api)
        orphans = value(before, "eleusis_coroutine_orphans_total")
        for _ in range(10):
            with raw.connection(server) as tls:
                tls.sendall(request)
                time.sleep(0.01)
        wait_until(
            lambda: value(scrape(api), "eleusis_coroutine_orphans_total") > orphans, 20, "an orphan"
        )
        wait_until(
            lambda: value(scrape(api), "eleusis_coroutines") <= value(before, "eleusis_coroutines"),
            20,
            "the end of all",
        )
        wait_until(lambda: value(scrape(api), "eleusis_pool_queue") == 0, 5, "an empty queue")


def test_a_statement_that_hangs_is_given_up(server, clinician, patient):
    made = patient()
    path = f"/v1/patients/{made['id']}"
    server.restart(ELEUSIS_DB_TIMEOUT_MS="500")
    with connect(server) as db, db.transaction():
        db.execute("SELECT 1 FROM eleusis.patient WHERE id = %s FOR UPDATE", [made["id"]])
        began = time.monotonic()
        reply = clinician.patch(path, {"notes": "late"})
        assert time.monotonic() - began < 5
        problem(reply, "unavailable")
        assert int(reply.headers["retry-after"]) >= 1
        assert clinician.get(path).status_code == 200, "one waiting writer held up a reader"
    time.sleep(0.7)
    assert clinician.get(path).json() == made, "a write that was refused has happened"


# ---- signals -------------------------------------------------------------------------------


def test_sighup_does_not_reload_under_running_requests(instance, clinician):
    workers = instance.worker_pids()
    os.kill(instance.parent_pid(), signal.SIGHUP)
    time.sleep(0.5)
    assert clinician.get("/v1/me").status_code == 200
    assert instance.worker_pids() == workers


def test_idle_connections_do_not_hold_up_a_shutdown(server, clinician):
    with contextlib.ExitStack() as stack:
        for _ in range(30):
            stack.enter_context(raw.connection(server))
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < 10
    server.start()
    assert clinician.get("/v1/me").status_code == 200, "sessions live in Redis"


def test_restarts_leave_nothing_behind(server):
    for _ in range(3):
        parent = server.parent_pid()
        server.restart()
        assert server.parent_pid() not in (0, parent)
        assert len(server.worker_pids()) == int(server.env["KORE_WORKERS"])


def test_redis_has_a_user_of_its_own(instance):
    if not (PRIVILEGED and sandboxed(instance)):
        pytest.skip("the server was started without privileges to drop")
    with store(instance) as r:
        redis_pid = int(r.info("server")["process_id"])
    workers = {process.status(p)["Uid"] for p in instance.worker_pids()}
    assert process.status(redis_pid)["Uid"] not in workers
    assert stat.S_IMODE((instance.var / "log").stat().st_mode) == 0o750
