"""Databases of a test's own, in the instance's PostgreSQL."""

import contextlib
import os
import secrets
import subprocess

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from lib.tables import ROOT


class Database:
    """A database of the instance's PostgreSQL, with the two roles on it."""

    def __init__(self, instance, name: str):
        self.instance, self.name = instance, name

    def connect(self, dsn: str) -> psycopg.Connection:
        return psycopg.connect(make_conninfo(dsn, dbname=self.name), autocommit=True)

    def owner(self) -> psycopg.Connection:
        return self.connect(self.instance.owner_dsn)

    def server(self) -> psycopg.Connection:
        return self.connect(self.instance.server_dsn)

    def superuser(self) -> psycopg.Connection:
        return self.connect(self.instance.superuser_dsn)

    def migrate(self, *args, check: bool = True) -> subprocess.CompletedProcess:
        return self.instance.ctl("migrate", *args, check=check, ELEUSIS_DB_NAME=self.name)

    def start_ctl(self, *args: str) -> subprocess.Popen:
        """eleusisctl on this database; does not wait for it."""
        return subprocess.Popen(
            [self.instance.build / "eleusisctl", *args],
            env=os.environ | self.instance.env | {"ELEUSIS_DB_NAME": self.name},
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@contextlib.contextmanager
def new_database(instance):
    """A database without a schema; it is dropped at the end."""
    name = f"eleusis_test_{secrets.token_hex(6)}"
    with psycopg.connect(instance.superuser_dsn, autocommit=True) as db:
        db.execute(
            sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0").format(
                sql.Identifier(name), sql.Identifier("eleusis_owner")
            )
        )
        try:
            yield Database(instance, name)
        finally:
            db.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
