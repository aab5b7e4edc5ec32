"""Patients: create, read, change; every field, and every way to get it wrong."""

import json
import secrets
import threading
from datetime import UTC, datetime, timedelta

import pytest
from lib import data
from lib.client import MERGE_PATCH
from lib.db import audit_of, audit_row, connect, count
from lib.problem import field_code, problem, without_identity

PATIENTS = "/v1/patients"
FIELDS = (*data.REQUIRED, *data.OPTIONAL)
SETTABLE = set(FIELDS)


def at(patient: dict) -> str:
    return f"{PATIENTS}/{patient['id']}"


# ---- create and read -----------------------------------------------------------


def test_a_patient_is_created_and_read_back(clinician):
    body = data.patient(given_name="Zoë", family_name="Ångström-O'Neill", notes="tab\tline\n“q”🙂")
    reply = clinician.post(PATIENTS, body)
    assert reply.status_code == 201
    made = reply.json()
    assert set(made) == SETTABLE | {"id", "version", "created_at", "updated_at"}
    assert {k: made[k] for k in body} == body
    assert made["version"] == 1
    assert reply.headers["location"].endswith(at(made))
    assert reply.headers["etag"] == '"1"'
    created = datetime.fromisoformat(made["created_at"])
    assert abs(datetime.now(UTC) - created) < timedelta(minutes=1)
    again = clinician.get(at(made))
    assert again.status_code == 200
    assert again.json() == made
    assert again.headers["etag"] == '"1"'
    assert "no-store" in again.headers["cache-control"]


def test_optional_fields_may_be_left_out_or_null(clinician):
    left_out = clinician.made(PATIENTS, data.minimal_patient())
    null = clinician.made(PATIENTS, data.minimal_patient(**dict.fromkeys(data.OPTIONAL)))
    for made in (left_out, null):
        assert {made.get(name) for name in data.OPTIONAL} == {None}
        assert clinician.get(at(made)).json() == made


def test_ids_are_uuid7_in_order_of_creation(patient):
    made = [patient()["id"] for _ in range(5)]
    assert made == sorted(made)
    assert all(m[14] == "7" for m in made)


@pytest.mark.parametrize("sex", ["female", "male", "other", "unknown"])
def test_every_sex_is_accepted(clinician, sex):
    assert clinician.made(PATIENTS, data.minimal_patient(sex=sex))["sex"] == sex


BOUNDS = {
    "given_name": (1, 100),
    "family_name": (1, 100),
    "mrn": (1, 64),
    "phone": (1, 40),
    "address": (1, 400),
    "notes": (1, 4000),
}


@pytest.mark.parametrize("field", BOUNDS)
def test_lengths_count_characters(clinician, field):
    """100 four-byte characters are 100 characters; 101 are one too many."""
    longest = BOUNDS[field][1]
    for mark in ("é", "🙂"):
        value = data.mrn()[:10] + mark * (longest - 10)
        made = clinician.made(PATIENTS, data.minimal_patient(**{field: value}))
        assert clinician.get(at(made)).json()[field] == value
        reply = clinician.post(PATIENTS, data.minimal_patient(**{field: value + mark}))
        problem(reply, "validation-failed", {f"/{field}"})


@pytest.mark.parametrize("field", ["given_name", "family_name", "mrn"])
def test_one_character_is_enough_and_none_is_not(clinician, field):
    value = "X" if field != "mrn" else chr(0x4E00 + secrets.randbelow(20000))
    body = data.minimal_patient(**{field: value})
    assert clinician.post(PATIENTS, body).status_code == 201
    reply = clinician.post(PATIENTS, data.minimal_patient(**{field: ""}))
    problem(reply, "validation-failed", {f"/{field}"})


TODAY = datetime.now(UTC).date()


@pytest.mark.parametrize("value", ["1880-01-01", "2000-02-29", "1996-12-31", TODAY.isoformat()])
def test_birth_dates_at_the_bounds(clinician, value):
    assert clinician.made(PATIENTS, data.minimal_patient(birth_date=value))["birth_date"] == value


BAD_DATES = [
    "1879-12-31", (TODAY + timedelta(days=2)).isoformat(), "2023-02-29", "1900-02-29",
    "2021-04-31", "2021-13-01", "2021-00-10", "2021-01-00", "1990-1-1", "90-01-01", "19900101",
    "1990/01/01", "1990-01-01T00:00:00Z", "1990-01-01 ", " 1990-01-01", "yesterday", "", "0",
    "-1990-01-01", "+1990-01-01", "1990-01-0x", "\uff11\uff19\uff19\uff10-01-01", "9999-12-31",
]  # fmt: skip


@pytest.mark.parametrize("value", BAD_DATES)
def test_dates_that_are_none(clinician, value):
    reply = clinician.post(PATIENTS, data.minimal_patient(birth_date=value))
    problem(reply, "validation-failed", {"/birth_date"})


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("value", [7, 1.5, True, [], ["x"], {}, {"a": 1}])
def test_every_field_has_its_type(clinician, field, value):
    reply = clinician.post(PATIENTS, data.patient(**{field: value}))
    found = problem(reply, "validation-failed", {f"/{field}"})
    assert field_code(found, f"/{field}") == "type"


@pytest.mark.parametrize("field", data.REQUIRED)
def test_every_required_field_is_required(clinician, field):
    body = data.patient()
    del body[field]
    found = problem(clinician.post(PATIENTS, body), "validation-failed", {f"/{field}"})
    assert field_code(found, f"/{field}") == "required"
    reply = clinician.post(PATIENTS, data.patient(**{field: None}))
    problem(reply, "validation-failed", {f"/{field}"})


@pytest.mark.parametrize("field", FIELDS)
def test_no_field_takes_a_nul_character(clinician, field):
    """PostgreSQL and C end a text there: what was checked must be what is kept."""
    for value in ("\0", "a\0b", "1990-01-01\0", "female\0"):
        reply = clinician.post(PATIENTS, data.patient(**{field: value}))
        problem(reply, "validation-failed", {f"/{field}"})


@pytest.mark.parametrize("sex", ["", "Female", "FEMALE", "f", "female ", "female|male", "none"])
def test_sex_is_one_of_the_list(clinician, sex):
    reply = clinician.post(PATIENTS, data.minimal_patient(sex=sex))
    problem(reply, "validation-failed", {"/sex"})


@pytest.mark.parametrize(
    ("name", "pointer"),
    [
        ("nickname", "/nickname"),
        ("Given_name", "/Given_name"),
        ("", "/"),
        ("a/b", "/a~1b"),
        ("a~b", "/a~0b"),
        ("größe", "/größe"),
    ],
)
def test_unknown_members_are_mistakes(clinician, name, pointer):
    reply = clinician.post(PATIENTS, data.patient() | {name: "x"})
    problem(reply, "validation-failed", {pointer})


@pytest.mark.parametrize("name", ["id", "version", "created_at", "updated_at"])
def test_what_the_server_sets_is_not_accepted(clinician, name):
    made = clinician.made(PATIENTS, data.patient())
    reply = clinician.post(PATIENTS, data.patient() | {name: made[name]})
    problem(reply, "validation-failed", {f"/{name}"})
    problem(clinician.patch(at(made), {name: made[name]}), "validation-failed", {f"/{name}"})


def test_all_mistakes_are_named_at_once(clinician):
    body = {
        "given_name": "", "family_name": 3, "birth_date": "2023-02-30", "sex": "x",
        "phone": "1" * 41, "address": [], "notes": {}, "extra": 1,
    }  # fmt: skip
    problem(
        clinician.post(PATIENTS, body),
        "validation-failed",
        {f"/{name}" for name in body},
    )
    problem(
        clinician.post(PATIENTS, {"mrn": ""}),
        "validation-failed",
        {"/mrn", *(f"/{name}" for name in data.REQUIRED)},
    )


def test_mistakes_never_repeat_what_was_sent(clinician):
    """Problem documents end in logs of others: no values of a person in them."""
    value = data.word(30)
    reply = clinician.post(PATIENTS, data.patient(sex=value, birth_date=value, phone=value * 3))
    problem(reply, "validation-failed", {"/sex", "/birth_date", "/phone"})
    assert value not in reply.text


@pytest.mark.parametrize("body", [[], "x", 1, True, None, [{}]])
def test_a_body_is_an_object(clinician, body):
    problem(clinician.raw("POST", PATIENTS, json.dumps(body).encode()), "validation-failed", {""})


def test_a_refused_body_leaves_nothing(instance, clinician):
    before = count(instance, "patient")
    clinician.post(PATIENTS, data.patient(sex="x"))
    clinician.post(PATIENTS, data.patient() | {"x": 1})
    assert count(instance, "patient") == before


# ---- medical record numbers --------------------------------------------------------


def test_an_mrn_is_unique_among_all_clinicians(instance, clinician, other_clinician, patient):
    mrn = patient()["mrn"]
    before = count(instance, "patient")
    for who in (clinician, other_clinician):
        for value in (mrn, mrn.lower(), f" {mrn} "):
            problem(who.post(PATIENTS, data.patient(mrn=value)), "conflict")
    assert count(instance, "patient") == before


def test_an_mrn_in_use_cannot_be_patched_in(clinician, patient):
    first, second = patient(), patient()
    problem(clinician.patch(at(second), {"mrn": first["mrn"]}), "conflict")
    assert clinician.get(at(second)).json() == second


def test_an_mrn_given_up_is_free(clinician, patient):
    first, second = patient(), patient()
    assert clinician.patch(at(first), {"mrn": None}).json()["mrn"] is None
    reply = clinician.patch(at(second), {"mrn": first["mrn"]})
    assert reply.status_code == 200
    assert reply.json()["mrn"] == first["mrn"]


def test_of_two_with_the_same_mrn_at_once_one_wins(clinician):
    mrn, replies = data.mrn(), []

    def create():
        with clinician.twin() as mine:
            replies.append(mine.post(PATIENTS, data.patient(mrn=mrn)))

    threads = [threading.Thread(target=create) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(r.status_code for r in replies) == [201] + [409] * 7


# ---- merge patch ---------------------------------------------------------------------


def test_a_patch_changes_what_it_names(clinician, patient):
    made = patient()
    change = {"phone": "+1 555 0100", "notes": data.word()}
    reply = clinician.patch(at(made), change)
    assert reply.status_code == 200
    assert reply.headers["etag"] == '"2"'
    after = reply.json()
    assert after["version"] == 2
    assert after["updated_at"] > made["updated_at"]
    assert after == made | change | {"version": 2, "updated_at": after["updated_at"]}
    assert clinician.get(at(made)).json() == after


def test_a_patch_may_be_sent_as_merge_patch(clinician, patient):
    made = patient()
    reply = clinician.raw("PATCH", at(made), b'{"notes": "x"}', content_type=MERGE_PATCH)
    assert reply.status_code == 200
    assert reply.json()["notes"] == "x"


@pytest.mark.parametrize("field", data.OPTIONAL)
def test_null_removes_an_optional_field(clinician, patient, field):
    made = patient()
    assert clinician.patch(at(made), {field: None}).status_code == 200
    after = clinician.get(at(made)).json()
    assert after.get(field) is None
    others = SETTABLE - {field}
    assert {k: after[k] for k in others} == {k: made[k] for k in others}


@pytest.mark.parametrize("field", data.REQUIRED)
def test_null_does_not_remove_a_required_field(clinician, patient, field):
    made = patient()
    problem(clinician.patch(at(made), {field: None}), "validation-failed", {f"/{field}"})
    assert clinician.get(at(made)).json() == made


def test_a_patch_is_checked_like_a_body(clinician, patient):
    made = patient()
    wrong = {"given_name": 1, "birth_date": "x", "sex": "y", "phone": "1" * 41, "colour": "z"}
    reply = clinician.patch(at(made), wrong | {"notes": "not kept"})
    problem(reply, "validation-failed", {f"/{name}" for name in wrong})
    assert clinician.get(at(made)).json() == made


def test_an_empty_patch_changes_no_field(clinician, patient):
    made = patient()
    after = clinician.patch(at(made), {})
    assert after.status_code == 200
    assert {k: after.json()[k] for k in FIELDS} == {k: made[k] for k in FIELDS}


def test_many_patches_all_stay_readable(clinician, patient):
    """Every version is sealed under its own number."""
    made = patient()
    for version in range(2, 8):
        reply = clinician.patch(at(made), {"notes": f"note {version}"})
        assert reply.status_code == 200
        assert clinician.get(at(made)).json()["notes"] == f"note {version}"
        assert reply.json()["version"] == version


# ---- preconditions -----------------------------------------------------------------


def test_if_match_holds_back_a_late_writer(clinician, patient):
    made = patient()
    assert clinician.patch(at(made), {"notes": "a"}, **{"if-match": '"1"'}).status_code == 200
    reply = clinician.patch(at(made), {"notes": "b"}, **{"if-match": '"1"'})
    problem(reply, "precondition-failed")
    assert clinician.get(at(made)).json()["notes"] == "a"
    assert clinician.patch(at(made), {"notes": "c"}, **{"if-match": '"2"'}).status_code == 200


@pytest.mark.parametrize("value", ['"7"', '"0"', '"-1"', '"01"', '"99999999999999999999"', 'W/"1"'])
def test_if_match_of_another_version_fails(clinician, patient, value):
    made = patient()
    problem(clinician.patch(at(made), {"notes": "x"}, **{"if-match": value}), "precondition-failed")
    assert clinician.get(at(made)).json() == made


@pytest.mark.parametrize("value", ["1", '"', "", '"a"', '"1', "x" * 300])
def test_if_match_that_is_no_tag_changes_nothing(clinician, patient, value):
    made = patient()
    reply = clinician.patch(at(made), {"notes": "x"}, **{"if-match": value})
    assert reply.status_code in (400, 412)
    assert clinician.get(at(made)).json() == made


def test_if_match_takes_any_and_a_list(clinician, patient):
    made = patient()
    assert clinician.patch(at(made), {"notes": "x"}, **{"if-match": "*"}).status_code == 200
    reply = clinician.patch(at(made), {"notes": "y"}, **{"if-match": '"1", "2"'})
    assert reply.status_code == 200


def at_once(clinician, path: str, headers: dict, writers: int = 8) -> list:
    replies = []

    def write(number: int):
        with clinician.twin() as mine:
            replies.append(mine.patch(path, {"notes": f"writer {number}"}, **headers))

    threads = [threading.Thread(target=write, args=[n]) for n in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return replies


def test_of_writers_with_the_same_tag_one_wins(clinician, patient):
    made = patient()
    replies = at_once(clinician, at(made), {"if-match": '"1"'})
    assert sorted(r.status_code for r in replies) == [200] + [412] * 7
    won = next(r.json() for r in replies if r.status_code == 200)
    assert clinician.get(at(made)).json() == won


def test_writers_without_a_tag_lose_no_version(clinician, patient):
    made = patient()
    replies = at_once(clinician, at(made), {})
    assert {r.status_code for r in replies} <= {200, 409, 412}
    done = [r.json()["version"] for r in replies if r.status_code == 200]
    assert done
    assert sorted(done) == list(range(2, len(done) + 2))
    assert clinician.get(at(made)).json()["version"] == len(done) + 1


# ---- whose patient ---------------------------------------------------------------------


def test_anothers_patient_does_not_exist(instance, clinician, other_clinician, patient):
    made = patient()
    reply = other_clinician.get(at(made))
    problem(reply, "not-found")
    nowhere = other_clinician.get(f"{PATIENTS}/{data.uuid7()}")
    hidden, unknown = reply.json(), nowhere.json()
    assert without_identity(hidden) == without_identity(unknown)
    rows = audit_of(instance, reply)
    assert rows[-1]["outcome"] == "denied"
    assert {(r["action"], str(r["object_id"])) for r in rows} == {("patient.read", made["id"])}
    assert str(rows[-1]["actor_id"]) == other_clinician.user["id"]


def test_anothers_patient_cannot_be_changed(instance, clinician, other_clinician, patient):
    made = patient()
    for headers in ({}, {"if-match": '"1"'}):
        reply = other_clinician.patch(at(made), {"notes": "mine now"}, **headers)
        problem(reply, "not-found")
        rows = audit_of(instance, reply)
        assert rows[-1]["outcome"] == "denied"
        assert str(rows[-1]["object_id"]) == made["id"]
    assert clinician.get(at(made)).json() == made


def test_a_patient_given_in_care_is_seen(instance, other_clinician, patient):
    made = patient()
    with connect(instance) as db:
        db.execute(
            "INSERT INTO eleusis.care_relationship (patient_id, user_id, reason, since)"
            " VALUES (%s, %s, 'referral', now())",
            [made["id"], other_clinician.user["id"]],
        )
        assert other_clinician.get(at(made)).json() == made
        db.execute(
            "UPDATE eleusis.care_relationship SET until = now() WHERE patient_id = %s"
            " AND user_id = %s",
            [made["id"], other_clinician.user["id"]],
        )
    problem(other_clinician.get(at(made)), "not-found")


def test_unknown_and_ill_formed_ids(clinician, patient):
    made = patient()["id"]
    ids = [
        str(data.uuid7()), "00000000-0000-0000-0000-000000000000", "1", "x", made[:-1],
        made + "0", made.replace("-", ""), "{" + made + "}", made.replace("-", "_"),
        "%00", "..", "%2e%2e", "-1", "null", "1' OR '1'='1", "a" * 500,
    ]  # fmt: skip
    for bad in ids:
        reply = clinician.get(f"{PATIENTS}/{bad}")
        assert reply.status_code in (400, 404), (bad, reply.text)
        if reply.status_code == 404:
            problem(reply, "not-found")


def test_an_id_of_another_kind_is_unknown(clinician, patient):
    made = patient()["id"]
    observation = clinician.made(
        f"{PATIENTS}/{made}/observations", {"code": "creatinine", "value": 1}
    )["id"]
    for path in (
        f"{PATIENTS}/{observation}",
        f"{PATIENTS}/{clinician.user['id']}",
        f"{PATIENTS}/{made}/observations/{made}",
        f"/v1/predictions/{made}",
    ):
        problem(clinician.get(path), "not-found")


def test_an_id_is_read_in_any_case(clinician, patient):
    made = patient()
    assert clinician.get(f"{PATIENTS}/{made['id'].upper()}").json() == made


# ---- audit ---------------------------------------------------------------------------------


def test_every_operation_has_its_audit_row(instance, clinician):
    body = data.patient()
    created = clinician.post(PATIENTS, body)
    made = created.json()
    read = clinician.get(at(made))
    updated = clinician.patch(at(made), {"notes": "n"})
    for reply, action in (
        (created, "patient.create"),
        (read, "patient.read"),
        (updated, "patient.update"),
    ):
        row = audit_row(instance, reply, action)
        assert (row["actor_kind"], str(row["actor_id"])) == ("user", clinician.user["id"])
        assert (row["object_type"], str(row["object_id"])) == ("patient", made["id"])
        assert row["client_ip"] in ("127.0.0.1", "::1")
        assert abs(datetime.now(UTC) - row["occurred_at"]) < timedelta(minutes=1)
        assert not [v for v in body.values() if str(v) in str(row["detail"])]


def test_an_update_that_fails_is_in_the_audit_log_as_such(instance, clinician, patient):
    made = patient()
    reply = clinician.patch(at(made), {"notes": "x"}, **{"if-match": '"9"'})
    rows = audit_of(instance, reply)
    assert rows, "a refused change left no row"
    assert rows[-1]["outcome"] in ("denied", "failed")


def test_a_conflict_leaves_no_allowed_row(instance, clinician, patient):
    reply = clinician.post(PATIENTS, data.patient(mrn=patient()["mrn"]))
    problem(reply, "conflict")
    assert not [r for r in audit_of(instance, reply) if r["outcome"] == "allowed"]
