"""slowhttptest's three attacks at once, while an ordinary client goes on as ever.

Slow headers come within http_header_timeout or not at all, and a body does not
pause for longer than http_stall_timeout (kore.conf).
"""

import csv
import re
import subprocess
import time
from dataclasses import dataclass

import httpx
import pytest
from lib import raw
from lib.client import Api

CONNECTIONS = 60
SECONDS = 16  # all attacks, side by side
CUT_OFF_S = 13  # by then the server has given up the slow ones
ATTACKS = {
    "headers": ("-H", "-i", "2", "-x", "24", "-u", "/health/live"),
    # One pause that is longer than a body may make.
    "body": ("-B", "-i", "15", "-s", "2048", "-f", "application/json", "-u", "/v1/auth/login"),
    "read": ("-X", "-n", "2", "-z", "1", "-w", "1", "-y", "2", "-k", "3", "-u", "/openapi.json"),
}


@dataclass
class Second:
    """One line of slowhttptest's report."""

    at: int
    closed: int
    pending: int
    connected: int
    available: bool


@dataclass
class Seen:
    attacks: dict[str, list[Second]]
    ends: dict[str, str]  # what slowhttptest says why it ended
    answers: list[tuple[float, int]]  # of the ordinary client: seconds, status; 0: none
    late: bytes  # the reply to a header block that never ended


def attack(instance, where, name: str) -> subprocess.Popen:
    *options, path = ATTACKS[name]
    command = [
        "slowhttptest", "-c", str(CONNECTIONS), "-r", "100", "-l", str(SECONDS), "-p", "3",
        "-g", "-o", str(where / name), *options, instance.url + path,
    ]  # fmt: skip
    with (where / f"{name}.log").open("wb") as out:
        return subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL)


def report(where, name: str) -> list[Second]:
    with (where / f"{name}.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows, (where / f"{name}.log").read_text(errors="replace")[-2000:]
    return [
        Second(
            int(row["Seconds"]), int(row["Closed"]), int(row["Pending"]), int(row["Connected"]),
            int(row["Service Available"]) > 0,
        )
        for row in rows
    ]  # fmt: skip


def exit_status(where, name: str) -> str:
    text = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", (where / f"{name}.log").read_text(errors="replace"))
    return re.search(r"Exit status: *(.*)", text).group(1).strip()


def ask(instance) -> int:
    """One request over a connection of its own; its status."""
    try:
        with Api(instance) as api:
            return api.get("/health/ready").status_code
    except httpx.TransportError:
        return 0


@pytest.fixture(scope="module")
def seen(instance, tmp_path_factory) -> Seen:
    where = tmp_path_factory.mktemp("slow")
    answers = []
    with raw.connection(instance, SECONDS + 10) as slow:
        slow.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
        running = [attack(instance, where, name) for name in ATTACKS]
        try:
            while any(child.poll() is None for child in running):
                began = time.monotonic()
                status = ask(instance)
                answers.append((time.monotonic() - began, status))
                time.sleep(0.1)
        finally:
            for child in running:
                child.kill()
                child.wait()
        late = raw.receive(slow)
    reports = {name: report(where, name) for name in ATTACKS}
    return Seen(reports, {name: exit_status(where, name) for name in ATTACKS}, answers, late)


@pytest.mark.parametrize("name", ATTACKS)
def test_the_attack_took_place(seen, name):
    assert max(second.connected for second in seen.attacks[name]) >= CONNECTIONS * 0.9


@pytest.mark.parametrize("name", ATTACKS)
def test_the_service_stays_available(seen, name):
    """By slowhttptest's own probes, which wait 3 s for an answer (0: before the first)."""
    assert all(second.available for second in seen.attacks[name] if second.at > 0)


def test_an_ordinary_client_is_not_harmed(seen):
    assert len(seen.answers) > 30
    assert {status for _, status in seen.answers} == {200}


@pytest.mark.parametrize("name", ["headers", "body"])
def test_slow_ones_are_cut_off(seen, name):
    """All of them: slowhttptest then ends before its time."""
    assert seen.ends[name] == "No open connections left", seen.attacks[name][-2:]
    assert seen.attacks[name][-1].at <= CUT_OFF_S


def test_a_header_block_that_does_not_end_is_told_so(seen):
    assert raw.status(seen.late) == 408, seen.late[:300]
    assert b"connection: close" in seen.late.lower()
