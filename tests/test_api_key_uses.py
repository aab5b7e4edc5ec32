"""When and from where a key was last used: in memory, then written for many at once."""

import secrets
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from lib.client import Api
from lib.db import connect
from lib.process import wait_until

pytestmark = pytest.mark.restarts


def made(by: Api, **more) -> dict:
    return by.made("/v1/api-keys", {"name": "n", "scopes": ["self"]} | more)


def last_used(by: Api, key: dict) -> dict | None:
    return by.get(f"/v1/api-keys/{key['id']}").json()["last_used"]


def use(instance, key: dict, status: int = 200) -> None:
    with Api(instance, key["key"]) as api:
        assert api.get("/v1/me").status_code == status


def test_a_drain_writes_what_is_noted(instance, clinician):
    """A worker that ends well loses nothing; whoever is refused was no use."""
    key, idle, away = made(clinician), made(clinician), made(clinician, networks=["203.0.113.1"])
    start = datetime.now(UTC) - timedelta(seconds=1)
    for _ in range(8):
        use(instance, key)
    use(instance, away, 401)
    with Api(instance, idle["key"][:-1] + ("A" if idle["key"][-1] != "A" else "B")) as api:
        assert api.get("/v1/me").status_code == 401
    assert last_used(clinician, key) is None
    end = datetime.now(UTC) + timedelta(seconds=1)
    instance.restart()
    shown = last_used(clinician, key)
    assert shown["network"] == "127.0.0.0/24"
    assert start <= datetime.fromisoformat(shown["at"]) <= end
    assert last_used(clinician, idle) is None
    assert last_used(clinician, away) is None


@pytest.mark.full
def test_uses_are_written_within_a_minute(instance, clinician):
    keys = [made(clinician) for _ in range(20)]
    for key in keys:
        use(instance, key)
    for key in keys:
        wait_until(lambda k=key: last_used(clinician, k), 75, "the last use", 0.5)


@pytest.fixture
def server(instance):
    with psycopg.connect(instance.server_dsn, autocommit=True) as db:
        yield db


def noted(server, key: dict, at: datetime, network: str) -> int:
    return server.execute(
        "SELECT eleusis.api_key_used(ARRAY[%s]::uuid[], ARRAY[%s], ARRAY[%s])",
        [key["id"], at, network],
    ).fetchone()[0]


def test_a_key_is_written_once_a_minute_and_network(instance, clinician, server):
    key, now = made(clinician), datetime.now(UTC)
    assert noted(server, key, now, "192.0.2.0/24") == 1
    for seconds in (-5, 0, 5, 59):
        assert noted(server, key, now + timedelta(seconds=seconds), "192.0.2.0/24") == 0
    assert noted(server, key, now - timedelta(seconds=5), "198.51.100.0/24") == 0
    assert noted(server, key, now + timedelta(seconds=5), "198.51.100.0/24") == 1
    assert noted(server, key, now + timedelta(seconds=65), "2001:db8::/64") == 1
    assert last_used(clinician, key)["network"] == "2001:db8::/64"


def test_many_keys_are_one_statement(instance, clinician, server):
    keys = [made(clinician)["id"] for _ in range(3)]
    nobody = "01890000-0000-7000-8000-000000000000"
    now = datetime.now(UTC)
    ids = [*keys, nobody]
    secrets.SystemRandom().shuffle(ids)
    count = server.execute(
        "SELECT eleusis.api_key_used(%s::uuid[], %s, %s)",
        [ids, [now] * 4, ["10.1.2.0/24"] * 4],
    ).fetchone()[0]
    assert count == 3
    with connect(instance) as db:
        rows = db.execute(
            "SELECT DISTINCT last_used_network::text AS n, version FROM eleusis.api_key"
            " WHERE id = ANY(%s)",
            [keys],
        ).fetchall()
    assert rows == [{"n": "10.1.2.0/24", "version": 1}]
