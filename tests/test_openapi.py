"""/openapi.json: valid, complete, and true of what the server answers."""

import json
from datetime import timedelta

import jsonschema
import pytest
from lib import accounts, authenticator, data, totp
from lib.client import Api
from lib.mail import wait_mail
from lib.openapi import Contract
from lib.tables import observation_types, roles
from openapi_spec_validator import OpenAPIV31SpecValidator


@pytest.fixture(scope="module")
def contract(anonymous):
    reply = anonymous.get("/openapi.json")
    assert reply.status_code == 200
    assert reply.headers["content-type"].split(";")[0] == "application/json"
    return Contract(reply.json())


def test_the_document_is_valid(contract):
    assert contract.document["openapi"].startswith("3.1.")
    errors = [e.message for e in OpenAPIV31SpecValidator(contract.document).iter_errors()]
    assert not errors, errors[:5]


def test_operations_have_names_and_words(contract):
    operations = [operation for _, _, operation in contract.operations()]
    names = [operation["operationId"] for operation in operations]
    assert len(names) == len(set(names)) >= 19
    assert all(operation["summary"] for operation in operations)


def test_every_parameter_of_a_path_is_declared(contract):
    for _, template, operation in contract.operations():
        item = contract.document["paths"][template]
        parameters = map(
            contract.resolve, item.get("parameters", []) + operation.get("parameters", [])
        )
        declared = {p["name"] for p in parameters if p["in"] == "path"}
        assert declared == {p[1:-1] for p in template.split("/") if p.startswith("{")}


def header_parameters(operation: dict) -> set[str]:
    return {p["name"] for p in operation.get("parameters", []) if p["in"] == "header"}


CONDITIONAL = {
    ("PATCH", "/v1/api-keys/{key_id}"),
    ("PATCH", "/v1/patients/{patient_id}"),
    ("POST", "/v1/network-rules"),
    ("PATCH", "/v1/api-keys/{key_id}"),
    ("PATCH", "/v1/network-rules/{rule_id}"),
    ("DELETE", "/v1/network-rules/{rule_id}"),
    ("PATCH", "/v1/users/{user_id}"),
    ("DELETE", "/v1/users/{user_id}"),
}

# The session goes on under a new token, which nobody is to be told twice.
NOT_REPEATED = {"createPasskey"}


def test_headers_of_requests_are_declared(contract):
    for method, template, operation in contract.operations():
        wanted = set()
        if {"cookie": []} in operation.get("security", []) and method != "GET":
            wanted.add("X-CSRF-Token")
        makes = operation["x-audit-action"].endswith((".create", ".rotate"))
        if method == "POST" and makes and operation["operationId"] not in NOT_REPEATED:
            wanted.add("Idempotency-Key")
        if (method, template) in CONDITIONAL:
            wanted.add("If-Match")
        assert header_parameters(operation) == wanted, (method, template)


@pytest.mark.parametrize("status", [429, 503])
def test_waiting_times_are_declared(contract, status):
    response = contract.document["components"]["responses"][f"Problem{status}"]
    assert "Retry-After" in response["headers"]


def test_operations_need_a_session_unless_public(contract):
    public = {
        "/", "/v1/auth/login", "/health/live", "/health/ready", "/metrics", "/openapi.json",
        "/v1/auth/invitation", "/v1/auth/password-reset", "/v1/auth/password-reset/confirm",
        "/v1/auth/providers", "/v1/auth/oidc/start", "/v1/auth/oidc/callback",
        "/v1/auth/oidc/callback/{callback_id}", "/v1/auth/oidc/backchannel",
        "/v1/auth/passkey", "/v1/auth/passkey/options",
    }  # fmt: skip
    everywhere = contract.document.get("security", [])
    for _, template, operation in contract.operations():
        needs = [s for s in operation.get("security", everywhere) if s]
        assert bool(needs) == (template not in public), template


def test_refusals_are_declared(contract):
    for method, template, operation in contract.operations():
        if not template.startswith("/v1/"):
            continue
        for status in (400, 401, 403, 404, 429, 503):
            if template == "/v1/auth/login" and status in (403, 404):
                continue
            response = contract.response(operation, status)
            assert "application/problem+json" in response["content"], (method, template, status)


def test_codes_are_named_with_their_units_and_ranges(contract):
    text = str(contract.document)
    for kind in observation_types().values():
        assert kind.code in text
        assert kind.unit in text


def test_scopes_are_named(contract):
    text = str(contract.document)
    assert not [scope for scopes in roles().values() for scope in scopes if scope not in text]


@pytest.fixture(scope="module")
def replies(anonymous, admin, clinician, auditor, log_in, patient, new_user):
    """One success of every operation, and some refusals, by method and path."""
    made = []

    def keep(reply):
        made.append(reply)
        return reply

    one = keep(clinician.post("/v1/patients", data.patient())).json()["id"]
    path = f"/v1/patients/{one}"
    keep(clinician.get(path))
    keep(clinician.patch(path, {"notes": None}))
    keep(clinician.post("/v1/patients", data.patient()))
    keep(clinician.get("/v1/patients", limit=1))
    body = {"code": "creatinine", "value": 1.1, "note": None}
    observation = keep(clinician.post(f"{path}/observations", body)).json()["id"]
    keep(clinician.get(f"{path}/observations"))
    keep(clinician.get(f"{path}/observations/{observation}"))
    keep(clinician.get("/v1/models"))
    inputs = data.FLCHAIN | {"creatinine": None}
    sent = {"patient_id": one, "model": "flchain-mortality-5y", "inputs": inputs}
    prediction = keep(clinician.post("/v1/predictions", sent)).json()
    keep(clinician.get(f"/v1/predictions/{prediction['id']}"))
    keep(auditor.get("/v1/audit/events", limit=20))
    keep(auditor.get(f"/v1/audit/events/{prediction['audit_event_id']}"))
    rule = {"action": "deny", "network": "198.51.100.0/24", "note": "as an example"}
    made_rule = keep(admin.post("/v1/network-rules", {"rules": [rule]})).json()["items"][0]
    keep(auditor.get("/v1/network-rules", limit=5))
    keep(auditor.post("/v1/network-rules/check", {"address": "198.51.100.7"}))
    rule_path = f"/v1/network-rules/{made_rule['id']}"
    keep(auditor.get(rule_path))
    keep(admin.patch(rule_path, {"note": None}))
    keep(admin.http.delete(rule_path))
    signing = {"alg": "hmac-sha256"}
    sent = {"name": "a key", "scopes": ["self"], "signature": signing, "limits": {"read": 9}}
    key = keep(clinician.post("/v1/api-keys", sent | {"networks": ["10.0.0.0/8"]})).json()
    key_path = f"/v1/api-keys/{key['id']}"
    keep(clinician.get("/v1/api-keys", limit=5))
    keep(clinician.get(key_path))
    keep(clinician.patch(key_path, {"expires_at": data.instant(timedelta(days=1))}))
    keep(clinician.post(f"{key_path}/rotate", {"overlap_seconds": 60}))
    keep(clinician.http.delete(key_path))
    keep(clinician.get(key_path))
    keep(admin.get(f"{path}/care", history="true"))
    helper = log_in("clinician")
    keep(clinician.post(f"{path}/care", {"user_id": helper.user["id"], "reason": "on_call"}))
    keep(clinician.http.delete(f"{path}/care/{helper.user['id']}"))
    emergency = {"patient_id": one, "reason": data.REASON}
    grant = keep(helper.post("/v1/break-glass", emergency)).json()["id"]
    keep(helper.post("/v1/break-glass", emergency))
    keep(auditor.get("/v1/break-glass", state="open"))
    keep(auditor.get(f"/v1/break-glass/{grant}"))
    keep(helper.http.delete(f"/v1/break-glass/{grant}"))
    keep(auditor.post(f"/v1/break-glass/{grant}/review", {"verdict": "justified", "note": "x"}))
    keep(auditor.get(f"{path}/accesses"))
    for mode in ("bearer", "cookie"):
        who = new_user("service")
        login = {"email": who.email, "password": who.password, "mode": mode}
        keep(who.post("/v1/auth/login", login))
    visitor = log_in("service")
    again = Api(visitor.instance).login(visitor.email, visitor.password)
    keep(visitor.get("/v1/me/sessions"))
    keep(visitor.http.delete(f"/v1/me/sessions/{again.reply['session_id']}"))
    keep(visitor.http.delete("/v1/me/sessions"))
    keep(admin.get(f"/v1/users/{visitor.user['id']}/sessions"))
    keep(admin.http.delete(f"/v1/users/{visitor.user['id']}/sessions"))
    again.close()
    keep(anonymous.get("/v1/auth/providers"))
    keep(clinician.get("/v1/me/identities"))
    keep(log_in("service").post("/v1/auth/oidc/logout"))
    leaver = log_in("service")
    keep(leaver.get("/v1/me"))
    change = {"current_password": leaver.password, "new_password": data.password()}
    changed = keep(leaver.post("/v1/auth/password", change))
    leaver.adopt(changed)
    keep(leaver.post("/v1/auth/logout"))
    keep(admin.post(f"/v1/users/{leaver.user['id']}/unlock"))
    totp.one_of_each(keep, log_in, admin)
    authenticator.one_of_each(keep, log_in("clinician"), anonymous)
    live_an_account(keep, admin, anonymous)
    for public in ("/", "/health/live", "/health/ready", "/metrics", "/openapi.json"):
        keep(anonymous.get(public))
    for refused in (
        anonymous.get("/v1/me"),
        auditor.get("/v1/patients"),
        clinician.post("/v1/patients", {}),
        clinician.raw("POST", "/v1/patients", b"{"),
        clinician.raw("POST", "/v1/patients", b"{}", content_type="text/plain"),
        clinician.get(f"/v1/patients/{data.uuid7()}"),
        clinician.patch(path, {}, **{"if-match": '"99"'}),
        clinician.post("/v1/predictions", {**sent, "inputs": {}}),
        clinician.get("/v1/patients", limit="x"),
        clinician.http.get("/v1/me", headers={"accept": "text/html"}),
    ):
        keep(refused)
    keep(admin.post("/v1/sessions/end", {"confirm": "all-users"}))  # the last one
    return made


def live_an_account(keep, admin, anonymous) -> None:
    """From the invitation to the end, with a password forgotten in between."""
    made = keep(admin.post("/v1/users", accounts.account())).json()
    keep(admin.get("/v1/users", limit=2))
    # Two on their way at once may come in any order.
    wait_mail(admin.instance, made["email"], accounts.INVITED)
    keep(admin.post(accounts.path(made, "/invite")))
    token = wait_mail(admin.instance, made["email"], accounts.INVITED, after=1).token
    accepted = {"token": token, "password": data.password()}
    keep(anonymous.post(accounts.INVITE, accepted))
    keep(anonymous.post(accounts.INVITE, accepted))
    keep(anonymous.post(accounts.ASK, {"email": data.email()}))
    keep(admin.post(accounts.path(made, "/password-reset")))
    token = wait_mail(admin.instance, made["email"], accounts.FORGOTTEN).token
    keep(anonymous.post(accounts.CONFIRM, {"token": token, "password": data.password()}))
    keep(admin.patch(accounts.path(made), {"scopes": ["self"]}))
    keep(admin.get(accounts.path(made)))
    keep(admin.http.delete(accounts.path(made)))
    keep(admin.get("/v1/users", status="deleted"))
    keep(admin.patch("/v1/me", {"name": data.word()}))


# Need an OpenID Connect provider: test_oidc_hostile.py has them.
WITH_A_PROVIDER = {
    "startOidcLogin", "finishOidcLogin", "finishOidcLoginApart", "linkIdentity", "unlinkIdentity",
    "backchannelLogout",
}  # fmt: skip


def test_every_operation_succeeds_as_declared(contract, replies):
    done = {
        contract.operation(r.request.method, r.request.url.path)["operationId"]
        for r in replies
        if r.status_code < 300
    }
    every = {operation["operationId"] for _, _, operation in contract.operations()}
    assert done == every - WITH_A_PROVIDER


def test_every_reply_fits_its_schema(contract, replies):
    for reply in replies:
        contract.check(reply)


HEADERS = {
    "x-request-id", "ratelimit", "ratelimit-policy", "location", "etag", "link", "retry-after",
    "allow", "www-authenticate", "accept-post", "accept-patch",
}  # fmt: skip


def test_headers_of_replies_are_declared(contract, replies):
    """All that are sent are declared; of a success all that are declared are sent."""
    seen = set()
    for reply in replies:
        operation = contract.operation(reply.request.method, reply.request.url.path)
        response = contract.response(operation, reply.status_code)
        declared = {name.lower() for name in response.get("headers", {})}
        sent = {name.lower() for name in reply.headers} & HEADERS
        assert sent <= declared, (operation["operationId"], reply.status_code)
        if reply.status_code < 300:
            assert declared - sent <= {"link"}, operation["operationId"]
        seen |= sent
    assert seen >= HEADERS - {"retry-after", "allow", "accept-patch"}


def test_the_schemas_can_be_broken(contract, replies):
    """A schema that accepts anything would make the test above worthless."""
    for reply in replies:
        path = reply.request.url.path
        operation = contract.operation(reply.request.method, path)
        content = contract.response(operation, reply.status_code).get("content", {})
        if reply.status_code >= 300 or not path.startswith("/v1/") or not content:
            continue
        schema = content["application/json"]["schema"]
        with pytest.raises(jsonschema.ValidationError):
            contract.validate(schema, {})


def test_bodies_that_are_sent_fit_their_schema(contract, replies):
    for reply in replies:
        operation = contract.operation(reply.request.method, reply.request.url.path)
        if not 200 <= reply.status_code < 300 or not reply.request.content:
            continue
        content = contract.resolve(operation["requestBody"])["content"]
        contract.validate(content["application/json"]["schema"], reply_body(reply))


def reply_body(reply):
    return json.loads(reply.request.content)
