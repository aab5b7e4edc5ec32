"""Servers that stop, processes that are killed, and load over time.

What was acknowledged stays; what cannot be done is refused with 503 and
Retry-After; and within two seconds of a server's return all is well.
"""

import contextlib
import json
import os
import random
import signal
import ssl
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from lib import data, process, raw
from lib.client import Api
from lib.db import connect, store
from lib.metrics import scrape, value
from lib.problem import problem
from lib.process import wait_until

pytestmark = pytest.mark.restarts

RECOVERY_SECONDS = 2.0
REFUSAL_SECONDS = 12.0  # the deadline of a request, and some


# Redis forgets its sessions when it is stopped: each test logs in anew.
@pytest.fixture
def clinician(log_in):
    return log_in("clinician")


@pytest.fixture
def patient(clinician):
    return lambda: clinician.made("/v1/patients", data.patient())


@pytest.fixture(autouse=True)
def all_up(instance):
    """Every test leaves all servers running."""
    yield
    if not instance.postgres_answers():
        instance.start_postgres()
    if not instance.redis_answers():
        instance.start_redis()
    instance.ensure_running()


def refused(reply: httpx.Response) -> None:
    problem(reply, "unavailable")
    assert 1 <= int(reply.headers["retry-after"]) <= 120
    assert reply.elapsed.total_seconds() < REFUSAL_SECONDS


def recovers(action, back: float, what: str) -> None:
    """action answers 200 within the bound after the moment `back`."""
    left = RECOVERY_SECONDS - (time.monotonic() - back)
    wait_until(lambda: action().status_code == 200, max(left, 0.1), what)


@contextlib.contextmanager
def returning(answers):
    """Measures from the first moment that a server answers again."""
    moment: list[float] = []

    def watch():
        while not answers():
            time.sleep(0.02)
        moment.append(time.monotonic())

    watcher = threading.Thread(target=watch)
    watcher.start()
    yield moment
    watcher.join(60)
    assert moment


# ---- PostgreSQL ------------------------------------------------------------------


def test_postgresql_stops_and_returns(instance, clinician, patient, anonymous, hammer):
    made = patient()
    path = f"/v1/patients/{made['id']}"
    workers = instance.worker_pids()
    clients = [clinician.twin() for _ in range(4)]
    load = hammer(lambda n: clients[n].get(path), 4)
    time.sleep(0.3)
    instance.stop_postgres()
    for reply in (
        clinician.get(path),
        clinician.post("/v1/patients", data.patient()),
        clinician.patch(path, {"notes": "lost?"}),
        anonymous.post("/v1/auth/login", {"email": data.email(), "password": "x" * 12}),
        clinician.get("/v1/patients"),
    ):
        refused(reply)
    assert anonymous.get("/health/live").status_code == 200
    ready = anonymous.get("/health/ready")
    assert ready.status_code == 503
    assert ready.json()["checks"]["redis"] != ready.json()["checks"]["postgresql"]
    with returning(instance.postgres_answers) as moment:
        instance.start_postgres()
    recovers(lambda: clinician.get(path), moment[0], "reading after PostgreSQL's return")
    recovers(lambda: anonymous.get("/health/ready"), moment[0], "readiness")
    load.stop()
    assert set(load.results) <= {200, 503}, load.results
    assert clinician.get(path).json() == made
    assert clinician.post("/v1/patients", data.patient()).status_code == 201
    assert instance.worker_pids() == workers


def test_postgresql_cuts_every_connection(instance, clinician, patient):
    path = f"/v1/patients/{patient()['id']}"
    for _ in range(3):
        with connect(instance) as db:
            db.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE usename = 'eleusis_server'"
            )
        recovers(lambda: clinician.get(path), time.monotonic(), "reading after the cut")
        wait_until(
            lambda: clinician.post("/v1/patients", data.patient()).status_code == 201,
            RECOVERY_SECONDS,
            "writing after the cut",
        )


def test_postgresql_crashes(instance, clinician, hammer):
    """kill -9 of a backend: PostgreSQL restarts all; acknowledged writes are there."""
    clients = [clinician.twin() for _ in range(4)]
    load = hammer(lambda n: clients[n].post("/v1/patients", data.patient()), 4)
    for _ in range(2):
        before = load.count(201)
        wait_until(lambda n=before: load.count(201) >= n + 50, 20, "writes under load")
        with connect(instance) as db:
            pid = db.execute(
                "SELECT pid FROM pg_stat_activity WHERE usename = 'eleusis_server' LIMIT 1"
            ).fetchone()["pid"]
        os.kill(pid, signal.SIGKILL)
        wait_until(instance.postgres_answers, 30, "PostgreSQL's own recovery")
        before = load.count(201)
        wait_until(lambda n=before: load.count(201) > n, 10, "writes after the recovery")
    load.stop()
    assert set(load.results) <= {201, 503}, load.results
    all_there(instance, [r.json()["id"] for r in load.answered() if r.status_code == 201])


def test_the_server_starts_before_postgresql(instance, clinician, patient):
    path = f"/v1/patients/{patient()['id']}"
    instance.stop()
    instance.stop_postgres()
    child = instance.spawn()
    with Api(instance) as api:
        wait_until(instance.listening, 20, "the server's port")
        wait_until(lambda: alive(api), 20, "a live server without PostgreSQL")
        assert child.poll() is None
        assert api.get("/health/ready").status_code == 503
        with returning(instance.postgres_answers) as moment:
            instance.start_postgres()
        recovers(lambda: clinician.get(path), moment[0], "the first read")


def alive(api: Api) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return api.get("/health/live").status_code == 200
    return False


def all_there(instance, ids: list[str]) -> None:
    """Each of these patients exists, with its audit row."""
    assert ids
    with connect(instance) as db:
        patients = db.execute(
            "SELECT count(*) AS n FROM eleusis.patient WHERE id = ANY(%s::uuid[])", [ids]
        ).fetchone()["n"]
        events = db.execute(
            "SELECT count(DISTINCT object_id) AS n FROM eleusis.audit_event"
            " WHERE object_id = ANY(%s::uuid[]) AND action = 'patient.create'"
            " AND outcome = 'allowed'",
            [ids],
        ).fetchone()["n"]
    assert patients == events == len(set(ids))


# ---- Redis -----------------------------------------------------------------------


def test_redis_stops_and_returns(instance, new_user, log_in, anonymous):
    who = new_user("clinician")
    session = log_in("clinician")
    workers = instance.worker_pids()
    instance.stop_redis()
    for reply in (
        session.get("/v1/me"),
        session.get("/v1/patients"),
        session.post("/v1/patients", data.patient()),
        anonymous.post("/v1/auth/login", {"email": who.email, "password": who.password}),
    ):
        refused(reply)
    assert anonymous.get("/health/live").status_code == 200
    ready = anonymous.get("/health/ready")
    assert ready.status_code == 503
    assert ready.json()["checks"]["redis"] != ready.json()["checks"]["postgresql"]
    with returning(instance.redis_answers) as moment:
        instance.start_redis()
    recovers(lambda: anonymous.get("/health/ready"), moment[0], "readiness")
    body = {"email": who.email, "password": who.password}
    recovers(lambda: anonymous.post("/v1/auth/login", body), moment[0], "logging in")
    # Its memory is gone, and with it the session; the data is not.
    problem(session.get("/v1/me"), "unauthenticated")
    assert instance.worker_pids() == workers


def test_redis_forgets_its_scripts(instance, clinician):
    with store(instance) as r:
        r.script_flush()
    assert clinician.get("/v1/me").status_code == 200


def test_redis_cuts_every_connection(instance, log_in):
    session = log_in("clinician")
    for _ in range(3):
        with store(instance) as r:
            r.client_kill_filter(_type="normal", skipme=True)
        recovers(lambda: session.get("/v1/me"), time.monotonic(), "the session after the cut")


def backends(instance) -> list[int]:
    """The server's connections, seen from PostgreSQL's side."""
    with connect(instance) as db:
        rows = db.execute(
            "SELECT pid FROM pg_stat_activity WHERE usename = %s", [instance.env["ELEUSIS_DB_USER"]]
        ).fetchall()
    return [row["pid"] for row in rows]


def test_postgresql_hangs(instance, log_in, anonymous):
    """Connected but silent: not ready, refusals are bounded, and their audit rows stay whole.

    The rows of refusals wait in the batch longer than their requests live;
    under the sanitizers a text borrowed from a request would be reported.
    """
    instance.restart(ELEUSIS_REQUEST_TIMEOUT_MS="1500")
    try:
        admin = log_in("admin")
        assert anonymous.get("/health/ready").status_code == 200
        frozen = backends(instance)
        assert frozen
        with contextlib.ExitStack() as held:
            for pid in frozen:
                held.enter_context(paused(pid))
            assert anonymous.get("/health/ready").status_code == 503
            with ThreadPoolExecutor(8) as pool:
                replies = list(pool.map(lambda _: twin_get(admin, "/v1/models"), range(16)))
            assert {r.status_code for r in replies} == {503}
            time.sleep(4)  # past the statements' own deadline
        recovers(lambda: admin.get("/v1/me"), time.monotonic(), "the session")
        wait_until(lambda: admin.get("/v1/models").status_code == 403, 10, "no refusal again")
        last = admin.get("/v1/models")
        with connect(instance) as db:
            actions = db.execute(
                "SELECT DISTINCT action FROM eleusis.audit_event WHERE actor_id = %s",
                [admin.user["id"]],
            ).fetchall()
        assert {a["action"] for a in actions} <= {"models.denied", "auth.login"}, actions
        problem(last, "forbidden")
    finally:
        instance.restart()


def twin_get(api: Api, path: str):
    with api.twin() as other:
        return other.get(path)


def test_redis_hangs(instance, log_in, anonymous):
    """A server that accepts but says nothing: the deadline of a command counts."""
    session = log_in("clinician")
    with store(instance) as r:
        pid = int(r.info("server")["process_id"])
    os.kill(pid, signal.SIGSTOP)
    try:
        refused(session.get("/v1/me"))
        assert anonymous.get("/health/live").status_code == 200
    finally:
        os.kill(pid, signal.SIGCONT)
    recovers(lambda: session.get("/v1/me"), time.monotonic(), "the session after the pause")


# ---- processes -----------------------------------------------------------------------


def test_a_worker_is_killed_under_load(instance, clinician, hammer):
    """The server goes on answering; every acknowledged patient exists."""
    before = instance.worker_pids()
    with Api(instance) as api:
        restarts = value(scrape(api), "eleusis_worker_restarts_total")
    load = hammer(lambda n: fresh_post(clinician), 6)
    for _ in range(3):
        seen = load.count(201)
        wait_until(lambda n=seen: load.count(201) >= n + 30, 20, "writes under load")
        victim = instance.worker_pids()[0]
        os.kill(victim, signal.SIGKILL)
        wait_until(
            lambda v=victim: (
                v not in instance.worker_pids() and len(instance.worker_pids()) == len(before)
            ),
            10,
            "a new worker",
        )
    seen = load.count(201)
    wait_until(lambda: load.count(201) >= seen + 30, 20, "writes afterwards")
    load.stop()
    broken = {k: v for k, v in load.results.items() if isinstance(k, str)}
    assert {k for k in load.results if isinstance(k, int)} == {201}, load.results
    assert sum(broken.values()) <= 60, f"more than the killed workers' connections: {broken}"
    all_there(instance, [r.json()["id"] for r in load.answered()])
    with Api(instance) as api:
        assert value(scrape(api), "eleusis_worker_restarts_total") >= restarts + 3


def fresh_post(clinician) -> httpx.Response:
    """A write on a connection of its own: it may land at any worker."""
    with clinician.twin() as mine:
        return mine.post("/v1/patients", data.patient())


def test_a_shutdown_finishes_what_it_has_begun(instance, clinician):
    """SIGTERM right behind 40 requests: each gets its whole reply."""
    for _ in range(3):
        mrns = [data.mrn() for _ in range(40)]
        with contextlib.ExitStack() as stack:
            every = [stack.enter_context(raw.connection(instance, 30)) for _ in mrns]
            for tls, mrn in zip(every, mrns, strict=True):
                tls.sendall(creation(instance, clinician, mrn))
            time.sleep(0.005)
            parent = instance.parent_pid()
            os.kill(parent, signal.SIGTERM)
            replies = [raw.receive(tls) for tls in every]
        statuses = Counter(raw.status(reply) for reply in replies)
        assert statuses == {201: 40}, statuses
        assert all(raw.complete(reply) for reply in replies)
        wait_until(lambda p=parent: process.reaped(p), 20, "the end of the parent")
        instance.start()
        all_there(instance, [json.loads(r.partition(b"\r\n\r\n")[2])["id"] for r in replies])


def creation(instance, who: Api, mrn: str) -> bytes:
    body = json.dumps(data.patient(mrn=mrn)).encode()
    return (
        raw.head(
            instance,
            "POST",
            "/v1/patients",
            f"Authorization: Bearer {who.token}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
        )
        + body
    )


def test_a_shutdown_under_load_loses_nothing(instance, clinician, hammer):
    """Connections that came too late are refused; what was acknowledged is there."""
    load = hammer(lambda n: fresh_post(clinician), 6)
    wait_until(lambda: load.count(201) >= 60, 20, "writes under load")
    parent = instance.parent_pid()
    os.kill(parent, signal.SIGTERM)
    wait_until(lambda: process.reaped(parent), 20, "the end of the parent")
    load.stop()
    assert {k for k in load.results if isinstance(k, int)} <= {201, 503}, load.results
    cut = sum(v for k, v in load.results.items() if k in ("ReadError", "RemoteProtocolError"))
    assert cut <= 6, f"more than one request a client was cut: {load.results}"
    instance.start()
    all_there(instance, [r.json()["id"] for r in load.answered() if r.status_code == 201])


def test_a_shutdown_waits_for_a_slow_request(instance):
    """A log-in that hashes when SIGTERM comes still gets its answer."""
    instance.restart(ELEUSIS_ARGON2_OPS="20", ELEUSIS_ARGON2_MEM_KIB="262144")
    body, replies = {"email": data.email(), "password": data.password()}, []

    def log_in():
        with Api(instance) as api:
            replies.append(api.post("/v1/auth/login", body))

    thread = threading.Thread(target=log_in)
    thread.start()
    time.sleep(0.15)
    assert not replies, "the log-in is too fast for this test"
    instance.stop()
    thread.join()
    problem(replies[0], "bad-credentials")
    instance.start()


def test_a_killed_parent_leaves_nobody(instance, clinician):
    """Nobody goes on holding the port: a new server can start at once."""
    children = process.children(instance.parent_pid())
    assert len(children) >= 3
    os.kill(instance.parent_pid(), signal.SIGKILL)
    end = time.monotonic() + 2
    try:
        for pid in children:
            wait_until(
                lambda p=pid: process.reaped(p), max(end - time.monotonic(), 0.01), "the end"
            )
        assert not instance.listening()
    finally:
        for pid in children:
            if not process.reaped(pid):
                os.kill(pid, signal.SIGKILL)
    instance.start()
    assert clinician.get("/v1/me").status_code == 200


def test_a_killed_key_manager_does_not_leave_half_a_server(instance, clinician):
    """Without its key it cannot greet anyone: it ends, or has a new one soon."""
    parent = instance.parent_pid()
    manager = next(p for p in process.children(parent) if "keymgr" in process.title(p))
    os.kill(manager, signal.SIGKILL)
    wait_until(
        lambda: not instance.parent_pid() or fresh_ok(instance, clinician), 20, "an end or a return"
    )
    instance.ensure_running()
    assert clinician.get("/v1/me").status_code == 200


def fresh_ok(instance, clinician) -> bool:
    with contextlib.suppress(httpx.TransportError), clinician.twin() as other:
        return other.get("/v1/me").status_code == 200
    return False


def test_a_late_signature_goes_to_nobody(instance):
    """The reply to a handshake that was given up is not the next one's signature."""
    instance.restart(KORE_WORKERS="1")
    try:
        ended_well = [late_signature(instance) for _ in range(4)]
        assert any(ended_well)
    finally:
        instance.restart()


def late_signature(instance) -> bool:
    """The first reply meets the second request: the parent, which passes them on, waits.

    Did the second handshake end well? After one in vain a worker waits a tenth of a second
    only, so on a busy machine it may be given up too; it must not get a wrong signature.
    """
    parent = instance.parent_pid()
    manager = next(p for p in process.children(parent) if "keymgr" in process.title(p))
    with paused(manager):
        with pytest.raises(ssl.SSLError, match=r"(?i)alert"):
            greet(instance)
        os.kill(parent, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as pool:
        try:
            time.sleep(0.1)
            second = pool.submit(greet, instance)
            time.sleep(0.03)
        finally:
            os.kill(parent, signal.SIGCONT)
        failure = second.exception()
    assert failure is None or "alert" in str(failure).lower(), failure
    greet(instance)
    return failure is None


@contextlib.contextmanager
def paused(pid: int):
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def greet(instance) -> None:
    """A whole handshake; OSError (ssl.SSLError is one) when it fails."""
    with raw.connection(instance, 5):
        pass


def test_a_stopped_worker_does_not_stop_the_others(instance, clinician):
    """SIGSTOP of one worker: the other goes on accepting."""
    workers = instance.worker_pids()
    if len(workers) < 2:
        pytest.skip("one worker only")
    os.kill(workers[0], signal.SIGSTOP)
    try:
        answered = 0
        for _ in range(10):
            other = clinician.twin()
            other.http.timeout = httpx.Timeout(2)
            with contextlib.suppress(httpx.TransportError), other:
                answered += other.get("/v1/me").status_code == 200
        assert answered >= 5
    finally:
        os.kill(workers[0], signal.SIGCONT)


# ---- long: --full ------------------------------------------------------------------------


@pytest.mark.full
@pytest.mark.timeout(400)
def test_soak(instance, log_in, hammer):
    """Three minutes of everything: no error, and memory and files stay flat."""
    people = [log_in("clinician") for _ in range(6)]
    mine: list[list[str]] = [[] for _ in people]

    def work(number: int) -> httpx.Response:
        who, ids = people[number], mine[number]
        draw = random.random()
        if draw < 0.1 or not ids:
            reply = who.post("/v1/patients", data.patient())
            ids.append(reply.json()["id"])
            return reply
        path = f"/v1/patients/{random.choice(ids)}"
        if draw < 0.5:
            return who.get(path)
        if draw < 0.6:
            return who.patch(path, {"notes": data.word(40)})
        if draw < 0.7:
            body = {"code": "creatinine", "value": random.uniform(0.5, 9)}
            return who.post(f"{path}/observations", body)
        if draw < 0.8:
            return who.get("/v1/patients", limit=20)
        if draw < 0.85:
            return who.post("/v1/patients", {"given_name": 1})
        sent = {"patient_id": ids[0], "model": "flchain-mortality-5y", "inputs": data.FLCHAIN}
        return who.post("/v1/predictions", sent)

    with Api(instance) as api:
        atrest = value(scrape(api), "eleusis_coroutines")
    load = hammer(work, len(people))
    time.sleep(30)
    workers = instance.worker_pids()
    early = {pid: (process.rss_kib(pid), process.open_files(pid)) for pid in workers}
    time.sleep(150)
    late = {pid: (process.rss_kib(pid), process.open_files(pid)) for pid in workers}
    load.stop()
    assert set(load.results) <= {200, 201, 422}, load.results
    assert instance.worker_pids() == workers
    for pid in workers:
        assert late[pid][0] <= early[pid][0] + 32 * 1024, (early, late)
        assert late[pid][1] <= early[pid][1] + 16, (early, late)
    with Api(instance) as api:
        wait_until(lambda: value(scrape(api), "eleusis_coroutines") <= atrest, 10, "rest")


@pytest.mark.full
@pytest.mark.timeout(900)
def test_scale_of_20000_patients(instance, log_in):
    """Pages and look-ups stay fast when one clinician has 20,000 patients."""
    who = log_in("clinician")
    total, threads = 20_000, 8
    made: list[dict] = []

    def create(share: int) -> None:
        with who.twin() as mine:
            made.extend(mine.made("/v1/patients", data.patient()) for _ in range(share))

    crew = [threading.Thread(target=create, args=[total // threads]) for _ in range(threads)]
    for thread in crew:
        thread.start()
    for thread in crew:
        thread.join()
    assert len(made) == total
    timings = Counter()
    for one in random.sample(made, 100):
        reply = who.get(f"/v1/patients/{one['id']}")
        assert reply.json() == one
        timings["read"] += reply.elapsed.total_seconds()
        reply = who.get("/v1/patients", mrn=one["mrn"])
        assert reply.json()["items"] == [one]
        timings["mrn"] += reply.elapsed.total_seconds()
    reply, pages = who.get("/v1/patients", limit=50), 0
    while pages < 100:
        timings["page"] += reply.elapsed.total_seconds()
        pages += 1
        reply = who.get("/v1/patients", limit=50, cursor=reply.json()["next_cursor"])
    assert timings["read"] / 100 < 0.05, timings
    assert timings["mrn"] / 100 < 0.05, timings
    assert timings["page"] / pages < 0.2, timings


@pytest.mark.full
@pytest.mark.timeout(300)
def test_a_thousand_connections_without_an_error(instance, clinician, patient):
    """1,000 connections open at once; each gets two right answers."""
    path = f"/v1/patients/{patient()['id']}"
    request = raw.head(instance, "GET", path, f"Authorization: Bearer {clinician.token}")
    with contextlib.ExitStack() as stack:
        every = [stack.enter_context(raw.connection(instance, 60)) for _ in range(1000)]
        for _ in range(2):
            for tls in every:
                tls.sendall(request)
            statuses = Counter(raw.status(raw.receive(tls)) for tls in every)
            assert statuses == {200: 1000}


@pytest.mark.full
@pytest.mark.timeout(300)
def test_restarts_under_load_lose_nothing(instance, clinician, hammer):
    """PostgreSQL, Redis and workers, ten times in random order, under writes."""
    who = clinician
    load = hammer(lambda n: fresh_post(who), 4)
    for _ in range(10):
        seen = load.count(201)
        wait_until(lambda n=seen: load.count(201) >= n + 10, 30, "writes under load")
        what = random.choice(["postgres", "worker", "cut"])
        if what == "postgres":
            instance.stop_postgres()
            time.sleep(0.3)
            instance.start_postgres()
        elif what == "worker":
            os.kill(random.choice(instance.worker_pids()), signal.SIGKILL)
        else:
            with connect(instance) as db:
                db.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE usename = 'eleusis_server'"
                )
    load.stop()
    statuses = {k for k in load.results if isinstance(k, int)}
    assert statuses <= {201, 503}, load.results
    all_there(instance, [r.json()["id"] for r in load.answered() if r.status_code == 201])
