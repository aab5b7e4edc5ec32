"""Observations: a closed list of codes with units and ranges."""

from datetime import UTC, datetime, timedelta

import pytest
from lib import data
from lib.db import audit_row, count
from lib.metrics import statements
from lib.problem import field_code, problem
from lib.tables import observation_types

TYPES = observation_types()


@pytest.fixture(scope="module")
def path(patient):
    return f"/v1/patients/{patient()['id']}/observations"


def valid(**changes) -> dict:
    return {"code": "creatinine", "value": 1.1} | changes


def test_an_observation_is_created_and_read_back(clinician, path):
    body = valid(unit="mg/dL", effective_at="2024-01-31T08:00:00Z", note="fasting, “calm”")
    reply = clinician.post(path, body)
    assert reply.status_code == 201
    made = reply.json()
    assert set(made) == set(body) | {"id", "patient_id", "created_at"}
    assert made["patient_id"] == path.split("/")[3]
    assert {k: made[k] for k in body if k != "effective_at"} == {
        k: v for k, v in body.items() if k != "effective_at"
    }
    assert datetime.fromisoformat(made["effective_at"]) == datetime(2024, 1, 31, 8, tzinfo=UTC)
    assert reply.headers["location"].endswith(f"{path}/{made['id']}")
    assert clinician.get(f"{path}/{made['id']}").json() == made
    assert clinician.get(path).json()["items"][0] == made


def test_unit_and_time_have_defaults(clinician, path):
    made = clinician.made(path, valid())
    assert made["unit"] == "mg/dL"
    assert made.get("note") is None
    age = datetime.now(UTC) - datetime.fromisoformat(made["effective_at"])
    assert timedelta(0) <= age + timedelta(seconds=2) < timedelta(minutes=1)


def test_times_may_have_any_offset(clinician, path):
    made = clinician.made(path, valid(effective_at="2024-01-31T09:30:00.25+01:30"))
    assert datetime.fromisoformat(made["effective_at"]) == datetime(
        2024, 1, 31, 8, 0, 0, 250000, tzinfo=UTC
    )


@pytest.mark.parametrize("code", TYPES)
def test_every_code_takes_its_range_and_unit(clinician, path, code):
    kind = TYPES[code]
    for value in (kind.low, kind.high):
        made = clinician.made(path, {"code": code, "value": value, "unit": kind.unit})
        assert (made["value"], made["unit"]) == (value, kind.unit)
    step = 10**-kind.decimals
    for value in (kind.low - step, kind.high + step, -1e300, 1e300):
        reply = clinician.post(path, {"code": code, "value": value})
        problem(reply, "validation-failed", {"/value"})


@pytest.mark.parametrize("code", TYPES)
def test_a_unit_must_be_the_code_s_own(clinician, path, code):
    for unit in ("mg", "MG/DL", "mmol/L2", ""):
        reply = clinician.post(path, {"code": code, "value": TYPES[code].low, "unit": unit})
        problem(reply, "validation-failed", {"/unit"})


WHOLE = [code for code, kind in TYPES.items() if kind.decimals == 0]


@pytest.mark.parametrize("code", WHOLE)
def test_whole_numbers_and_yes_or_no_have_no_halves(clinician, path, code):
    reply = clinician.post(path, {"code": code, "value": TYPES[code].low + 0.5})
    problem(reply, "validation-failed", {"/value"})


@pytest.mark.parametrize("value", [0.1, 1.1, 12.34, 0.29, 39])
def test_values_come_back_exactly(clinician, path, value):
    made = clinician.made(path, valid(value=value))
    assert clinician.get(f"{path}/{made['id']}").json()["value"] == value


@pytest.mark.parametrize(
    ("changes", "pointers"),
    [
        ({"code": "creatinin"}, {"/code"}),
        ({"code": "CREATININE"}, {"/code"}),
        ({"code": ""}, {"/code"}),
        ({"code": 7}, {"/code"}),
        ({"code": None}, {"/code"}),
        ({"value": "1.1"}, {"/value"}),
        ({"value": None}, {"/value"}),
        ({"value": True}, {"/value"}),
        ({"value": []}, {"/value"}),
        ({"unit": 5}, {"/unit"}),
        ({"effective_at": "2024-01-31"}, {"/effective_at"}),
        ({"effective_at": "2024-01-31T08:00:00"}, {"/effective_at"}),
        ({"effective_at": "2024-02-30T08:00:00Z"}, {"/effective_at"}),
        ({"effective_at": "2024-01-31T24:00:00Z"}, {"/effective_at"}),
        ({"effective_at": "2024-01-31T08:60:00Z"}, {"/effective_at"}),
        ({"effective_at": 1769846400}, {"/effective_at"}),
        ({"effective_at": ""}, {"/effective_at"}),
        ({"note": 1}, {"/note"}),
        ({"note": "x" * 5000}, {"/note"}),
        ({"note": "a\0b"}, {"/note"}),
        ({"colour": "red"}, {"/colour"}),
        ({"id": "01890000-0000-7000-8000-000000000000"}, {"/id"}),
        ({"patient_id": "01890000-0000-7000-8000-000000000000"}, {"/patient_id"}),
        ({"code": 1, "value": "x", "unit": 2, "x": 0}, {"/code", "/value", "/unit", "/x"}),
    ],
)
def test_every_field_is_checked(clinician, path, changes, pointers):
    problem(clinician.post(path, valid(**changes)), "validation-failed", pointers)


def test_what_is_missing_is_named(clinician, path):
    found = problem(clinician.post(path, {}), "validation-failed", {"/code", "/value"})
    assert field_code(found, "/code") == field_code(found, "/value") == "required"


@pytest.mark.parametrize("ahead", [timedelta(hours=1), timedelta(days=4000)])
def test_the_future_has_not_been_observed(clinician, path, ahead):
    reply = clinician.post(path, valid(effective_at=data.instant(ahead)))
    problem(reply, "validation-failed", {"/effective_at"})


def born(clinician, patient, date: str) -> str:
    return f"/v1/patients/{patient(birth_date=date)['id']}/observations"


@pytest.mark.parametrize(
    ("at", "taken"),
    [
        ("1900-01-01T00:00:00Z", False),
        ("1961-12-09T09:59:59Z", False),
        ("1961-12-09T23:00:00+14:00", False),
        ("1961-12-09T10:00:00Z", True),  # the day has begun at UTC+14
        ("1961-12-10T00:00:00Z", True),
        ("1961-12-10T00:00:00-12:00", True),
    ],
)
def test_nobody_is_measured_before_her_birth(instance, clinician, patient, at, taken):
    path = born(clinician, patient, "1961-12-10")
    reply = clinician.post(path, valid(effective_at=at))
    if taken:
        assert reply.status_code == 201
        return
    found = problem(reply, "validation-failed", {"/effective_at"})
    assert field_code(found, "/effective_at") == "min"
    assert "1961" not in reply.text
    row = audit_row(instance, reply, "observation.create", "failed")
    assert str(row["object_id"]) == path.split("/")[3]
    assert clinician.get(path).json()["items"] == []


def test_a_corrected_birth_date_counts_at_once(clinician, patient):
    path = born(clinician, patient, "1971-12-10")
    early = valid(effective_at="1965-01-01T00:00:00Z")
    with_keys = [clinician.twin() for _ in range(8)]  # of every worker
    try:
        for api in with_keys:
            problem(api.post(path, early), "validation-failed", {"/effective_at"})
        change = clinician.patch(path.removesuffix("/observations"), {"birth_date": "1961-12-10"})
        assert change.status_code == 200
        for api in with_keys:
            api.made(path, early)
    finally:
        for api in with_keys:
            api.close()


def test_anothers_patient_has_no_birth_date(clinician, other_clinician, patient):
    path = born(clinician, patient, "1961-12-10")
    for at in ("1900-01-01T00:00:00Z", "2000-01-01T00:00:00Z"):
        problem(other_clinician.post(path, valid(effective_at=at)), "not-found")


@pytest.mark.parametrize("more", [{}, {"effective_at": "2024-01-31T08:00:00Z"}])
def test_one_statement_writes_an_observation(anonymous, clinician, patient, more):
    """The key and the birth date are remembered from the patient's creation."""
    with clinician.twin() as api:  # one connection, one worker
        made = api.made("/v1/patients", data.patient())
        path = f"/v1/patients/{made['id']}/observations"
        assert statements(anonymous, lambda: api.made(path, valid(**more))) == 1


def test_a_refused_observation_leaves_nothing(instance, clinician, path):
    before = count(instance, "observation")
    clinician.post(path, valid(value=-1))
    clinician.post(path, valid(unit="kg"))
    assert count(instance, "observation") == before


def test_anothers_observations_do_not_exist(clinician, other_clinician, path):
    made = clinician.made(path, valid())
    problem(other_clinician.get(path), "not-found")
    problem(other_clinician.get(f"{path}/{made['id']}"), "not-found")
    problem(other_clinician.post(path, valid()), "not-found")
    problem(clinician.get(f"/v1/patients/{data.uuid7()}/observations"), "not-found")
    problem(clinician.post(f"/v1/patients/{data.uuid7()}/observations", valid()), "not-found")


def test_an_observation_belongs_to_its_patient(clinician, path, patient):
    made = clinician.made(path, valid())
    problem(clinician.get(f"/v1/patients/{patient()['id']}/observations/{made['id']}"), "not-found")


def test_every_operation_has_its_audit_row(instance, clinician, path):
    mine = path.split("/")[3]
    created = clinician.post(path, valid(note=data.word()))
    made = created.json()
    row = audit_row(instance, created, "observation.create")
    assert mine in str(row)
    assert made["id"] in str(row)
    assert made["note"] not in str(row)
    row = audit_row(instance, clinician.get(f"{path}/{made['id']}"), "observation.read")
    assert made["id"] in str(row)
    row = audit_row(instance, clinician.get(path), "observation.list")
    assert mine in str(row)
    assert str(row["actor_id"]) == clinician.user["id"]
