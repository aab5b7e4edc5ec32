"""API keys from the first to the last day: made, used, changed, rotated, revoked."""

import base64
import re
import secrets
import threading
from datetime import datetime, timedelta

import pytest
import redis
from lib import data
from lib.accounts import joined
from lib.client import Api, fresh_replies
from lib.db import audit_of, audit_row, connect, database_bytes, redis_bytes
from lib.mail import mails, wait_mail
from lib.problem import field_code, problem, without_identity
from lib.process import wait_until
from lib.tables import roles

KEY = re.compile(r"elk_[0-9a-hjkmnp-tv-z]{16}_[A-Za-z0-9_-]{43}")
PUBLIC_KEY = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="  # RFC 8032, 7.1, test 1
NOWHERE = "01890000-0000-7000-8000-000000000000"
NEVER = {
    "keys:write", "keys:admin", "network:write", "users:unlock", "users:write",
    "sessions:admin", "break_glass:use", "break_glass:review",
}  # fmt: skip
LIMIT = 100
CHANGED = "was changed"
MEMBERS = {
    "id", "user_id", "created_by", "prefix", "name", "scopes", "status", "expires_at", "networks",
    "limits", "must_sign", "signature", "former_secret_until", "version", "created_at",
    "updated_at", "rotated_at", "revoked_at", "last_used",
}  # fmt: skip


def body(**changes) -> dict:
    return {"name": data.word(), "scopes": ["self", "patients:read"]} | changes


def made(by: Api, **changes) -> dict:
    return by.made("/v1/api-keys", body(**changes))


def path(key: dict, more: str = "") -> str:
    return f"/v1/api-keys/{key['id']}{more}"


def using(instance, text: str, source: str | None = None) -> Api:
    return Api(instance, text, source)


def rotated(by: Api, key: dict, **body) -> dict:
    reply = by.post(path(key, "/rotate"), body)
    assert reply.status_code == 200, reply.text
    return reply.json()


def refused(instance, text: str, source: str | None = None) -> dict:
    """The one answer to whatever is wrong with a key."""
    with using(instance, text, source) as api:
        return without_identity(problem(api.get("/v1/me"), "unauthenticated"))


def accepted(instance, text: str) -> None:
    with using(instance, text) as api:
        reply = api.get("/v1/me")
    assert reply.status_code == 200, reply.text


@pytest.fixture(scope="module")
def other(other_clinician):
    return other_clinician


# ---- making -------------------------------------------------------------------


def test_a_key_is_made_and_shown_once(instance, clinician):
    sent = body()
    reply = clinician.post("/v1/api-keys", sent)
    assert reply.status_code == 201
    key = reply.json()
    assert set(key) == MEMBERS | {"key", "hmac_secret"}
    assert KEY.fullmatch(key["key"])
    assert key["key"].startswith(key["prefix"] + "_")
    assert reply.headers["location"] == path(key)
    assert reply.headers["etag"] == '"1"'
    assert reply.headers["cache-control"] == "no-store"
    assert key["name"] == sent["name"]
    assert set(key["scopes"]) == set(sent["scopes"])
    assert key["user_id"] == key["created_by"] == clinician.user["id"]
    assert key["status"] == "active"
    assert key["limits"] == {"read": None, "write": None, "predict": None, "export": None}
    assert key["networks"] == []
    for name in ("expires_at", "signature", "hmac_secret", "former_secret_until", "rotated_at",
                 "revoked_at", "last_used"):  # fmt: skip
        assert key[name] is None, name
    shown = clinician.get(path(key)).json()
    assert shown == {k: key[k] for k in MEMBERS}
    row = audit_row(instance, reply, "api_key.create")
    assert (row["object_type"], str(row["object_id"])) == ("api_key", key["id"])
    assert row["detail"]["user"] == clinician.user["id"]
    assert set(row["detail"]["scopes"].split()) == set(sent["scopes"])


def test_all_that_can_be_said_of_a_key(clinician):
    sent = body(
        expires_at=data.instant(timedelta(days=30)),
        networks=["10.0.0.0/8", "2001:db8::/32", "192.0.2.7"],
        limits={"read": 10, "predict": 5},
        signature={"alg": "ed25519", "public_key": PUBLIC_KEY},
        must_sign=True,
    )
    key = made(clinician, **sent)
    assert key["networks"] == ["10.0.0.0/8", "2001:db8::/32", "192.0.2.7/32"]
    assert key["limits"] == {"read": 10, "write": None, "predict": 5, "export": None}
    assert key["signature"] == {"alg": "ed25519", "public_key": PUBLIC_KEY}
    assert key["hmac_secret"] is None
    assert key["must_sign"] is True
    assert datetime.fromisoformat(key["expires_at"]) == datetime.fromisoformat(sent["expires_at"])
    assert clinician.get(path(key)).json() == {k: key[k] for k in MEMBERS}


def test_an_hmac_secret_is_made_here(clinician):
    key = made(clinician, signature={"alg": "hmac-sha256"})
    assert len(base64.b64decode(key["hmac_secret"], validate=True)) == 32
    assert key["signature"] == {"alg": "hmac-sha256", "public_key": None}
    assert "hmac_secret" not in clinician.get(path(key)).json()
    assert key["hmac_secret"] != made(clinician, signature={"alg": "hmac-sha256"})["hmac_secret"]


@pytest.mark.parametrize(
    ("wrong", "pointer", "code"),
    [
        ({"name": ""}, "/name", "min_length"),
        ({"name": "x" * 101}, "/name", "max_length"),
        ({"name": "two\nlines"}, "/name", "format"),
        ({"scopes": []}, "/scopes", "min_length"),
        ({"scopes": ["self", "patients:fly"]}, "/scopes/1", "enum"),
        ({"scopes": ["self", "patients:read", "audit:read"]}, "/scopes/2", "not_allowed"),
        ({"scopes": ["keys:write"]}, "/scopes/0", "not_allowed"),
        ({"scopes": ["self", "self"]}, "/scopes/1", "duplicate"),
        ({"scopes": [7]}, "/scopes/0", "type"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "/expires_at", "min"),
        ({"expires_at": "tomorrow"}, "/expires_at", "format"),
        ({"networks": ["10.0.0.1/8"]}, "/networks/0", "format"),
        ({"networks": ["10.0.0.0/8", "example.org"]}, "/networks/1", "format"),
        ({"networks": ["10.0.0.0/8"] * 33}, "/networks", "max_length"),
        ({"limits": {"read": 0}}, "/limits/read", "min"),
        ({"limits": {"fly": 1}}, "/limits/fly", "unknown"),
        ({"must_sign": True}, "/must_sign", "conflict"),
        ({"signature": {"alg": "rsa"}}, "/signature/alg", "enum"),
        ({"signature": {"alg": "ed25519"}}, "/signature/public_key", "required"),
        (
            {"signature": {"alg": "ed25519", "public_key": "A" * 43 + "="}},
            "/signature/public_key", "format",
        ),
        (
            {"signature": {"alg": "hmac-sha256", "public_key": PUBLIC_KEY}},
            "/signature/public_key", "unknown",
        ),
        ({"user_id": "me"}, "/user_id", "format"),
        ({"key": "mine"}, "/key", "unknown"),
    ],
)  # fmt: skip
def test_mistakes_are_named(clinician, wrong, pointer, code):
    document = problem(
        clinician.post("/v1/api-keys", body(**wrong)), "validation-failed", {pointer}
    )
    assert field_code(document, pointer) == code


def test_all_mistakes_at_once(clinician):
    reply = clinician.post(
        "/v1/api-keys",
        body(
            scopes=["a", "audit:read"],
            networks=["x", "y"],
            must_sign=True,
            limits={"read": 1_000_000_000},
        ),
    )
    problem(
        reply, "validation-failed",
        {"/scopes/0", "/scopes/1", "/networks/0", "/networks/1", "/must_sign", "/limits/read"},
    )  # fmt: skip


def test_only_admins_go_beyond_the_settings_limits(admin, clinician):
    wanted = {"limits": {"read": 1_000_000_000}, "scopes": ["self"]}
    assert made(admin, **wanted)["limits"]["read"] == 1_000_000_000
    document = problem(
        clinician.post("/v1/api-keys", body(**wanted)), "validation-failed", {"/limits/read"}
    )
    assert field_code(document, "/limits/read") == "max"


@pytest.mark.parametrize("role", ["admin", "clinician", "auditor", "service"])
def test_scopes_are_within_the_owners_role(admin, log_in, role):
    owner = log_in(role)
    has = set(owner.user["scopes"])
    assert has == set(roles()[role])
    every = {scope for scopes in roles().values() for scope in scopes}
    for scope in sorted(every):
        reply = admin.post("/v1/api-keys", body(user_id=owner.user["id"], scopes=[scope]))
        if scope in has - NEVER:
            assert reply.status_code == 201, scope
            assert reply.json()["scopes"] == [scope]
        else:
            document = problem(reply, "validation-failed", {"/scopes/0"})
            assert field_code(document, "/scopes/0") == "not_allowed"


def test_who_may_make_keys_for_whom(instance, admin, clinician, other, service, anonymous):
    key = made(admin, user_id=service.user["id"])
    assert (key["user_id"], key["created_by"]) == (service.user["id"], admin.user["id"])
    reply = clinician.post("/v1/api-keys", body(user_id=other.user["id"]))
    problem(reply, "forbidden")
    audit_row(instance, reply, "api_key.create", "denied")
    assert made(clinician, user_id=clinician.user["id"])["user_id"] == clinician.user["id"]
    problem(service.post("/v1/api-keys", body()), "forbidden")
    problem(anonymous.post("/v1/api-keys", body()), "unauthenticated")
    for nobody in (NOWHERE, str(data.uuid7())):
        document = problem(
            admin.post("/v1/api-keys", body(user_id=nobody)), "validation-failed", {"/user_id"}
        )
        assert field_code(document, "/user_id") == "unknown"


def test_an_admin_with_less_makes_no_keys_of_one_with_more(instance, admin):
    """Else she would act with the other one's scopes."""
    narrow = ["self", "keys:write", "keys:admin"]
    with joined(admin, role="admin", scopes=narrow) as less, joined(admin, role="admin") as more:
        key = made(more, scopes=["self", "users:read"])
        for reply in (
            less.post("/v1/api-keys", body(user_id=more.user["id"], scopes=["users:read"])),
            less.post(path(key, "/rotate"), {}),
            less.patch(path(key), {"networks": ["192.0.2.0/24"]}),
        ):
            assert "more scopes" in problem(reply, "forbidden")["detail"]
        assert less.get(path(key)).json()["version"] == key["version"]
        assert less.http.delete(path(key)).status_code == 204, "to stop one is no power over her"


def test_whoever_gets_a_key_of_anothers_hand_is_told(instance, admin):
    """With it somebody else could act in her name."""
    with joined(admin) as api:
        before = len(mails(instance, api.email, CHANGED))
        key = made(admin, user_id=api.user["id"])
        mail = wait_mail(instance, api.email, CHANGED, before)
        assert "an API key was made for it" in " ".join(mail.text.split())
        rotated(admin, key)
        mail = wait_mail(instance, api.email, CHANGED, before + 1)
        assert "given a new secret" in " ".join(mail.text.split())
        rotated(api, key)
        made(api)
    assert len(mails(instance, api.email, CHANGED)) == before + 2, "not of what she did herself"


def test_no_keys_for_the_disabled(instance, admin, log_in):
    user = log_in("service")
    instance.ctl("user", "disable", user.email)
    problem(
        admin.post("/v1/api-keys", body(user_id=user.user["id"])), "validation-failed", {"/user_id"}
    )


# ---- reading ------------------------------------------------------------------


def test_lists_are_ones_own(instance, log_in, other):
    user = log_in("clinician")
    mine = [made(user)["id"] for _ in range(5)]
    made(other)
    reply = user.get("/v1/api-keys")
    assert [k["id"] for k in reply.json()["items"]] == mine[::-1]
    assert reply.json()["next_cursor"] is None
    assert all(set(k) == MEMBERS for k in reply.json()["items"])
    audit_row(instance, reply, "api_key.list")
    found, cursor = [], {}
    while True:
        page = user.get("/v1/api-keys", limit=2, **cursor).json()
        found += [k["id"] for k in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert found == mine[::-1]
    assert user.get("/v1/api-keys", user_id=user.user["id"]).json()["items"] != []


def test_admins_see_everybodys(instance, admin, log_in):
    user = log_in("clinician")
    key = made(user)
    reply = admin.get("/v1/api-keys", user_id=user.user["id"])
    assert [k["id"] for k in reply.json()["items"]] == [key["id"]]
    assert str(audit_row(instance, reply, "api_key.list")["object_id"]) == user.user["id"]
    assert key["id"] in [k["id"] for k in admin.get("/v1/api-keys", limit=5).json()["items"]]
    assert admin.get(path(key)).json()["id"] == key["id"]


def test_others_keys_are_not_there(instance, clinician, other):
    key = made(other)
    for reply in (
        clinician.get(path(key)),
        clinician.patch(path(key), {"name": "mine"}),
        clinician.post(path(key, "/rotate"), {}),
        clinician.http.delete(path(key)),
    ):
        problem(reply, "not-found")
        assert [r["outcome"] for r in audit_of(instance, reply)][-1] == "denied"
    reply = clinician.get("/v1/api-keys", user_id=other.user["id"])
    problem(reply, "forbidden")
    assert audit_of(instance, reply)[-1]["outcome"] == "denied"
    assert other.get(path(key)).json() == {k: key[k] for k in MEMBERS}
    accepted(instance, key["key"])


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_keys_that_are_nowhere(admin, method):
    reply = admin.http.request(
        method, f"/v1/api-keys/{NOWHERE}", json={"name": "x"} if method == "PATCH" else None
    )
    problem(reply, "not-found")


# ---- using --------------------------------------------------------------------


def test_a_key_acts_for_its_user(instance, clinician, patient, auditor):
    mine = patient()
    key = made(clinician)
    with using(instance, key["key"]) as api:
        reply = api.get(f"/v1/patients/{mine['id']}")
        assert reply.status_code == 200
        row = audit_row(instance, reply, "patient.read")
        assert str(row["actor_id"]) == clinician.user["id"]
        assert row["detail"]["key"] == key["id"]
        me = api.get("/v1/me").json()
        assert set(me["user"]["scopes"]) == set(key["scopes"])
        denied = api.post("/v1/patients", data.patient())
        problem(denied, "forbidden")
        row = audit_row(instance, denied, "patient.create", "denied")
        assert row["detail"]["key"] == key["id"]
    events = auditor.get("/v1/audit/events", key_id=key["id"]).json()["items"]
    assert {e["action"] for e in events} >= {"patient.read", "patient.create"}
    assert {e["actor"]["key_id"] for e in events} == {key["id"]}
    assert {e["actor"]["id"] for e in events} == {clinician.user["id"]}
    one = auditor.get(f"/v1/audit/events/{events[0]['id']}").json()
    assert one["actor"]["key_id"] == key["id"]


def test_writes_by_key_say_so(instance, clinician):
    key = made(clinician, scopes=["patients:write", "predictions:write", "patients:read"])
    with using(instance, key["key"]) as api:
        reply = api.post("/v1/patients", data.patient())
        assert reply.status_code == 201
        row = audit_row(instance, reply, "patient.create")
        assert row["detail"] == {"key": key["id"], "version": 1}
        body = {
            "patient_id": reply.json()["id"],
            "model": "flchain-mortality-5y",
            "inputs": data.FLCHAIN,
        }
        reply = api.post("/v1/predictions", body)
        assert reply.status_code == 201
        row = audit_row(instance, reply, "prediction.create")
        assert row["detail"]["key"] == key["id"]
        assert "patient" in row["detail"]
        reply = api.get("/v1/patients")
        row = audit_row(instance, reply, "patient.list")
        assert row["detail"]["key"] == key["id"]
        assert body["patient_id"] in row["detail"]["patients"]


def test_sessions_say_no_key(instance, auditor, clinician):
    reply = clinician.get("/v1/patients")
    assert "key" not in audit_row(instance, reply, "patient.list")["detail"]
    events = auditor.get("/v1/audit/events", request_id=reply.headers["x-request-id"]).json()
    assert events["items"][0]["actor"]["key_id"] is None


def test_a_key_makes_no_keys(instance, admin, clinician):
    for by in (admin, clinician):
        key = made(by, scopes=["self"])
        with using(instance, key["key"]) as api:
            for reply in (
                api.post("/v1/api-keys", body(scopes=["self"])),
                api.get("/v1/api-keys"),
                api.get(path(key)),
                api.patch(path(key), {"name": "x"}),
                api.post(path(key, "/rotate"), {}),
                api.http.delete(path(key)),
                api.post("/v1/auth/logout"),
            ):
                problem(reply, "forbidden")


def test_secrets_are_nowhere_in_clear(instance, clinician, service, admin):
    since = instance.log_size()
    keys = [
        made(clinician, signature={"alg": "hmac-sha256"}),
        made(admin, user_id=service.user["id"]),
    ]
    for key, by in zip(keys[:], (clinician, admin), strict=True):
        accepted(instance, key["key"])
        keys.append(rotated(by, key, overlap_seconds=60))
        accepted(instance, keys[-1]["key"])
    everywhere = {
        "PostgreSQL": database_bytes(instance),
        "Redis": redis_bytes(instance),
        "the log": instance.log_file.read_bytes()[since:],
        "the output": instance.output.read_bytes(),
    }
    for key in keys:
        secret = key["key"].split("_", 2)[2]
        hidden = [secret.encode(), base64.urlsafe_b64decode(secret + "=")]
        if key["hmac_secret"]:
            hidden += [key["hmac_secret"].encode(), base64.b64decode(key["hmac_secret"])]
        for where, what in everywhere.items():
            assert not any(h in what for h in hidden), where
    assert keys[0]["prefix"].encode() in everywhere["PostgreSQL"]


# ---- wrong keys ---------------------------------------------------------------


def altered(text: str) -> str:
    return text[:-1] + ("A" if text[-1] != "A" else "B")


def test_one_answer_to_every_wrong_key(instance, clinician, log_in):
    user = log_in("clinician")
    good = made(user)
    revoked, rotated_, expired, elsewhere = (made(user) for _ in range(4))
    user.http.delete(path(revoked))
    rotated(user, rotated_)
    user.patch(path(elsewhere), {"networks": ["203.0.113.0/24"]})
    with connect(instance) as db:
        db.execute(
            "UPDATE eleusis.api_key SET expires_at = now() - interval '1 s',"
            " created_at = now() - interval '1 h' WHERE id = %s",
            [expired["id"]],
        )
    disabled = log_in("clinician")
    dead = made(disabled)
    instance.ctl("user", "disable", disabled.email)
    answers = [
        refused(instance, text)
        for text in (
            altered(good["key"]),
            f"elk_{'0' * 16}_{secrets.token_urlsafe(32)}",
            good["prefix"] + "_" + revoked["key"].split("_", 2)[2],
            revoked["key"],
            rotated_["key"],
            expired["key"],
            elsewhere["key"],
            dead["key"],
        )
    ]
    assert all(a == answers[0] for a in answers)
    accepted(instance, good["key"])


def test_an_expiry_comes_by_itself(instance, clinician):
    key = made(clinician, expires_at=data.instant(timedelta(seconds=3)))
    with using(instance, key["key"]) as api:
        assert api.get("/v1/me").status_code == 200
        wait_until(lambda: api.get("/v1/me").status_code == 401, 6, "the key's end", 0.2)
    assert clinician.get(path(key)).json()["status"] == "expired"
    problem(clinician.patch(path(key), {"expires_at": None}), "conflict")
    problem(clinician.post(path(key, "/rotate"), {}), "conflict")
    assert clinician.http.delete(path(key)).status_code == 204


def test_networks_hold(instance, clinician):
    key = made(clinician, networks=["127.0.0.2"])
    refused(instance, key["key"], "127.0.0.1")
    with using(instance, key["key"], "127.0.0.2") as api:
        assert api.get("/v1/me").status_code == 200
    assert clinician.patch(path(key), {"networks": ["127.0.0.1/32"]}).status_code == 200
    refused(instance, key["key"], "127.0.0.2")
    with using(instance, key["key"], "127.0.0.1") as api:
        assert api.get("/v1/me").status_code == 200


# ---- changing -----------------------------------------------------------------


def test_a_patch_changes_what_it_names(instance, clinician):
    key = made(clinician, networks=["10.0.0.0/8"], limits={"read": 5, "write": 6})
    reply = clinician.patch(path(key), {"name": "new", "limits": {"read": 7, "write": None}})
    assert reply.status_code == 200
    changed = reply.json()
    assert changed == {k: key[k] for k in MEMBERS} | {
        "name": "new",
        "limits": {"read": 7, "write": None, "predict": None, "export": None},
        "version": 2,
        "updated_at": changed["updated_at"],
    }
    assert reply.headers["etag"] == '"2"'
    assert audit_row(instance, reply, "api_key.update")["detail"] == {"version": 2}
    cleared = clinician.patch(path(key), {"networks": None, "limits": None}).json()
    assert cleared["networks"] == []
    assert set(cleared["limits"].values()) == {None}
    later = data.instant(timedelta(days=3))
    assert clinician.patch(path(key), {"expires_at": later}).json()["expires_at"] is not None
    assert clinician.patch(path(key), {"expires_at": None}).json()["expires_at"] is None
    same = clinician.patch(path(key), {"name": "new"})
    assert same.json()["version"] == 5


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"scopes": ["self"]}, "/scopes"),
        ({"user_id": NOWHERE}, "/user_id"),
        ({"name": None}, "/name"),
        ({"must_sign": True}, "/must_sign"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "/expires_at"),
        ({"networks": ["nowhere"]}, "/networks/0"),
        ({"limits": {"read": 1_000_000_000}}, "/limits/read"),
    ],
)
def test_patches_with_mistakes(clinician, wrong, pointer):
    key = made(clinician)
    problem(clinician.patch(path(key), wrong), "validation-failed", {pointer})
    assert clinician.get(path(key)).json()["version"] == 1


def test_if_match(clinician):
    key = made(clinician)
    assert clinician.patch(path(key), {"name": "b"}, **{"if-match": '"1"'}).status_code == 200
    problem(clinician.patch(path(key), {"name": "c"}, **{"if-match": '"1"'}), "precondition-failed")
    problem(clinician.patch(path(key), {"name": "c"}, **{"if-match": "1"}), "malformed-request")
    assert clinician.get(path(key)).json()["name"] == "b"


# ---- rotation -----------------------------------------------------------------


def test_a_rotation_ends_the_former_secret(instance, clinician):
    key = made(clinician, signature={"alg": "hmac-sha256"})
    accepted(instance, key["key"])
    fresh = rotated(clinician, key)
    assert fresh["prefix"] == key["prefix"]
    assert fresh["key"] != key["key"]
    assert fresh["hmac_secret"] not in (None, key["hmac_secret"])
    assert (fresh["version"], fresh["former_secret_until"]) == (2, None)
    assert fresh["rotated_at"] is not None
    refused(instance, key["key"])
    accepted(instance, fresh["key"])


def test_a_rotation_with_overlap(instance, clinician):
    key = made(clinician)
    accepted(instance, key["key"])
    reply = clinician.post(path(key, "/rotate"), {"overlap_seconds": 3})
    fresh = reply.json()
    assert audit_row(instance, reply, "api_key.rotate")["detail"]["overlap_seconds"] == 3
    assert fresh["former_secret_until"] is not None
    for text in (key["key"], fresh["key"]):
        accepted(instance, text)
    with using(instance, key["key"]) as api:
        wait_until(lambda: api.get("/v1/me").status_code == 401, 6, "the overlap's end", 0.2)
    accepted(instance, fresh["key"])
    assert clinician.get(path(key)).json()["former_secret_until"] is None


def test_only_the_last_secret_overlaps(instance, clinician):
    first = made(clinician)
    second = rotated(clinician, first, overlap_seconds=600)
    third = rotated(clinician, first, overlap_seconds=600)
    refused(instance, first["key"])
    accepted(instance, second["key"])
    accepted(instance, third["key"])
    fourth = rotated(clinician, first)
    for text in (first["key"], second["key"], third["key"]):
        refused(instance, text)
    accepted(instance, fourth["key"])


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"overlap_seconds": -1}, "/overlap_seconds"),
        ({"overlap_seconds": 604801}, "/overlap_seconds"),
        ({"public_key": PUBLIC_KEY}, "/public_key"),
        ({"key": "x"}, "/key"),
    ],
)
def test_rotations_with_mistakes(instance, clinician, wrong, pointer):
    key = made(clinician)
    problem(clinician.post(path(key, "/rotate"), wrong), "validation-failed", {pointer})
    accepted(instance, key["key"])


def test_a_public_key_changes_with_a_rotation(clinician):
    key = made(clinician, signature={"alg": "ed25519", "public_key": PUBLIC_KEY})
    other = "PUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw="  # RFC 8032, 7.1, test 2
    assert rotated(clinician, key)["signature"]["public_key"] == PUBLIC_KEY
    assert rotated(clinician, key, public_key=other)["signature"]["public_key"] == other


def test_a_repeated_request_is_answered_again(instance, clinician):
    """With an Idempotency-Key whoever lost the reply gets the same secrets, not other ones."""
    name, sent = str(data.uuid7()), body(signature={"alg": "hmac-sha256"})
    headers = {"idempotency-key": name}
    first = clinician.post("/v1/api-keys", sent, headers=headers)
    again = clinician.post("/v1/api-keys", sent, headers=headers)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    key = first.json()
    accepted(instance, key["key"])
    headers = {"idempotency-key": str(data.uuid7())}
    turns = [clinician.post(path(key, "/rotate"), {}, headers=headers) for _ in range(2)]
    assert turns[0].json() == turns[1].json()
    refused(instance, key["key"])
    accepted(instance, turns[0].json()["key"])


# ---- revocation ---------------------------------------------------------------


def test_a_revocation_is_effective_at_once_everywhere(instance, clinician):
    key = made(clinician)
    clients = [using(instance, key["key"]) for _ in range(16)]
    try:
        for _ in range(3):
            assert {c.get("/v1/me").status_code for c in clients} == {200}
        reply = clinician.http.delete(path(key))
        assert reply.status_code == 204
        assert {c.get("/v1/me").status_code for c in clients} == {401}
        with using(instance, key["key"]) as api:
            assert {r.status_code for r in fresh_replies(api, "/v1/me", 16)} == {401}
    finally:
        for client in clients:
            client.close()
    audit_row(instance, reply, "api_key.revoke")
    shown = clinician.get(path(key)).json()
    assert shown["status"] == "revoked"
    assert shown["revoked_at"] is not None


@pytest.mark.parametrize("how", ["revoke", "rotate", "networks", "disable"])
def test_no_stale_record_is_believed_under_load(instance, log_in, hammer, how):
    """Readers on every worker fill Redis all the while the key changes."""
    user = log_in("clinician")
    key = made(user)
    replies, done = [], threading.Event()

    def read(_):
        with using(instance, key["key"]) as api:
            told = done.is_set()
            reply = api.get("/v1/me")
        replies.append((told, reply.status_code))
        return reply

    load = hammer(read, 4)
    wait_until(lambda: len(replies) > 40, 20, "some reads", 0.02)
    if how == "disable":
        instance.ctl("user", "disable", user.email)
    else:
        reply = {
            "revoke": lambda: user.http.delete(path(key)),
            "rotate": lambda: user.post(path(key, "/rotate"), {}),
            "networks": lambda: user.patch(path(key), {"networks": ["203.0.113.9"]}),
        }[how]()
        assert reply.status_code in (200, 204)
    done.set()
    before = len(replies)
    wait_until(lambda: len(replies) > before + 60, 20, "more reads", 0.02)
    load.stop()
    assert {status for told, status in replies if told} == {401}
    assert 200 in {status for told, status in replies if not told}


def test_an_old_record_put_back_is_not_believed(instance, clinician):
    """Whoever can write Redis keeps a revoked key alive for a minute at most."""
    key = made(clinician)
    accepted(instance, key["key"])
    name = f"k:{key['prefix']}"
    with redis.Redis(**instance.redis) as store:
        kept = store.get(name)
        assert len(kept) > 100
        assert 0 < store.ttl(name) <= 60
        clinician.http.delete(path(key))
        assert store.get(name) == b"-"
        assert store.ttl(name) > 60
    refused(instance, key["key"])
    # Another key's record in its place opens neither of the two.
    second = made(clinician)
    with redis.Redis(**instance.redis) as store:
        store.set(f"k:{second['prefix']}", kept, ex=60)
        refused(instance, key["key"])
        refused(instance, second["prefix"] + "_" + key["key"].split("_", 2)[2])
        store.delete(f"k:{second['prefix']}")
    accepted(instance, second["key"])


def test_a_revocation_stays(instance, clinician):
    key = made(clinician)
    assert clinician.http.delete(path(key)).status_code == 204
    first = clinician.get(path(key)).json()
    assert clinician.http.delete(path(key)).status_code == 204
    assert clinician.get(path(key)).json() == first
    problem(clinician.patch(path(key), {"name": "x"}), "conflict")
    problem(clinician.post(path(key, "/rotate"), {}), "conflict")
    refused(instance, key["key"])


def test_a_revocation_that_redis_does_not_take(instance, clinician):
    """Revoked all the same; what is not certain is said, and made certain soon."""
    key = made(clinician)
    accepted(instance, key["key"])
    name = f"k:{key['prefix']}"
    with redis.Redis(**instance.redis) as store:
        try:
            # Sessions and limits go on; only records of keys cannot be written. The
            # second pattern is for the name that a script is given for no key at all.
            store.execute_command("ACL", "SETUSER", "default", "resetkeys", "~[^k]*", "~")
            reply = clinician.http.delete(path(key))
        finally:
            store.execute_command("ACL", "SETUSER", "default", "allkeys")
        document = problem(reply, "unavailable")
        assert "is revoked" in document["detail"]
        assert "60 seconds" in document["detail"]
        assert reply.headers["retry-after"] == "1"
        outcomes = [r["outcome"] for r in audit_of(instance, reply)]
        assert outcomes == ["allowed", "failed"]
        assert clinician.get(path(key)).json()["status"] == "revoked"
        wait_until(lambda: store.get(name) == b"-", 5, "the tombstone", 0.05)
    refused(instance, key["key"])
    assert clinician.http.delete(path(key)).status_code == 204


def test_who_is_enabled_again_has_his_keys(instance, log_in):
    user = log_in("clinician")
    key = made(user)
    accepted(instance, key["key"])
    instance.ctl("user", "disable", user.email)
    refused(instance, key["key"])
    instance.ctl("user", "enable", user.email)
    accepted(instance, key["key"])


def test_a_role_that_shrinks_takes_scopes_along(instance, log_in):
    user = log_in("clinician")
    key = made(user, scopes=["self", "patients:read"])
    with connect(instance) as db:
        db.execute("UPDATE eleusis.app_user SET role = 'auditor' WHERE id = %s", [user.user["id"]])
    with using(instance, key["key"]) as api:
        assert api.get("/v1/me").json()["user"]["scopes"] == ["self"]
        problem(api.get("/v1/patients"), "forbidden")


# ---- limits and races ---------------------------------------------------------


def test_a_limit_of_keys_a_user(instance, log_in):
    """Only keys in force count; of many at once not one too many is made."""
    user = log_in("clinician")
    with connect(instance) as db:
        db.execute(
            "INSERT INTO eleusis.api_key (id, user_id, created_by, prefix, name, scopes, networks,"
            " must_sign, secret_hash) SELECT gen_random_uuid(), %(u)s, %(u)s,"
            " 'elk_' || lpad(to_hex((random() * 2^48)::bigint), 16, '0'), 'n', '{self}', '{}',"
            " false, %(h)s FROM generate_series(1, %(n)s)",
            {"u": user.user["id"], "h": secrets.token_bytes(32), "n": LIMIT - 3},
        )
    codes = []
    threads = [
        threading.Thread(target=lambda: codes.append(user.post("/v1/api-keys", body()).status_code))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) == [201] * 3 + [409] * 5
    reply = user.post("/v1/api-keys", body())
    problem(reply, "conflict")
    audit_row(instance, reply, "api_key.create", "failed")
    last = user.get("/v1/api-keys", limit=1).json()["items"][0]
    assert user.http.delete(path(last)).status_code == 204
    assert user.post("/v1/api-keys", body()).status_code == 201


def test_of_two_rotations_at_once_one_holds(instance, clinician):
    key = made(clinician)
    replies = []
    threads = [
        threading.Thread(target=lambda: replies.append(clinician.post(path(key, "/rotate"), {})))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    fresh = [r.json() for r in replies if r.status_code == 200]
    assert {r.status_code for r in replies} <= {200, 409}
    assert len({f["version"] for f in fresh}) == len(fresh) >= 1
    last = max(fresh, key=lambda f: f["version"])
    accepted(instance, last["key"])
    for former in fresh:
        if former is not last:
            refused(instance, former["key"])


# ---- eleusisctl ---------------------------------------------------------------


def test_eleusisctl_lists_keys(instance, log_in):
    user = log_in("clinician")
    key, gone = made(user, name="for the ward"), made(user)
    user.http.delete(path(gone))
    lines = instance.ctl("api-key", "list", "--user", user.email.upper()).stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [
        [key["prefix"], "active"],
        [gone["prefix"], "revoked"],
    ]
    assert user.email in lines[0]
    assert "for the ward" in lines[0]
    assert key["prefix"] in instance.ctl("api-key", "list").stdout
    assert not KEY.search(instance.ctl("api-key", "list").stdout)


def test_eleusisctl_revokes_one(instance, clinician):
    key, other = made(clinician), made(clinician)
    for one in (key, other):
        accepted(instance, one["key"])
    assert "is revoked" in instance.ctl("api-key", "revoke", key["prefix"]).stdout
    refused(instance, key["key"])
    accepted(instance, other["key"])
    assert clinician.get(path(key)).json()["status"] == "revoked"
    assert "was already" in instance.ctl("api-key", "revoke", key["prefix"]).stdout
    with connect(instance) as db:
        rows = db.execute(
            "SELECT action, actor_kind, detail FROM eleusis.audit_event WHERE object_id = %s"
            " AND actor_kind = 'system'",
            [key["id"]],
        ).fetchall()
    assert [(r["action"], r["detail"]["tool"]) for r in rows] == [("api_key.revoke", "eleusisctl")]


def test_eleusisctl_revokes_a_users(instance, log_in, clinician):
    user = log_in("clinician")
    keys, other = [made(user) for _ in range(3)], made(clinician)
    for key in keys:
        accepted(instance, key["key"])
    done = instance.ctl("api-key", "revoke", "--user", user.email)
    assert done.stdout.count("is revoked") == 3
    for key in keys:
        refused(instance, key["key"])
    accepted(instance, other["key"])
    assert "no API keys" in instance.ctl("api-key", "revoke", "--user", user.email).stdout


@pytest.mark.parametrize(
    ("args", "status"),
    [
        ([], 2),
        (["elk_0123456789abcdef", "--user", "a@example.org"], 2),
        (["elk_0123456789abcdef"], 1),
        (["elk_0123456789abcdef_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"], 2),
        (["--user", "nobody@nowhere.example"], 1),
    ],
)
def test_eleusisctl_refuses(instance, args, status):
    done = instance.ctl("api-key", "revoke", *args, check=False)
    assert done.returncode == status
    assert "eleusisctl" in done.stderr


def test_eleusisctl_says_when_redis_is_away(instance, clinician):
    """The key is revoked; that somebody may believe it for a minute is said."""
    key = made(clinician)
    done = instance.ctl("api-key", "revoke", key["prefix"], check=False, ELEUSIS_REDIS_PORT="1")
    assert done.returncode == 3
    assert "minute" in done.stderr
    assert clinician.get(path(key)).json()["status"] == "revoked"
    assert instance.ctl("api-key", "revoke", key["prefix"]).returncode == 0
    refused(instance, key["key"])


def test_a_password_reset_mentions_keys(instance, log_in):
    user = log_in("clinician")
    key = made(user)
    said = instance.ctl("user", "reset-password", user.email).stdout
    assert "API keys stay good: 1" in said
    accepted(instance, key["key"])
