"""TLS sessions are resumed whichever worker a client comes back to, not for ever."""

import contextlib
import os
import re
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from lib import metrics
from lib.process import wait_until
from lib.tls import VERSIONS, context, only_worker, visit

pytestmark = pytest.mark.restarts

PERIOD = 4  # seconds, for the test of rotation
TICKET = re.compile(r"^ +0000 - ((?:[0-9a-f]{2}[ -]){15}[0-9a-f]{2})", re.M)


@pytest.fixture(scope="module")
def workers(instance):
    found = instance.worker_pids()
    if len(found) < 2:
        instance.restart(KORE_WORKERS="2")
        found = instance.worker_pids()
        yield found
        instance.restart()
        return
    yield found


@pytest.mark.parametrize("version", VERSIONS, ids=lambda v: v.name)
def test_a_session_is_resumed_by_every_worker(instance, workers, anonymous, version):
    trust = context(instance, version)
    before = instance.log_size()
    counted = resumptions(anonymous)
    with only_worker(instance, workers[0]):
        first = visit(instance, trust)
        assert not first.reused
    session = first.session
    for turn in range(20):
        with only_worker(instance, workers[turn % len(workers)]):
            again = visit(instance, trust, session)
        assert again.reused, f"visit {turn}"
        session = again.session or session
    served = {
        line["process.pid"]
        for line in instance.log_lines(before)
        if line.get("http.route") == "/health/live"
    }
    assert set(workers) <= served
    wait_until(lambda: resumptions(anonymous) - counted >= 20, 5, "the metric")


def resumptions(api) -> float:
    return metrics.value(metrics.scrape(api), "eleusis_tls_handshakes_total", session="resumed")


@pytest.mark.parametrize("version", VERSIONS, ids=lambda v: v.name)
def test_many_resumptions_at_once(instance, workers, version):
    """Also without anybody standing still, and on several connections at a time."""
    trust = context(instance, version)
    session = visit(instance, trust).session
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: visit(instance, trust, session).reused, range(200)))
    assert made == [True] * 200


@pytest.mark.parametrize("version", VERSIONS, ids=lambda v: v.name)
def test_a_worker_that_is_new_resumes_too(instance, workers, version):
    trust = context(instance, version)
    now = instance.worker_pids()
    with only_worker(instance, now[0]):
        session = visit(instance, trust).session
    os.kill(now[0], signal.SIGKILL)
    wait_until(
        lambda: len(instance.worker_pids()) == len(now) and now[0] not in instance.worker_pids(),
        10,
        "another worker",
    )
    (new,) = set(instance.worker_pids()) - set(now)
    with only_worker(instance, new):
        assert visit(instance, trust, session).reused


# ---- rotation ------------------------------------------------------------------


@pytest.fixture(scope="module")
def short_period(instance):
    instance.restart(ELEUSIS_TLS_TICKET_PERIOD_S=str(PERIOD))
    yield
    instance.restart()


def s_client(instance, *more: str) -> str:
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{instance.address[1]}",
         "-servername", "localhost", "-CAfile", instance.ca, "-tls1_2", *more],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def key_name(output: str) -> str:
    """A ticket begins with the name of its key (RFC 5077, section 4)."""
    return TICKET.search(output)[1].replace("-", " ")


def resumed(output: str) -> bool:
    assert re.search(r"^(New|Reused), TLSv1.2", output, re.M), output
    return "\nReused, " in output


def test_keys_change_and_old_ones_end(instance, short_period, tmp_path):
    """The last ticket of a key: renewed after one change, worthless after two."""
    ticket = str(tmp_path / "ticket")
    name = key_name(s_client(instance, "-sess_out", ticket))
    after = name
    end = time.monotonic() + 3 * PERIOD
    while after == name:
        assert time.monotonic() < end, "the key does not change"
        kept = ticket
        ticket = str(tmp_path / f"ticket-{time.monotonic_ns()}")
        after = key_name(s_client(instance, "-sess_out", ticket))

    for pid in instance.worker_pids():
        with only_worker(instance, pid):
            again = s_client(instance, "-sess_in", kept)
            assert resumed(again), "the key before must still open its tickets"
            assert key_name(again) == after, "and the client gets a new ticket"

    def gone() -> bool:
        return key_name(s_client(instance)) not in (name, after)

    wait_until(gone, 3 * PERIOD, "the second change", 0.1)
    for pid in instance.worker_pids():
        with only_worker(instance, pid):
            assert not resumed(s_client(instance, "-sess_in", kept))


def test_no_early_data(instance):
    out = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{instance.address[1]}", "-servername",
         "localhost", "-CAfile", instance.ca, "-tls1_3", "-ign_eof"],
        input="GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        capture_output=True, text=True, timeout=20,
    ).stdout  # fmt: skip
    assert "Post-Handshake New Session Ticket arrived" in out
    assert set(re.findall(r"Max Early Data: (\d+)", out)) == {"0"}


def key_updates(instance, times: int) -> int:
    """Ask for new keys so often; how often it went before the server hung up."""
    host, port = instance.address
    with subprocess.Popen(
        ["openssl", "s_client", "-tls1_3", "-connect", f"{host}:{port}", "-CAfile", instance.ca],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        bufsize=0,
    ) as client:
        try:
            for done in range(times):
                if client.poll() is not None:
                    return done
                with contextlib.suppress(BrokenPipeError):
                    client.stdin.write(b"k\n")
                time.sleep(0.02)
            return times
        finally:
            client.kill()


def test_new_keys_are_not_asked_for_without_end(instance):
    """A flood of key updates would hold up the worker: after some the client is cut off."""
    assert key_updates(instance, 20) == 20
    assert 30 <= key_updates(instance, 200) < 150
