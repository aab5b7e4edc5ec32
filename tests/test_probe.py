"""The request runtime by itself: a Kore with the probe module, sandbox on.

Each route of tests/probe/probe.c exercises one mechanism of loop/ and io/
against the instance's real PostgreSQL and Redis.
"""

import contextlib
import http.server
import json
import os
import socket
import ssl
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from lib.instance import Instance
from lib.process import wait_until
from lib.tables import ROOT


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Probe:
    def __init__(self, instance: Instance, var):
        self.port = free_port()
        self.var = var
        self.output = var / "probe.log"
        self.trust = ssl.create_default_context(cafile=instance.ca)
        env = {
            "PROBE_MODULE": str(instance.build / "probe.so"),
            "PROBE_BIND": f"127.0.0.1 {self.port}",
            "PROBE_PIDFILE": str(var / "probe.pid"),
            "ELEUSIS_DB_WRITE_CONNS": "2",
            # The overflow below is meant; its report is no finding.
            "ASAN_OPTIONS": f"{os.environ.get('ASAN_OPTIONS', '')}:log_path={var}/asan",
        }
        command = [*instance.command()[:-1], str(ROOT / "tests/probe/probe.conf")]
        with self.output.open("wb") as out:
            self.process = subprocess.Popen(
                command,
                env=os.environ | instance.env | env,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        wait_until(self.ready, 20, "the probe does not start: " + str(self.output))

    def client(self) -> httpx.Client:
        return httpx.Client(
            base_url=f"https://localhost:{self.port}", verify=self.trust, timeout=20
        )

    def ready(self) -> bool:
        with contextlib.suppress(httpx.HTTPError), self.client() as c:
            return (
                c.get("/db").status_code == 200
                and c.get("/redis").status_code == 200
                and c.get("/tx").status_code == 200
            )
        return False

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(30)


@pytest.fixture(scope="module")
def probe(instance, tmp_path_factory):
    made = Probe(instance, tmp_path_factory.mktemp("probe"))
    yield made
    code = made.stop()
    assert code == 0, made.output.read_text()
    for report in made.var.glob("asan.*"):
        assert "stack-overflow" in report.read_text(), report.read_text()[:3000]


@pytest.fixture
def api(probe):
    with probe.client() as c:
        yield c


def stats(api) -> dict:
    return json.loads(api.get("/stats").text)


def leave(probe, path: str) -> None:
    """Sends a request and goes away before its reply."""
    with contextlib.suppress(httpx.TimeoutException):
        httpx.get(f"https://localhost:{probe.port}{path}", verify=probe.trust, timeout=0.1)


def test_sleep_suspends_one_request_only(api, probe):
    with ThreadPoolExecutor(20) as pool:
        started = time.monotonic()
        done = [pool.submit(lambda: probe.client().get("/sleep?ms=500")) for _ in range(20)]
        assert {d.result().text for d in done} == {"slept"}
        assert time.monotonic() - started < 5, "20 sleepers of 0.5 s must overlap"


def test_client_gone_coroutine_runs_on(api, probe):
    before = stats(api)["orphans"]
    for _ in range(5):
        leave(probe, "/sleep?ms=400")
    wait_until(lambda: stats(api)["orphans"] == before + 5, 5, "orphans did not finish")
    assert stats(api)["requests"] == 1, "only the request for these statistics is left"


def test_client_gone_during_a_transaction(api, probe):
    for _ in range(4):
        leave(probe, "/tx?ms=300")
    wait_until(lambda: stats(api)["requests"] == 1, 5, "orphans did not finish")
    for _ in range(4):
        assert api.get("/tx").text == "same apart"


def test_statements_are_isolated(api):
    for _ in range(20):
        assert api.get("/isolation").text == "good 2 bad 1"


def test_deadline_of_a_statement_leaves_the_connection_usable(api):
    late = api.get("/db?s=0.8&ms=150")
    assert late.status_code == 503
    assert "deadline" in late.text
    # The late results come in meanwhile, and find nobody.
    for _ in range(10):
        assert api.get("/db?s=0.05").text == "rows 1"
    wait_until(lambda: stats(api)["db_in_flight"] == 0, 5, "a statement is stuck")


def test_transactions_share_an_id_and_wait_their_turn(probe):
    def one(_):
        with probe.client() as c:
            return c.get("/tx?ms=50").text

    with ThreadPoolExecutor(12) as pool:
        assert set(pool.map(one, range(24))) == {"same apart"}


def test_abandoned_transaction_frees_its_connection(api):
    for _ in range(6):
        assert api.get("/tx?leave=1").text == "left open"
    wait_until(lambda: api.get("/tx").text == "same apart", 5, "no connection came back")


def test_pool_hashes_under_the_sandbox(api):
    assert api.get("/pool").text == "hashed"


def test_pool_is_bounded(probe):
    def one(_):
        with probe.client() as c:
            return c.get("/pool").status_code

    with ThreadPoolExecutor(16) as pool:
        codes = list(pool.map(one, range(16)))
    assert set(codes) == {200, 503}, codes


def test_pool_job_is_taken_back_at_its_deadline(api, probe):
    with ThreadPoolExecutor(4) as pool:
        busy = [pool.submit(lambda: probe.client().get("/pool")) for _ in range(3)]
        time.sleep(0.05)
        assert api.get("/pool?ms=1").status_code in (200, 503)
        assert [b.result().status_code for b in busy] == [200] * 3
    wait_until(lambda: stats(api)["pool"] == 0, 5, "a job is stuck")


def test_redis_deadline(api):
    assert api.get("/redis").text == "echoed"
    assert api.get("/redis_slow?ms=200").status_code == 503
    wait_until(lambda: api.get("/redis").status_code == 200, 10, "Redis did not come back")


def test_name_resolution_under_the_sandbox(api):
    assert api.get("/resolve").text in ("127.0.0.1", "::1")


def test_large_body_under_the_sandbox(api):
    assert api.post("/body", content=b"x" * 1_000_000).text == "1000000"


@contextlib.contextmanager
def web_server(delay: float):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            time.sleep(delay)
            body = b"from afar"
            with contextlib.suppress(OSError):
                self.send_response(203)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()


def test_fetch(api):
    with web_server(0.05) as port:
        started = time.monotonic()
        assert api.get(f"/fetch?port={port}").text == "203 from afar"
        assert time.monotonic() - started < 2
    with web_server(1.0) as port:
        late = api.get(f"/fetch?port={port}&ms=200")
        assert late.status_code == 503
    refused = api.get(f"/fetch?port={free_port()}")
    assert refused.status_code == 503


def test_stack_overflow_hits_the_guard_page(api, probe):
    """The worker dies by a fault, its neighbours' memory stays whole, and it is replaced."""
    with contextlib.suppress(httpx.HTTPError):
        api.get("/overflow")
        pytest.fail("the overflow was answered")
    wait_until(probe.ready, 10, "the worker was not replaced")
    assert "sandbox violation" not in probe.output.read_text()
