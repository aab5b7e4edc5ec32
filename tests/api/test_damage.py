"""Rows damaged in the database: the seals hold, the request fails, nothing leaks."""

import pytest
from lib.db import connect

pytestmark = pytest.mark.faults


def test_a_row_moved_to_another_patient_does_not_open(instance, clinician, patient):
    """Whoever writes the database cannot make one patient's data another's."""
    one, two = patient(), patient()
    with connect(instance) as db:
        db.execute(
            "UPDATE eleusis.patient t SET identity = s.identity, clinical = s.clinical,"
            " wrapped_key = s.wrapped_key FROM eleusis.patient s WHERE t.id = %s AND s.id = %s",
            [one["id"], two["id"]],
        )
    reply = clinician.get(f"/v1/patients/{one['id']}")
    assert reply.status_code >= 500
    assert two["given_name"] not in reply.text
    assert clinician.get(f"/v1/patients/{two['id']}").json() == two


def test_a_row_rolled_back_does_not_open(instance, clinician, patient):
    made = patient()
    path = f"/v1/patients/{made['id']}"
    with connect(instance) as db:
        old = db.execute(
            "SELECT identity, clinical FROM eleusis.patient WHERE id = %s", [made["id"]]
        ).fetchone()
        assert clinician.patch(path, {"notes": "newer"}).status_code == 200
        db.execute(
            "UPDATE eleusis.patient SET identity = %s, clinical = %s WHERE id = %s",
            [old["identity"], old["clinical"], made["id"]],
        )
    reply = clinician.get(path)
    assert reply.status_code >= 500
    assert made["notes"] not in reply.text


def test_a_reply_without_its_data_is_a_failed_read_in_the_audit_log(instance, clinician, patient):
    made = patient()
    with connect(instance) as db:
        db.execute(
            "UPDATE eleusis.patient SET clinical = overlay(clinical PLACING %s FROM 40)"
            " WHERE id = %s",
            [b"\0\1\2\3", made["id"]],
        )
        reply = clinician.get(f"/v1/patients/{made['id']}")
        assert reply.status_code >= 500
        rows = db.execute(
            "SELECT outcome FROM eleusis.audit_event WHERE request_id = %s ORDER BY id",
            [reply.headers["x-request-id"]],
        ).fetchall()
    assert rows[-1]["outcome"] == "failed"
