"""Nothing is acknowledged that is not durable, and no fault of a server outlives it."""

import contextlib
import json
import os
import signal
import socket
import ssl
import time

import pytest
from lib import data
from lib.client import Api
from lib.db import audit_row, connect, count, store
from lib.problem import problem
from lib.process import wait_until

pytestmark = [pytest.mark.restarts, pytest.mark.faults]

REFUSING = """
CREATE FUNCTION public.refuse_commit() RETURNS trigger LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'commit refused'; END $$;
CREATE CONSTRAINT TRIGGER refuse_commit AFTER INSERT ON eleusis.audit_event
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.refuse_commit();
"""
AGAIN = "DROP TRIGGER refuse_commit ON eleusis.audit_event; DROP FUNCTION public.refuse_commit()"


@contextlib.contextmanager
def commits_fail(instance):
    """Statements on the audit log succeed, and their COMMIT does not."""
    with connect(instance) as db:
        db.execute(REFUSING)
        try:
            yield
        finally:
            db.execute(AGAIN)


def test_a_commit_that_fails_is_not_acknowledged(instance, log_in):
    """The error comes after the statement's own success, at its Sync."""
    clinician = log_in("clinician")
    path = f"/v1/patients/{clinician.made('/v1/patients', data.patient())['id']}"
    with commits_fail(instance):
        rows, patients = count(instance, "audit_event"), count(instance, "patient")
        for reply in (
            clinician.get(path),
            clinician.post("/v1/patients", data.patient()),
            clinician.patch(path, {"notes": "x"}),
        ):
            assert reply.status_code in (500, 503), reply.text
            assert set(reply.json()) <= {"type", "title", "status", "detail", "instance"}
        assert count(instance, "audit_event") == rows
        assert count(instance, "patient") == patients
    assert clinician.get(path).json()["version"] == 1


UNTOLD = """
CREATE FUNCTION public.refuse_mail() RETURNS trigger LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'mail refused'; END $$;
CREATE TRIGGER refuse_mail BEFORE INSERT ON eleusis.outbox
FOR EACH ROW EXECUTE FUNCTION public.refuse_mail();
"""
TOLD_AGAIN = "DROP TRIGGER refuse_mail ON eleusis.outbox; DROP FUNCTION public.refuse_mail()"


def test_a_log_in_that_its_user_cannot_be_told_of_is_none(instance, log_in):
    """From a new device; from where she was before there is nothing to tell."""
    who = log_in("clinician")
    body = {"email": who.email, "password": who.password}
    with connect(instance) as db, Api(instance) as api:
        db.execute(UNTOLD)
        try:
            assert api.post("/v1/auth/login", body).status_code == 200
            places = count(instance, "known_place")
            api.http.headers["user-agent"] = "curl/8"
            reply = api.post("/v1/auth/login", body)
            assert reply.status_code in (500, 503), reply.text
            assert count(instance, "known_place") == places
            assert audit_row(instance, reply, "auth.login", "failed")
            assert len(who.get("/v1/me/sessions").json()["sessions"]) == 2
        finally:
            db.execute(TOLD_AGAIN)
        assert api.post("/v1/auth/login", body).status_code == 200


def test_redis_with_another_password_heals(instance, log_in):
    """Refused scripts or passwords are no connection: 503, not 500, and then all is well."""
    clinician = log_in("clinician")
    right = instance.redis["password"]
    with store(instance) as r:
        r.config_set("requirepass", "another")
        r.execute_command("AUTH", "another")
        try:
            r.client_kill_filter(_type="normal", skipme=True)
            wait_until(
                lambda: clinician.get("/v1/me").status_code == 503, 5, "no 503 without Redis"
            )
            time.sleep(1)
            problem(clinician.get("/v1/me"), "unavailable")
        finally:
            r.config_set("requirepass", right)
    wait_until(lambda: clinician.get("/v1/me").status_code == 200, 5, "Redis did not come back")


def test_a_body_on_its_way_is_waited_for(instance, log_in):
    """Graceful shutdown: a request whose body is half here still gets its reply."""
    clinician = log_in("clinician")
    text = json.dumps(data.patient()).encode()
    trust = ssl.create_default_context(cafile=instance.ca)
    address = instance.address
    with (
        socket.create_connection(address, 10) as plain,
        trust.wrap_socket(plain, server_hostname=address[0]) as s,
    ):
        head = (
            f"POST /v1/patients HTTP/1.1\r\nHost: {address[0]}:{address[1]}\r\n"
            f"Authorization: Bearer {clinician.token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n"
        ).encode()
        s.sendall(head + text[:20])
        time.sleep(0.3)
        with contextlib.ExitStack() as later:
            later.callback(instance.ensure_running)
            os.kill(instance.parent_pid(), signal.SIGTERM)
            time.sleep(0.5)
            s.sendall(text[20:])
            reply = s.recv(65536)
            assert reply.startswith(b"HTTP/1.1 201"), reply[:80]
            assert b"connection: close" in reply.lower()
            wait_until(lambda: not instance.parent_pid(), 20, "the server did not end")
