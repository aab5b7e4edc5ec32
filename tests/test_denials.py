"""Refusals of nobody known: counted, and few rows in the audit log; rules without PostgreSQL."""

import contextlib
import os
import signal
import threading

import httpx
import pytest
from lib import data
from lib.client import Api
from lib.db import connect
from lib.metrics import scrape, value
from lib.network import (
    add,
    aggregates,
    denied,
    now,
    remove_all,
    rule,
    statuses,
    total,
    wait_for,
)
from lib.problem import problem
from lib.process import wait_until

pytestmark = pytest.mark.restarts
KIND = "network"
OUT = "127.0.0.77"


@pytest.fixture(scope="module")
def server(instance):
    """Rows come every second."""
    instance.restart(ELEUSIS_DENIALS_FLUSH_S="1")
    yield instance
    remove_all(instance)
    instance.restart()


def flood(instance, source: str, requests: int, threads: int = 4) -> None:
    """So many refusals, over several connections."""
    seen = []

    def work() -> None:
        with Api(instance, source=source) as api:
            seen.extend(api.get("/v1/me").status_code for _ in range(requests // threads))

    running = [threading.Thread(target=work) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    assert seen == [403] * requests


def alive(instance) -> bool:
    with Api(instance) as api, contextlib.suppress(httpx.TransportError):
        return api.get("/health/live").status_code == 200
    return False


def counted(instance) -> float:
    with Api(instance) as api:
        return value(scrape(api), "eleusis_denials_total", kind=KIND)


def settled(instance, since, network: str, count: int) -> list[dict]:
    """The rows, once they add up to the count."""

    def rows() -> list[dict]:
        found = aggregates(instance, since, KIND)
        return found if total(found, network) >= count else []

    return wait_until(rows, 15, f"{count} refusals of {network} in the audit log", 0.1)


def test_a_flood_makes_few_rows(server, admin):
    # The address of another network, so that its count is the flood's alone.
    with denied(server, admin, "127.9.8.0/24", "127.9.8.7"):
        settled(server, now().replace(year=2020), "127.9.8.0/24", 1)
        since, before = now(), counted(server)
        flood(server, "127.9.8.7", 600)
        flood(server, "127.9.8.200", 200)
        assert counted(server) - before == 800
        rows = settled(server, since, "127.9.8.0/24", 800)
    mine = [r for r in rows if r["detail"]["network"] == "127.9.8.0/24"]
    # A late refusal of before the flood may still be among them.
    assert 800 <= sum(r["detail"]["count"] for r in mine) <= 830
    assert len(mine) <= 40, "one row a worker and period, not one a request"
    for row in mine:
        assert (row["outcome"], row["actor_kind"]) == ("denied", "anonymous")
        assert (row["actor_id"], row["object_id"], row["request_id"]) == (None, None, None)
        assert row["client_ip"] == "127.9.8.0"
        assert set(row["detail"]) == {"kind", "network", "count", "from", "to"}
        assert row["detail"]["from"] <= row["detail"]["to"]


def test_the_api_shows_them(server, admin, auditor):
    with denied(server, admin, OUT, OUT):
        settled(server, now().replace(year=2020), "127.0.0.0/24", 1)
    items = auditor.get("/v1/audit/events", action="access.denied").json()["items"]
    assert items
    assert items[0]["actor"] == {"kind": "anonymous", "id": None, "key_id": None}


def test_refusals_wait_for_postgresql_and_rules_stay(server, admin):
    with denied(server, admin, "127.9.7.0/24", "127.9.7.7"):
        since = now()
        server.stop_postgres()
        try:
            flood(server, "127.9.7.7", 100)
            # Nobody is let in, and nobody else kept out, for want of a database.
            assert statuses(server, "127.9.7.7") == {403}
            assert statuses(server, "127.0.0.1") == {200}
        finally:
            server.start_postgres()
        rows = settled(server, since, "127.9.7.0/24", 112)
        assert total(rows, "127.9.7.0/24") <= 150, "rows came twice"
        wait_until(server.healthy, 20, "readiness")
    with connect(server) as db:
        twice = db.execute(
            "SELECT id FROM eleusis.audit_event GROUP BY id HAVING count(*) > 1"
        ).fetchall()
    assert twice == []


def test_nothing_is_lost_at_the_end(instance, server, admin):
    """A row that has its minute before it is written before the server stops."""
    server.restart(ELEUSIS_DENIALS_FLUSH_S="3600")
    add(admin, rule("deny", "127.9.6.0/24"))
    wait_for(server, "127.9.6.7", 403)
    since = now()
    flood(server, "127.9.6.7", 40)
    assert aggregates(server, since, KIND) == []
    remove_all(server)
    server.restart(ELEUSIS_DENIALS_FLUSH_S="1")
    assert total(aggregates(server, since.replace(year=2020), KIND), "127.9.6.0/24") >= 40


def test_without_ever_reading_the_rules_nobody_comes_in(server, admin):
    """A server that starts without PostgreSQL refuses all but health; then it heals."""
    add(admin, rule("deny", OUT))
    wait_for(server, OUT, 403)
    server.stop()
    server.stop_postgres()
    child = server.spawn(ELEUSIS_DENIALS_FLUSH_S="1")
    try:
        wait_until(lambda: alive(server), 30, "the server's start")
        with Api(server) as api, Api(server, source=OUT) as out:
            assert api.get("/health/live").status_code == 200
            body = api.get("/health/ready").json()
            assert body["checks"]["network_rules"] == "unread"
            for path in ("/openapi.json", "/no/such/path"):
                problem(api.get(path), "unavailable")
            problem(out.get("/openapi.json"), "unavailable")
            problem(
                api.post("/v1/auth/login", {"email": data.email(), "password": "x"}), "unavailable"
            )
    finally:
        server.start_postgres()
    wait_until(server.healthy, 20, "readiness")
    assert child.poll() is None
    wait_for(server, OUT, 403)
    assert statuses(server, "127.0.0.1") == {200}
    remove_all(server)
    wait_for(server, OUT, 200)


def test_a_new_worker_knows_the_rules(server, admin):
    with denied(server, admin, OUT, OUT):
        for pid in server.worker_pids():
            os.kill(pid, signal.SIGKILL)
            wait_until(
                lambda p=pid: p not in server.worker_pids() and len(server.worker_pids()) > 0,
                20,
                "a new worker",
            )
        found = set()

        def look() -> bool:
            with contextlib.suppress(httpx.TransportError):
                found.update(statuses(server, OUT, times=3))
            return 403 in found

        wait_until(look, 20, "a worker that answers")
        for _ in range(10):
            look()
        assert found <= {403, 503}, "let in by a worker that did not know the rules yet"
        wait_for(server, OUT, 403)
