"""Breaking the glass with other settings: who is told by mail, and how fresh a proof must be."""

import time

import pytest
from lib import data
from lib.db import connect
from lib.mail import mails, wait_mail
from lib.problem import problem

pytestmark = [pytest.mark.restarts, pytest.mark.faults]


@pytest.fixture(scope="module")
def watched(instance):
    """Two addresses are told; a proof is fresh for half a minute only."""
    addresses = [data.email(), data.email()]
    instance.restart(ELEUSIS_BREAK_GLASS_MAIL=" ".join(addresses), ELEUSIS_STEP_UP_S="30")
    yield addresses
    instance.restart()


@pytest.fixture
def emergency(clinician):
    record = clinician.made("/v1/patients", data.patient())
    return record, {"patient_id": record["id"], "reason": data.REASON}


def test_those_who_watch_are_told(instance, watched, emergency, log_in):
    record, body = emergency
    stranger = log_in("clinician")
    grant = stranger.made("/v1/break-glass", body)["id"]
    for address in watched:
        mail = wait_mail(instance, address)
        # Her name is hers to change, her address is not.
        said = " ".join(mail.text.split())
        assert f"{stranger.user['name']} ({stranger.email})" in said
        assert mail.link.endswith(f"/v1/break-glass/{grant}")
        private = {data.REASON, *(str(v) for k, v in record.items() if k not in ("sex", "version"))}
        assert not [text for text in private if text in mail.text + mail.subject]
        assert len(mails(instance, address)) == 1


def test_what_cannot_be_told_does_not_happen(instance, watched, emergency, log_in):
    """One transaction: no mail, no grant, no care, no audit row that says there was."""
    record, body = emergency
    stranger = log_in("clinician")
    with connect(instance) as db:
        db.execute("ALTER TABLE eleusis.outbox RENAME TO outbox_away")
        try:
            reply = stranger.post("/v1/break-glass", body)
        finally:
            db.execute("ALTER TABLE eleusis.outbox_away RENAME TO outbox")
        assert reply.status_code in (500, 503), reply.text
        left = db.execute(
            "SELECT (SELECT count(*) FROM eleusis.break_glass WHERE user_id = %(who)s)"
            " + (SELECT count(*) FROM eleusis.care_history WHERE user_id = %(who)s)"
            " + (SELECT count(*) FROM eleusis.audit_event WHERE actor_id = %(who)s"
            " AND action = 'break_glass.open' AND outcome = 'allowed') AS n",
            {"who": stranger.user["id"]},
        ).fetchone()["n"]
    assert left == 0
    problem(stranger.get(f"/v1/patients/{record['id']}"), "not-found")


@pytest.mark.parametrize("addresses", ["a@example.org,b@example.org", "Ada <a@example.org>", "ada"])
def test_an_alarm_that_could_reach_nobody_stops_the_start(instance, addresses):
    instance.stop()
    since = instance.output.stat().st_size
    child = instance.spawn(ELEUSIS_BREAK_GLASS_MAIL=addresses)
    try:
        assert child.wait(20) != 0
    finally:
        child.kill()
        instance.start()
    assert b"mail: break_glass_mail:" in instance.output.read_bytes()[since:]


@pytest.mark.full
def test_an_old_proof_is_not_enough(watched, emergency, log_in):
    record, body = emergency
    stranger = log_in("clinician")
    time.sleep(30.5)
    problem(stranger.post("/v1/break-glass", body), "step-up-required")
    problem(stranger.get(f"/v1/patients/{record['id']}"), "not-found")
    stranger.login(stranger.email, stranger.password)
    assert stranger.post("/v1/break-glass", body).status_code == 201
