"""Care: who brings whom into it, who ends it, and what of it stays on record."""

from datetime import timedelta

import pytest
from lib import data
from lib.db import audit_row, connect
from lib.problem import problem

REFERRAL = {"reason": "referral"}


@pytest.fixture
def path(patient):
    return f"/v1/patients/{patient()['id']}"


def refer(by, path, to, **more):
    return by.post(f"{path}/care", REFERRAL | {"user_id": to.user["id"]} | more)


def team(who, path, **query) -> list[dict]:
    reply = who.get(f"{path}/care", **query)
    assert reply.status_code == 200, reply.text
    return reply.json()["items"]


def end(who, path, user):
    return who.http.delete(f"{path}/care/{user.user['id']}")


def test_whoever_creates_a_patient_is_in_care(instance, clinician, path):
    reply = clinician.get(f"{path}/care")
    (only,) = reply.json()["items"]
    assert (only["user_id"], only["user_name"]) == (clinician.user["id"], clinician.user["name"])
    assert (only["kind"], only["granted_by"]) == ("created", clinician.user["id"])
    assert (only["until"], only["ended_at"], only["in_force"]) == (None, None, True)
    assert str(audit_row(instance, reply, "care.list")["object_id"]) == path.split("/")[-1]


def test_a_clinician_refers_and_ends_it(instance, clinician, other_clinician, path):
    problem(other_clinician.get(path), "not-found")
    made = refer(clinician, path, other_clinician)
    assert made.status_code == 201, made.text
    assert (made.json()["kind"], made.json()["reason"]) == ("referred", "referral")
    row = audit_row(instance, made, "care.grant")
    assert row["detail"]["user"] == other_clinician.user["id"]
    assert row["detail"]["reason"] == "referral"
    assert other_clinician.get(path).status_code == 200
    ended = end(clinician, path, other_clinician)
    assert ended.status_code == 204
    audit_row(instance, ended, "care.end")
    problem(other_clinician.get(path), "not-found")
    past = team(clinician, path, history="true")
    assert [c["kind"] for c in past] == ["referred", "created"]
    assert past[0]["ended_by"] == clinician.user["id"]
    assert not past[0]["in_force"]
    assert len(team(clinician, path)) == 1


def test_an_administrator_assigns_and_never_sees_the_record(
    admin, clinician, other_clinician, path
):
    made = refer(admin, path, other_clinician, reason="admission")
    assert (made.status_code, made.json()["kind"]) == (201, "assigned")
    assert other_clinician.get(path).status_code == 200
    problem(admin.get(path), "forbidden")
    assert end(admin, path, clinician).status_code == 204
    problem(clinician.get(path), "not-found")
    assert {c["user_id"] for c in team(admin, path)} == {other_clinician.user["id"]}


def test_care_ends_at_its_time(instance, clinician, other_clinician, path):
    made = refer(clinician, path, other_clinician, until=data.instant(timedelta(hours=1)))
    assert made.json()["until"] is not None
    assert other_clinician.get(path).status_code == 200
    with connect(instance) as db:
        db.execute(
            "UPDATE eleusis.care_relationship SET since = now() - interval '2 hours',"
            " until = now() - interval '1 second' WHERE user_id = %s",
            [other_clinician.user["id"]],
        )
    problem(other_clinician.get(path), "not-found")
    assert len(team(clinician, path)) == 1


def test_who_was_given_a_time_gives_no_longer_one(clinician, other_clinician, log_in, path):
    third = log_in("clinician")
    refer(clinician, path, other_clinician, until=data.instant(timedelta(hours=1)))
    for until in (None, data.instant(timedelta(hours=2))):
        problem(refer(other_clinician, path, third, until=until), "validation-failed", {"/until"})
    short = data.instant(timedelta(minutes=30))
    assert refer(other_clinician, path, third, until=short).status_code == 201


def test_nobody_cuts_or_stretches_anothers_care(clinician, other_clinician, log_in, path):
    third = log_in("clinician")
    refer(clinician, path, other_clinician)
    refer(clinician, path, third)
    soon = data.instant(timedelta(minutes=1))
    problem(refer(other_clinician, path, third, until=soon), "conflict")
    problem(refer(other_clinician, path, clinician, until=soon), "conflict")
    problem(end(other_clinician, path, third), "forbidden")
    assert refer(clinician, path, third, until=soon).status_code == 201
    assert end(third, path, third).status_code == 204


def test_a_service_gets_care_the_same_way(clinician, service, path):
    problem(service.get(path), "not-found")
    assert refer(clinician, path, service).status_code == 201
    assert service.get(path).status_code == 200


def test_only_clinicians_and_services_care(clinician, admin, auditor, log_in, instance, path):
    gone = log_in("clinician")
    with connect(instance) as db:
        db.execute("UPDATE eleusis.app_user SET disabled = true WHERE id = %s", [gone.user["id"]])
    for nobody in (admin, auditor, gone):
        problem(refer(clinician, path, nobody), "validation-failed", {"/user_id"})
    unknown = {"user_id": str(data.uuid7()), "reason": "referral"}
    problem(clinician.post(f"{path}/care", unknown), "validation-failed", {"/user_id"})


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"reason": "curiosity"}, "/reason"),
        ({"reason": None}, "/reason"),
        ({"until": "tomorrow"}, "/until"),
        ({"until": "2020-01-01T00:00:00Z"}, "/until"),
        ({"user_id": "me"}, "/user_id"),
        ({"role": "admin"}, "/role"),
    ],
)
def test_mistakes_are_named(clinician, other_clinician, path, wrong, pointer):
    problem(refer(clinician, path, other_clinician, **wrong), "validation-failed", {pointer})


def test_history_has_pages(clinician, other_clinician, path):
    for _ in range(3):
        assert refer(clinician, path, other_clinician).status_code == 201
    seen, cursor = [], None
    while True:
        query = {"limit": 1, "history": "true"} | ({"cursor": cursor} if cursor else {})
        page = clinician.get(f"{path}/care", **query).json()
        seen += [c["kind"] for c in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert sorted(seen) == ["created"] + ["referred"] * 3
    assert sum(c["in_force"] for c in team(clinician, path, history="true")) == 2
