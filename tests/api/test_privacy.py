"""No plaintext of a person outside the API: not in tables, Redis, logs or metrics."""

import base64
import secrets
import time

import pytest
from lib import data
from lib.client import Api
from lib.db import connect, database_bytes, redis_bytes, tables
from lib.problem import problem

# A value no other test sends, as text and as a number.
KAPPA, VALUE = 731.4159265, 0.7320508


def forms(value: str) -> set[bytes]:
    """How a leaked text might look: itself, folded, in hexadecimal, in base64."""
    plain = value.encode()
    found = {
        plain,
        plain.lower(),
        plain.upper(),
        plain.hex().encode(),
        plain.hex().upper().encode(),
    }
    # Base64 of any alignment: cut to the characters that depend on the text alone.
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + plain)
        found.add(encoded[4 if shift else 0 : len(encoded) // 4 * 4 - 4])
    return {form for form in found if len(form) >= 6}


@pytest.fixture(scope="module")
def secrets_of_a_life(instance, log_in):
    """Use every endpoint with one patient's data, rightly and wrongly; all texts sent."""
    start = instance.log_size()
    who = log_in("clinician")
    body = data.patient(birth_date="1887-08-23")
    change = {"notes": data.word(20), "phone": f"+998 {secrets.randbelow(10**9):09d}"}
    wrong = {"sex": data.word(20), "given_name": data.word(90) + data.word(90)}
    made = who.made("/v1/patients", body)
    path = f"/v1/patients/{made['id']}"
    assert who.patch(path, change).status_code == 200
    problem(who.post("/v1/patients", body), "conflict")
    problem(who.post("/v1/patients", data.patient(**wrong)), "validation-failed")
    assert who.get("/v1/patients", mrn=body["mrn"]).json()["items"]
    assert who.get("/v1/patients").json()["items"]
    problem(who.get("/v1/patients", name=body["family_name"]), "invalid-query")
    problem(who.get(f"/v1/patients/{body['family_name']}"), "not-found")
    problem(who.get(f"/{body['given_name']}"), "not-found")
    truncated = f'{{"given_name": "{body["given_name"]}"'.encode()
    problem(who.raw("POST", "/v1/patients", truncated), "malformed-json")
    note = data.word(20)
    observation = {"code": "wdbc_concavity_mean", "value": VALUE, "note": note}
    who.made(f"{path}/observations", observation)
    who.get(f"{path}/observations")
    inputs = data.FLCHAIN | {"kappa": KAPPA}
    sent = {"patient_id": made["id"], "model": "flchain-mortality-5y", "inputs": inputs}
    prediction = who.made("/v1/predictions", sent)
    who.get(f"/v1/predictions/{prediction['id']}")
    texts = [v for k, v in body.items() if k != "sex"]
    texts += [*change.values(), *wrong.values(), note, str(KAPPA), str(VALUE)]
    texts += [repr(prediction["probability"]), repr(prediction["margin"])]
    texts += [who.password, who.token]
    time.sleep(0.3)
    return start, texts


def leaks(haystack: bytes, texts: list[str]) -> list[str]:
    assert len(haystack) > 200, "there is nothing to search in"
    return [text for text in texts if any(form in haystack for form in forms(text))]


def test_the_search_finds_what_is_there():
    """The search itself must be able to fail."""
    for text in ("Margarethe", "1887-08-23"):
        for shift in range(3):
            hidden = base64.b64encode(b"-" * shift + text.encode() + b"---")
            assert leaks(b"." * 200 + hidden, [text])
        assert leaks(b"." * 200 + text.encode().hex().encode(), [text])
    assert not leaks(b"." * 300, ["Margarethe"])


def test_nothing_in_the_tables(instance, secrets_of_a_life):
    assert {"eleusis.patient", "eleusis.observation", "eleusis.prediction"} <= set(tables(instance))
    assert not leaks(database_bytes(instance), secrets_of_a_life[1])


def test_nothing_in_the_audit_log(instance, secrets_of_a_life):
    with connect(instance) as db:
        rows = db.execute("SELECT e::text AS t FROM eleusis.audit_event e").fetchall()
    assert not leaks("\n".join(r["t"] for r in rows).encode(), secrets_of_a_life[1])


def test_nothing_in_redis(instance, secrets_of_a_life):
    assert not leaks(redis_bytes(instance), secrets_of_a_life[1])


def test_nothing_in_the_log(instance, secrets_of_a_life):
    start, texts = secrets_of_a_life
    with instance.output.open("rb") as file:
        file.seek(start)
        assert not leaks(file.read(), texts)


def test_nothing_in_the_logs_of_the_servers_behind(instance, secrets_of_a_life):
    """PostgreSQL logs a failed statement, but no parameters."""
    for name in ("postgresql.log", "redis.log"):
        assert not leaks((instance.var / "log" / name).read_bytes(), secrets_of_a_life[1])


def test_nothing_in_the_metrics(instance, secrets_of_a_life):
    with Api(instance) as api:
        assert not leaks(api.get("/metrics").content, secrets_of_a_life[1])
