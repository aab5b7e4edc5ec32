"""clients/python against the real server, also when it goes away or a reply is lost."""

import base64
import sys
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from cryptography.hazmat.primitives import serialization as ser
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from lib import data
from lib.instance import START_SECONDS
from lib.process import wait_until
from lib.relay import Relay
from lib.tables import ROOT

sys.path.insert(0, str(ROOT / "clients/python"))

from eleusis_client import Client, Ed25519, Hmac, NoAnswer, Problem, Signer

pytestmark = pytest.mark.restarts
SCOPES = ["self", "patients:read", "patients:write", "predictions:write", "predictions:read"]


@pytest.fixture(scope="module")
def owner(instance, clinician):
    with Client(instance.url, token=clinician.token, ca=instance.ca) as client:
        yield client


@pytest.fixture
def client(instance):
    """Makes clients that are closed at the end."""
    made = []

    def make(url: str = instance.url, **more) -> Client:
        made.append(Client(url, ca=instance.ca, **more))
        return made[-1]

    yield make
    for each in made:
        each.close()


def new_key(owner: Client, **more) -> dict:
    return owner.create_key({"name": data.word(), "scopes": SCOPES} | more)


def with_mrn(client: Client, mrn: str) -> list[dict]:
    return list(client.patients(mrn=mrn))


# ---- who asks -------------------------------------------------------------------


def test_a_session(instance, clinician):
    client = Client.log_in(instance.url, clinician.email, clinician.password, ca=instance.ca)
    with client:
        me = client.me()
        assert me["user"]["email"] == clinician.email
        assert me["session"]["mode"] == "bearer"
        client.log_out()
        with pytest.raises(Problem) as ended:
            client.me()
    assert (ended.value.status, ended.value.type) == (401, "unauthenticated")


def test_a_wrong_password(instance, clinician):
    with pytest.raises(Problem) as refused:
        Client.log_in(instance.url, clinician.email, "not the password", ca=instance.ca)
    assert refused.value.type == "bad-credentials"


def test_a_key_from_the_first_to_the_last_day(owner, client):
    made = new_key(owner)
    assert client(api_key=made["key"]).me()["key"]["id"] == made["id"]
    assert owner.change_key(made["id"], {"networks": ["127.0.0.1"]})["networks"] == ["127.0.0.1/32"]
    fresh = owner.rotate_key(made["id"], overlap_seconds=60)
    for text in (made["key"], fresh["key"]):
        assert client(api_key=text).me()["key"]["id"] == made["id"]
    assert owner.revoke_key(made["id"]) is None
    with pytest.raises(Problem) as refused:
        client(api_key=fresh["key"]).me()
    assert refused.value.type == "unauthenticated"


def hmac_signer(owner: Client) -> tuple[dict, Signer]:
    made = new_key(owner, must_sign=True, signature={"alg": "hmac-sha256"})
    return made, Signer(made["prefix"], Hmac(made["hmac_secret"]))


def ed25519_signer(owner: Client) -> tuple[dict, Signer]:
    mine = Ed25519PrivateKey.generate()
    public = base64.b64encode(mine.public_key().public_bytes_raw()).decode()
    pem = mine.private_bytes(ser.Encoding.PEM, ser.PrivateFormat.PKCS8, ser.NoEncryption())
    made = new_key(owner, must_sign=True, signature={"alg": "ed25519", "public_key": public})
    return made, Signer(made["prefix"], Ed25519(pem))


@pytest.mark.parametrize("signer", [hmac_signer, ed25519_signer])
def test_signed_requests(instance, owner, client, signer):
    made, signer = signer(owner)
    signing = client(signer=signer)
    assert signing.me()["key"]["id"] == made["id"]
    mrn = f"M {uuid.uuid4()} +&=%?"
    patient = signing.create_patient(data.patient(mrn=mrn))
    assert [p["id"] for p in with_mrn(signing, mrn)] == [patient["id"]]
    path = f"/v1/patients/{patient['id']}"
    assert signing.request("PATCH", path, {"notes": "é"})["notes"] == "é"
    with pytest.raises(Problem) as refused:
        client(api_key=made["key"]).me()
    assert refused.value.type == "signature-required"
    url = f"{instance.url}/v1/me"
    once = signer.headers("GET", url, b"")
    assert signing.http.get("/v1/me", headers=once).status_code == 200
    assert signing.http.get("/v1/me", headers=once).json()["type"] == "/problems/bad-signature"
    fields = {"idempotency-key": '"a"'}
    changed = fields | signer.headers("GET", url, b"", {"Idempotency-Key": '"b"'})
    reply = signing.http.get("/v1/me", headers=changed)
    assert reply.json()["type"] == "/problems/bad-signature"
    other = signer.headers("GET", f"{url}?x", b"")
    assert signing.http.get("/v1/me", headers=other).json()["type"] == "/problems/bad-signature"


def test_either_key_or_token(instance):
    with pytest.raises(ValueError, match="either"):
        Client(instance.url, api_key="a", token="b")


# ---- records ----------------------------------------------------------------------


def test_all_pages(instance, log_in, client):
    mine = client(token=log_in("clinician").token)
    made = [mine.create_patient(data.patient())["id"] for _ in range(5)]
    assert [p["id"] for p in mine.patients(limit=2)] == made[::-1]
    assert [p["id"] for p in mine.patients()] == made[::-1]


def test_a_prediction(owner):
    patient = owner.create_patient(data.patient(birth_date="1940-02-29"))
    assert owner.patient(patient["id"]) == patient
    seen = owner.observe(patient["id"], {"code": "creatinine", "value": 1.3})
    inputs = {k: v for k, v in data.FLCHAIN.items() if k != "creatinine"}
    made = owner.predict("flchain-mortality-5y", patient["id"], inputs)
    assert made["inputs"]["creatinine"] == seen["value"]
    assert made["sources"]["creatinine"] == "observation"
    assert 0 < made["probability"] < 1


# ---- what goes wrong ----------------------------------------------------------------


def test_a_problem_says_all(owner):
    with pytest.raises(Problem) as refused:
        owner.create_patient({"given_name": 7, "sex": "female", "family_name": "x"})
    p = refused.value
    assert (p.status, p.type, p.retry_after) == (422, "validation-failed", None)
    assert {e["pointer"] for e in p.errors} == {"/given_name", "/birth_date"}
    assert uuid.UUID(p.request_id)
    assert str(p).startswith("422 validation-failed: 2 mistakes")
    assert "/given_name: must be a string" in str(p)
    assert {p}, "exceptions are kept in sets"


def test_a_429_is_waited_out(owner, client):
    made = new_key(owner, limits={"read": 60})
    limited = client(api_key=made["key"])
    statuses = []
    limited.http.event_hooks["response"] = [lambda reply: statuses.append(reply.status_code)]
    start = time.monotonic()
    for _ in range(22):
        limited.me()
    assert statuses.count(200) == 22
    assert 429 in statuses
    assert time.monotonic() - start >= 1
    impatient = client(api_key=made["key"], attempts=1)
    with pytest.raises(Problem) as refused:
        [impatient.me() for _ in range(25)]
    assert refused.value.type == "rate-limited"
    assert refused.value.retry_after >= 1


def test_long_waits_are_the_callers(owner, client):
    """A page of a hundred rows costs two minutes of a limit of one."""
    limited = client(api_key=new_key(owner, limits={"read": 1})["key"])
    limited.request("GET", "/v1/patients", params={"limit": 100})
    start = time.monotonic()
    with pytest.raises(Problem) as refused:
        limited.me()
    assert refused.value.type == "rate-limited"
    assert refused.value.retry_after > 60
    assert time.monotonic() - start < 30


def test_an_unknown_ca_is_named(instance):
    with pytest.raises(NoAnswer) as silence:
        Client(instance.url, attempts=1).me()
    assert "CERTIFICATE_VERIFY_FAILED" in str(silence.value)
    assert silence.value.idempotency_key is None


@pytest.fixture
def through(instance, clinician, client):
    """A client whose connections go through a relay, and that relay."""
    with Relay(instance.address) as relay:
        made = client(f"https://localhost:{relay.port}", token=clinician.token)
        made.http.headers["host"] = "{}:{}".format(*instance.address)
        made.me()
        yield made, relay


def test_a_lost_reply_is_not_a_second_patient(owner, through):
    client, relay = through
    mrn = data.mrn()
    relay.lose_next_reply()
    patient = client.create_patient(data.patient(mrn=mrn))
    assert relay.lost == 1
    assert [p["id"] for p in with_mrn(owner, mrn)] == [patient["id"]]


def test_a_lost_key_is_shown_once_more(clinician, through):
    client, relay = through
    name = data.word()
    relay.lose_next_reply()
    made = client.create_key({"name": name, "scopes": ["self"]})
    assert relay.lost == 1
    every = clinician.get("/v1/api-keys", limit=100).json()["items"]
    assert [k["id"] for k in every if k["name"] == name] == [made["id"]]


def test_what_may_not_be_repeated_is_not(owner, through):
    client, relay = through
    body = data.patient()
    relay.lose_next_reply()
    with pytest.raises(NoAnswer) as silence:
        client.request("POST", "/v1/patients", body)
    assert relay.lost == 1
    assert silence.value.idempotency_key is None
    wait_until(lambda: len(with_mrn(owner, body["mrn"])) == 1, 5, "the one patient")


def test_through_a_restart(instance, clinician, client, owner):
    """Each patient is made exactly once while the server ends and starts."""
    tag, stop = data.word(), threading.Event()

    def work(number: int) -> list[str]:
        mine, made = client(token=clinician.token, attempts=12), []
        while not stop.is_set():
            mrn = f"{tag}-{number}-{len(made)}"
            mine.create_patient(data.patient(mrn=mrn))
            made.append(mrn)
        return made

    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(work, n) for n in range(2)]
        try:
            time.sleep(0.5)
            instance.restart()
            time.sleep(0.5)
        finally:
            stop.set()
        made = [mrn for each in running for mrn in each.result(START_SECONDS)]
    assert len(made) > 2
    assert all(len(with_mrn(owner, mrn)) == 1 for mrn in made[:20] + made[-20:])


def test_no_answer_and_then_one(instance, client, clinician, owner):
    body = data.patient()
    waiting = client(token=clinician.token, attempts=2)
    instance.stop()
    try:
        with pytest.raises(NoAnswer) as silence:
            waiting.create_patient(body)
    finally:
        instance.start()
    assert isinstance(silence.value.__cause__, httpx.ConnectError)
    key = silence.value.idempotency_key
    first, again = (waiting.create_patient(body, key) for _ in range(2))
    assert first == again
    assert len(with_mrn(owner, body["mrn"])) == 1
