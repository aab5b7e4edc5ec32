"""Mail, to a real mail server: what is sent, how, and what happens when it cannot be."""

import os
import signal
import stat

import pytest
from lib import data, mail
from lib.db import connect
from lib.metrics import scrape, value
from lib.pki import Authority
from lib.problem import problem
from lib.process import wait_until
from lib.smtp import MailServer

pytestmark = pytest.mark.restarts

LOGIN = "eleusis", "correct-horse 7"
QUICK = {
    "ELEUSIS_MAIL_POLL_MS": "100",
    "ELEUSIS_MAIL_RETRY_S": "1",
    "ELEUSIS_MAIL_TIMEOUT_S": "4",
}


# ---- into a file, as in development ---------------------------------------------------


def queue(instance, to: str) -> None:
    instance.ctl("mail", "test", to)


def row(instance) -> dict:
    """The newest row of the outbox."""
    with connect(instance) as db:
        return db.execute("SELECT * FROM eleusis.outbox ORDER BY id DESC LIMIT 1").fetchone()


def wait_row(instance, condition, seconds: float = 15) -> dict:
    return wait_until(lambda: (r := row(instance)) and condition(r) and r, seconds, "the row", 0.05)


def test_mail_goes_into_the_file_of_a_developer(instance):
    to = data.email()
    queue(instance, to)
    found = mail.wait_mail(instance, to)
    assert found.subject == "Test message from Eleusis"
    assert found.sender.startswith("Eleusis <no-reply@")
    assert found.headers["Auto-Submitted"] == "auto-generated"
    assert stat.S_IMODE(mail.sink(instance).stat().st_mode) == 0o600
    sent = wait_row(instance, lambda r: r["sent_at"])
    assert found.id.startswith(f"<{sent['id']}@")
    assert (sent["sealed"], sent["lease"], sent["last_error"]) == (None, None, None)


def test_a_change_of_password_is_told_at_once(instance, new_user):
    who = new_user("clinician")
    who.login(who.email, who.password)
    new = data.password()
    reply = who.post("/v1/auth/password", {"current_password": who.password, "new_password": new})
    assert reply.status_code == 200, reply.text
    found = mail.wait_mail(instance, who.email, "password")
    assert "was changed" in found.text
    assert "Network: 127.0.0.0/24" in found.text
    assert new not in found.text


# ---- to a mail server -------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("pki"), "mail-authority")


@pytest.fixture(scope="module")
def good(authority):
    return authority.issue("good", names="DNS:localhost")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    made = MailServer(tmp_path_factory.mktemp("smtp"))
    yield made
    made.stop()


@pytest.fixture(scope="module")
def secret(tmp_path_factory):
    file = tmp_path_factory.mktemp("secret") / "password"
    file.write_text(LOGIN[1] + "\n")
    file.chmod(0o600)
    return file


@pytest.fixture(scope="module")
def sends(instance, server, authority, secret):
    """The instance sends to the mail server, which must offer STARTTLS and AUTH."""
    instance.restart(
        ELEUSIS_MAIL_URL=f"smtp://localhost:{server.port}",
        ELEUSIS_MAIL_CA_FILE=str(authority.pair.cert),
        ELEUSIS_MAIL_USER=LOGIN[0],
        ELEUSIS_MAIL_PASSWORD_FILE=str(secret),
        ELEUSIS_MAIL_FROM="registry@eleusis.test",
        ELEUSIS_SERVICE_NAME="Élysée",
        **QUICK,
    )
    yield instance
    instance.restart()


@pytest.fixture
def works(sends, server, good):
    """A mail server that is as it should be; with an address of its own to write to."""
    server.answers(None)
    server.restart(good, login=":".join(LOGIN))
    return data.email()


def sent_by(sends, to: str) -> None:
    sends.ctl("mail", "test", to, ELEUSIS_SERVICE_NAME="Élysée")


def test_a_mail_is_delivered_over_tls_and_with_a_login(sends, server, works):
    sent_by(sends, works)
    got = server.wait(works)
    assert got["tls"] is True
    assert got["login"] == LOGIN[0]
    assert got["sender"] == "registry@eleusis.test"
    message = got["mail"]
    assert (message.to, message.subject) == (works, "Test message from Élysée")
    assert message.sender == "Élysée <registry@eleusis.test>"
    assert "whether mail\nfrom Élysée arrives" in message.text.replace("\r\n", "\n")
    assert message.headers["Message-ID"].endswith("@localhost>")
    wait_row(sends, lambda r: r["sent_at"] and r["sealed"] is None and r["attempts"] == 1)
    assert len(server.taken(works)) == 1


def test_no_mail_without_starttls(sends, server, works, good):
    server.restart(None)
    sent_by(sends, works)
    wait_row(sends, lambda r: r["last_error"] == "no-starttls")
    assert not [e for e in server.events("rcpt") if e["to"] == works]
    server.restart(good, login=":".join(LOGIN))
    assert server.wait(works)["tls"] is True


@pytest.mark.parametrize(
    "wrong", ["authority", "name", pytest.param("expired", marks=pytest.mark.full)]
)
def test_no_mail_to_a_server_with_a_wrong_certificate(
    sends, server, works, authority, good, tmp_path, wrong
):
    made = {
        "authority": lambda: Authority(tmp_path, "stranger").issue("bad", names="DNS:localhost"),
        "name": lambda: authority.issue("other", names="DNS:mail.example"),
        "expired": lambda: authority.issue("old", names="DNS:localhost", days=-1),
    }[wrong]()
    server.restart(made, login=":".join(LOGIN))
    sent_by(sends, works)
    wait_row(sends, lambda r: r["last_error"] == "certificate")
    assert not [e for e in server.events("rcpt") if e["to"] == works]
    server.restart(good, login=":".join(LOGIN))
    server.wait(works)


def test_a_login_that_is_refused_loses_no_mail(sends, server, works, good):
    server.restart(good, login="eleusis:another")
    sent_by(sends, works)
    wait_row(sends, lambda r: r["last_error"] == "login" and r["failed_at"] is None)
    server.restart(good, login=":".join(LOGIN))
    server.wait(works)


def test_mail_waits_for_a_server_that_is_down(sends, server, works, good):
    server.stop()
    sent_by(sends, works)
    wait_row(sends, lambda r: r["last_error"] == "no-connection" and r["attempts"] >= 2)
    server.start(good, login=":".join(LOGIN))
    server.wait(works)


@pytest.mark.parametrize("command", ["RCPT", pytest.param("DATA", marks=pytest.mark.full)])
def test_a_passing_refusal_is_tried_again(sends, server, works, command):
    server.answers(f"{command} 450 4.2.0 {works} is greylisted")
    sent_by(sends, works)
    waiting = wait_row(sends, lambda r: r["last_error"] == "deferred")
    assert waiting["next_at"] > waiting["created_at"]
    server.answers(None)
    server.wait(works)


@pytest.mark.parametrize("command", ["RCPT", "DATA"])
def test_a_final_refusal_is_recorded(sends, server, works, command):
    offset = sends.log_size()
    server.answers(f"{command} 550 5.1.1 {works}: no such user")
    sent_by(sends, works)
    gone = wait_row(sends, lambda r: r["failed_at"])
    assert (gone["sealed"], gone["last_error"], gone["attempts"]) == (None, "rejected", 1)
    with connect(sends) as db:
        (noted,) = db.execute(
            "SELECT * FROM eleusis.audit_event WHERE object_id = %s", [gone["id"]]
        ).fetchall()
    assert (noted["action"], noted["outcome"]) == ("mail.failed", "failed")
    assert (noted["actor_kind"], noted["object_type"]) == ("system", "mail")
    assert noted["detail"] == {"kind": "test", "reason": "rejected", "attempts": 1}
    lines = [x for x in sends.log_lines(offset) if x["event.action"] == "mail.failed"]
    assert len(lines) == 1
    assert works not in str(lines)


def test_what_is_too_old_is_given_up(sends, server, works):
    server.answers("RCPT 450 not now")
    sent_by(sends, works)
    waiting = wait_row(sends, lambda r: r["last_error"] == "deferred")
    with connect(sends) as db:
        db.execute(
            "UPDATE eleusis.outbox SET created_at = created_at - interval '49 hours',"
            " next_at = now() WHERE id = %s",
            [waiting["id"]],
        )
    gone = wait_row(sends, lambda r: r["failed_at"])
    assert (gone["id"], gone["last_error"], gone["sealed"]) == (waiting["id"], "deferred", None)


def test_a_worker_that_is_killed_in_the_middle_loses_no_mail(sends, server, works):
    before = sends.worker_pids()
    server.answers("DATA stall")
    sent_by(sends, works)
    wait_until(lambda: server.events("stalled"), 10, "a delivery under way")
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    held = row(sends)
    assert held["lease_until"] is not None
    assert held["sent_at"] is None
    wait_until(
        lambda: sends.healthy() and not set(before) & set(sends.worker_pids()), 20, "new workers"
    )
    server.answers(None)
    assert not server.taken(works), "sent in spite of the lease"
    with connect(sends) as db:  # its end would come by itself: sooner, for the test
        db.execute("UPDATE eleusis.outbox SET lease_until = now() WHERE id = %s", [held["id"]])
    assert server.wait(works)["mail"].id.startswith(f"<{held['id']}@")
    assert wait_row(sends, lambda r: r["sent_at"])["attempts"] == 2


def test_no_address_and_no_text_is_kept_in_clear(sends, server, works):
    offset = sends.log_size()
    server.answers("RCPT 450 not now")
    sent_by(sends, works)
    waiting = wait_row(sends, lambda r: r["last_error"] == "deferred")
    assert waiting["sealed"]
    with connect(sends) as db:
        (dump,) = db.execute(
            "SELECT string_agg(o::text, '') || convert_from(string_agg(replace("
            "encode(sealed, 'escape'), '\\', '')::bytea, ''), 'LATIN1') AS all"
            " FROM eleusis.outbox AS o"
        ).fetchone().values()  # fmt: skip
    for plain in (works, works.partition("@")[0], "Test message", "whether mail"):
        assert plain not in dump
        assert plain not in str(sends.log_lines(offset))
    server.answers(None)
    server.wait(works)


def test_what_became_of_mails_is_counted(sends, server, works, anonymous):
    before = scrape(anonymous)
    sent_by(sends, works)
    server.wait(works)

    def grown():
        now = scrape(anonymous)
        return value(now, "eleusis_mails_total", outcome="sent") - value(
            before, "eleusis_mails_total", outcome="sent"
        )

    wait_until(lambda: grown() == 1, 5, "the count")
    listed = sends.ctl("mail", "list").stdout.splitlines()
    assert " test " in listed[0]
    assert " sent " in listed[0]
    assert works not in str(listed)


def test_smtps(instance, server, authority, good):
    to = data.email()
    server.answers(None)
    server.restart(good, implicit=True)
    instance.restart(
        ELEUSIS_MAIL_URL=f"smtps://localhost:{server.port}",
        ELEUSIS_CA_FILE=str(authority.pair.cert),
        **QUICK,
    )
    try:
        queue(instance, to)
        assert server.wait(to)["tls"] is True
    finally:
        instance.restart()


def test_without_a_mail_server_what_needs_mail_is_refused(instance, new_user, anonymous):
    who = new_user("clinician")
    instance.restart(ELEUSIS_MAIL_URL="")
    try:
        failed = instance.ctl("mail", "test", data.email(), check=False, ELEUSIS_MAIL_URL="")
        assert failed.returncode == 1
        assert "sends no mail" in failed.stderr
        reply = anonymous.post("/v1/auth/password-reset", {"email": who.email})
        assert "MAIL_URL" in problem(reply, "unavailable")["detail"]
        # What only would be told happens all the same.
        who.login(who.email, who.password)
        reply = who.post(
            "/v1/auth/password",
            {"current_password": who.password, "new_password": data.password()},
        )
        assert reply.status_code == 200, reply.text
        assert not mail.mails(instance, who.email)
    finally:
        instance.restart()
