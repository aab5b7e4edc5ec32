"""Log-in by an OpenID Connect provider that lies, stalls, or is not the one that was asked."""

import base64
import contextlib
import json
import secrets
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import unquote_plus

import pytest
from lib import data
from lib.client import Api
from lib.db import audit_of, audit_row, connect, store
from lib.mail import mails, wait_mail
from lib.oidc import (
    BINDING,
    CLIENT,
    SECRET,
    SESSION,
    Key,
    Provider,
    assert_refused,
    b64,
    begin,
    browser,
    flow_of,
    goes_on_to,
    s256,
    sessions,
    token,
)
from lib.openapi import Contract
from lib.pki import Authority
from lib.problem import problem
from lib.process import wait_until

pytestmark = pytest.mark.restarts

CALLBACK_ID = "0f0e0d0c-0b0a-4090-8807-060504030201"
RSA, EC, PSS = Key("RS256"), Key("ES256"), Key("PS256")
STRANGER = Key("RS256", kid=RSA.kid)
UNFIT = {
    "short": Key("RS256", bits=1024),
    "for encryption": Key("RS256", use="enc"),
    "for another operation": Key("RS256", key_ops=["encrypt"]),
    "for another algorithm": Key("RS256", alg="PS256"),
}
HOUR = 3600


@pytest.fixture(scope="module")
def world(instance, tmp_path_factory):
    """Providers, good and bad, and the server with them in its configuration."""
    where = tmp_path_factory.mktemp("oidc")
    authority = Authority(where, "oidc-authority")
    good = Provider(authority.issue("good"))
    distrusted = Provider(Authority(where, "nobody").issue("distrusted"))
    secret = where / "client.secret"
    secret.write_text(SECRET + "\n")
    secret.chmod(0o600)
    for name in ("a", "b", "slow", "huge", "moved", "keyless", "stale"):
        good.issuer(name, [RSA, EC, PSS])
    good.issuer("odd", [RSA, *UNFIT.values()])
    good.issuer("liar", [RSA], issuer=f"{good.url}/a")
    good.issuer("plain", [RSA], authorization_response_iss_parameter_supported=None)
    good.issuer("apart", [RSA], authorization_response_iss_parameter_supported=None)
    good.issuer("no-pkce", [RSA], code_challenge_methods_supported=["plain"])
    good.issuer("downgrade", [RSA], token_endpoint="http://example.org/token")
    distrusted.issuer("distrusted", [RSA])
    configured = [
        {
            "id": name,
            "name": f"Provider {name}",
            "issuer": issuer.url,
            "client_id": CLIENT,
            "client_secret_file": str(secret),
            "link": "email_verified",
            "mfa": {"acr": ["two"], "amr": ["mfa"]},
        }
        for provider in (good, distrusted)
        for name, issuer in provider.issuers.items()
    ]
    for one in configured:
        if one["id"] == "apart":
            one["callback_id"] = CALLBACK_ID
        if one["id"] == "stale":
            one |= {"max_age": 600, "auth_method": "client_secret_post"}
        if one["id"] == "b":
            one |= {
                "link": "none", "provision": True, "role_claim": "/realm/roles",
                "roles": {"wards": "clinician", "auditors": "auditor", "chiefs": "admin"},
            }  # fmt: skip
    file = where / "providers.json"
    file.write_text(json.dumps(configured))
    good.settings = {
        "ELEUSIS_OIDC_FILE": str(file),
        "ELEUSIS_CA_FILE": str(authority.pair.cert),
        "ELEUSIS_OIDC_RETURN_PATHS": "/account /account/keys /records/",
    }
    instance.restart(**good.settings)
    yield good
    good.close()
    distrusted.close()
    instance.restart()


@pytest.fixture
def user(new_user):
    return new_user("clinician")


@pytest.fixture(scope="module")
def somebody(new_user):
    """An account that log-ins are tried for, in vain."""
    return new_user("clinician")


def log_in(instance, issuer, user, provider: str, sub: str = "", key: Key = RSA, **claims):
    """A log-in as it should be; the flow, and the last reply."""
    flow = begin(instance, provider, user.email, sub)
    code = issuer.grant(token(issuer.claims(flow, **claims), key))
    return flow, flow.back(code, issuer.url)


def me(flow) -> dict:
    reply = flow.http.get("/v1/me", headers={"accept": "application/json"})
    assert reply.status_code == 200, reply.text
    return reply.json()


@contextlib.contextmanager
def no_session(instance):
    """No session that was not there before."""
    before = sessions(instance)
    yield
    assert sessions(instance) <= before


# ---- what must work, so that the refusals below mean something ------------------


@pytest.mark.parametrize("key", [RSA, EC, PSS], ids=lambda key: key.alg)
def test_a_good_provider_logs_in(instance, world, user, key):
    """Every thing a provider is asked for and told, and the session that comes of it."""
    issuer = world.issuers["a"]
    flow = begin(instance, "a", user.email, return_to="/account/keys")
    wanted = {"response_type": "code", "client_id": CLIENT, "scope": "openid email",
              "code_challenge_method": "S256"}  # fmt: skip
    assert flow.params.items() >= wanted.items()
    assert len(flow.state) == len(flow.nonce) == 43
    cookie = flow.http.cookies.jar
    (binding,) = [c for c in cookie if c.name == BINDING]
    assert binding.secure
    assert binding.path == "/"
    assert binding.has_nonstandard_attr("HttpOnly")
    assert binding.get_nonstandard_attr("SameSite") == "Lax"
    code = issuer.grant(token(issuer.claims(flow), key))
    reply = flow.back(code, issuer.url)
    assert goes_on_to(reply) == "/account/keys"
    assert reply.headers["referrer-policy"] == "no-referrer"
    form = issuer.forms[-1]
    assert s256(form["code_verifier"]) == flow.params["code_challenge"]
    assert form["redirect_uri"] == flow.params["redirect_uri"]
    assert form["grant_type"] == "authorization_code"
    assert "client_secret" not in form
    basic = base64.b64decode(issuer.authorizations[-1].removeprefix("Basic ")).decode()
    assert [unquote_plus(part) for part in basic.split(":")] == [CLIENT, SECRET]
    rows = {row["action"]: row for row in audit_of(instance, reply)}
    assert rows["identity.link"]["detail"].items() >= {"provider": "a", "by": "email"}.items()
    assert rows["auth.oidc"]["outcome"] == "allowed"
    assert rows["auth.oidc"]["detail"]["provider"] == "a"
    assert me(flow)["user"]["email"] == user.email


def test_the_session_cookie_is_strict(instance, world, user):
    _, reply = log_in(instance, world.issuers["a"], user, "a")
    (cookie,) = [c for c in reply.headers.get_list("set-cookie") if c.startswith(f"{SESSION}=")]
    assert "SameSite=Strict" in cookie
    assert "HttpOnly" in cookie
    assert "Secure" in cookie


def test_nothing_secret_is_logged(instance, world, user):
    """Codes, states, tokens and addresses are in no log line and in Redis not in clear."""
    offset = instance.log_size()
    issuer = world.issuers["a"]
    flow = begin(instance, "a", user.email)
    made = token(issuer.claims(flow, sid="session-of-theirs"), RSA)
    code = issuer.grant(made)
    with store(instance) as r:
        held = b"".join(r.get(k) for k in r.scan_iter("o:*", count=1000) if r.type(k) == b"string")
    assert flow.nonce.encode() not in held
    assert flow.state.encode() not in held
    assert goes_on_to(flow.back(code, issuer.url)) == "/account"
    logged = json.dumps(instance.log_lines(offset))
    for secret in (code, flow.state, flow.nonce, made, made.split(".")[2], user.email, flow.sub):
        assert secret not in logged
    with store(instance) as r:
        names = b" ".join(r.scan_iter("o:*", count=1000))
    assert b"session-of-theirs" not in names
    assert flow.sub.encode() not in names


def test_two_windows_of_a_browser_can_both_log_in(instance, world, user):
    issuer = world.issuers["a"]
    first = begin(instance, "a", user.email, "twice")
    second = begin(instance, "a", user.email, "twice", http=first.http)
    for flow in (first, second):
        code = issuer.grant(token(issuer.claims(flow), RSA))
        assert goes_on_to(flow.back(code, issuer.url)) == "/account"


def test_two_factors_there_count_here(instance, world, user):
    issuer = world.issuers["a"]
    for claims, factors in (
        ({}, ["oidc"]),
        ({"acr": "one", "amr": ["pwd"]}, ["oidc"]),
        ({"acr": "two"}, ["mfa", "oidc"]),
        ({"amr": ["pwd", "mfa"]}, ["mfa", "oidc"]),
        ({"amr": "mfa"}, ["oidc"]),
    ):
        _, reply = log_in(instance, issuer, user, "a", sub=f"mfa-{user.email}", **claims)
        (row,) = [r for r in audit_of(instance, reply) if r["action"] == "auth.oidc"]
        assert sorted(row["detail"]["amr"]) == factors, claims


def test_a_second_factor_here_is_asked_for_unless_there_were_two_there(instance, world, user):
    issuer = world.issuers["a"]
    with connect(instance) as db:
        db.execute("UPDATE eleusis.app_user SET totp = true WHERE email = %s", [user.email])
    flow, reply = log_in(instance, issuer, user, "a", sub=f"two-{user.email}")
    assert goes_on_to(reply) == "/login#continue"
    assert me(flow)["session"]["stage"] == "second-factor"
    problem(flow.http.get("/v1/patients", headers={"accept": "*/*"}), "second-factor-required")
    flow, reply = log_in(instance, issuer, user, "a", sub=f"two-{user.email}", acr="two")
    assert goes_on_to(reply) == "/account"
    assert me(flow)["session"]["stage"] == "full"


def test_only_a_fresh_proof_there_is_a_step_up_here(instance, world, user):
    """A session at the provider may be hours old; fresh=true makes it ask once more."""
    issuer = world.issuers["a"]
    for auth_time, fresh in ((at(-400), False), (None, False), (at(-10), True), (at(30), True)):
        flow, reply = log_in(
            instance, issuer, user, "a", sub=f"step-{user.email}", auth_time=auth_time
        )
        assert goes_on_to(reply) == "/account"
        assert "prompt" not in flow.params
        session = me(flow)["session"]
        assert (session["step_up_until"] is not None) == fresh, auth_time
        headers = {"accept": "*/*", "x-csrf-token": session["csrf_token"]}
        reply = flow.http.post("/v1/me/identities", json={"provider": "b"}, headers=headers)
        if fresh:
            assert reply.status_code == 200, reply.text
        else:
            problem(reply, "step-up-required")
    flow = begin(instance, "a", fresh="true")
    assert flow.params["prompt"] == "login"
    assert flow.params["max_age"] == "31536000"


def test_the_owner_is_told_of_a_link(instance, world, user):
    _, reply = log_in(instance, world.issuers["a"], user, "a")
    assert goes_on_to(reply) == "/account"
    mail = wait_mail(instance, user.email)
    assert "Provider a" in mail.text


# ---- ID tokens that are refused ---------------------------------------------------


def at(seconds: int) -> int:
    return int(time.time()) + seconds


CLAIMS = {
    "wrong issuer": (lambda: {"iss": "https://example.org"}, "token-issuer"),
    "issuer with a slash": (lambda: {"iss": "SLASH"}, "token-issuer"),
    "no issuer": (lambda: {"iss": None}, "token-issuer"),
    "wrong audience": (lambda: {"aud": "somebody else"}, "bad-audience"),
    "no audience": (lambda: {"aud": None}, "bad-audience"),
    "empty audience": (lambda: {"aud": []}, "bad-audience"),
    "extra audience without azp": (lambda: {"aud": [CLIENT, "other"]}, "bad-audience"),
    "extra audience, another's azp": (
        lambda: {"aud": [CLIENT, "other"], "azp": "other"}, "bad-audience",
    ),
    "another's azp": (lambda: {"azp": "other"}, "bad-audience"),
    "expired": (lambda: {"exp": at(-61), "iat": at(-HOUR)}, "expired"),
    "no expiry": (lambda: {"exp": None}, "expired"),
    "expiry is a text": (lambda: {"exp": str(at(300))}, "expired"),
    "made in the future": (lambda: {"iat": at(90)}, "not-yet-valid"),
    "no time of issue": (lambda: {"iat": None}, "not-yet-valid"),
    "not yet valid": (lambda: {"nbf": at(90)}, "not-yet-valid"),
    "bad nonce": (lambda: {"nonce": "x" * 43}, "bad-nonce"),
    "missing nonce": (lambda: {"nonce": None}, "bad-nonce"),
    "nonce is a list": (lambda: {"nonce": ["x"]}, "bad-nonce"),
    "no subject": (lambda: {"sub": None}, "bad-subject"),
    "empty subject": (lambda: {"sub": ""}, "bad-subject"),
    "subject is a number": (lambda: {"sub": 7}, "bad-subject"),
    "subject is too long": (lambda: {"sub": "x" * 256}, "bad-subject"),
    "wrong at_hash": (lambda: {"at_hash": "x" * 22}, "bad-at-hash"),
    "a word of log-out": (lambda: {"events": {}}, "bad-type"),
    "unverified e-mail": (lambda: {"email_verified": False}, "not-linked"),
    "e-mail verified by silence": (lambda: {"email_verified": None}, "not-linked"),
    "no e-mail": (lambda: {"email": None}, "not-linked"),
    "nobody's e-mail": (lambda: {"email": "nobody@example.org"}, "not-linked"),
}  # fmt: skip


@pytest.mark.parametrize("case", CLAIMS)
def test_a_token_that_says_the_wrong_thing(instance, world, somebody, case):
    changes, slug = CLAIMS[case]
    issuer = world.issuers["a"]
    changed = changes()
    if changed.get("iss") == "SLASH":
        changed["iss"] = issuer.url + "/"
    with no_session(instance):
        flow = begin(instance, "a", somebody.email)
        code = issuer.grant(token(issuer.claims(flow, **changed), RSA), access_token="opaque")
        assert_refused(instance, flow.back(code, issuer.url), slug)


def split(made: str) -> list[str]:
    return made.split(".")


SIGNED = {
    "alg none": (lambda c: token(c, RSA, alg="none"), "bad-alg"),
    "alg none with a signature": (
        lambda c: token(c, RSA, alg="none") + split(token(c, RSA))[2], "bad-alg",
    ),
    "alg nOnE": (lambda c: token(c, RSA, alg="nOnE"), "bad-alg"),
    "HS256 with the public key": (lambda c: token(c, RSA, alg="HS256"), "bad-alg"),
    "an alg that is not allowed": (lambda c: token(c, RSA, alg="RS512"), "bad-alg"),
    "an alg of another key": (lambda c: token(c, EC, alg="RS256"), "unknown-key"),
    "the other padding": (lambda c: token(c, PSS, alg="RS256"), "unknown-key"),
    "another's key under this id": (lambda c: token(c, STRANGER), "bad-signature"),
    "another's key, brought along": (
        lambda c: token(c, STRANGER, jwk=STRANGER.jwk), "bad-signature",
    ),
    "a key from elsewhere": (
        lambda c: token(c, STRANGER, jku="https://example.org/jwks"), "bad-signature",
    ),
    "unknown key": (lambda c: token(c, RSA, kid="nobody's"), "unknown-key"),
    "changed after signing": (
        lambda c: ".".join(
            [split(token(c, RSA))[0], b64(json.dumps(c | {"sub": "x"}).encode()),
             split(token(c, RSA))[2]]
        ),
        "bad-signature",
    ),
    "no signature": (lambda c: token(c, RSA).rpartition(".")[0] + ".", "bad-signature"),
    "what must be understood": (lambda c: token(c, RSA, crit=["exp"]), "bad-token"),
    "not encoded": (lambda c: token(c, RSA, b64=False), "bad-token"),
    "a word of log-out": (lambda c: token(c, RSA, typ="logout+jwt"), "bad-type"),
    "an access token": (lambda c: token(c, RSA, typ="at+jwt"), "bad-type"),
    "four parts": (lambda c: token(c, RSA) + ".x", "bad-token"),
    "no token": (lambda c: None, "bad-token"),
    "rubbish": (lambda c: "rubbish", "bad-token"),
    "too long": (lambda c: token(c | {"pad": "x" * 16384}, RSA), "bad-token"),
    "the same claim twice": (
        lambda c: twice(c), "bad-token",
    ),
}  # fmt: skip


def twice(claims: dict) -> str:
    text = json.dumps(claims)[:-1] + ',"sub":"x"}'
    head = b64(json.dumps({"alg": "RS256", "kid": RSA.kid}).encode())
    signed = f"{head}.{b64(text.encode())}"
    return f"{signed}.{b64(RSA.sign(signed.encode()))}"


@pytest.mark.parametrize("case", SIGNED)
def test_a_token_that_is_signed_wrongly(instance, world, somebody, case):
    make, slug = SIGNED[case]
    issuer = world.issuers["a"]
    with no_session(instance):
        flow = begin(instance, "a", somebody.email)
        code = issuer.grant(make(issuer.claims(flow)))
        assert_refused(instance, flow.back(code, issuer.url), slug)


def test_a_log_in_there_that_is_too_old(instance, world, somebody, user):
    """max_age: asked for, and looked for."""
    issuer = world.issuers["stale"]
    for auth_time in (at(-600 - 61), None):
        with no_session(instance):
            flow, reply = log_in(instance, issuer, somebody, "stale", auth_time=auth_time)
            assert flow.params["max_age"] == "600"
            assert_refused(instance, reply, "too-old")
    _, reply = log_in(instance, issuer, user, "stale", auth_time=at(-590))
    assert goes_on_to(reply) == "/account"
    assert issuer.forms[-1]["client_secret"] == SECRET
    assert issuer.authorizations[-1] is None


def test_a_log_in_there_of_long_ago_is_no_fresh_proof(instance, world, user):
    """A browser that the provider knows yet logs in whoever sits before it."""
    sub = f"old-{user.email}"
    flow, reply = log_in(instance, world.issuers["a"], user, "a", sub, auth_time=at(-3600))
    assert goes_on_to(reply) == "/account"
    session = me(flow)["session"]
    assert (session["stage"], session["step_up_until"]) == ("full", None)
    headers = {"x-csrf-token": session["csrf_token"], "accept": "application/json"}
    reply = flow.http.post("/v1/me/totp", json={}, headers=headers)
    problem(reply, "step-up-required")
    reply = flow.http.post(
        "/v1/auth/second-factor", json={"password": user.password}, headers=headers
    )
    assert reply.json()["step_up_until"] is not None
    fresh, _ = log_in(instance, world.issuers["a"], user, "a", sub, auth_time=at(-5))
    assert me(fresh)["session"]["step_up_until"] is not None


# ---- the answer at the callback -----------------------------------------------------


def test_a_state_is_good_once(instance, world, user):
    issuer = world.issuers["a"]
    flow, reply = log_in(instance, issuer, user, "a")
    assert goes_on_to(reply) == "/account"
    with no_session(instance):
        code = issuer.grant(token(issuer.claims(flow), RSA))
        assert_refused(instance, flow.back(code, issuer.url), "bad-state")


@pytest.mark.parametrize("state", [None, "x", "A" * 43])
def test_a_state_that_was_never_given_out(instance, world, somebody, state):
    issuer = world.issuers["a"]
    with no_session(instance):
        flow = begin(instance, "a", somebody.email)
        code = issuer.grant(token(issuer.claims(flow), RSA))
        assert_refused(instance, flow.back(code, issuer.url, state=state), "bad-state")
        assert code in issuer.codes, "the code was sent all the same"


@pytest.mark.parametrize("cookie", ["none", "another's"])
def test_a_state_of_another_browser(instance, world, somebody, cookie):
    """Log-in CSRF: a victim's browser is sent to the end of an attacker's log-in."""
    issuer = world.issuers["a"]
    with no_session(instance):
        flow = begin(instance, "a", somebody.email)
        code = issuer.grant(token(issuer.claims(flow), RSA))
        flow.http = browser(instance)
        if cookie != "none":
            begin(instance, "a", http=flow.http)
        assert_refused(instance, flow.back(code, issuer.url), "other-browser")
        assert code in issuer.codes, "the code was sent all the same"


def test_mix_up(instance, world, somebody):
    """An answer that names another provider, or none where the provider would."""
    issuer = world.issuers["a"]
    for iss in (world.issuers["b"].url, issuer.url + "/", None):
        with no_session(instance):
            flow = begin(instance, "a", somebody.email)
            code = issuer.grant(token(issuer.claims(flow), RSA))
            assert_refused(instance, flow.back(code, iss), "bad-issuer")
            assert code in issuer.codes, "the code was sent all the same"


def test_a_provider_cannot_speak_for_another(instance, world, user, somebody):
    """Its keys are good for its own issuer only, and so are its subjects."""
    a, b = world.issuers["a"], world.issuers["b"]
    _, reply = log_in(instance, a, user, "a", sub="the-same")
    assert goes_on_to(reply) == "/account"
    with no_session(instance):
        flow = begin(instance, "b", user.email, "the-same")
        code = b.grant(token(a.claims(flow), RSA))
        assert_refused(instance, flow.back(code, b.url), "token-issuer")
        _, reply = log_in(instance, b, user, "b", sub="the-same", realm={"roles": ["wards"]})
        assert_refused(instance, reply, "not-linked")


def test_providers_that_cannot_be_told_apart_are_not_used(instance, world):
    """Without RFC 9207 a provider needs a redirect URI of its own."""
    reply = browser(instance).get("/v1/auth/oidc/start", params={"provider": "plain"})
    assert_refused(instance, reply, "mix-up-defence")


def test_a_redirect_uri_of_its_own(instance, world, user, somebody):
    issuer = world.issuers["apart"]
    flow = begin(instance, "apart", user.email)
    assert flow.callback == f"/v1/auth/oidc/callback/{CALLBACK_ID}"
    code = issuer.grant(token(issuer.claims(flow), RSA))
    assert goes_on_to(flow.back(code)) == "/account"
    with no_session(instance):
        flow = begin(instance, "apart", somebody.email)
        flow.params["redirect_uri"] = "/v1/auth/oidc/callback"
        code = issuer.grant(token(issuer.claims(flow), RSA))
        assert_refused(instance, flow.back(code), "bad-issuer")
        flow = begin(instance, "a", somebody.email)
        flow.params["redirect_uri"] = f"/v1/auth/oidc/callback/{CALLBACK_ID}"
        assert_refused(instance, flow.back("x", world.issuers["a"].url), "bad-issuer")


@pytest.mark.parametrize(
    ("params", "slug"),
    [
        ({"error": "access_denied", "error_description": "<script>"}, "denied"),
        ({"error": "server_error"}, "provider-error"),
        ({}, "no-code"),
    ],
)
def test_a_provider_that_reports_an_error(instance, world, params, slug):
    with no_session(instance):
        flow = begin(instance, "a")
        reply = flow.back(None, world.issuers["a"].url, **params)
        assert_refused(instance, reply, slug)
        assert "<script>" not in reply.text


# ---- its token endpoint ---------------------------------------------------------


def redirect(handler):
    handler.send(302, b"", location=f"{handler.server.url}/b/token")


def stall(handler):
    handler.send_response(200)
    handler.send_header("content-length", "100")
    handler.end_headers()
    handler.wfile.flush()
    time.sleep(8)


def endless(handler):
    """More than is taken, of no stated length."""
    handler.send_response(200)
    handler.send_header("connection", "close")
    handler.end_headers()
    handler.close_connection = True
    with contextlib.suppress(OSError):
        for _ in range(4096):
            handler.wfile.write(b" " * 65536)


TOKEN_ENDPOINT = {
    "an error": lambda h: h.send(400, b'{"error":"invalid_grant"}'),
    "an error of its own": lambda h: h.send(500, b"{}"),
    "created": lambda h: h.send(201, b"{}"),
    "a redirect": redirect,
    "not JSON": b"<html>",
    "no object": b"[]",
    "huge": b'{"pad":"' + b"x" * 200000 + b'"}',
    "deep": b"[" * 100000,
    "endless": endless,
    "slow": stall,
    "closed": lambda h: h.connection.shutdown(socket.SHUT_RDWR),
}


@pytest.mark.parametrize("case", TOKEN_ENDPOINT)
def test_a_token_endpoint_that_misbehaves(instance, world, somebody, case):
    issuer = world.issuers["a"]
    flow = begin(instance, "a", somebody.email)
    seen = world.issuers["b"].count("token")
    issuer.answers["token"] = TOKEN_ENDPOINT[case]
    try:
        with no_session(instance):
            code = issuer.grant(token(issuer.claims(flow), RSA))
            assert_refused(instance, flow.back(code, issuer.url), "token-endpoint")
    finally:
        del issuer.answers["token"]
    assert world.issuers["b"].count("token") == seen, "the redirect was followed"


# ---- what it publishes ------------------------------------------------------------


@pytest.mark.parametrize(
    ("provider", "answer"),
    [
        ("liar", None),
        ("no-pkce", None),
        ("downgrade", None),
        ("distrusted", None),
        ("huge", b'{"pad":"' + b"x" * 3000000 + b'"}'),
        pytest.param("slow", stall, marks=pytest.mark.full),
        ("moved", redirect),
    ],
)
def test_metadata_that_are_not_taken(instance, world, provider, answer):
    if answer is not None:
        world.issuers[provider].answers["openid-configuration"] = answer
    with no_session(instance):
        reply = browser(instance).get("/v1/auth/oidc/start", params={"provider": provider})
        assert_refused(instance, reply, "discovery")
        assert reply.status_code == 503
        (row,) = audit_of(instance, reply)
        assert row["detail"]["provider"] == provider


def test_keys_that_cannot_be_had(instance, world, somebody):
    issuer = world.issuers["keyless"]
    issuer.answers["jwks"] = b'{"keys":{}}'
    with no_session(instance):
        _, reply = log_in(instance, issuer, somebody, "keyless")
        assert_refused(instance, reply, "unknown-key")


@pytest.mark.parametrize("key", UNFIT.values(), ids=UNFIT)
def test_keys_that_do_not_fit(instance, world, somebody, key):
    """They are published, and they are not for this."""
    issuer = world.issuers["odd"]
    with no_session(instance):
        _, reply = log_in(instance, issuer, somebody, "odd", key=key)
        assert_refused(instance, reply, "unknown-key")
    assert issuer.count("jwks") > 0


def test_a_new_key_is_found_and_a_flood_of_unknown_ones_is_not_passed_on(
    instance, world, somebody, user
):
    """Key rotation costs one fetch; made-up key ids cost a few, and then none."""
    issuer = world.issuers["stale"]
    fresh = Key("RS256")
    issuer.keys = [fresh]
    flow, reply = log_in(instance, issuer, user, "stale", key=fresh)
    assert goes_on_to(reply) == "/account"
    seen = issuer.count("jwks")
    workers = len(instance.worker_pids())

    def send(_):
        with Api(instance) as api:
            made = token(issuer.logout_claims(sub="x"), fresh, kid=secrets.token_hex(4),
                         typ="logout+jwt")  # fmt: skip
            return api.http.post("/v1/auth/oidc/backchannel", data={"logout_token": made})

    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(send, range(60)))
    for reply in replies:
        problem(reply, "bad-token")
    assert 0 < issuer.count("jwks") - seen <= 3 * workers
    _, reply = log_in(instance, issuer, user, "stale", sub=flow.sub, key=fresh)
    assert goes_on_to(reply) == "/account"


@pytest.mark.full
def test_what_cannot_be_had_anew_stays_as_it_was(instance, world, user):
    """In the background what is published is fetched again; a provider's bad hour harms nobody."""
    issuer = world.issuers["a"]
    instance.restart(**world.settings, ELEUSIS_OIDC_REFRESH_S="5")
    # Often enough that each worker has them.
    for _ in range(8 * len(instance.worker_pids())):
        _, reply = log_in(instance, issuer, user, "a", sub=f"stays-{user.email}")
        assert goes_on_to(reply) == "/account"
    for what, wrong in (("openid-configuration", b"[]"), ("jwks", b"[]")):
        issuer.answers[what] = wrong
    seen = issuer.count("jwks")
    try:
        wait_until(lambda: issuer.count("jwks") >= seen + 2, 30, "the keys being asked for")
        _, reply = log_in(instance, issuer, user, "a", sub=f"stays-{user.email}")
        assert goes_on_to(reply) == "/account"
    finally:
        issuer.answers.clear()
        instance.restart(**world.settings)


# ---- where a log-in begins and ends ---------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "//example.org", "https://example.org", "/\\example.org", "/account/../x", "account",
        "/account?next=//example.org", "/account#x", "/accounts", "/%2fexample.org", "/records",
        "/records//x", "/account\t", "javascript:alert(1)", "/records/../../x", "/",
    ],
)  # fmt: skip
def test_no_open_redirect(instance, world, path):
    reply = browser(instance).get(
        "/v1/auth/oidc/start", params={"provider": "a", "return_to": path}
    )
    assert_refused(instance, reply, "return-to")
    assert "location" not in reply.headers


@pytest.mark.parametrize("path", ["/account", "/account/keys", "/records/x-1/y"])
def test_places_to_return_to(instance, world, user, path):
    issuer = world.issuers["a"]
    flow = begin(instance, "a", user.email, return_to=path)
    code = issuer.grant(token(issuer.claims(flow), RSA))
    assert goes_on_to(flow.back(code, issuer.url)) == path


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_another_site_cannot_begin_a_log_in(instance, world, site):
    """Nobody is logged in who has not asked for it."""
    http = browser(instance)
    begun = http.get("/v1/auth/oidc/start", params={"provider": "a"},
                     headers={"sec-fetch-site": site})  # fmt: skip
    assert_refused(instance, begun, "foreign-start")
    for own in ("same-origin", "none"):
        begun = http.get("/v1/auth/oidc/start", params={"provider": "a"},
                         headers={"sec-fetch-site": own})  # fmt: skip
        assert begun.status_code == 302


def test_no_such_provider(instance, world):
    reply = browser(instance).get("/v1/auth/oidc/start", params={"provider": "nobody"})
    assert_refused(instance, reply, "no-provider")
    assert reply.status_code == 404


def test_providers_are_listed(instance, world, anonymous):
    reply = anonymous.get("/v1/auth/providers")
    listed = reply.json()["items"]
    assert {"id": "a", "name": "Provider a"} in listed
    assert all(set(item) == {"id", "name"} for item in listed)


def test_replies_are_as_declared(instance, world, user, anonymous):
    """The operations that test_openapi.py cannot make succeed, against the contract."""
    contract = Contract(anonymous.get("/openapi.json").json())
    issuer = world.issuers["a"]
    flow, done = log_in(instance, issuer, user, "a")
    flow.http.headers.update({"accept": "*/*", "x-csrf-token": me(flow)["session"]["csrf_token"]})
    own = begin(instance, "apart", user.email)
    replies = [
        done,
        flow.http.get("/v1/auth/oidc/start", params={"provider": "a"}),
        own.back(world.issuers["apart"].grant(token(world.issuers["apart"].claims(own), RSA))),
        flow.http.get("/v1/me/identities"),
        flow.http.post("/v1/me/identities", json={"provider": "b"}),
        flow.http.delete(f"/v1/me/identities/{identities(flow.http)[0]['id']}"),
        backchannel(instance, token(issuer.logout_claims(sub="x"), RSA, typ="logout+jwt")),
    ]
    assert [r.status_code for r in replies] == [200, 302, 200, 200, 200, 204, 200]
    for reply in replies:
        path = reply.request.url.path
        operation = contract.operation(reply.request.method, path)
        assert str(reply.status_code) in operation["responses"], path
        if path.startswith("/v1/me"):
            contract.check(reply)


# ---- which account --------------------------------------------------------------------


def test_an_account_has_one_identity_of_a_provider(instance, world, user):
    """Whoever gets the address later there does not get the account here."""
    issuer = world.issuers["a"]
    _, reply = log_in(instance, issuer, user, "a", sub="first")
    assert goes_on_to(reply) == "/account"
    with no_session(instance):
        _, reply = log_in(instance, issuer, user, "a", sub=f"second-{user.email}")
        assert_refused(instance, reply, "other-linked")


def test_a_disabled_account_stays_out(instance, world, user):
    issuer = world.issuers["a"]
    _, reply = log_in(instance, issuer, user, "a", sub=f"linked-{user.email}")
    assert goes_on_to(reply) == "/account"
    instance.ctl("user", "disable", "--email", user.email)
    with no_session(instance):
        for sub in (f"linked-{user.email}", "another"):
            _, reply = log_in(instance, issuer, user, "a", sub=sub)
            assert_refused(instance, reply, "disabled")


def realm(*roles: str) -> dict:
    return {"roles": list(roles)}


def test_accounts_are_made_with_the_role_that_the_provider_says(instance, world):
    issuer = world.issuers["b"]
    somebody = Api(instance)
    somebody.email = data.email()
    with no_session(instance):
        _, reply = log_in(instance, issuer, somebody, "b", realm=realm("visitors"))
        assert_refused(instance, reply, "no-role")
        _, reply = log_in(instance, issuer, somebody, "b", realm=realm("wards"),
                          email_verified=None)  # fmt: skip
        assert_refused(instance, reply, "not-linked")
    flow, reply = log_in(instance, issuer, somebody, "b", sub="made",
                         realm=realm("visitors", "wards"), name="Ada B")  # fmt: skip
    assert goes_on_to(reply) == "/account"
    assert {row["action"] for row in audit_of(instance, reply)} == {"user.create", "auth.oidc"}
    user = me(flow)["user"]
    assert (user["email"], user["name"], user["role"]) == (somebody.email, "Ada B", "clinician")
    # No password was made, so none fits.
    for password in ("", "Ada B"):
        reply = somebody.post(
            "/v1/auth/login", {"email": somebody.email, "password": password or "x"}
        )
        problem(reply, "bad-credentials")
    somebody.close()


def test_a_role_follows_the_provider_and_ends_older_sessions(instance, world):
    issuer = world.issuers["b"]
    somebody = Api(instance)
    somebody.email = data.email()
    before, _ = log_in(instance, issuer, somebody, "b", sub="moves", realm=realm("wards"))
    assert me(before)["user"]["role"] == "clinician"
    after, reply = log_in(instance, issuer, somebody, "b", sub="moves", realm=realm("auditors"))
    rows = {row["action"]: row["detail"] for row in audit_of(instance, reply)}
    assert rows["user.role"].items() >= {"from": "clinician", "to": "auditor"}.items()
    assert me(after)["user"]["role"] == "auditor"
    assert not alive(before)
    with no_session(instance):
        _, reply = log_in(instance, issuer, somebody, "b", sub="moves", realm=realm())
        assert_refused(instance, reply, "no-role")
    somebody.close()


# ---- linking from a session --------------------------------------------------------


@pytest.fixture
def member(instance, user):
    """A browser that is logged in with a password; its flow to link begins here."""
    http = browser(instance)
    reply = http.post(
        "/v1/auth/login",
        json={"email": user.email, "password": user.password, "mode": "cookie"},
        headers={"accept": "application/json"},
    )
    assert reply.status_code == 200, reply.text
    http.headers.update({"x-csrf-token": reply.json()["csrf_token"], "accept": "*/*"})
    http.email = user.email
    return http


def begin_link(member, provider: str, sub: str = ""):
    reply = member.post("/v1/me/identities", json={"provider": provider})
    assert reply.status_code == 200, reply.text
    return flow_of(member, reply.json()["url"], member.email, sub)


def identities(member) -> list[dict]:
    return member.get("/v1/me/identities", headers={"accept": "*/*"}).json()["items"]


def test_link_and_unlink(instance, world, member):
    issuer = world.issuers["b"]
    flow = begin_link(member, "b")
    code = issuer.grant(token(issuer.claims(flow, email=None), RSA))
    reply = flow.back(code, issuer.url)
    assert goes_on_to(reply) == "/account"
    row = audit_row(instance, reply, "identity.link")
    assert row["detail"].items() >= {"provider": "b", "by": "session"}.items()
    (mine,) = identities(member)
    assert (mine["provider"], mine["name"]) == ("b", "Provider b")
    reply = member.delete(f"/v1/me/identities/{mine['id']}")
    assert reply.status_code == 204, reply.text
    audit_row(instance, reply, "identity.unlink")
    assert identities(member) == []
    problem(member.delete(f"/v1/me/identities/{mine['id']}"), "not-found")


def test_unlinking_ends_what_began_with_it(instance, world, member):
    """Whoever linked an account of his own there is out with it; who unlinks goes on."""
    issuer = world.issuers["a"]
    flow = begin_link(member, "a", f"thief-of-{member.email}")
    assert goes_on_to(flow.back(issuer.grant(token(issuer.claims(flow), RSA)), issuer.url))
    thief = begin(instance, "a", member.email, f"thief-of-{member.email}")
    assert goes_on_to(thief.back(issuer.grant(token(issuer.claims(thief), RSA)), issuer.url))
    assert me(thief)["user"]["email"] == member.email
    (mine,) = identities(member)
    assert member.delete(f"/v1/me/identities/{mine['id']}").status_code == 204
    reply = thief.http.get("/v1/me", headers={"accept": "application/json"})
    problem(reply, "unauthenticated")
    assert identities(member) == []
    told = lambda: " ".join(" ".join(m.text.split()) for m in mails(instance, member.email))  # noqa: E731
    wait_until(lambda: "linked to Provider a no more" in told(), 15, "the mail about it")


def test_what_is_linked_to_somebody_else_is_not_linked_again(instance, world, member, new_user):
    issuer = world.issuers["a"]
    other = new_user("clinician")
    _, reply = log_in(instance, issuer, other, "a", sub=f"of-{other.email}")
    assert goes_on_to(reply) == "/account"
    flow = begin_link(member, "a", f"of-{other.email}")
    code = issuer.grant(token(issuer.claims(flow), RSA))
    assert_refused(instance, flow.back(code, issuer.url), "other-linked")
    assert identities(member) == []


def test_a_link_ends_in_the_session_that_began_it(instance, world, member):
    issuer = world.issuers["b"]
    flow = begin_link(member, "b")
    reply = member.post("/v1/auth/logout")
    assert reply.status_code == 204, reply.text
    code = issuer.grant(token(issuer.claims(flow), RSA))
    assert_refused(instance, flow.back(code, issuer.url), "session-ended")


def test_linking_needs_a_session_and_a_page_of_ours(instance, world, member, anonymous):
    problem(anonymous.post("/v1/me/identities", {"provider": "b"}), "unauthenticated")
    problem(member.post("/v1/me/identities", json={"provider": "x"}), "validation-failed")
    problem(
        member.post("/v1/me/identities", json={"provider": "b", "return_to": "//x"}),
        "validation-failed",
    )
    member.headers.pop("x-csrf-token")
    problem(member.post("/v1/me/identities", json={"provider": "b"}), "csrf")


def test_the_last_way_in_is_not_unlinked(instance, world):
    issuer = world.issuers["b"]
    somebody = Api(instance)
    somebody.email = data.email()
    flow, _ = log_in(instance, issuer, somebody, "b", realm=realm("wards"))
    (mine,) = identities(flow.http)
    csrf = me(flow)["session"]["csrf_token"]
    headers = {"x-csrf-token": csrf, "accept": "*/*"}
    reply = flow.http.delete(f"/v1/me/identities/{mine['id']}", headers=headers)
    problem(reply, "conflict")
    assert len(identities(flow.http)) == 1
    somebody.close()


# ---- log-out ------------------------------------------------------------------------


def test_log_out_here_tells_where_to_log_out_there(instance, world, user):
    issuer = world.issuers["a"]
    flow, _ = log_in(instance, issuer, user, "a")
    csrf = me(flow)["session"]["csrf_token"]
    headers = {"x-csrf-token": csrf, "accept": "*/*"}
    reply = flow.http.post("/v1/auth/oidc/logout", headers=headers)
    assert reply.status_code == 200, reply.text
    url = reply.json()["url"]
    assert url.startswith(f"{issuer.url}/end?x=1&client_id=eleusis%3Aclient&")
    assert "post_logout_redirect_uri=" in url
    assert "id_token_hint" not in url
    audit_row(instance, reply, "auth.logout")
    assert flow.http.get("/v1/me", headers={"accept": "*/*"}).status_code == 401


def backchannel(instance, made: str):
    with Api(instance) as api:
        return api.http.post("/v1/auth/oidc/backchannel", data={"logout_token": made})


def alive(flow) -> bool:
    return flow.http.get("/v1/me", headers={"accept": "*/*"}).status_code == 200


def test_log_out_there_ends_sessions_here(instance, world, user):
    """By session: that one. By subject: all that began there, and no other."""
    issuer = world.issuers["a"]
    sub = f"out-{user.email}"
    flows = [log_in(instance, issuer, user, "a", sub, sid=f"sid-{n}-{sub}")[0] for n in range(3)]
    by_password = Api(instance).login(user.email, user.password)
    made = token(issuer.logout_claims(sid=f"sid-0-{sub}"), RSA, typ="logout+jwt")
    reply = backchannel(instance, made)
    assert (reply.status_code, reply.content) == (200, b"")
    assert reply.headers["cache-control"] == "no-store"
    row = audit_row(instance, reply, "auth.backchannel")
    assert row["detail"].items() >= {"provider": "a", "sessions": 1}.items()
    assert [alive(f) for f in flows] == [False, True, True]
    made = token(issuer.logout_claims(sub=sub, sid=f"sid-1-{sub}"), RSA, typ="logout+jwt")
    assert backchannel(instance, made).status_code == 200
    assert [alive(f) for f in flows] == [False, False, True]
    made = token(issuer.logout_claims(sub=sub), RSA, typ="logout+jwt")
    assert backchannel(instance, made).status_code == 200
    assert [alive(f) for f in flows] == [False, False, False]
    assert by_password.get("/v1/me").status_code == 200
    by_password.close()


def test_log_out_of_somebody_unknown_is_no_mistake(instance, world):
    issuer = world.issuers["a"]
    for whom in ({"sub": "nobody"}, {"sid": "none"}):
        made = token(issuer.logout_claims(**whom), RSA, typ="logout+jwt")
        assert backchannel(instance, made).status_code == 200


LOGOUTS = {
    "wrong audience": ({"aud": "other"}, {}, "bad-audience"),
    "expired": ({"exp": 0}, {}, "expired"),
    "no expiry": ({"exp": None}, {}, "expired"),
    "made long ago": ({"iat": -HOUR}, {}, "expired"),
    "made in the future": ({"iat": HOUR}, {}, "not-yet-valid"),
    "with a nonce": ({"nonce": "x"}, {}, "bad-nonce"),
    "no events": ({"events": None}, {}, "bad-event"),
    "other events": ({"events": {"x": {}}}, {}, "bad-event"),
    "events is a text": ({"events": "x"}, {}, "bad-event"),
    "no jti": ({"jti": None}, {}, "bad-token"),
    "neither sub nor sid": ({"sub": None}, {}, "bad-subject"),
    "of another type": ({}, {"typ": "JWT"}, "bad-type"),
    "of no type": ({}, {"typ": None}, "bad-type"),
    "another's key": ({}, {"key": STRANGER}, "bad-signature"),
    "alg none": ({}, {"alg": "none"}, "bad-token"),
    "HS256 with the public key": ({}, {"alg": "HS256"}, "bad-token"),
    "nobody's": ({"iss": "https://example.org"}, {}, "bad-token"),
    "another provider's": ({"iss": "B"}, {"key": STRANGER}, "bad-signature"),
}


@pytest.mark.parametrize("case", LOGOUTS)
def test_a_word_of_log_out_that_is_refused(instance, world, user, case):
    changes, header, slug = LOGOUTS[case]
    issuer = world.issuers["a"]
    flow, _ = log_in(instance, issuer, user, "a", sub=f"stays-{user.email}")
    changes, header = dict(changes), {"typ": "logout+jwt"} | header
    for name in ("iat", "exp"):
        if changes.get(name) is not None:
            changes[name] = at(changes[name] - (61 if name == "exp" else 0))
    if changes.get("iss") == "B":
        changes["iss"] = world.issuers["b"].url
    claims = issuer.logout_claims(**({"sub": f"stays-{user.email}"} | changes))
    signed = not header.keys() & {"key", "alg"} and header["typ"] == "logout+jwt"
    signed = signed and changes.get("iss") is None
    reply = backchannel(instance, token(claims, header.pop("key", RSA), **header))
    assert slug in problem(reply, "bad-token")["detail"]
    assert reply.headers["cache-control"] == "no-store"
    if signed:
        row = audit_row(instance, reply, "auth.backchannel", "denied")
        assert row["detail"]["reason"] == slug
    else:  # anybody can send it: rows of a minute say how many did
        assert audit_of(instance, reply) == []
    assert alive(flow)


def test_a_word_of_log_out_is_heard_once(instance, world, user):
    issuer = world.issuers["a"]
    sub = f"again-{user.email}"
    made = token(issuer.logout_claims(sub=sub), RSA, typ="logout+jwt")
    flow, _ = log_in(instance, issuer, user, "a", sub=sub)
    assert backchannel(instance, made).status_code == 200
    assert not alive(flow)
    flow, _ = log_in(instance, issuer, user, "a", sub=sub)
    reply = backchannel(instance, made)
    problem(reply, "bad-token")
    row = audit_row(instance, reply, "auth.backchannel", "denied")
    assert row["detail"]["reason"] == "replayed"
    assert alive(flow)


def test_an_id_token_is_no_word_of_log_out(instance, world, user):
    issuer = world.issuers["a"]
    flow, _ = log_in(instance, issuer, user, "a")
    made = token(issuer.claims(flow, events={}), RSA, typ="logout+jwt")
    problem(backchannel(instance, made), "bad-token")
    assert alive(flow)
