"""Rows of the schema written and read by SQL, as owner or as server."""

import contextlib
import secrets
import uuid
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import psycopg
import pytest
from psycopg import sql

NIL = uuid.UUID(int=0)
HASH = "$argon2id$v=19$m=8192,t=2,p=1$" + "x" * 60


def uuid7(at: datetime | None = None) -> uuid.UUID:
    at = at or datetime.now(UTC)
    since = at - datetime(1970, 1, 1, tzinfo=UTC)
    millis = since // timedelta(milliseconds=1)
    return uuid.UUID(int=millis << 80 | 7 << 76 | 2 << 62 | secrets.randbits(62))


def sealed(size: int = 60) -> bytes:
    return secrets.token_bytes(size)


def add_user(owner, role: str = "clinician", **columns) -> SimpleNamespace:
    columns = {"id": uuid7(), "role": role, "name": "N", "password_hash": HASH} | columns
    columns.setdefault("email", f"{secrets.token_hex(8)}@example.org")
    insert(owner, "app_user", **columns)
    return SimpleNamespace(**columns)


def insert(db, table: str, **columns) -> None:
    db.execute(
        sql.SQL("INSERT INTO eleusis.{} ({}) VALUES ({})").format(
            sql.Identifier(table),
            sql.SQL(", ").join(map(sql.Identifier, columns)),
            sql.SQL(", ").join(sql.Placeholder() * len(columns)),
        ),
        list(columns.values()),
    )


def event(**columns) -> dict:
    return {
        "id": uuid7(),
        "occurred_at": datetime.now(UTC),
        "action": "test.event",
        "outcome": "allowed",
        "actor_kind": "system",
    } | columns


def call(db, function: str, user, *args, role: str | None = None) -> list[tuple]:
    """Calls a function for an acting user, or without one when it is None."""
    if user is not None:
        args = (user.id, user.role if role is None else role, *args)
    query = sql.SQL("SELECT * FROM eleusis.{}({})").format(
        sql.Identifier(function), sql.SQL(", ").join(sql.Placeholder() * len(args))
    )
    return db.execute(query, args).fetchall()


def add_patient(server, user, mrn: bytes | None = None, id: uuid.UUID | None = None) -> uuid.UUID:
    id = id or uuid7()
    call(server, "patient_create", user, id, sealed(), sealed(), mrn, 1, sealed(77), 1)
    return id


def partition(owner, id: uuid.UUID) -> str:
    return owner.execute(
        "SELECT tableoid::regclass::text FROM eleusis.audit_event WHERE id = %s", [id]
    ).fetchone()[0]


@contextlib.contextmanager
def sqlstate(code: str):
    with pytest.raises(psycopg.Error) as caught:
        yield
    assert caught.value.sqlstate == code, caught.value
