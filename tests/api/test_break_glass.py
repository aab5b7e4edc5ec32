"""Breaking the glass: in with a reason, for a time, seen by everybody who watches."""

import json

import pytest
from lib import data
from lib.db import audit_row, connect, database_bytes, redis_bytes
from lib.metrics import scrape, value
from lib.problem import problem

PATH = "/v1/break-glass"


@pytest.fixture
def stranger(log_in):
    """A clinician of her own, for each may open but a few an hour."""
    return log_in("clinician")


@pytest.fixture
def record(patient):
    return patient()


def open_(who, record, **more):
    return who.post(PATH, {"patient_id": record["id"], "reason": data.REASON} | more)


def test_a_stranger_gets_in(instance, stranger, record):
    path = f"/v1/patients/{record['id']}"
    problem(stranger.get(path), "not-found")
    reply = open_(stranger, record)
    assert reply.status_code == 201, reply.text
    assert stranger.get(path).json()["family_name"] == record["family_name"]
    assert stranger.get(f"{path}/observations").status_code == 200
    body = {"code": "creatinine", "value": 1.1}
    assert stranger.post(f"{path}/observations", body).status_code == 201
    row = audit_row(instance, reply, "break_glass.open")
    assert (row["object_type"], str(row["object_id"])) == ("break_glass", reply.json()["id"])
    assert row["detail"]["patient"] == record["id"]
    team = stranger.get(f"{path}/care").json()["items"]
    (mine,) = [c for c in team if c["user_id"] == stranger.user["id"]]
    assert (mine["kind"], mine["grant_id"]) == ("break_glass", reply.json()["id"])


def test_by_record_number(stranger, record):
    body = {"mrn": f" {record['mrn'].lower()} ", "reason": data.REASON}
    reply = stranger.post(PATH, body)
    assert reply.status_code == 201, reply.text
    assert reply.json()["patient_id"] == record["id"]


def test_it_ends_by_itself(instance, stranger, record):
    open_(stranger, record).raise_for_status()
    with connect(instance) as db:
        db.execute(
            "UPDATE eleusis.care_relationship SET since = now() - interval '2 hours',"
            " until = now() - interval '1 second' WHERE user_id = %s",
            [stranger.user["id"]],
        )
    problem(stranger.get(f"/v1/patients/{record['id']}"), "not-found")


def test_it_ends_by_hand(instance, stranger, clinician, record):
    grant = open_(stranger, record).json()["id"]
    problem(clinician.http.delete(f"{PATH}/{grant}"), "not-found")
    ended = stranger.http.delete(f"{PATH}/{grant}")
    assert ended.status_code == 204
    assert audit_row(instance, ended, "break_glass.end")["detail"]["patient"] == record["id"]
    problem(stranger.get(f"/v1/patients/{record['id']}"), "not-found")
    problem(stranger.http.delete(f"{PATH}/{grant}"), "conflict")
    assert open_(stranger, record).status_code == 201, "and again, for another reason"


def test_who_is_in_care_needs_none(clinician, stranger, record):
    problem(open_(clinician, record), "conflict")
    open_(stranger, record).raise_for_status()
    problem(open_(stranger, record), "conflict")


def test_unknown_patients(instance, stranger):
    for body in ({"patient_id": str(data.uuid7())}, {"mrn": data.mrn()}):
        reply = stranger.post(PATH, body | {"reason": data.REASON})
        problem(reply, "not-found")
        audit_row(instance, reply, "break_glass.open", "denied")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"reason": "too short"}, "/reason"),
        ({"reason": "x" * 501}, "/reason"),
        ({"reason": " " * 20}, "/reason"),
        ({"reason": None}, "/reason"),
        ({"mrn": "M-1"}, "/patient_id"),
        ({"patient_id": None}, "/patient_id"),
    ],
)
def test_mistakes_are_named(stranger, record, body, pointer):
    problem(open_(stranger, record, **body), "validation-failed", {pointer})


def test_only_a_few_an_hour(instance, stranger, patient):
    for _ in range(5):
        open_(stranger, patient()).raise_for_status()
    reply = open_(stranger, patient())
    problem(reply, "break-glass-limit")
    assert 3500 < int(reply.headers["retry-after"]) <= 3600
    audit_row(instance, reply, "break_glass.open", "denied")
    unknown = {"patient_id": str(data.uuid7()), "reason": data.REASON}
    problem(stranger.post(PATH, unknown), "break-glass-limit")


def test_it_brings_in_nobody_else(stranger, log_in, record):
    open_(stranger, record).raise_for_status()
    other = {"user_id": log_in("clinician").user["id"], "reason": "referral"}
    problem(stranger.post(f"/v1/patients/{record['id']}/care", other), "forbidden")


def test_a_referral_takes_its_place(clinician, stranger, auditor, record):
    grant = open_(stranger, record).json()["id"]
    body = {"user_id": stranger.user["id"], "reason": "consultation"}
    assert clinician.post(f"/v1/patients/{record['id']}/care", body).status_code == 201
    assert auditor.get(f"{PATH}/{grant}").json()["state"] == "unreviewed"
    problem(stranger.http.delete(f"{PATH}/{grant}"), "conflict")
    assert stranger.get(f"/v1/patients/{record['id']}").status_code == 200


def test_it_raises_an_alarm(instance, anonymous, stranger, record):
    offset = instance.log_size()
    before = value(scrape(anonymous), "eleusis_break_glass_total")
    grant = open_(stranger, record).json()["id"]
    assert value(scrape(anonymous), "eleusis_break_glass_total") == before + 1
    lines = [x for x in instance.log_lines(offset) if "access.break_glass" in json.dumps(x)]
    assert len(lines) == 1
    assert grant in json.dumps(lines[0])
    assert lines[0]["log.level"] == "warn"
    assert record["id"] not in json.dumps(lines[0])


def test_the_words_are_sealed(instance, stranger, auditor, record):
    words, note = f"Allergic to {data.word()}", f"Because of {data.word()}"
    offset = instance.log_size()
    grant = open_(stranger, record, reason=words).json()["id"]
    stranger.http.delete(f"{PATH}/{grant}").raise_for_status()
    auditor.post(f"{PATH}/{grant}/review", {"verdict": "justified", "note": note})
    read = auditor.get(f"{PATH}/{grant}").json()
    assert (read["reason"], read["note"]) == (words, note)
    stored = database_bytes(instance) + redis_bytes(instance)
    stored += json.dumps(instance.log_lines(offset)).encode()
    for text in (words, note):
        assert text.encode() not in stored


def test_erasing_the_patient_takes_them_along(instance, stranger, auditor, record):
    grant = open_(stranger, record).json()["id"]
    stranger.http.delete(f"{PATH}/{grant}").raise_for_status()
    with connect(instance) as db:
        db.execute(
            "UPDATE eleusis.patient SET erased_at = now(), wrapped_key = NULL, mrn_index = NULL"
            " WHERE id = %s",
            [record["id"]],
        )
    assert auditor.get(f"{PATH}/{grant}").json()["reason"] is None
    verdict = {"verdict": "justified"}
    problem(auditor.post(f"{PATH}/{grant}/review", verdict | {"note": "x"}), "conflict")
    assert auditor.post(f"{PATH}/{grant}/review", verdict).status_code == 200


# ---- review -------------------------------------------------------------------------


def grants(who, **query) -> list[str]:
    """Ids of all pages, two at a time."""
    found, query = [], query | {"limit": 2}
    while True:
        reply = who.get(PATH, **query)
        assert reply.status_code == 200, reply.text
        found += [g["id"] for g in reply.json()["items"]]
        if reply.json()["next_cursor"] is None:
            return found
        query["cursor"] = reply.json()["next_cursor"]


def test_from_open_to_reviewed(instance, stranger, auditor, record):
    grant = open_(stranger, record).json()["id"]
    assert grant in grants(auditor, state="open")
    assert grant not in grants(auditor, state="unreviewed")
    verdict = {"verdict": "not_justified", "note": "The patient was awake"}
    problem(auditor.post(f"{PATH}/{grant}/review", verdict), "conflict")
    stranger.http.delete(f"{PATH}/{grant}").raise_for_status()
    assert grant in grants(auditor, state="unreviewed")
    reply = auditor.post(f"{PATH}/{grant}/review", verdict)
    assert reply.status_code == 200, reply.text
    assert reply.json()["reviewed_by"] == auditor.user["id"]
    detail = audit_row(instance, reply, "break_glass.review")["detail"]
    assert (detail["patient"], detail["verdict"]) == (record["id"], "not_justified")
    problem(auditor.post(f"{PATH}/{grant}/review", verdict), "conflict")
    assert grant in grants(auditor, state="reviewed")
    assert grant not in grants(auditor, state="unreviewed")
    assert grant in grants(auditor)


def test_reading_the_reason_is_an_access(instance, stranger, admin, record):
    grant = open_(stranger, record).json()["id"]
    reply = admin.get(f"{PATH}/{grant}")
    assert reply.json()["reason"] == data.REASON
    row = audit_row(instance, reply, "break_glass.read")
    assert row["detail"]["patient"] == record["id"]
    problem(admin.get(f"{PATH}/{data.uuid7()}"), "not-found")


def test_nobody_reviews_her_own(instance, new_user, record):
    """A clinician who became an auditor meets a grant of before."""
    who = new_user("clinician")
    who.login(who.email, who.password)
    grant = open_(who, record).json()["id"]
    who.http.delete(f"{PATH}/{grant}").raise_for_status()
    with connect(instance) as db:
        db.execute("UPDATE eleusis.app_user SET role = 'auditor' WHERE id = %s", [who.user["id"]])
    who.login(who.email, who.password)
    reply = who.post(f"{PATH}/{grant}/review", {"verdict": "justified"})
    problem(reply, "forbidden")
    audit_row(instance, reply, "break_glass.review", "denied")
