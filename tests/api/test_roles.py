"""Roles and scopes: every endpoint with every role, and with none."""

import uuid

import pytest
from lib import data
from lib.db import audit_of, connect
from lib.problem import problem
from lib.tables import roles

ROLES = ["admin", "clinician", "auditor", "service"]
NOWHERE = str(uuid.UUID("01890000-0000-7000-8000-000000000000"))

# operation: (method, path, scope, audited action or "-", status with the scope on
# the clinician's own data, status for a role that has the scope but not the patient)
OPERATIONS = {
    "me": ("GET", "/v1/me", "self", "-", 200, 200),
    "password": ("POST", "/v1/auth/password", "self", "auth.password", 422, 422),
    "patient create": ("POST", "/v1/patients", "patients:write", "patient.create", 422, 422),
    "patient list": ("GET", "/v1/patients", "patients:read", "patient.list", 200, 200),
    "patient read": ("GET", "/v1/patients/{patient}", "patients:read", "patient.read", 200, 404),
    "patient update": (
        "PATCH", "/v1/patients/{patient}", "patients:write", "patient.update", 422, 422,
    ),
    "observation create": (
        "POST", "/v1/patients/{patient}/observations",
        "patients:write", "observation.create", 422, 422,
    ),
    "observation list": (
        "GET", "/v1/patients/{patient}/observations",
        "patients:read", "observation.list", 200, 404,
    ),
    "observation read": (
        "GET", "/v1/patients/{patient}/observations/{observation}",
        "patients:read", "observation.read", 200, 404,
    ),
    "model list": ("GET", "/v1/models", "models:read", "-", 200, 200),
    "prediction create": (
        "POST", "/v1/predictions", "predictions:write", "prediction.create", 422, 422,
    ),
    "prediction read": (
        "GET", "/v1/predictions/{prediction}", "predictions:read", "prediction.read", 200, 404,
    ),
    "user unlock": ("POST", "/v1/users/{user}/unlock", "users:unlock", "user.unlock", 400, 400),
    "audit list": ("GET", "/v1/audit/events", "audit:read", "audit.list", 200, 200),
    "audit read": ("GET", "/v1/audit/events/{event}", "audit:read", "audit.read", 200, 200),
    "key list": ("GET", "/v1/api-keys", "keys:write", "api_key.list", 200, 200),
    "key create": ("POST", "/v1/api-keys", "keys:write", "api_key.create", 422, 422),
    "key read": ("GET", "/v1/api-keys/{key}", "keys:write", "api_key.read", 404, 404),
    "key update": ("PATCH", "/v1/api-keys/{key}", "keys:write", "api_key.update", 422, 422),
    "key rotate": (
        "POST", "/v1/api-keys/{key}/rotate", "keys:write", "api_key.rotate", 404, 404,
    ),
    "key revoke": ("DELETE", "/v1/api-keys/{key}", "keys:write", "api_key.revoke", 404, 404),
    "rule list": ("GET", "/v1/network-rules", "network:read", "-", 200, 200),
    "rule read": ("GET", "/v1/network-rules/{rule}", "network:read", "-", 404, 404),
    "rule check": ("POST", "/v1/network-rules/check", "network:read", "-", 422, 422),
    "rule create": ("POST", "/v1/network-rules", "network:write", "network.create", 422, 422),
    "rule update": (
        "PATCH", "/v1/network-rules/{rule}", "network:write", "network.update", 422, 422,
    ),
    "rule delete": (
        "DELETE", "/v1/network-rules/{rule}", "network:write", "network.delete", 404, 404,
    ),
}  # fmt: skip

PUBLIC = {
    ("POST", "/v1/auth/login"),
    ("GET", "/"),
    ("GET", "/health/live"),
    ("GET", "/health/ready"),
    ("GET", "/metrics"),
    ("GET", "/openapi.json"),
}
# Its success ends the session: tested in test_login.py.
LOGOUT = ("POST", "/v1/auth/logout")


@pytest.fixture(scope="module")
def users(admin, clinician, auditor, service):
    return dict(zip(ROLES, (admin, clinician, auditor, service), strict=True))


@pytest.fixture(scope="module")
def things(clinician, patient):
    """Ids of things that exist, in the clinician's care."""
    mine = patient()["id"]
    observation = clinician.made(
        f"/v1/patients/{mine}/observations", {"code": "creatinine", "value": 1.1}
    )
    prediction = clinician.made(
        "/v1/predictions",
        {"patient_id": mine, "model": "flchain-mortality-5y", "inputs": data.FLCHAIN},
    )
    return {
        "patient": mine,
        "observation": observation["id"],
        "prediction": prediction["id"],
        "event": prediction["audit_event_id"],
        "user": clinician.user["id"],
        "rule": NOWHERE,
        "key": NOWHERE,
    }


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("name", OPERATIONS)
def test_a_role_may_do_what_its_scopes_say(instance, users, things, name, role):
    method, path, scope, action, own, foreign = OPERATIONS[name]
    # An empty object is a mistake everywhere but in a merge patch.
    body = {"given_name": 1} if method == "PATCH" else {}
    sent = {} if method in ("GET", "DELETE") else {"json": body}
    reply = users[role].http.request(method, path.format(**things), **sent)
    if scope in roles()[role]:
        assert reply.status_code == (own if role == "clinician" else foreign), reply.text
        return
    problem(reply, "forbidden", set())
    if action != "-":
        rows = audit_of(instance, reply)
        assert [(r["action"], r["outcome"]) for r in rows] == [(action, "denied")]
        assert str(rows[0]["actor_id"]) == users[role].user["id"]


@pytest.mark.parametrize("name", OPERATIONS)
def test_without_a_session_nothing_opens(anonymous, things, name):
    method, path, *_ = OPERATIONS[name]
    sent = {} if method in ("GET", "DELETE") else {"json": {}}
    problem(anonymous.http.request(method, path.format(**things), **sent), "unauthenticated", set())


def test_forbidden_comes_before_the_object_is_looked_for(users):
    """An auditor cannot tell which patients exist."""
    for path in (f"/v1/patients/{NOWHERE}", f"/v1/predictions/{NOWHERE}"):
        problem(users["auditor"].get(path), "forbidden")


def test_the_table_above_names_every_operation(anonymous):
    """A new endpoint needs its row here."""
    paths = anonymous.get("/openapi.json").json()["paths"]
    served = {
        (method.upper(), blank(path))
        for path, item in paths.items()
        for method in item
        if method in ("get", "post", "put", "patch", "delete")
    }
    tested = {(method, blank(path)) for method, path, *_ in OPERATIONS.values()}
    assert served == tested | PUBLIC | {LOGOUT}


def blank(path: str) -> str:
    """The path without its parameters' names."""
    return "/".join("{}" if part.startswith("{") else part for part in path.split("/"))


def test_a_disabled_user_is_shut_out_of_her_patients(instance, log_in):
    who = log_in("clinician")
    made = who.made("/v1/patients", data.patient())
    with connect(instance) as db:
        db.execute("UPDATE eleusis.app_user SET disabled = true WHERE id = %s", [who.user["id"]])
    reply = who.get(f"/v1/patients/{made['id']}")
    assert reply.status_code in (401, 403, 404)
    body = {"email": who.email, "password": who.password}
    problem(who.http.post("/v1/auth/login", json=body), "bad-credentials")
