"""What patches/kore changes, seen from outside."""

import os
import signal
import ssl
import time
from pathlib import Path

import httpx
import pytest
from lib import process
from lib.process import wait_until


def trust(instance) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=instance.ca)


pytestmark = pytest.mark.restarts

HEADER_TIMEOUT = 10  # seconds, kore.conf


def test_idle_connection_is_not_answered_408(instance):
    """A quiet kept-alive connection serves the next request (0009)."""
    with httpx.Client(base_url=instance.url, verify=trust(instance)) as client:
        assert client.get("/health/live").status_code == 200
        time.sleep(HEADER_TIMEOUT + 2)
        assert client.get("/health/live").status_code == 200


def test_a_worker_that_ends_does_not_hide_the_signal_to_stop(instance):
    """Both signals wait for a parent that is not running; SIGTERM has the lower number, so
    SIGCHLD is handled after it (0019)."""
    parent, worker = instance.parent_pid(), instance.worker_pids()[0]
    os.kill(parent, signal.SIGSTOP)
    try:
        os.kill(parent, signal.SIGTERM)
        os.kill(worker, signal.SIGKILL)
        wait_until(lambda: process.stat(worker)[:1] == ["Z"], 10, "the worker's end")
    finally:
        os.kill(parent, signal.SIGCONT)
    wait_until(lambda: process.reaped(parent), 40, "the parent's end")
    instance.ensure_running()


def test_workers_forked_after_sighup_still_serve(instance):
    """The parent asks the module before reloading it; ours refuses (0009)."""
    os.kill(instance.parent_pid(), signal.SIGHUP)
    time.sleep(1)
    before = instance.worker_pids()
    os.kill(before[0], signal.SIGKILL)

    def replaced() -> bool:
        now = instance.worker_pids()
        return len(now) == len(before) and before[0] not in now

    wait_until(replaced, 10, "the worker was not replaced")

    def serves() -> bool:
        try:
            url = instance.url + "/health/live"
            return httpx.get(url, verify=trust(instance)).status_code == 200
        except httpx.HTTPError:
            return False

    wait_until(lambda: all(serves() for _ in range(20)), 10, "the new worker does not serve")


def test_key_manager_keeps_nothing_of_the_module(instance):
    """It holds the TLS key only: the module, and its keys, are unloaded there."""
    if instance.sanitized:
        pytest.skip("this build never unloads the module")
    for pid in process.children(instance.parent_pid()):
        maps = Path(f"/proc/{pid}/maps").read_text()
        assert ("eleusis.so" in maps) == ("keymgr" not in process.title(pid))
