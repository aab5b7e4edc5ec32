"""Health, metrics, log lines and the headers that every reply carries."""

import re
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import pytest
from lib import data
from lib.db import count
from lib.logs import requests
from lib.metrics import scrape, value
from lib.problem import problem, traced
from lib.tables import metric_families, version

REQUESTS = "eleusis_http_requests_total"
SECONDS = "eleusis_http_request_duration_seconds"


# ---- health --------------------------------------------------------------------


def test_alive(anonymous):
    reply = anonymous.get("/health/live")
    assert reply.status_code == 200
    assert reply.json()["status"]


def test_ready_names_its_checks(anonymous):
    reply = anonymous.get("/health/ready")
    assert reply.status_code == 200
    body = reply.json()
    assert set(body) == {"status", "checks"}
    assert set(body["checks"]) == {
        "postgresql", "redis", "network_rules", "session_ends", "draining",
    }  # fmt: skip


# ---- metrics -------------------------------------------------------------------


def test_metrics_are_prometheus_text(anonymous):
    reply = anonymous.get("/metrics")
    assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    names = {name for name, _ in scrape(anonymous)}
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in names}
    assert metric_families() <= families | names


def test_every_request_is_counted_once(anonymous, clinician, patient):
    path = f"/v1/patients/{patient()['id']}"
    labels = {"method": "GET", "status": "200"}
    route = next(
        dict(pairs)["route"]
        for (name, pairs) in scrape_after(clinician, path, anonymous)
        if name == REQUESTS and dict(pairs).get("route", "").endswith("patients/{patient_id}")
    )
    before = scrape(anonymous)
    for _ in range(7):
        assert clinician.get(path).status_code == 200
    problem(clinician.get(f"/v1/patients/{data.uuid7()}"), "not-found")
    after = scrape(anonymous)

    def grown(name: str, **which: str) -> float:
        return value(after, name, **which) - value(before, name, **which)

    assert grown(REQUESTS, route=route, **labels) == 7
    assert grown(REQUESTS, route=route, method="GET", status="404") == 1
    assert grown(SECONDS + "_count", route=route) == 8
    assert 0 < grown(SECONDS + "_sum", route=route) < 60
    buckets = [
        (float(dict(pairs)["le"]), v)
        for (name, pairs), v in after.items()
        if name == SECONDS + "_bucket" and dict(pairs)["route"] == route
    ]
    assert [v for _, v in sorted(buckets)] == sorted(v for _, v in buckets)
    assert max(buckets) == (float("inf"), value(after, SECONDS + "_count", route=route))


def scrape_after(clinician, path, anonymous):
    assert clinician.get(path).status_code == 200
    return scrape(anonymous)


def test_counters_follow_what_happens(anonymous, clinician, patient, new_user):
    who = new_user("clinician")
    mine = patient()["id"]
    before = scrape(anonymous)
    who.login(who.email, who.password)
    wrong = {"email": who.email, "password": data.password()}
    problem(anonymous.post("/v1/auth/login", wrong), "bad-credentials")
    problem(anonymous.get("/v1/patients"), "unauthenticated")
    sent = {"patient_id": mine, "model": "flchain-mortality-5y", "inputs": data.FLCHAIN}
    clinician.made("/v1/predictions", sent)
    clinician.get(f"/v1/patients/{mine}")
    after = scrape(anonymous)

    def grown(name: str, **labels: str) -> float:
        return value(after, name, **labels) - value(before, name, **labels)

    assert grown("eleusis_logins_total", outcome="success") == 1
    assert grown("eleusis_logins_total", outcome="failure") == 1
    assert grown("eleusis_predictions_total", outcome="success") == 1
    assert grown("eleusis_auth_denied_total") >= 1
    assert grown("eleusis_pool_jobs_total") >= 2
    assert grown("eleusis_audit_rows_total") >= 1
    assert grown("eleusis_db_statements_total") >= 3
    assert grown("eleusis_redis_commands_total") >= 3
    assert grown("eleusis_prediction_score_seconds_count") == 1
    assert not [
        key for key, v in after.items() if key[0].endswith("_total") and v < before.get(key, 0)
    ]


def test_gauges_say_what_runs(instance, anonymous):
    samples = scrape(anonymous)
    assert value(samples, "eleusis_workers") == len(instance.worker_pids())
    assert 0 <= time.time() - value(samples, "process_start_time_seconds") < 86400
    assert value(samples, "eleusis_build_info", version=version()) == 1
    assert value(samples, "eleusis_db_connections", kind="read") >= 1
    assert value(samples, "eleusis_db_connections", kind="write") >= 1


def test_the_scrape_sums_all_workers(instance, anonymous, clinician):
    """Many connections, so that more than one worker answers, and one sum."""
    before = value(scrape(anonymous), REQUESTS, method="GET", status="200")
    for _ in range(30):
        with clinician.twin() as other:
            assert other.get("/v1/me").status_code == 200
    after = value(scrape(anonymous), REQUESTS, method="GET", status="200")
    assert 30 <= after - before <= 35


def test_labels_hold_no_ids(anonymous, clinician, patient):
    one = patient()["id"]
    clinician.get(f"/v1/patients/{one}")
    clinician.get(f"/nowhere/{one}")
    text = anonymous.get("/metrics").text
    assert one not in text
    assert "nowhere" not in text
    assert not re.search(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-", text)


# ---- log -----------------------------------------------------------------------


def line_of(instance, reply, since: int) -> dict:
    mine = [
        line
        for line in requests(instance.log_lines(since))
        if line["http.request.id"] == reply.headers["x-request-id"]
    ]
    assert len(mine) == 1, mine
    return mine[0]


def test_a_request_is_one_line(instance, clinician, patient):
    since = instance.log_size()
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    one = patient()["id"]
    reply = clinician.http.get(
        f"/v1/patients/{one}", headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
    )
    line = line_of(instance, reply, since)
    assert line["http.request.method"] == "GET"
    assert line["http.route"].endswith("/v1/patients/{patient_id}")
    assert line["http.response.status_code"] == 200
    assert line["http.response.body.bytes"] == len(reply.content)
    assert line["event.outcome"] == "success"
    assert line["event.duration"] > 0
    assert line["client.ip"] in ("127.0.0.1", "::1")
    assert line["user.id"] == clinician.user["id"]
    assert line["trace.id"] == trace
    assert line["log.level"] == "info"
    assert line["ecs.version"]
    at = datetime.fromisoformat(line["@timestamp"])
    assert abs((datetime.now(UTC) - at).total_seconds()) < 60
    assert one not in str(line)


def test_a_refusal_names_its_problem(instance, clinician):
    since = instance.log_size()
    reply = clinician.post("/v1/patients", data.patient(sex="x"))
    line = line_of(instance, reply, since)
    assert line["error.type"] == "validation-failed"
    assert line["event.outcome"] == "failure"
    assert line["http.request.body.bytes"] == len(reply.request.content)


def test_unmatched_requests_are_logged_without_their_path(instance, anonymous):
    since = instance.log_size()
    secret = data.word(16)
    for path in (f"/{secret}", f"/v1/patients/{secret}", f"/v1/{secret}?{secret}={secret}"):
        line_of(instance, anonymous.get(path), since)
    time.sleep(0.2)
    with instance.output.open("rb") as file:
        file.seek(since)
        assert secret.encode() not in file.read()


def test_no_line_is_broken_by_what_clients_send(instance, anonymous):
    since = instance.log_size()
    for value_ in ('"}\\', "x" * 4000, '{"log.level":"error"}', "\\u001b[31m"):
        anonymous.http.get("/health/live", headers={"user-agent": value_, "traceparent": value_})
    lines = requests(instance.log_lines(since))
    assert len([x for x in lines if x["http.route"].endswith("/health/live")]) == 4
    assert {x["log.level"] for x in lines} == {"info"}


# ---- headers of every reply --------------------------------------------------------


@pytest.fixture(scope="module")
def samples(anonymous, clinician, patient):
    one = patient()["id"]
    return {
        "200": clinician.get(f"/v1/patients/{one}"),
        "201": clinician.post("/v1/patients", data.patient()),
        "400": clinician.raw("POST", "/v1/patients", b"{"),
        "401": anonymous.get("/v1/me"),
        "404": clinician.get("/nowhere"),
        "405": clinician.http.delete("/v1/me"),
        "422": clinician.post("/v1/patients", {}),
        "health": anonymous.get("/health/live"),
        "metrics": anonymous.get("/metrics"),
        "openapi": anonymous.get("/openapi.json"),
    }


KINDS = ["200", "201", "400", "401", "404", "405", "422", "health", "metrics", "openapi"]


@pytest.mark.parametrize("kind", KINDS)
def test_security_headers(samples, kind):
    headers = samples[kind].headers
    assert headers["x-content-type-options"] == "nosniff"
    match = re.search(r"max-age=(\d+)", headers["strict-transport-security"])
    assert int(match.group(1)) >= 31536000
    assert abs((datetime.now(UTC) - parsedate_to_datetime(headers["date"])).total_seconds()) < 60
    assert not re.search(r"\d", headers.get("server", ""))
    assert "access-control-allow-origin" not in headers
    traced(samples[kind])
    if kind not in ("openapi", "health", "metrics"):
        assert "no-store" in headers["cache-control"]


@pytest.mark.parametrize("kind", KINDS)
def test_no_header_comes_twice(samples, kind):
    names = [name.lower() for name, _ in samples[kind].headers.raw]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("kind", KINDS)
def test_the_length_is_right(samples, kind):
    reply = samples[kind]
    assert int(reply.headers["content-length"]) == len(reply.content)


# ---- what the client takes -------------------------------------------------------


NOT_JSON = ["text/html", "application/xml, text/*;q=0.5", "application/json;q=0, */*"]
JSON_TOO = ["application/json", "*/*", "text/html, */*;q=0.1", "application/*;q=0.5"]


@pytest.mark.parametrize("accept", NOT_JSON)
def test_replies_in_json_need_a_client_that_takes_it(instance, clinician, accept):
    def ask(method: str, path: str, **more):
        return clinician.http.request(method, path, headers={"accept": accept}, **more)

    problem(ask("GET", "/v1/me"), "not-acceptable")
    assert ask("HEAD", "/v1/me").status_code == 406
    before = count(instance, "patient")
    problem(ask("POST", "/v1/patients", json=data.patient()), "not-acceptable")
    assert count(instance, "patient") == before
    assert ask("GET", "/metrics").status_code == 200
    assert ask("OPTIONS", "/v1/me").status_code == 204
    problem(ask("DELETE", "/v1/me"), "method-not-allowed")


@pytest.mark.parametrize("accept", JSON_TOO)
def test_replies_in_json_suit_who_takes_anything(clinician, accept):
    assert clinician.http.get("/v1/me", headers={"accept": accept}).status_code == 200


# ---- host names ------------------------------------------------------------------


def test_the_host_must_be_that_of_the_handshake(anonymous):
    name = anonymous.http.base_url.host
    assert name == "localhost", "without a name in the handshake there is nothing to compare"
    reply = anonymous.http.get("/health/live", headers={"host": "elsewhere.example"})
    problem(reply, "misdirected-request")
    port = anonymous.http.base_url.port
    reply = anonymous.http.get("/health/live", headers={"host": f"LOCALHOST:{port}"})
    assert reply.status_code == 200
    problem(anonymous.http.get("/health/live", headers={"host": name}), "misdirected-request")
