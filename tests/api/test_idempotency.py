"""Idempotency-Key: a POST that is repeated is answered again, not carried out again."""

import os
import signal
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from lib import data
from lib.db import audit_of, audit_row, connect, database_bytes, held, redis_bytes
from lib.problem import problem
from lib.process import wait_until

PATIENTS = "/v1/patients"
PREDICTIONS = "/v1/predictions"
REPLAYED = "idempotency-replayed"


def send(who, path: str, body, key: str) -> httpx.Response:
    return who.post(path, body, headers={"idempotency-key": key})


def new_key() -> str:
    return str(uuid.uuid4())


def prediction(one: dict) -> dict:
    return {"model": "flchain-mortality-5y", "patient_id": one["id"], "inputs": data.FLCHAIN}


def measurement() -> dict:
    return {"code": "creatinine", "value": 1.1, "unit": "mg/dL", "effective_at": data.instant()}


def made_by(instance, who) -> int:
    with connect(instance) as db:
        return db.execute(
            "SELECT count(*) AS n FROM eleusis.patient WHERE created_by = %s", [who.user["id"]]
        ).fetchone()["n"]


def same(first: httpx.Response, again: httpx.Response) -> None:
    """The same reply, and it says so."""
    assert (again.status_code, again.content) == (first.status_code, first.content)
    for name in ("location", "etag", "content-type", "cache-control"):
        assert again.headers.get(name) == first.headers.get(name), name
    assert REPLAYED not in first.headers
    assert again.headers[REPLAYED] == "true"
    assert again.headers["x-request-id"] != first.headers["x-request-id"]


# ---- repetitions --------------------------------------------------------------------


def test_a_patient_is_made_once(instance, clinician):
    key, body, before = new_key(), data.patient(), made_by(instance, clinician)
    first = send(clinician, PATIENTS, body, key)
    assert first.status_code == 201, first.text
    for _ in range(3):
        with clinician.twin() as other:
            same(first, send(other, PATIENTS, body, key))
    assert made_by(instance, clinician) == before + 1


def test_an_observation_is_recorded_once(clinician, patient):
    path, key, body = f"{PATIENTS}/{patient()['id']}/observations", new_key(), measurement()
    first = send(clinician, path, body, key)
    assert first.status_code == 201, first.text
    same(first, send(clinician, path, body, key))
    assert len(clinician.get(path).json()["items"]) == 1


def test_a_prediction_is_made_once(instance, clinician, patient):
    key, body = new_key(), prediction(patient())
    first = send(clinician, PREDICTIONS, body, key)
    assert first.status_code == 201, first.text
    same(first, send(clinician, PREDICTIONS, body, key))
    other = send(clinician, PREDICTIONS, body, new_key())
    assert other.json()["id"] != first.json()["id"]
    assert clinician.post(PREDICTIONS, body).json()["id"] not in (
        first.json()["id"], other.json()["id"],
    )  # fmt: skip


def test_every_look_at_the_reply_is_in_the_audit_log(instance, clinician):
    key, body = new_key(), data.patient()
    first = send(clinician, PATIENTS, body, key)
    again = send(clinician, PATIENTS, body, key)
    one = first.json()["id"]
    audit_row(instance, first, "patient.create")
    row = audit_row(instance, again, "patient.create.replayed")
    assert (row["object_type"], str(row["object_id"])) == ("patient", one)
    assert str(row["actor_id"]) == clinician.user["id"]


def test_quotes_do_not_make_another_key(clinician):
    key, body = new_key(), data.patient()
    first = send(clinician, PATIENTS, body, f'"{key}"')
    same(first, send(clinician, PATIENTS, body, key))


@pytest.mark.parametrize("change", ["body", "path"])
def test_another_request_is_refused(instance, clinician, patient, change):
    key = new_key()
    path, body = f"{PATIENTS}/{patient()['id']}/observations", measurement()
    assert send(clinician, path, body, key).status_code == 201
    if change == "body":
        body = body | {"value": 1.2}
    if change == "path":
        path = f"{PATIENTS}/{patient()['id']}/observations"
    reply = send(clinician, path, body, key)
    problem(reply, "idempotency-key-reused")
    audit_row(instance, reply, "observation.create", "denied")


def test_keys_of_others_and_of_other_operations_are_other_keys(log_in, clinician, patient):
    key, other = new_key(), log_in("clinician")
    mine = send(clinician, PATIENTS, data.patient(), key)
    theirs = send(other, PATIENTS, data.patient(), key)
    assert mine.status_code == theirs.status_code == 201
    assert mine.json()["id"] != theirs.json()["id"]
    assert send(clinician, PREDICTIONS, prediction(patient()), key).status_code == 201


@pytest.mark.parametrize(
    "key", ["", '""', '"', "a b", 'a"b', "a,b", "a\\b", "k" * 256, "\x7f", "schlüssel"]
)
def test_bad_keys(clinician, key):
    headers = {"idempotency-key": key.encode("latin-1")}
    problem(clinician.post(PATIENTS, data.patient(), headers=headers), "malformed-request")


def test_two_keys_are_none(clinician):
    headers = [("idempotency-key", new_key()), ("idempotency-key", new_key())]
    problem(clinician.post(PATIENTS, data.patient(), headers=headers), "malformed-request")


@pytest.mark.parametrize("key", ["k", "k" * 255, "!#$%&'()*+-./:;<=>?@[]^_`{|}~"])
def test_keys_of_any_form(clinician, key):
    body = data.patient()
    first = send(clinician, PATIENTS, body, key)
    assert first.status_code == 201
    same(first, send(clinician, PATIENTS, body, key))


# ---- failures -------------------------------------------------------------------------


def test_a_refused_request_leaves_nothing(instance, clinician, patient):
    """With the same key it is tried again, mended or not."""
    key = new_key()
    problem(send(clinician, PATIENTS, data.patient(sex="?"), key), "validation-failed")
    taken = data.patient(mrn=patient()["mrn"])
    for _ in range(2):
        problem(send(clinician, PATIENTS, taken, key), "conflict")
    first = send(clinician, PATIENTS, data.patient(), key)
    assert first.status_code == 201
    assert REPLAYED not in first.headers


def test_a_patient_of_others_is_denied_and_that_is_durable(instance, log_in, patient):
    other, key, body = log_in("clinician"), new_key(), prediction(patient())
    for _ in range(2):
        reply = send(other, PREDICTIONS, body, key)
        problem(reply, "not-found")
        assert [r["outcome"] for r in audit_of(instance, reply)] == ["denied"]


def test_a_reply_is_gone_with_the_care(instance, clinician):
    key, body = new_key(), data.patient()
    first = send(clinician, PATIENTS, body, key)
    with connect(instance) as db:
        db.execute(
            "UPDATE eleusis.care_relationship SET since = now() - interval '2 days',"
            " until = now() - interval '1 day' WHERE patient_id = %s",
            [first.json()["id"]],
        )
    reply = send(clinician, PATIENTS, body, key)
    problem(reply, "not-found")
    audit_row(instance, reply, "patient.create", "denied")


# ---- at the same time -------------------------------------------------------------------


def test_many_at_once_make_one(instance, clinician):
    key, body, before = new_key(), data.patient(), made_by(instance, clinician)
    clients = [clinician.twin() for _ in range(16)]
    barrier = threading.Barrier(len(clients))

    def go(client):
        barrier.wait()
        return send(client, PATIENTS, body, key)

    with ThreadPoolExecutor(len(clients)) as pool:
        replies = list(pool.map(go, clients))
    for client in clients:
        client.close()
    made = [r for r in replies if r.status_code == 201]
    assert len([r for r in made if REPLAYED not in r.headers]) == 1
    assert len({r.content for r in made}) == 1
    for reply in replies:
        if reply.status_code != 201:
            problem(reply, "idempotency-key-in-flight")
            assert reply.headers["retry-after"] == "1"
    assert made_by(instance, clinician) == before + 1


def test_while_the_first_is_under_way(instance, clinician):
    key, body = new_key(), data.patient()
    with ThreadPoolExecutor(1) as pool, clinician.twin() as slow:
        with held(instance, "LOCK TABLE eleusis.patient IN ACCESS EXCLUSIVE MODE"):
            first = pool.submit(send, slow, PATIENTS, body, key)

            def claimed() -> bool:
                with connect(instance) as db:
                    return (
                        db.execute(
                            "SELECT count(*) AS n FROM pg_locks WHERE locktype = 'advisory'"
                        ).fetchone()["n"]
                        > 0
                    )

            wait_until(claimed, 2.5, "the key was not claimed", 0.01)
            problem(send(clinician, PATIENTS, body, key), "idempotency-key-in-flight")
        assert first.result().status_code == 201
    same(first.result(), send(clinician, PATIENTS, body, key))


# ---- at rest --------------------------------------------------------------------------------


def test_nothing_is_kept_in_clear(instance, clinician):
    key, body = f"visit-{data.word()}", data.patient()
    assert send(clinician, PATIENTS, body, key).status_code == 201
    stored = database_bytes(instance) + redis_bytes(instance)
    for secret in (key, body["given_name"], body["notes"], body["mrn"]):
        assert secret.encode() not in stored, secret


def expire(instance, clinician) -> None:
    with connect(instance) as db:
        db.execute(
            "UPDATE eleusis.kept_reply SET created_at = now() - interval '2 days',"
            " expires_at = now() - interval '1 second' WHERE principal_id = %s",
            [clinician.user["id"]],
        )


def test_after_its_time_a_key_is_new(instance, clinician, patient):
    key, body = new_key(), prediction(patient())
    first = send(clinician, PREDICTIONS, body, key)
    expire(instance, clinician)
    second = send(clinician, PREDICTIONS, body, key)
    assert second.status_code == 201
    assert second.json()["id"] != first.json()["id"]
    same(second, send(clinician, PREDICTIONS, body, key))


def test_expired_replies_are_deleted(instance, clinician):
    send(clinician, PATIENTS, data.patient(), new_key())
    expire(instance, clinician)
    with connect(instance) as db:
        assert db.execute("SELECT eleusis.replies_forget(1000) AS n").fetchone()["n"] >= 1
        assert db.execute("SELECT eleusis.replies_forget(1000) AS n").fetchone()["n"] == 0


def test_a_changed_row_is_not_given_out(instance, clinician):
    """A reply moved to another key, or with a bit turned, does not open."""
    key, body = new_key(), data.patient()
    send(clinician, PATIENTS, body, key)
    with connect(instance) as db:
        db.execute(
            "UPDATE eleusis.kept_reply SET reply = set_byte(reply, 60, get_byte(reply, 60) # 1)"
            " WHERE principal_id = %s",
            [clinician.user["id"]],
        )
    reply = send(clinician, PATIENTS, body, key)
    problem(reply, "internal")
    assert [r["outcome"] for r in audit_of(instance, reply)] == ["failed"]


pytestmark = [pytest.mark.faults, pytest.mark.restarts]


# ---- crashes -----------------------------------------------------------------------------------


def test_a_crash_leaves_both_or_neither(instance, log_in):
    """Workers are killed in the middle; whoever repeats gets exactly one patient a key."""
    clinician = log_in("clinician")
    orders = [(new_key(), data.patient()) for _ in range(60)]
    stop = threading.Event()

    def kill():
        while not stop.wait(0.25):
            for pid in instance.worker_pids()[:1]:
                os.kill(pid, signal.SIGKILL)

    def until_made(order) -> str:
        for _ in range(100):
            try:
                with clinician.twin() as client:
                    reply = send(client, PATIENTS, order[1], order[0])
            except httpx.HTTPError:
                continue
            if reply.status_code == 201:
                return reply.json()["id"]
            assert reply.status_code in (409, 503), reply.text
            stop.wait(0.05)
        raise AssertionError("never made")

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        with ThreadPoolExecutor(6) as pool:
            ids = list(pool.map(until_made, orders))
    finally:
        stop.set()
        killer.join()
    assert len(set(ids)) == len(orders)
    assert made_by(instance, clinician) == len(orders)
