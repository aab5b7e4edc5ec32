"""Passkeys: registered, logged in with, shown as a second factor, taken away; and every lie.

The client side is tests/lib/authenticator.py, over `cryptography` and `fido2`: none of the
server's code. Whoever logs in by a lie gets one answer, whatever the lie; the audit row has it.
"""

import base64
import json
import secrets
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256

import pytest
import redis
from cryptography.hazmat.primitives.asymmetric import ec
from fido2 import cbor, cose
from fido2.utils import websafe_decode, websafe_encode
from fido2.webauthn import PublicKeyCredentialCreationOptions, PublicKeyCredentialRequestOptions
from lib import data
from lib.authenticator import (
    EDDSA,
    ES256,
    FLAG,
    HONEST,
    LOGIN,
    MINE,
    NAMES,
    RS256,
    VERIFY,
    Passkey,
    adopt,
)
from lib.client import Api
from lib.db import audit_of, audit_row, connect
from lib.mail import wait_mail
from lib.metrics import scrape, value
from lib.problem import problem
from lib.totp import enrol

pytestmark = pytest.mark.restarts

MAX = 20


@pytest.fixture(scope="module", autouse=True)
def server(instance):
    instance.restart(ELEUSIS_SECOND_FACTOR_ROLES="auditor", ELEUSIS_SESSIONS_MAX="0")
    yield instance
    instance.restart()


@pytest.fixture(scope="module")
def origin(instance):
    return instance.url


@pytest.fixture(scope="module")
def site(origin):
    return Site(origin)


class Site:
    """A browser at that origin."""

    def __init__(self, origin: str):
        self.origin = origin

    def register(self, api: Api, passkey: Passkey, name: str = "a key", origin=None, **lies):
        options = asked(api.post(f"{MINE}/options"))
        credential = passkey.create(options, origin or self.origin, **lies)
        return api.post(MINE, {"name": name, "credential": credential})

    def add(self, api: Api, key: Passkey, name: str = "a key") -> dict:
        """The new passkey; the session goes on under its new token."""
        reply = self.register(api, key, name)
        assert reply.status_code == 201, reply.text
        return adopt(api, reply)["passkey"]

    def log_in(self, api: Api, key: Passkey, origin=None, mode: str | None = None, **lies):
        options = asked(api.post(f"{LOGIN}/options"))
        body = {"credential": key.get(options, origin or self.origin, **lies)}
        return api.post(LOGIN, body | ({"mode": mode} if mode else {}))

    def verify(self, api: Api, key: Passkey, **lies):
        options = asked(api.post(f"{VERIFY}/options"))
        return api.post(VERIFY, {"credential": key.get(options, self.origin, **lies)})


def asked(reply) -> dict:
    assert reply.status_code == 200, reply.text
    return reply.json()


@pytest.fixture(scope="module")
def alice(log_in, site):
    """A clinician with one passkey, and the passkey."""
    api = log_in("clinician")
    api.key = Passkey()
    api.passkey = site.add(api, api.key, "Alice's phone")
    return api


@pytest.fixture(scope="module")
def bob(log_in, site):
    api = log_in("clinician")
    api.key = Passkey()
    api.passkey = site.add(api, api.key, "Bob's laptop")
    return api


def refused(instance, reply, action: str, reason: str) -> dict:
    """Its audit row."""
    row = audit_row(instance, reply, action, "denied")
    assert row["detail"]["reason"] == reason, (row["detail"], reply.text)
    return row


# ---- what is asked ----------------------------------------------------------


def test_the_question_for_a_new_passkey(alice, site, origin):
    options = asked(alice.post(f"{MINE}/options"))
    assert options["rp"] == {"id": "localhost", "name": "Eleusis"}
    assert websafe_decode(options["user"]["id"]).hex() == alice.user["id"].replace("-", "")
    assert options["user"]["name"] == alice.email
    assert [p["alg"] for p in options["pubKeyCredParams"]] == [ES256, EDDSA, RS256]
    assert options["authenticatorSelection"]["userVerification"] == "required"
    assert options["authenticatorSelection"]["residentKey"] == "preferred"
    assert options["attestation"] == "none"
    (known,) = options["excludeCredentials"]
    assert websafe_decode(known["id"]) == alice.key.id
    assert known["transports"] == ["internal", "hybrid"]
    # What browsers read it with; an independent library reads the same out of it.
    read = PublicKeyCredentialCreationOptions.from_dict(options)
    assert len(read.challenge) == 32
    assert read.exclude_credentials[0].id == alice.key.id


def test_the_question_at_a_log_in_tells_nothing(anonymous, alice):
    one, two = (asked(anonymous.post(f"{LOGIN}/options")) for _ in range(2))
    assert one.pop("challenge") != two.pop("challenge")
    assert one == two
    assert one["allowCredentials"] == []
    assert (one["rpId"], one["userVerification"]) == ("localhost", "required")


def test_challenges_are_long_and_random(anonymous):
    seen = {asked(anonymous.post(f"{LOGIN}/options"))["challenge"] for _ in range(64)}
    assert len(seen) == 64
    raw = b"".join(map(websafe_decode, seen))
    assert len(raw) == 64 * 32
    ones = sum(byte.bit_count() for byte in raw)
    assert abs(ones - len(raw) * 4) < 6 * (len(raw) * 2) ** 0.5, "six sigma"


def test_the_question_to_a_session_names_its_passkeys(alice, log_in):
    options = asked(alice.post(f"{VERIFY}/options"))
    read = PublicKeyCredentialRequestOptions.from_dict(options)
    assert [c.id for c in read.allow_credentials] == [alice.key.id]
    problem(log_in("clinician").post(f"{VERIFY}/options"), "conflict")


# ---- every algorithm, all the way -------------------------------------------


@pytest.mark.parametrize("alg", NAMES, ids=NAMES.values())
def test_a_passkey_registers_logs_in_and_proves(instance, anonymous, log_in, site, alg):
    api, key = log_in("clinician"), Passkey(alg)
    before = api.token
    reply = site.register(api, key, "Küche 🔑")
    assert reply.status_code == 201, reply.text
    document = adopt(api, reply)
    made = document["passkey"]
    assert (made["name"], made["algorithm"]) == ("Küche 🔑", NAMES[alg])
    assert made["aaguid"].replace("-", "") == key.aaguid.hex()
    assert made["last_used_at"] is None
    assert (document["stage"], document["methods"]) == ("full", ["passkey"])
    with Api(instance, before) as gone:
        problem(gone.get("/v1/me"), "unauthenticated")
    row = audit_row(instance, reply, "passkey.create")
    assert (row["object_type"], str(row["object_id"])) == ("passkey", made["id"])
    assert row["detail"]["alg"] == NAMES[alg]

    reply = site.log_in(anonymous, key)
    assert reply.status_code == 200, reply.text
    document = reply.json()
    assert (document["stage"], document["amr"]) == ("full", ["passkey"])
    assert document["user"]["id"] == api.user["id"]
    assert document["step_up_until"] is not None
    row = audit_row(instance, reply, "auth.passkey")
    assert row["detail"]["passkey"] == made["id"]
    with Api(instance, document["token"]) as session:
        assert session.get("/v1/patients").status_code == 200

    reply = site.verify(api, key)
    assert reply.status_code == 200, reply.text
    assert set(adopt(api, reply)["amr"]) == {"pwd", "passkey", "mfa"}
    row = audit_row(instance, reply, "auth.passkey_verify")
    assert str(row["object_id"]) == made["id"]
    (shown,) = api.get(MINE).json()["items"]
    assert shown["last_used_at"] is not None


def test_a_browser_gets_a_cookie(instance, site, alice):
    with Api(instance) as browser:
        reply = site.log_in(browser, alice.key, mode="cookie")
        assert reply.status_code == 200, reply.text
        assert "token" not in reply.json()
        cookie = reply.headers["set-cookie"]
        assert cookie.startswith("__Host-eleusis=")
        assert "HttpOnly" in cookie
        assert browser.get("/v1/me").status_code == 200


def test_an_attestation_that_was_not_asked_for_is_ignored(log_in, site):
    """WebAuthn 7.1, 19 to 21: of "none" conveyance, nothing follows from a statement."""
    api = log_in("clinician")
    lie = {"alg": ES256, "sig": b"0" * 70}
    for fmt, statement in (("packed", lie), ("fido-u2f", {"x5c": [b"?"]}), ("news", {})):
        reply = site.register(api, Passkey(), fmt=fmt, statement=statement)
        assert reply.status_code == 201, reply.text
        adopt(api, reply)
    assert site.register(api, Passkey(), fmt="none", statement=lie).status_code == 422


# ---- lies when registering --------------------------------------------------


def off_curve() -> cose.CoseKey:
    good = cose.ES256.from_cryptography_key(ec.generate_private_key(ec.SECP256R1()).public_key())
    return cose.ES256(dict(good) | {-3: secrets.token_bytes(32)})


def rsa_key(size: int, e: bytes = b"\x01\x00\x01") -> cose.CoseKey:
    n = (1 << (size - 1) | secrets.randbits(size - 2) | 1).to_bytes(256, "big")
    return cose.RS256({1: 3, 3: RS256, -1: n, -2: e})


LIES = {
    "another origin": ({"origin": "https://localhost.example"}, "origin"),
    "another port": ({"origin": "https://localhost:1"}, "origin"),
    "plain http": ({"origin": "http://localhost"}, "origin"),
    "another site": ({"rp_id": "example.org"}, "rp-id"),
    "an assertion": ({"type": "webauthn.get"}, "type"),
    "another frame": ({"cross_origin": True}, "cross-origin"),
    "a frame's top": ({"client": {"topOrigin": "https://localhost"}}, "cross-origin"),
    "token binding": ({"client": {"tokenBinding": {"status": "present", "id": "eA"}}},
                      "token-binding"),
    "a challenge made up": ({"challenge": websafe_encode(bytes(32))}, "challenge"),
    "a short challenge": ({"challenge": "AAAA"}, "malformed"),
    "nobody there": ({"flags": FLAG.UV | FLAG.AT}, "user-presence"),
    "nobody verified": ({"flags": FLAG.UP | FLAG.AT}, "user-verification"),
    "copied but no copies": ({"flags": HONEST | FLAG.AT | FLAG.BS}, "backup-flags"),
    "no CBOR": ({"attestation": b"\xff"}, "malformed"),
    "an empty object": ({"attestation": b"\xa0"}, "malformed"),
    "more than is there": ({"attestation": b"\xbb" + b"\xff" * 8}, "malformed"),
    "nested without end": ({"attestation": b"\x81" * 4000 + b"\x00"}, "malformed"),
    "another algorithm": ({"key": cose.ES384({1: 2, 3: -35, -1: 2, -2: bytes(48), -3: bytes(48)})},
                          "algorithm"),
    "a MAC": ({"key": cose.CoseKey({1: 4, 3: 5, -1: bytes(32)})}, "algorithm"),
    "off the curve": ({"key": off_curve()}, "public-key"),
    "the point of order two": ({"key": cose.EdDSA({1: 1, 3: EDDSA, -1: 6, -2: bytes(32)})},
                               "public-key"),
    "a small modulus": ({"key": rsa_key(1024)}, "public-key"),
    "a small exponent": ({"key": rsa_key(2048, b"\x00\x00\x03")}, "public-key"),
}  # fmt: skip


@pytest.fixture(scope="module")
def mallory(log_in):
    """Whose passkeys are never taken."""
    return log_in("clinician")


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_not_registered(instance, site, mallory, lie):
    lies, reason = LIES[lie]
    reply = site.register(mallory, Passkey(), **lies)
    document = problem(reply, "passkey-refused")
    assert document["detail"]
    refused(instance, reply, "passkey.create", reason)
    assert mallory.get(MINE).json()["items"] == []


def test_an_attestation_cut_off_anywhere_is_not_registered(instance, site, mallory):
    key = Passkey()
    options = asked(mallory.post(f"{MINE}/options"))
    whole = websafe_decode(key.create(options, site.origin)["response"]["attestationObject"])
    for length in range(len(whole)):
        reply = site.register(mallory, key, attestation=whole[:length] or b"\0")
        problem(reply, "passkey-refused")
    refused(instance, reply, "passkey.create", "malformed")
    assert mallory.get(MINE).json()["items"] == []


def test_names_that_do_not_agree(instance, site, mallory):
    """The credential's id outside the signed data is another one."""
    options = asked(mallory.post(f"{MINE}/options"))
    credential = Passkey().create(options, site.origin)
    other = websafe_encode(secrets.token_bytes(32))
    credential |= {"id": other, "rawId": other}
    reply = mallory.post(MINE, {"name": "x", "credential": credential})
    problem(reply, "passkey-refused")
    refused(instance, reply, "passkey.create", "credential-id")


@pytest.mark.parametrize("size", [0, 15, 1024])
def test_an_id_of_a_length_that_none_has(site, mallory, size):
    key = Passkey()
    key.id = secrets.token_bytes(size) or b"\0"
    problem(site.register(mallory, key), "passkey-refused")


def test_the_longest_id(log_in, anonymous, site):
    api, key = log_in("clinician"), Passkey()
    key.id = secrets.token_bytes(1023)
    assert len(websafe_decode(site.add(api, key)["credential_id"])) == 1023
    assert site.log_in(anonymous, key).status_code == 200


def test_the_first_passkey_ends_the_other_sessions(instance, site, log_in):
    api = log_in("clinician")
    with Api(instance).login(api.email, api.password) as other:
        question = asked(other.post(f"{MINE}/options"))
        site.add(api, Passkey())
        credential = Passkey().create(question, site.origin)
        problem(other.post(MINE, {"name": "a thief", "credential": credential}), "unauthenticated")
    site.add(api, Passkey())
    assert len(api.get(MINE).json()["items"]) == 2


def test_a_question_is_answered_once(instance, site, log_in):
    """Also when the first answer was no good, and not by another one's session."""
    api, other, key = log_in("clinician"), log_in("clinician"), Passkey()
    options = asked(api.post(f"{MINE}/options"))
    body = {"name": "x", "credential": key.create(options, site.origin)}
    reply = other.post(MINE, body)
    refused(instance, reply, "passkey.create", "challenge")
    reply = api.post(MINE, body)
    refused(instance, reply, "passkey.create", "challenge")

    options = asked(api.post(f"{MINE}/options"))
    wrong = {"name": "x", "credential": key.create(options, "https://elsewhere.example")}
    refused(instance, api.post(MINE, wrong), "passkey.create", "origin")
    body = {"name": "x", "credential": key.create(options, site.origin)}
    refused(instance, api.post(MINE, body), "passkey.create", "challenge")

    options = asked(api.post(f"{MINE}/options"))
    body = {"name": "x", "credential": key.create(options, site.origin)}
    with ThreadPoolExecutor(4) as pool:
        codes = sorted(r.status_code for r in pool.map(lambda _: api.post(MINE, body), range(4)))
    assert codes.count(201) == 1, codes


def test_a_question_is_for_one_purpose(instance, anonymous, site, alice):
    """A challenge of a log-in registers nothing, and so on round."""
    log_in = asked(anonymous.post(f"{LOGIN}/options"))
    register = asked(alice.post(f"{MINE}/options"))
    verify = asked(alice.post(f"{VERIFY}/options"))

    reply = site.register(alice, Passkey(), challenge=log_in["challenge"])
    refused(instance, reply, "passkey.create", "challenge")
    reply = site.log_in(anonymous, alice.key, challenge=verify["challenge"])
    refused(instance, reply, "auth.passkey", "challenge")
    reply = site.verify(alice, alice.key, challenge=register["challenge"])
    refused(instance, reply, "auth.passkey_verify", "challenge")


def test_a_passkey_belongs_to_one(site, alice, mallory):
    for api in (mallory, alice):
        problem(site.register(api, alice.key), "conflict")
    assert len(alice.get(MINE).json()["items"]) == 1


def test_so_many_and_no_more(instance, site, log_in):
    api = log_in("clinician")
    made = site.add(api, Passkey())
    options = asked(api.post(f"{MINE}/options"))
    with connect(instance) as db:
        db.execute(
            "INSERT INTO eleusis.passkey (id, user_id, credential_id, public_key, alg, sign_count,"
            " aaguid, transports, backup_eligible, backed_up, name)"
            " SELECT gen_random_uuid(), user_id, credential_id || int4send(n), public_key, alg, 0,"
            " aaguid, transports, false, false, name FROM eleusis.passkey,"
            " generate_series(2, %s) AS n WHERE id = %s",
            [MAX, made["id"]],
        )
    assert len(api.get(MINE).json()["items"]) == MAX
    body = {"name": "x", "credential": Passkey().create(options, site.origin)}
    assert str(MAX) in problem(api.post(MINE, body), "conflict")["detail"]
    problem(api.post(f"{MINE}/options"), "conflict")


# ---- lies when logging in ---------------------------------------------------

FORGED = {
    "another origin": ({"origin": "https://localhost.example"}, "origin"),
    "another site": ({"rp_id": "example.org"}, "rp-id"),
    "a registration": ({"type": "webauthn.create"}, "type"),
    "another frame": ({"cross_origin": True}, "cross-origin"),
    "a challenge made up": ({"challenge": websafe_encode(bytes(32))}, "challenge"),
    "nobody there": ({"flags": FLAG.UV}, "user-presence"),
    "nobody verified": ({"flags": FLAG.UP}, "user-verification"),
    "copies, of a sudden": ({"flags": HONEST | FLAG.BE}, "backup-flags"),
    "copied but no copies": ({"flags": HONEST | FLAG.BS}, "backup-flags"),
    "another's handle": ({"userHandle": secrets.token_bytes(16)}, "user-handle"),
    "no handle": ({"userHandle": None}, "user-handle"),
    "a signature of nothing": ({"signature": b"\0"}, "signature"),
    "data cut off": ({"authenticatorData": b"\0" * 36}, "malformed"),
    "data with more": ({"authenticatorData": b"\0" * 38}, "malformed"),
    "client data that are none": ({"clientDataJSON": b"{}"}, "malformed"),
}  # fmt: skip


@pytest.mark.parametrize("lie", FORGED)
def test_a_lie_does_not_log_in(instance, anonymous, site, alice, lie):
    lies, reason = FORGED[lie]
    reply = site.log_in(anonymous, alice.key, **lies)
    document = problem(reply, "bad-credentials")
    assert document["detail"] == "The passkey was not accepted."
    row = refused(instance, reply, "auth.passkey", reason)
    assert row["actor_kind"] == "anonymous"
    if row["object_id"]:
        assert str(row["object_id"]) == alice.passkey["id"]
        assert row["detail"]["user"] == alice.user["id"]
    assert site.log_in(anonymous, alice.key).status_code == 200


@pytest.mark.parametrize("alg", NAMES, ids=NAMES.values())
def test_nothing_that_was_signed_can_be_changed(instance, anonymous, log_in, site, alg):
    """One bit of each part; and what another key has signed."""
    api, key = log_in("clinician"), Passkey(alg)
    site.add(api, key)
    for part in ("signature", "authenticatorData", "clientDataJSON"):
        options = asked(anonymous.post(f"{LOGIN}/options"))
        credential = key.get(options, site.origin)
        raw = bytearray(websafe_decode(credential["response"][part]))
        # The counter, the signature's end, a blank for the comma of the JSON's last member.
        if part == "clientDataJSON":
            raw = raw.replace(b',"cross', b', "cross')
        else:
            raw[-1] ^= 1
        credential["response"][part] = websafe_encode(bytes(raw))
        reply = anonymous.post(LOGIN, {"credential": credential})
        problem(reply, "bad-credentials")
        refused(instance, reply, "auth.passkey", "signature")
    forger = Passkey(alg)
    forger.id, forger.user_handle, forger.counter = key.id, key.user_handle, key.counter + 9
    reply = site.log_in(anonymous, forger)
    refused(instance, reply, "auth.passkey", "signature")
    assert site.log_in(anonymous, key).status_code == 200


def test_an_answer_is_good_once(instance, anonymous, site, alice):
    options = asked(anonymous.post(f"{LOGIN}/options"))
    body = {"credential": alice.key.get(options, site.origin)}
    with ThreadPoolExecutor(4) as pool:
        replies = list(pool.map(lambda _: anonymous.post(LOGIN, body), range(4)))
    assert sorted(r.status_code for r in replies) == [200, 401, 401, 401]
    reply = anonymous.post(LOGIN, body)
    problem(reply, "bad-credentials")
    refused(instance, reply, "auth.passkey", "challenge")


def test_a_passkey_that_nobody_has(instance, anonymous, site, alice):
    stranger = Passkey()
    stranger.user_handle = alice.key.user_handle
    reply = site.log_in(anonymous, stranger)
    problem(reply, "bad-credentials")
    row = refused(instance, reply, "auth.passkey", "unknown-credential")
    assert (row["object_id"], row["detail"]) == (None, {"reason": "unknown-credential"})


def test_anothers_passkey_proves_nothing(instance, site, alice, bob):
    options = asked(alice.post(f"{VERIFY}/options"))
    body = {"credential": bob.key.get(options, site.origin)}
    reply = alice.post(VERIFY, body)
    problem(reply, "bad-credentials")
    row = refused(instance, reply, "auth.passkey_verify", "user-handle")
    assert str(row["actor_id"]) == alice.user["id"]
    assert row["detail"]["user"] == bob.user["id"]
    # Nor does her own with another's handle, or an answer to a question put to another session.
    reply = site.verify(alice, alice.key, userHandle=bob.key.user_handle)
    refused(instance, reply, "auth.passkey_verify", "user-handle")
    options = asked(bob.post(f"{VERIFY}/options"))
    reply = alice.post(VERIFY, {"credential": alice.key.get(options, site.origin)})
    refused(instance, reply, "auth.passkey_verify", "challenge")


def test_a_counter_that_goes_back_is_an_alert(instance, anonymous, site, log_in):
    api, key = log_in("clinician"), Passkey()
    made = site.add(api, key)
    copies = value(scrape(anonymous), "eleusis_passkey_copies_total")
    assert site.log_in(anonymous, key, counter=900).status_code == 200
    for counter in (900, 899, 0):
        reply = site.log_in(anonymous, key, counter=counter)
        problem(reply, "bad-credentials")
        row = refused(instance, reply, "auth.passkey", "counter")
        assert row["detail"]["alert"] is True
        assert str(row["object_id"]) == made["id"]
    reply = site.verify(api, key, counter=900)
    refused(instance, reply, "auth.passkey_verify", "counter")
    assert value(scrape(anonymous), "eleusis_passkey_copies_total") == copies + 4
    assert site.log_in(anonymous, key, counter=901).status_code == 200
    assert site.log_in(anonymous, key, counter=2**32 - 1).status_code == 200


def test_an_authenticator_that_does_not_count(anonymous, site, log_in):
    api, key = log_in("clinician"), Passkey(counts=False)
    site.add(api, key)
    for _ in range(2):
        assert site.log_in(anonymous, key).status_code == 200
    assert site.log_in(anonymous, key, counter=5).status_code == 200
    problem(site.log_in(anonymous, key), "bad-credentials")


def test_a_passkey_that_is_copied(anonymous, site, log_in):
    """The backup state may change, as long as it was said at first that it may."""
    api, key = log_in("clinician"), Passkey(counts=False)
    key.backup = FLAG.BE
    made = site.add(api, key)
    assert (made["backup_eligible"], made["backed_up"]) == (True, False)
    key.backup = FLAG.BE | FLAG.BS
    assert site.log_in(anonymous, key).status_code == 200
    assert api.get(MINE).json()["items"][0]["backed_up"]
    key.backup = FLAG(0)
    problem(site.log_in(anonymous, key), "bad-credentials")


def test_redis_holds_nothing_to_forge_with(instance, anonymous, site, alice):
    """A challenge stands there by its hash, sealed, and for minutes; one put there is not ours."""
    store = redis.Redis(**instance.redis)
    options = asked(alice.post(f"{VERIFY}/options"))
    name = b"c:" + sha256(websafe_decode(options["challenge"])).hexdigest().encode()
    sealed = store.get(name)
    assert 0 < store.ttl(name) <= 300
    assert websafe_decode(options["challenge"]) not in sealed
    assert bytes.fromhex(alice.user["id"].replace("-", "")) not in sealed

    raw = secrets.token_bytes(32)
    store.set(b"c:" + sha256(raw).hexdigest().encode(), sealed, ex=60)
    reply = site.verify(alice, alice.key, challenge=websafe_encode(raw))
    refused(instance, reply, "auth.passkey_verify", "challenge")
    assert store.get(b"c:" + sha256(raw).hexdigest().encode()) is None


@pytest.mark.parametrize("state", ["disabled", "deleted"])
def test_an_account_that_is_closed(instance, anonymous, site, log_in, state):
    api, key = log_in("clinician"), Passkey()
    site.add(api, key)
    change = "disabled = true"
    if state == "deleted":
        change += ", password_hash = NULL, deleted_at = now()"
    with connect(instance) as db:
        db.execute(f"UPDATE eleusis.app_user SET {change} WHERE id = %s", [api.user["id"]])
        left = db.execute(
            "SELECT count(*) AS n FROM eleusis.passkey WHERE user_id = %s", [api.user["id"]]
        ).fetchone()["n"]
    assert left == (state == "disabled")
    reply = site.log_in(anonymous, key)
    problem(reply, "bad-credentials")
    reason = "account" if state == "disabled" else "unknown-credential"
    refused(instance, reply, "auth.passkey", reason)


# ---- bodies -----------------------------------------------------------------


def spoilt(credential: dict, path: str, new) -> dict:
    copy = json.loads(json.dumps(credential))
    *parents, last = path.split("/")
    place = copy
    for name in parents:
        place = place[name]
    if new is KeyError:
        del place[last]
    else:
        place[last] = new
    return copy


@pytest.mark.parametrize(
    ("path", "new", "code"),
    [
        ("id", KeyError, "format"),
        ("rawId", KeyError, "required"),
        ("type", "password", "enum"),
        ("response", KeyError, "required"),
        ("response", [], "type"),
        ("response/clientDataJSON", KeyError, "required"),
        ("response/clientDataJSON", 1, "type"),
        ("response/clientDataJSON", "e30=", "format"),
        ("response/clientDataJSON", "", "format"),
        ("response/authenticatorData", "a+/b", "format"),
        ("response/signature", None, "required"),
        ("response/userHandle", 5, "type"),
    ],
)
def test_what_is_wrong_with_a_body_is_said(anonymous, site, alice, path, new, code):
    options = asked(anonymous.post(f"{LOGIN}/options"))
    credential = spoilt(alice.key.get(options, site.origin), path, new)
    document = problem(anonymous.post(LOGIN, {"credential": credential}), "validation-failed")
    assert (f"/credential/{path}", code) in {(e["pointer"], e["code"]) for e in document["errors"]}


def test_members_that_browsers_add_are_passed_over(anonymous, site, alice):
    options = asked(anonymous.post(f"{LOGIN}/options"))
    credential = alice.key.get(options, site.origin) | {"news": {"from": ["tomorrow"]}}
    credential["response"]["news"] = 1
    assert anonymous.post(LOGIN, {"credential": credential}).status_code == 200
    document = problem(anonymous.post(LOGIN, {"credential": {}, "x": 1}), "validation-failed")
    assert "/x" in {e["pointer"] for e in document["errors"]}


def test_transports_that_are_none_are_not_kept(instance, site, log_in):
    api = log_in("clinician")
    options = asked(api.post(f"{MINE}/options"))
    credential = Passkey().create(options, site.origin)
    credential["response"]["transports"] = ["usb", "<b>", 5, "x" * 40, "smart-card", "NFC"]
    reply = api.post(MINE, {"name": "x", "credential": credential})
    assert reply.json()["passkey"]["transports"] == ["usb", "smart-card"]


@pytest.mark.parametrize("name", ["", "x" * 101, "a\nb", 5, None])
def test_names_that_are_none(site, mallory, name):
    options = asked(mallory.post(f"{MINE}/options"))
    body = {"name": name, "credential": Passkey().create(options, site.origin)}
    problem(mallory.post(MINE, body), "validation-failed")


# ---- second factor ----------------------------------------------------------


def test_the_passkey_completes_a_log_in(instance, site, alice):
    with Api(instance) as api:
        api.login(alice.email, alice.password)
        assert (api.reply["stage"], api.reply["methods"]) == ("second-factor", ["passkey"])
        problem(api.get(MINE), "second-factor-required")
        problem(api.post(f"{MINE}/options"), "second-factor-required")
        before = api.token
        document = adopt(api, site.verify(api, alice.key))
        assert (document["stage"], document["session_id"]) == ("full", api.reply["session_id"])
        assert api.get(MINE).status_code == 200
        with Api(instance, before) as gone:
            problem(gone.get("/v1/me"), "unauthenticated")


def test_a_role_that_needs_a_factor_sets_a_passkey_up(instance, anonymous, new_user, site):
    api, key = new_user("auditor"), Passkey()
    api.login(api.email, api.password)
    assert api.reply["stage"] == "enrol"
    problem(api.get(MINE), "enrolment-required")
    made = site.add(api, key)
    assert api.get("/v1/me").json()["session"]["stage"] == "full"
    # The last one stays, until there is another.
    reply = api.http.delete(f"{MINE}/{made['id']}")
    assert "last" in problem(reply, "conflict")["detail"]
    assert [(r["action"], r["outcome"]) for r in audit_of(instance, reply)] == [
        ("passkey.delete", "failed")
    ]
    assert site.log_in(anonymous, key).status_code == 200
    enrol(api)
    assert api.http.delete(f"{MINE}/{made['id']}").status_code == 200


# ---- one's own --------------------------------------------------------------


def test_passkeys_are_listed_and_renamed(instance, site, log_in):
    api = log_in("clinician")
    keys = [site.add(api, Passkey(), name) for name in ("one", "two")]
    assert [k["name"] for k in api.get(MINE).json()["items"]] == ["one", "two"]
    reply = api.patch(f"{MINE}/{keys[1]['id']}", {"name": "drei"})
    assert reply.json() == keys[1] | {"name": "drei"}
    row = audit_row(instance, reply, "passkey.rename")
    assert (row["object_type"], str(row["object_id"])) == ("passkey", keys[1]["id"])
    assert row["detail"] is None, "names are not for the log"
    assert api.get(MINE).json()["items"] == [keys[0], keys[1] | {"name": "drei"}]


def test_a_passkey_that_is_deleted_is_good_for_nothing(instance, anonymous, site, log_in):
    api, key = log_in("clinician"), Passkey()
    made = site.add(api, key)
    with Api(instance) as other:
        adopt(other, site.log_in(other, key))
        assert other.get("/v1/me").status_code == 200
        before = api.token
        reply = api.http.delete(f"{MINE}/{made['id']}")
        assert reply.status_code == 200, reply.text
        assert adopt(api, reply)["methods"] == ["password"]
        audit_row(instance, reply, "passkey.delete")
        problem(other.get("/v1/me"), "unauthenticated")
    with Api(instance, before) as gone:
        problem(gone.get("/v1/me"), "unauthenticated")
    assert api.get(MINE).json()["items"] == []
    reply = site.log_in(anonymous, key)
    refused(instance, reply, "auth.passkey", "unknown-credential")
    with Api(instance) as again:
        again.login(api.email, api.password)
        assert again.reply["stage"] == "full"
    problem(api.http.delete(f"{MINE}/{made['id']}"), "not-found")


def test_anothers_passkeys_are_out_of_reach(instance, alice, bob):
    path = f"{MINE}/{bob.passkey['id']}"
    for reply, action in (
        (alice.patch(path, {"name": "mine"}), "passkey.rename"),
        (alice.http.delete(path), "passkey.delete"),
    ):
        problem(reply, "not-found")
        audit_row(instance, reply, action, "denied")
    assert [k["name"] for k in bob.get(MINE).json()["items"]] == ["Bob's laptop"]


def test_the_owner_is_told_by_mail(instance, site, log_in):
    api = log_in("clinician")
    made = site.add(api, Passkey(), "secret name of it")
    mail = wait_mail(instance, api.email, "was added")
    assert "a passkey" in mail.text
    assert "secret name" not in mail.text
    adopt(api, api.http.delete(f"{MINE}/{made['id']}"))
    assert "a passkey" in wait_mail(instance, api.email, "was removed").text


def test_nothing_of_it_is_in_the_log(instance, anonymous, site, log_in):
    offset = instance.log_size()
    api, key = log_in("clinician"), Passkey()
    site.add(api, key, "Kennwort Hausboot")
    options = asked(anonymous.post(f"{LOGIN}/options"))
    credential = key.get(options, site.origin)
    assert anonymous.post(LOGIN, {"credential": credential}).status_code == 200
    problem(anonymous.post(LOGIN, {"credential": credential}), "bad-credentials")
    written = "\n".join(map(str, instance.log_lines(offset)))
    assert "auth.passkey" in written or "/v1/auth/passkey" in written
    response = credential["response"]
    for secret in (
        options["challenge"], response["signature"], response["clientDataJSON"], credential["id"],
        base64.b64encode(key.id).decode(), "Hausboot", api.email, data.email().split("@")[0],
        cbor.encode(dict(key.cose)).hex(),
    ):  # fmt: skip
        assert secret not in written
