"""Network rules in tests: made, waited for on every worker, and taken back."""

import contextlib
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from lib.client import Api
from lib.db import connect
from lib.metrics import scrape, value
from lib.process import wait_until

RULES = "/v1/network-rules"
SPREAD_SECONDS = 10  # a bound for tests; workers ask every half second


def rule(action: str, network: str, **more) -> dict:
    return {"action": action, "network": network, **more}


def add(api: Api, *rules: dict, force: bool = False) -> list[dict]:
    """The rules, which must be taken; their documents."""
    reply = api.post(RULES, {"rules": list(rules), "force": force})
    assert reply.status_code == 201, reply.text
    return reply.json()["items"]


def remove_all(instance) -> None:
    """No rule is left, whomever they keep out: straight in the database."""
    # At once: a worker that asked in between would take the revision for read.
    with connect(instance) as db, db.transaction():
        db.execute("UPDATE eleusis.network_rule_list SET revision = revision + 1")
        db.execute("""
            UPDATE eleusis.network_rule SET removed_at = now(),
                   revision = (SELECT l.revision FROM eleusis.network_rule_list l)
             WHERE removed_at IS NULL""")


def statuses(instance, source: str, path: str = "/openapi.json", times: int = 12) -> set[int]:
    """The answers over as many new connections, so that every worker gives some."""
    found = set()
    for _ in range(times):
        with Api(instance, source=source) as api:
            found.add(api.get(path).status_code)
    return found


def followed(instance) -> bool:
    """Does every worker go by the latest list?"""
    with connect(instance) as db:
        latest = db.execute("SELECT revision FROM eleusis.network_rule_list").fetchone()["revision"]
    with Api(instance) as api:
        known = value(scrape(api), "eleusis_network_rules_revision")
    return known == latest * len(instance.worker_pids())


def wait_for(instance, source: str, status: int) -> None:
    """Until every worker goes by the latest list, and answers so."""
    wait_until(lambda: followed(instance), SPREAD_SECONDS, "workers to follow", 0.05)
    wait_until(
        lambda: statuses(instance, source) == {status}, SPREAD_SECONDS, f"{status} for {source}"
    )


def soon(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


@contextlib.contextmanager
def denied(instance, api: Api, network: str, source: str) -> Iterator[dict]:
    """A rule against the network, in force everywhere; it is gone afterwards."""
    made = add(api, rule("deny", network))[0]
    try:
        wait_for(instance, source, 403)
        yield made
    finally:
        remove_all(instance)
        wait_for(instance, source, 200)


def aggregates(instance, since: datetime, kind: str) -> list[dict]:
    """The details of audit rows of refusals of nobody known."""
    with connect(instance) as db:
        found = db.execute(
            """SELECT outcome, actor_kind, actor_id, object_id, request_id,
                      host(client_ip) AS client_ip, detail
                 FROM eleusis.audit_event
                WHERE action = 'access.denied' AND occurred_at >= %s AND detail ->> 'kind' = %s
                ORDER BY id""",
            [since, kind],
        ).fetchall()
    return found


def total(rows: list[dict], network: str) -> int:
    return sum(r["detail"]["count"] for r in rows if r["detail"]["network"] == network)


def now() -> datetime:
    time.sleep(0.002)
    return datetime.now(UTC)
