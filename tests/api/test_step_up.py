"""Dangerous operations want a fresh proof of who it is (RFC 9470).

The server runs with proofs that are fresh for a few seconds only.
"""

import re
import sys
import time

import pytest
from lib import authenticator, data
from lib.client import Api
from lib.db import audit_row
from lib.problem import problem
from lib.tables import ROOT, rows
from lib.totp import SECOND_FACTOR, adopt, enrol, forget_steps, log_in, show

sys.path.insert(0, str(ROOT / "clients/python"))

import eleusis_client

pytestmark = pytest.mark.restarts

FRESH = 4
NOWHERE = "01890000-0000-7000-8000-000000000000"
KEY = {"name": "a test's", "scopes": ["patients:read"]}
# What must be among them, whatever else is; revoking a key is not.
DANGEROUS = {
    "createApiKey", "updateApiKey", "rotateApiKey", "createNetworkRules", "updateNetworkRule",
    "deleteNetworkRule", "beginTotp", "removeTotp", "makeRecoveryCodes", "resetFactors",
    "endMyOtherSessions", "endMySession", "endUserSessions", "endAllSessions",
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def server(instance):
    instance.restart(ELEUSIS_STEP_UP_S=str(FRESH))
    yield instance
    instance.restart()


def stale() -> None:
    time.sleep(FRESH + 0.3)


@pytest.fixture(scope="module")
def old(server, new_user):
    """Users whose log-in was some time ago: an admin and a clinician without a second
    factor, and a clinician with one, whose app is `app`."""
    made = {name: new_user(role) for name, role in
            (("admin", "admin"), ("plain", "clinician"), ("strong", "clinician"))}  # fmt: skip
    for api in made.values():
        api.login(api.email, api.password)
    made["strong"].app = enrol(made["strong"])
    assert made["strong"].reply["step_up_until"] is not None
    reply = made["plain"].post("/v1/api-keys", KEY)
    assert reply.status_code == 201, "a log-in is a proof"
    stale()
    return made


@pytest.fixture
def log_in_as(new_user):
    def make(role: str) -> Api:
        api = new_user(role)
        return api.login(api.email, api.password)

    return make


def refused(reply) -> dict:
    document = problem(reply, "step-up-required")
    challenge = reply.headers["www-authenticate"]
    assert challenge.startswith('Bearer error="insufficient_user_authentication"')
    assert f'max_age="{FRESH}"' in challenge
    return document


def dangerous() -> dict[str, tuple[str, str]]:
    """Operation: method and path."""
    found = {}
    for method, path, _, name, *rest in rows("app/tbl/endpoints.def", "ENDPOINT"):
        if "EP_STEP_UP" in rest[-2]:
            found[name] = (method, re.sub(r"\{\w+\}", NOWHERE, path))
    return found


def test_what_is_dangerous():
    found = set(dangerous())
    assert found >= DANGEROUS
    assert "revokeApiKey" not in found


def test_an_old_proof_is_not_enough(instance, old):
    """For each of them, whoever has the scope; the refusal is in the audit log."""
    tried = 0
    for name, (method, path) in dangerous().items():
        for api in (old["admin"], old["plain"]):
            reply = api.http.request(method, path, json={} if method in ("POST", "PATCH") else None)
            if reply.status_code == 403:
                continue  # another role's
            assert "second-factor" in refused(reply)["detail"], name
            tried += 1
    assert tried >= len(DANGEROUS)
    reply = old["admin"].post("/v1/api-keys", KEY)
    refused(reply)
    row = audit_row(instance, reply, "api_key.create", "denied")
    assert row["detail"]["problem"] == "step-up-required"


def test_everything_else_goes_on(old):
    api = old["plain"]
    assert api.get("/v1/patients").status_code == 200
    assert api.post("/v1/patients", data.patient()).status_code == 201
    key = api.get("/v1/api-keys").json()["items"][0]
    assert api.http.delete(f"/v1/api-keys/{key['id']}").status_code == 204


def test_the_password_renews_it_for_who_has_no_more(instance, old):
    api = old["plain"]
    before = api.token
    reply = show(api, password=data.password())
    problem(reply, "bad-credentials")
    audit_row(instance, reply, "auth.second_factor", "denied")
    refused(api.post("/v1/api-keys", KEY))
    reply = show(api, password=api.password)
    assert audit_row(instance, reply, "auth.second_factor")["detail"]["factor"] == "password"
    session = api.reply["session_id"]
    document = adopt(api, reply)
    assert document["session_id"] == session, "the session is the same"
    assert (document["stage"], document["amr"]) == ("full", ["pwd"])
    with Api(instance, before) as gone:
        problem(gone.get("/v1/me"), "unauthenticated")
    assert api.post("/v1/api-keys", KEY).status_code == 201
    assert api.get("/v1/me").json()["user"] == document["user"]


def test_the_second_factor_renews_it_for_who_has_one(instance, old):
    api, app = old["strong"], old["strong"].app
    refused(api.post("/v1/me/recovery-codes"))
    problem(show(api, password=api.password), "conflict")
    refused(api.post("/v1/me/recovery-codes"))
    forget_steps(instance, api.user["id"])
    problem(show(api, code=app.wrong()), "bad-credentials")
    adopt(api, show(api, code=app.code()))
    assert api.post("/v1/me/recovery-codes").status_code == 200


def test_a_passkey_renews_it(instance, log_in_as):
    api, key = log_in_as("clinician"), authenticator.Passkey()
    options = authenticator.ask(lambda reply: reply, api, authenticator.MINE)
    made = {"name": "a key", "credential": key.create(options, instance.url)}
    authenticator.adopt(api, api.post(authenticator.MINE, made))
    assert api.post("/v1/api-keys", KEY).status_code == 201, "setting it up is a proof"
    stale()
    document = refused(api.post("/v1/api-keys", KEY))
    assert authenticator.VERIFY in document["detail"]
    options = authenticator.ask(lambda reply: reply, api, authenticator.VERIFY)
    proof = {"credential": key.get(options, instance.url)}
    authenticator.adopt(api, api.post(authenticator.VERIFY, proof))
    assert api.post("/v1/api-keys", KEY).status_code == 201


def test_half_a_log_in_is_no_proof(instance, old):
    strong = old["strong"]
    half = Api(instance).login(strong.email, strong.password)
    assert half.reply["step_up_until"] is None
    problem(half.post("/v1/api-keys", KEY), "second-factor-required")
    with log_in(instance, strong, strong.app) as other:
        assert other.reply["step_up_until"] is not None
        assert other.post("/v1/api-keys", KEY).status_code == 201


def test_the_client_says_so(instance, old):
    plain = old["plain"]
    with eleusis_client.Client(instance.url, token=plain.token, ca=instance.ca) as client:
        stale()
        with pytest.raises(eleusis_client.StepUpRequired) as caught:
            client.create_key(KEY)
        assert caught.value.max_age == FRESH
        assert isinstance(caught.value, eleusis_client.Problem)
        client.step_up(password=plain.password)
        assert client.create_key(KEY)["key"].startswith("elk_")
        assert SECOND_FACTOR in caught.value.detail
    strong = old["strong"]
    forget_steps(instance, strong.user["id"])
    client = eleusis_client.Client.log_in(
        instance.url, strong.email, strong.password, code=strong.app.code(), ca=instance.ca
    )
    with client:
        assert client.me()["user"]["email"] == strong.email
        assert client.create_key(KEY)["key"].startswith("elk_")
