"""The audit log through the API, and what the database refuses to forget."""

import threading
import uuid

import psycopg
import pytest
from lib import data
from lib.db import audit_of, audit_row, connect
from lib.problem import problem

EVENTS = "/v1/audit/events"


@pytest.fixture(scope="module")
def story(clinician, patient):
    """A patient with a known history; her id and the replies, oldest first."""
    created = clinician.post("/v1/patients", data.patient())
    path = f"/v1/patients/{created.json()['id']}"
    replies = [
        created,
        clinician.get(path),
        clinician.patch(path, {"notes": "x"}),
        clinician.get(path),
    ]
    return created.json()["id"], replies


ACTIONS = ["patient.create", "patient.read", "patient.update", "patient.read"]


def test_events_of_an_object(auditor, clinician, story):
    patient_id, replies = story
    items = auditor.get(EVENTS, object_id=patient_id).json()["items"]
    assert [i["action"] for i in items] == ACTIONS[::-1]
    assert [i["request_id"] for i in items] == [r.headers["x-request-id"] for r in replies][::-1]
    for item in items:
        assert set(item) == {
            "id", "occurred_at", "action", "outcome", "actor", "object", "request_id",
            "client_ip", "detail",
        }  # fmt: skip
        assert item["outcome"] == "allowed"
        assert item["actor"] == {"kind": "user", "id": clinician.user["id"], "key_id": None}
        assert item["object"] == {"type": "patient", "id": patient_id}
        assert item["client_ip"] in ("127.0.0.1", "::1")
        assert item["detail"] is None or isinstance(item["detail"], dict)


def test_everything_about_a_patient(auditor, clinician, other_clinician, admin):
    """One filter finds every access to her: her record's, her children's, lists, refusals."""
    patient_id = clinician.post("/v1/patients", data.patient()).json()["id"]
    path = f"/v1/patients/{patient_id}"
    measured = {"code": "creatinine", "value": 1.0}
    seen = clinician.post(f"{path}/observations", measured).json()["id"]
    clinician.get(f"{path}/observations")
    clinician.get(f"{path}/observations/{seen}")
    inputs = {"age": 66, "sex": 0, "kappa": 1, "lambda": 1, "flc_grp": 3, "sample_yr": 1997}
    asked = {"patient_id": patient_id, "model": "flchain-mortality-5y"}
    scored = clinician.post("/v1/predictions", asked | {"inputs": inputs | {"mgus": 0}})
    assert scored.status_code == 201, scored.text
    clinician.get(f"/v1/predictions/{scored.json()['id']}")
    clinician.get("/v1/patients", limit=5)
    other_clinician.get(path)
    other_clinician.get(f"{path}/observations/{seen}")
    admin.get(f"{path}/observations/{seen}")
    items = auditor.get(EVENTS, patient_id=patient_id, limit=100).json()["items"]
    found = [(i["action"], i["outcome"], i["object"]["type"]) for i in items][::-1]
    assert found == [
        ("patient.create", "allowed", "patient"),
        ("observation.create", "allowed", "observation"),
        ("observation.list", "allowed", "patient"),
        ("observation.read", "allowed", "observation"),
        ("prediction.create", "allowed", "prediction"),
        ("prediction.read", "allowed", "prediction"),
        ("patient.list", "allowed", None),
        ("patient.read", "allowed", "patient"),
        ("patient.read", "denied", "patient"),
        ("observation.read", "allowed", "observation"),
        ("observation.read", "denied", "observation"),
        ("observation.read", "denied", "observation"),
    ]
    assert all(i["object"]["id"] in (patient_id, seen, scored.json()["id"], None) for i in items)


def test_one_event(auditor, story):
    item = auditor.get(EVENTS, object_id=story[0]).json()["items"][0]
    reply = auditor.get(f"{EVENTS}/{item['id']}")
    assert reply.status_code == 200
    assert reply.json() == item


def test_filters_narrow_and_combine(auditor, clinician, other_clinician, story):
    patient_id, _ = story
    get = auditor.get(EVENTS, object_id=patient_id, action="patient.read").json()["items"]
    assert [i["action"] for i in get] == ["patient.read"] * 2
    get = auditor.get(EVENTS, actor_id=clinician.user["id"], action="patient.update").json()[
        "items"
    ]
    assert {(i["action"], i["actor"]["id"]) for i in get} == {
        ("patient.update", clinician.user["id"])
    }
    get = auditor.get(EVENTS, object_id=patient_id, actor_id=other_clinician.user["id"])
    assert get.json()["items"] == []


def test_events_come_in_pages(auditor, story):
    patient_id, _ = story
    seen, cursor = [], None
    while True:
        more = {"cursor": cursor} if cursor else {}
        body = auditor.get(EVENTS, object_id=patient_id, limit=3, **more).json()
        seen += [i["action"] for i in body["items"]]
        cursor = body["next_cursor"]
        if not cursor:
            break
    assert seen == ACTIONS[::-1]


@pytest.mark.parametrize(
    ("query", "pointers"),
    [
        ({"object_id": "x"}, {"?object_id"}),
        ({"actor_id": ""}, {"?actor_id"}),
        ({"limit": "0"}, {"?limit"}),
        ({"cursor": "x"}, {"?cursor"}),
        ({"when": "now"}, {"?when"}),
        (
            {"object_id": "x", "actor_id": "y", "colour": "z"},
            {"?object_id", "?actor_id", "?colour"},
        ),
    ],
)
def test_queries_are_checked(auditor, query, pointers):
    problem(auditor.get(EVENTS, **query), "invalid-query", pointers)


def test_an_unknown_action_finds_nothing(auditor):
    reply = auditor.get(EVENTS, action="patient.fly")
    if reply.status_code == 200:
        assert reply.json()["items"] == []
    else:
        problem(reply, "invalid-query", {"?action"})


def test_unknown_events(auditor, story):
    problem(auditor.get(f"{EVENTS}/{data.uuid7()}"), "not-found")
    problem(auditor.get(f"{EVENTS}/{story[0]}"), "not-found")
    problem(auditor.get(f"{EVENTS}/latest"), "not-found")


def test_reading_the_log_is_in_the_log(instance, auditor, story):
    listed = auditor.get(EVENTS, object_id=story[0])
    row = audit_row(instance, listed, "audit.list")
    assert str(row["actor_id"]) == auditor.user["id"]
    event = listed.json()["items"][0]["id"]
    row = audit_row(instance, auditor.get(f"{EVENTS}/{event}"), "audit.read")
    assert event in str(row)


def test_nobody_changes_the_log_over_http(auditor, admin, story):
    event = auditor.get(EVENTS, object_id=story[0]).json()["items"][0]["id"]
    for who in (auditor, admin):
        for method in ("PUT", "PATCH", "DELETE", "POST"):
            reply = who.http.request(method, f"{EVENTS}/{event}", json={})
            problem(reply, "method-not-allowed")


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE eleusis.audit_event SET outcome = 'allowed'",
        "DELETE FROM eleusis.audit_event",
        "TRUNCATE eleusis.audit_event",
        "ALTER TABLE eleusis.audit_event DISABLE TRIGGER ALL",
        "DROP TABLE eleusis.audit_event",
        "CREATE TABLE eleusis.x (a int)",
        "CREATE TABLE public.x (a int)",
        "SELECT * FROM eleusis.patient",
        "INSERT INTO eleusis.care_relationship DEFAULT VALUES",
        "SELECT password_hash FROM eleusis.app_user",
        "UPDATE eleusis.app_user SET role = 'admin'",
        "SET ROLE eleusis_owner",
        "COPY eleusis.audit_event TO PROGRAM 'cat'",
    ],
)
def test_the_server_s_role_may_not(instance, sql):
    with (
        psycopg.connect(instance.server_dsn) as db,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        db.execute(sql)


@pytest.mark.parametrize("verb", ["UPDATE", "DELETE", "TRUNCATE"])
def test_not_even_the_owner_changes_audit_rows(instance, story, verb):
    sql = {
        "UPDATE": "UPDATE eleusis.audit_event SET outcome = 'denied' WHERE true",
        "DELETE": "DELETE FROM eleusis.audit_event WHERE true",
        "TRUNCATE": "TRUNCATE eleusis.audit_event",
    }[verb]
    with (
        psycopg.connect(instance.owner_dsn) as db,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        db.execute(sql)


def test_concurrent_reads_each_have_their_own_row(instance, clinician, story):
    """The group commit puts many rows into one statement; none is lost."""
    path, replies = f"/v1/patients/{story[0]}", []

    def read():
        with clinician.twin() as mine:
            replies.extend(mine.get(path) for _ in range(25))

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {r.status_code for r in replies} == {200}
    ids = {uuid.UUID(r.headers["x-request-id"]) for r in replies}
    assert len(ids) == 200
    with connect(instance) as db:
        rows = db.execute(
            "SELECT request_id FROM eleusis.audit_event WHERE request_id = ANY(%s)"
            " AND action = 'patient.read' AND outcome = 'allowed'",
            [list(ids)],
        ).fetchall()
    assert sorted(r["request_id"] for r in rows) == sorted(ids)


def test_without_an_audit_row_there_is_no_reply(instance, clinician, story):
    """The log is locked: a read must wait and then fail, not answer."""
    path = f"/v1/patients/{story[0]}"
    with psycopg.connect(instance.superuser_dsn) as db:
        db.execute("LOCK TABLE eleusis.audit_event IN ACCESS EXCLUSIVE MODE")
        read = clinician.get(path)
        write = clinician.patch(path, {"notes": "unaudited"})
        db.rollback()
    for reply in (read, write):
        problem(reply, "unavailable")
        assert int(reply.headers["retry-after"]) >= 1
    assert clinician.get(path).json()["notes"] == "x"


def test_denials_are_durable_when_the_reply_is_there(instance, auditor, admin):
    for who in (auditor, admin):
        reply = who.post("/v1/patients", data.patient())
        problem(reply, "forbidden")
        rows = audit_of(instance, reply)
        assert [(r["action"], r["outcome"]) for r in rows] == [("patient.create", "denied")]
