"""What is really in PostgreSQL and Redis, behind the server's back."""

import contextlib

import psycopg
import redis
from psycopg.rows import dict_row

from lib.process import wait_until

AUDIT = """
SELECT id, occurred_at, action, outcome, actor_kind, actor_id, object_type, object_id,
       request_id, host(client_ip) AS client_ip, detail
  FROM eleusis.audit_event WHERE {} ORDER BY id
"""


def connect(instance) -> psycopg.Connection:
    return psycopg.connect(
        instance.superuser_dsn, autocommit=True, row_factory=dict_row, connect_timeout=10
    )


def audit_of(instance, reply) -> list[dict]:
    """The audit rows of one request, oldest first; the session, which every
    row of one has in its detail, by itself."""
    with connect(instance) as db:
        found = db.execute(
            AUDIT.format("request_id = %s"), [reply.headers["x-request-id"]]
        ).fetchall()
    for row in found:
        row["session"] = (row["detail"] or {}).pop("session", None)
        row["detail"] = row["detail"] or None
    return found


def audit_row(instance, reply, action: str, outcome: str = "allowed") -> dict:
    """The one audit row of a request; asserts action and outcome."""
    found = audit_of(instance, reply)
    assert [(r["action"], r["outcome"]) for r in found] == [(action, outcome)], found
    return found[0]


@contextlib.contextmanager
def held(instance, statement: str, *args):
    """A transaction that holds what the statement locks; it commits at the end."""
    with psycopg.connect(instance.superuser_dsn, connect_timeout=10) as db:
        db.execute(statement, args)
        yield db


def wait_for_waiters(instance, number: int) -> None:
    """Until so many connections wait for a lock (the server gives up after 3 s)."""
    query = "SELECT count(DISTINCT pid) AS n FROM pg_locks WHERE NOT granted"
    with connect(instance) as db:
        wait_until(
            lambda: db.execute(query).fetchone()["n"] == number, 2.5, f"{number} waiting", 0.01
        )


def count(instance, table: str) -> int:
    with connect(instance) as db:
        return db.execute(f"SELECT count(*) AS n FROM eleusis.{table}").fetchone()["n"]


def tables(instance) -> list[str]:
    """Every ordinary table outside the catalogue, partitions included."""
    with connect(instance) as db:
        found = db.execute("""
            SELECT format('%I.%I', n.nspname, c.relname) AS name
              FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE c.relkind IN ('r', 'm') AND n.nspname !~ '^pg_'
               AND n.nspname <> 'information_schema' ORDER BY 1""").fetchall()
    return [row["name"] for row in found]


def database_bytes(instance) -> bytes:
    """Every row of every table in PostgreSQL's binary form: bytea as it is."""
    pieces = []
    with connect(instance) as db, db.cursor() as cursor:
        for table in tables(instance):
            with cursor.copy(f"COPY {table} TO STDOUT (FORMAT binary)") as out:
                pieces.extend(bytes(piece) for piece in out)
    return b"".join(pieces)


def store(instance) -> redis.Redis:
    """Redis with bytes in and out."""
    return redis.Redis(**instance.redis, socket_timeout=5)


def keys(instance) -> set[bytes]:
    with store(instance) as r:
        return set(r.scan_iter(count=1000))


def read_key(r: redis.Redis, key: bytes) -> list[bytes]:
    """All that a key holds, whatever its type."""
    kind = r.type(key)
    if kind == b"string":
        return [r.get(key) or b""]
    if kind == b"hash":
        return [x for pair in r.hgetall(key).items() for x in pair]
    if kind == b"set":
        return list(r.smembers(key))
    if kind == b"zset":
        return [member for member, _ in r.zscan_iter(key)]
    if kind == b"list":
        return r.lrange(key, 0, -1)
    if kind == b"stream":
        return [x for _, fields in r.xrange(key) for pair in fields.items() for x in pair]
    assert kind == b"none", f"a key of unknown type {kind!r}"
    return []


def redis_bytes(instance) -> bytes:
    """Every key and value."""
    pieces = []
    with store(instance) as r:
        for key in r.scan_iter(count=1000):
            pieces += [key, *read_key(r, key)]
    return b"\0".join(pieces)
