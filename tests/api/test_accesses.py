"""Who looked at a record: when, on what ground, through what."""

from datetime import UTC, datetime, timedelta

import pytest
from lib import apikeys, data
from lib.db import audit_row, connect
from lib.problem import problem


@pytest.fixture
def record(patient):
    return patient()["id"]


def accesses(who, record, **query) -> list[dict]:
    reply = who.get(f"/v1/patients/{record}/accesses", **query)
    assert reply.status_code == 200, reply.text
    return reply.json()["items"]


def shown(found: list[dict]) -> list[tuple]:
    return [(a["actor"]["id"], a["action"], a["outcome"], a["basis"]["kind"]) for a in found]


def test_a_patients_story(instance, clinician, other_clinician, admin, auditor, log_in, record):
    path, stranger = f"/v1/patients/{record}", log_in("clinician")
    me, other, outsider = (x.user["id"] for x in (clinician, other_clinician, stranger))
    clinician.get(path)
    problem(other_clinician.get(path), "not-found")
    admin.post(f"{path}/care", {"user_id": other, "reason": "on_call"}).raise_for_status()
    other_clinician.get(f"{path}/observations")
    emergency = {"patient_id": record, "reason": data.REASON}
    grant = stranger.post("/v1/break-glass", emergency).json()["id"]
    stranger.get(path)
    stranger.http.delete(f"/v1/break-glass/{grant}").raise_for_status()
    problem(stranger.get(path), "not-found")
    auditor.get(f"/v1/break-glass/{grant}")
    found = accesses(auditor, record)[::-1]
    assert [s for s in shown(found) if s[1] != "patient.accesses"] == [
        (me, "patient.create", "allowed", "created"),
        (me, "patient.read", "allowed", "created"),
        (other, "patient.read", "denied", "denied"),
        (admin.user["id"], "care.grant", "allowed", "role"),
        (other, "observation.list", "allowed", "assigned"),
        (outsider, "break_glass.open", "allowed", "break_glass"),
        (outsider, "patient.read", "allowed", "break_glass"),
        (outsider, "break_glass.end", "allowed", "break_glass"),
        (outsider, "patient.read", "denied", "denied"),
        (auditor.user["id"], "break_glass.read", "allowed", "role"),
    ]
    under = [a for a in found if a["basis"]["kind"] == "break_glass"]
    assert {a["basis"]["grant_id"] for a in under} == {grant}
    assert found[4]["basis"]["reason"] == "on_call"
    assert found[1]["actor"]["name"] == clinician.user["name"]
    assert found[1]["actor"]["role"] == "clinician"


def test_why_it_was_so_stays_known(clinician, other_clinician, record):
    """When the care is over, the accesses of its time still have their ground."""
    path, other = f"/v1/patients/{record}", other_clinician.user["id"]
    body = {"user_id": other, "reason": "consultation"}
    clinician.post(f"{path}/care", body).raise_for_status()
    other_clinician.get(path)
    clinician.http.delete(f"{path}/care/{other}").raise_for_status()
    found = [a for a in accesses(clinician, record) if a["actor"]["id"] == other]
    assert shown(found) == [(other, "patient.read", "allowed", "referred")]
    assert found[0]["basis"]["reason"] == "consultation"


def test_a_list_that_named_her_counts(clinician, record):
    clinician.get("/v1/patients", limit=5)
    assert "patient.list" in {a["action"] for a in accesses(clinician, record)}


def test_through_a_session_or_a_key(instance, clinician, record):
    key = apikeys.make(instance, clinician.user)
    with key.client(instance) as program:
        assert program.get(f"/v1/patients/{record}").status_code == 200
    clinician.get(f"/v1/patients/{record}")
    by_session, by_key = (a["through"] for a in accesses(clinician, record) if
                          a["action"] == "patient.read")  # fmt: skip
    assert (by_key["key_id"], by_key["key_prefix"]) == (key.id, key.prefix)
    assert by_key["session_id"] is None
    assert by_session["key_id"] is None
    mine = clinician.get("/v1/me").json()["session"]["id"]
    assert by_session["session_id"] == mine
    assert by_session["network"] == "127.0.0.0/24"


def test_asking_is_an_access(instance, clinician, auditor, record):
    for who, basis in ((clinician, "created"), (auditor, "role")):
        reply = who.get(f"/v1/patients/{record}/accesses")
        assert str(audit_row(instance, reply, "patient.accesses")["object_id"]) == record
        assert (who.user["id"], "patient.accesses", "allowed", basis) in shown(
            accesses(who, record)
        )


def test_an_auditor_sees_nothing_else(auditor, other_clinician, record):
    assert accesses(auditor, record)
    problem(auditor.get(f"/v1/patients/{record}"), "forbidden")
    problem(other_clinician.get(f"/v1/patients/{record}/accesses"), "not-found")
    problem(auditor.get(f"/v1/patients/{data.uuid7()}/accesses"), "not-found")


def test_pages_and_times(clinician, record):
    for _ in range(4):
        clinician.get(f"/v1/patients/{record}")
    whole = accesses(clinician, record, limit=100)
    seen, query = [], {"limit": 2}
    before = whole[0]["at"]
    while True:
        page = clinician.get(f"/v1/patients/{record}/accesses", **query).json()
        seen += [a["id"] for a in page["items"] if a["at"] <= before]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert seen == [a["id"] for a in whole]
    now = datetime.now(UTC)
    soon, past = (f"{now + timedelta(hours=h):%Y-%m-%dT%H:%M:%SZ}" for h in (1, -1))
    assert accesses(clinician, record, since=soon) == []
    assert accesses(clinician, record, until=past) == []
    assert len(accesses(clinician, record, since=past, until=soon, limit=100)) >= len(whole)


def test_a_grant_of_another_time_explains_nothing(instance, clinician, log_in, record):
    """An access of before the care began was not under it."""
    stranger = log_in("clinician")
    problem(stranger.get(f"/v1/patients/{record}"), "not-found")
    with connect(instance) as db:
        id_ = db.execute(
            "INSERT INTO eleusis.audit_event (id, occurred_at, action, outcome, actor_kind,"
            " actor_id, object_type, object_id, patient_id) SELECT %s, now() - interval '1 hour',"
            " 'patient.read', 'failed', 'user', %s, 'patient', %s, %s RETURNING id",
            [data.uuid7(), stranger.user["id"], record, record],
        ).fetchone()["id"]
    body = {"user_id": stranger.user["id"], "reason": "referral"}
    clinician.post(f"/v1/patients/{record}/care", body).raise_for_status()
    (row,) = [a for a in accesses(clinician, record) if a["id"] == str(id_)]
    assert row["basis"] == {"kind": "denied", "reason": None, "since": None, "grant_id": None}
