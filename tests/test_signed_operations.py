"""SIGNED_OPERATIONS, SIGNATURE_WINDOW_S, and signed requests without Redis."""

import json
import subprocess

import pytest
from lib import apikeys, data, signing
from lib.problem import problem
from lib.process import wait_until

pytestmark = pytest.mark.restarts

SETTINGS = {
    "ELEUSIS_SIGNED_OPERATIONS": "getMe  createPatient",
    "ELEUSIS_SIGNATURE_WINDOW_S": "20",
}


@pytest.fixture(scope="module", autouse=True)
def strict(instance):
    instance.restart(**SETTINGS)
    yield instance
    instance.restart()


@pytest.fixture(scope="module")
def owner(strict, log_in):
    return log_in("clinician")


@pytest.fixture(scope="module")
def signer(strict, owner):
    return signing.hmac_signer(strict, owner.user)


def test_only_the_operations_named(strict, owner, signer, anonymous):
    content = json.dumps(data.patient()).encode()
    with signer.key.client(strict) as own:
        problem(own.get("/v1/me"), "signature-required")
        problem(own.raw("POST", "/v1/patients", content), "signature-required")
        assert own.get("/v1/models").status_code == 200
        assert signer.send(own, "GET", "/v1/me").status_code == 200
    assert signer.send(anonymous, "POST", "/v1/patients", content).status_code == 201
    assert owner.get("/v1/me").status_code == 200, "sessions are not concerned"


def test_a_key_that_cannot_sign_is_told_so(strict, owner):
    with apikeys.make(strict, owner.user).client(strict) as own:
        reply = own.get("/v1/me")
    assert "no signing key" in problem(reply, "signature-required")["detail"]
    assert "alg=" not in reply.headers["accept-signature"]


def test_the_window(signer, anonymous):
    for age in (-15, 15):
        assert signer.send(anonymous, "GET", "/v1/me", age=age).status_code == 200
    for age in (-25, 25):
        problem(signer.send(anonymous, "GET", "/v1/me", age=age), "bad-signature")


def test_without_redis_signed_requests_wait(strict, signer, anonymous):
    """Nobody could tell a replay; unsigned requests of keys go on."""
    strict.stop_redis()
    try:
        with signer.key.client(strict) as own:
            assert own.get("/v1/models").status_code == 200
            problem(signer.send(own, "GET", "/v1/models"), "unavailable")
        problem(signer.send(anonymous, "GET", "/v1/models"), "unavailable")
    finally:
        strict.start_redis()
        strict.ensure_running()
    wait_until(lambda: signer.send(anonymous, "GET", "/v1/models").status_code == 200, 10, "Redis")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("getMe createNothing", "createNothing is no operation"),
        ("healthLive", "healthLive is no operation that takes API keys"),
        ("getMe,createPatient", "getMe,createPatient is no operation"),
    ],
)
def test_wrong_names_stop_the_start(strict, value, words):
    strict.stop()
    since = strict.output.stat().st_size
    child = strict.spawn(ELEUSIS_SIGNED_OPERATIONS=value)
    try:
        assert child.wait(20) != 0
    except subprocess.TimeoutExpired:
        child.kill()
        raise
    finally:
        said = strict.output.read_bytes()[since:].decode(errors="replace")
        strict.start(**SETTINGS)
    assert words in said


def test_all_of_them(strict, log_in, signer, anonymous):
    strict.restart(ELEUSIS_SIGNED_OPERATIONS="*")
    with signer.key.client(strict) as own:
        problem(own.get("/v1/models"), "signature-required")
    assert signer.send(anonymous, "GET", "/v1/models").status_code == 200
    assert log_in("clinician").get("/v1/models").status_code == 200
