"""RFC 9421 signatures and RFC 9530 digests, made by an independent library."""

import base64
import contextlib
import hashlib
import json
import re
import secrets
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from http_message_signatures import algorithms
from lib import apikeys, data, signing
from lib.client import MERGE_PATCH, Api
from lib.db import audit_of, audit_row, connect
from lib.metrics import scrape, value
from lib.problem import problem
from lib.signing import FOUR, Signer

KINDS = {"hmac-sha256": signing.hmac_signer, "ed25519": signing.ed25519_signer}


@pytest.fixture(scope="module")
def owner(log_in):
    return log_in("clinician")


@pytest.fixture(scope="module")
def signers(instance, owner) -> dict[str, Signer]:
    return {name: make(instance, owner.user) for name, make in KINDS.items()}


@pytest.fixture(scope="module", params=KINDS)
def signer(request, signers) -> Signer:
    return signers[request.param]


@pytest.fixture(scope="module")
def api(anonymous):
    return anonymous


def body(**changes) -> bytes:
    return json.dumps(data.patient(**changes)).encode()


def digest(content: bytes, name: str = "sha256") -> str:
    made = base64.b64encode(hashlib.new(name, content).digest()).decode()
    return f"{name[:3]}-{name[3:]}=:{made}:"


# ---- what holds ------------------------------------------------------------------------


def test_without_the_secret(signer, owner, api):
    """The signature alone says who it is."""
    reply = signer.send(api, "GET", "/v1/me")
    assert reply.status_code == 200, reply.text
    assert reply.json()["user"]["id"] == owner.user["id"]
    assert reply.json()["key"]["prefix"] == signer.key.prefix


def test_with_the_secret_too(signer, instance):
    with signer.key.client(instance) as own:
        assert signer.send(own, "GET", "/v1/me").status_code == 200


def test_bodies_queries_and_methods(signer, api):
    made = signer.send(api, "POST", "/v1/patients", body())
    assert made.status_code == 201, made.text
    path = f"/v1/patients/{made.json()['id']}"
    assert signer.send(api, "GET", path).json() == made.json()
    assert signer.send(api, "GET", "/v1/patients?limit=1&mrn=%41+b").status_code == 200
    assert signer.send(api, "HEAD", path).status_code == 200
    changed = signer.send(
        api, "PATCH", path, b'{"notes": "signed"}', headers={"content-type": MERGE_PATCH}
    )
    assert changed.json()["notes"] == "signed"


@pytest.mark.parametrize(
    "more",
    [
        ["@target-uri"],
        ["@scheme", "@request-target"],
        ['"@query-param";name="limit"', '"@query-param";name="mrn"'],
        ["x-one", "accept", "host"],
        ['"x-one";bs', "x-one"],
        ['"x-dict";key="b"', '"x-dict";key="a"'],
    ],
)
def test_further_components(signer, api, more):
    headers = {"x-one": "a, b", "x-dict": 'a=1, b=("x"   y);q=1.50', "accept": "application/json"}
    path = "/v1/patients?limit=2&mrn=a%2Db+c"
    reply = signer.send(api, "GET", path, components=[*FOUR, *more], headers=headers)
    assert reply.status_code == 200, reply.text


def test_a_field_on_several_lines(signer, api):
    headers = [("x-two", "one"), ("accept", "*/*"), ("X-Two", "two,three")]
    request = api.http.build_request("GET", "/v1/me", headers=headers)
    assert api.http.send(signer.sign(request, components=[*FOUR, "x-two"])).status_code == 200


@pytest.mark.parametrize(
    "how",
    [
        {"include_alg": False},
        {"tag": "eleusis"},
        {"label": "x-y.z*"},
        {"age": -290},
        {"age": 290},
        {"life": 60},
        {"age": -290, "life": 3600},
        {"nonce": "0123456789abcdef"},
        {"nonce": '" \\~' * 32},
    ],
    ids=str,
)
def test_parameters(signer, api, how):
    how = dict(how)
    if len(how.get("nonce", "")) == 16:
        how["nonce"] = secrets.token_hex(8)
    if len(how.get("nonce", "")) == 128:
        how["nonce"] = how["nonce"][:-16] + secrets.token_hex(8)
    reply = signer.send(api, "GET", "/v1/me", **how)
    assert reply.status_code == 200, reply.text


def test_both_digests(signer, api):
    content = body()
    headers = {"content-digest": f"{digest(content, 'sha512')}, {digest(content)}"}
    reply = signer.send(
        api, "POST", "/v1/patients", content, headers=headers,
        components=[*FOUR, "content-digest"], use_existing_digest=True,
    )  # fmt: skip
    assert reply.status_code == 201, reply.text


def test_spaces_do_not_count(signer, api):
    """Parameters are serialized anew by both sides (RFC 9421, 2.3)."""
    request = signer.request(api, "GET", "/v1/me")
    spaced = request.headers["signature-input"].replace('" "', '"   "').replace("(", "( ")
    request.headers["signature-input"] = spaced.replace(";created", ";  created")
    assert api.http.send(request).status_code == 200


def test_beside_other_signatures(signer, api):
    """A proxy's own signature is passed over, in front of and behind ours."""
    request = signer.request(api, "GET", "/v1/me")
    request.headers["signature-input"] = (
        f'proxy=("@status";req);keyid="them", {request.headers["signature-input"]}, '
        'last=("@path");keyid="others";alg="rsa-pss-sha512"'
    )
    request.headers["signature"] = f"{request.headers['signature']}, proxy=:AAAA:, last=:AA==:"
    assert api.http.send(request).status_code == 200


def test_the_authority_is_normalized(signer, api, instance):
    request = signer.request(api, "GET", "/v1/me")
    request.headers["host"] = request.headers["host"].upper()
    assert api.http.send(request).status_code == 200


# ---- what does not ---------------------------------------------------------------------


def rewrite(header: str, old: str, new):
    def change(request):
        assert re.search(old, request.headers[header]), request.headers[header]
        request.headers[header] = re.sub(old, new, request.headers[header], count=1)

    return change


def put(header: str, text: str):
    def change(request):
        request.headers[header] = text

    return change


def drop(header: str):
    return lambda request: request.headers.pop(header)


def swap_body(content: bytes, redigest: bool = False):
    def change(request):
        request.stream = type(request.stream)(content)
        request.headers["content-length"] = str(len(content))
        if redigest:
            request.headers["content-digest"] = digest(content)

    return change


def add_line(header: str, text: str):
    def change(request):
        request.headers = type(request.headers)([*request.headers.multi_items(), (header, text)])

    return change


def flip_bit(request):
    label, _, text = request.headers["signature"].partition("=")
    raw = bytearray(base64.b64decode(text.strip(":")))
    raw[7] ^= 4
    request.headers["signature"] = f"{label}=:{base64.b64encode(raw).decode()}:"


def shorten(request):
    label, _, text = request.headers["signature"].partition("=")
    raw = base64.b64decode(text.strip(":"))[:-1]
    request.headers["signature"] = f"{label}=:{base64.b64encode(raw).decode()}:"


INPUT, SIG = "signature-input", "signature"
TAMPERED = {
    "method": (lambda r: setattr(r, "method", "PUT"), "method-not-allowed"),
    "path": (lambda r: setattr(r, "url", r.url.join("/v1/predictions")), "bad-signature"),
    "query": (lambda r: setattr(r, "url", r.url.copy_merge_params({"a": "1"})), "bad-signature"),
    "covered field": (put("x-covered", "2"), "bad-signature"),
    "covered field's case": (put("x-covered", "ONE"), "bad-signature"),
    "covered field twice": (add_line("x-covered", "one"), "bad-signature"),
    "covered field gone": (drop("x-covered"), "bad-signature"),
    "body": (swap_body(body()), "digest-mismatch"),
    "body and digest": (swap_body(body(), redigest=True), "bad-signature"),
    "body gone": (swap_body(b""), "digest-mismatch"),
    "digest": (put("content-digest", digest(b"other")), "bad-signature"),
    "digest gone": (drop("content-digest"), "bad-signature"),
    "second digest": (add_line("content-digest", digest(b"x", "sha512")), "bad-signature"),
    "created": (
        rewrite(INPUT, r"created=\d+", lambda m: f"created={int(m[0].split('=')[1]) - 1}"),
        "bad-signature",
    ),
    "nonce": (rewrite(INPUT, 'nonce="...', 'nonce="AAA'), "bad-signature"),
    "expires added": (rewrite(INPUT, "$", ";expires=99999999999"), "bad-signature"),
    "tag added": (rewrite(INPUT, "$", ';tag="x"'), "bad-signature"),
    "unknown parameter": (rewrite(INPUT, "$", ";x=1"), "bad-signature"),
    "parameters reordered": (
        rewrite(INPUT, r"(;created=\d+)(.*)$", r"\g<2>\g<1>"),
        "bad-signature",
    ),
    "components reordered": (
        rewrite(INPUT, '"@method" "@authority"', '"@authority" "@method"'),
        "bad-signature",
    ),
    "component taken out": (rewrite(INPUT, ' "x-covered"', ""), "bad-signature"),
    "component added": (rewrite(INPUT, '"x-covered"', '"x-covered" "accept"'), "bad-signature"),
    "component twice": (
        rewrite(INPUT, '"x-covered"', '"x-covered" "x-covered"'),
        "malformed-request",
    ),
    "component in upper case": (rewrite(INPUT, '"x-covered"', '"X-Covered"'), "malformed-request"),
    "method not covered": (rewrite(INPUT, '"@method" ', ""), "bad-signature"),
    "authority not covered": (rewrite(INPUT, '"@authority" ', ""), "bad-signature"),
    "path not covered": (rewrite(INPUT, '"@path" ', ""), "bad-signature"),
    "query not covered": (rewrite(INPUT, '"@query" ', ""), "bad-signature"),
    "digest not covered": (rewrite(INPUT, ' "content-digest"', ""), "bad-signature"),
    "unknown component": (rewrite(INPUT, '"x-covered"', '"@status"'), "malformed-request"),
    "component of the reply": (rewrite(INPUT, '"x-covered"', '"@method";req'), "malformed-request"),
    "structured form": (rewrite(INPUT, '"x-covered"', '"x-covered";sf'), "malformed-request"),
    "trailer": (rewrite(INPUT, '"x-covered"', '"x-covered";tr'), "malformed-request"),
    "alg none": (rewrite(INPUT, 'alg="[^"]+"', 'alg="none"'), "bad-signature"),
    "no created": (rewrite(INPUT, r";created=\d+", ""), "bad-signature"),
    "no nonce": (rewrite(INPUT, ';nonce="[^"]+"', ""), "bad-signature"),
    "short nonce": (rewrite(INPUT, 'nonce="[^"]+"', 'nonce="123456789012345"'), "bad-signature"),
    "no keyid": (rewrite(INPUT, ';keyid="[^"]+"', ""), "unauthenticated"),
    "unknown keyid": (rewrite(INPUT, 'keyid="elk_....', 'keyid="elk_0000'), "unauthenticated"),
    "keyid as a token": (rewrite(INPUT, 'keyid="([^"]+)"', r"keyid=\g<1>"), "unauthenticated"),
    "label": (rewrite(INPUT, "sig1", "sig2"), "malformed-request"),
    "signature": (flip_bit, "bad-signature"),
    "short signature": (shorten, "bad-signature"),
    "empty signature": (put(SIG, "sig1=::"), "bad-signature"),
    "no signature": (drop(SIG), "malformed-request"),
    "no input": (drop(INPUT), "malformed-request"),
    "signature no bytes": (put(SIG, 'sig1="AAAA"'), "malformed-request"),
    "broken input": (rewrite(INPUT, r"\)", ""), "malformed-request"),
    "label twice": (add_line(INPUT, 'sig1=("@path");keyid="x"'), "malformed-request"),
    "signature twice": (add_line(SIG, "sig1=:AAAA:"), "malformed-request"),
}


def tampered(signer, api, change):
    """One good request, changed; then the same unchanged, which must pass: so it was the change."""
    request = signer.request(
        api, "POST", "/v1/patients", body(), headers={"x-covered": "one"},
        components=[*FOUR, "x-covered"],
    )  # fmt: skip
    twin = api.http.build_request(
        request.method, request.url, content=request.content, headers=request.headers
    )
    change(request)
    return api.http.send(request), twin


@pytest.mark.parametrize("name", TAMPERED)
def test_tampered(signer, api, name):
    change, slug = TAMPERED[name]
    reply, twin = tampered(signer, api, change)
    problem(reply, slug)
    after = api.http.send(twin)
    assert after.status_code == 201, f"the nonce was not given back: {after.text}"


def test_another_host(signer, api, instance):
    request = signer.request(api, "GET", "/v1/me")
    port = request.url.port
    request.headers["host"] = f"localhost:{port + 1}"
    reply = api.http.send(request)
    assert reply.status_code in (400, 401, 421), reply.text


def test_head_is_not_get(signer, api):
    request = signer.request(api, "GET", "/v1/me")
    request.method = "HEAD"
    assert api.http.send(request).status_code == 401


@pytest.mark.parametrize("how", [{"age": -310}, {"age": 310}, {"age": -100, "life": 60}], ids=str)
def test_out_of_time(signer, api, how):
    reply = signer.send(api, "GET", "/v1/me", **how)
    assert re.search("created|expired", problem(reply, "bad-signature")["detail"])


def test_expires_may_not_lie_far_ahead(signer, api):
    problem(signer.send(api, "GET", "/v1/me", life=3601), "bad-signature")


def test_the_key_of_another(signers, instance, owner, log_in, api):
    """Signed by one key in the name of another: of the same and of another user."""
    stranger = log_in("clinician")
    for name, make in KINDS.items():
        victim = signers[name]
        for user in (owner.user, stranger.user):
            thief = make(instance, user)
            reply = thief.send(api, "GET", "/v1/me", key_id=victim.key.prefix)
            problem(reply, "bad-signature")


def test_algorithms_are_not_mixed_up(signers, api):
    """The public key as an HMAC secret, and each algorithm's name on the other."""
    ed, mac = signers["ed25519"], signers["hmac-sha256"]
    public = ed.private.public_key().public_bytes_raw()
    for named in (True, False):
        forged = Signer(ed.key, algorithms.HMAC_SHA256, public)
        problem(forged.send(api, "GET", "/v1/me", include_alg=named), "bad-signature")
        other = Signer(mac.key, algorithms.ED25519, Ed25519PrivateKey.generate())
        problem(other.send(api, "GET", "/v1/me", include_alg=named), "bad-signature")
    zeros = Signer(mac.key, algorithms.HMAC_SHA256, bytes(32))
    problem(zeros.send(api, "GET", "/v1/me"), "bad-signature")
    relabelled = ed.request(api, "GET", "/v1/me")
    relabelled.headers["signature-input"] = relabelled.headers["signature-input"].replace(
        "ed25519", "hmac-sha256"
    )
    assert "alg" in problem(api.http.send(relabelled), "bad-signature")["detail"]


def test_two_signatures_of_ours(signers, api):
    request = signers["ed25519"].request(api, "GET", "/v1/me")
    signers["hmac-sha256"].sign(request, label="sig2", append_if_signature_exists=True)
    problem(api.http.send(request), "malformed-request")


def test_a_session_does_not_sign(signer, owner):
    problem(signer.send(owner, "GET", "/v1/me"), "bad-signature")


def test_the_secret_of_another_key(signers, instance):
    with signers["ed25519"].key.client(instance) as own:
        problem(signers["hmac-sha256"].send(own, "GET", "/v1/me"), "malformed-request")


def test_a_key_that_cannot_sign(instance, owner, api):
    key = apikeys.make(instance, owner.user)
    fake = Signer(key, algorithms.HMAC_SHA256, bytes(32))
    problem(fake.send(api, "GET", "/v1/me"), "bad-signature")


# ---- replay ----------------------------------------------------------------------------


def test_used_once(signer, api):
    request = signer.request(api, "GET", "/v1/me")
    assert api.http.send(request).status_code == 200
    for _ in range(4):
        assert "replayed" in problem(api.http.send(request), "bad-signature")["detail"]


def test_a_nonce_belongs_to_its_key(signers, api):
    nonce = secrets.token_urlsafe(24)
    for signer in signers.values():
        assert signer.send(api, "GET", "/v1/me", nonce=nonce).status_code == 200
        problem(signer.send(api, "GET", "/v1/models", nonce=nonce), "bad-signature")


def test_twenty_at_once_are_one(signer, instance, api):
    """On twenty connections, which both workers share: one passes."""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Api(instance)) for _ in range(20)]
        for client in clients:
            assert client.get("/health/live").status_code == 200
        for _ in range(3):
            request = signer.request(api, "POST", "/v1/patients", body())
            copies = [
                c.http.build_request(
                    "POST", request.url, content=request.content, headers=request.headers
                )
                for c in clients
            ]
            with ThreadPoolExecutor(20) as pool:
                replies = list(
                    pool.map(lambda p: p[0].http.send(p[1]), zip(clients, copies, strict=False))
                )
            assert sorted(r.status_code for r in replies) == [201] + [401] * 19
            for reply in replies:
                if reply.status_code == 401:
                    problem(reply, "bad-signature")


# ---- when one must sign ----------------------------------------------------------------


def test_a_key_that_must_sign(instance, owner, api):
    for name, make in KINDS.items():
        signer = make(instance, owner.user, must_sign=True)
        with signer.key.client(instance) as own:
            reply = own.get("/v1/me")
            problem(reply, "signature-required")
            wanted = reply.headers["accept-signature"]
            assert f'keyid="{signer.key.prefix}"' in wanted
            assert f'alg="{name}"' in wanted
            assert "content-digest" not in wanted
            assert audit_row(instance, reply, "me.denied", "denied")["actor_id"]
            posted = own.raw("POST", "/v1/patients", body())
            problem(posted, "signature-required")
            assert '"content-digest"' in posted.headers["accept-signature"]
        assert signer.send(api, "GET", "/v1/me").status_code == 200


def test_doing_as_accept_signature_says(instance, owner, api):
    signer = signing.hmac_signer(instance, owner.user, must_sign=True)
    with signer.key.client(instance) as own:
        wanted = own.get("/v1/me").headers["accept-signature"]
    label, _, rest = wanted.partition("=")
    ids = re.findall(r'"([^"]+)"', rest[: rest.index(")")])
    nonce = re.search('nonce="([^"]+)"', rest)[1]
    reply = signer.send(api, "GET", "/v1/me", label=label, components=ids, nonce=nonce)
    assert reply.status_code == 200, reply.text


def test_the_former_signing_key(instance, owner, api):
    """Both hold while a rotation overlaps; afterwards only the new one."""
    private, former = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    for until, works in ((timedelta(minutes=5), True), (timedelta(minutes=-5), False)):
        key = apikeys.make(
            instance, owner.user, sign_alg="ed25519", generation=2,
            sign_key=private.public_key().public_bytes_raw(),
            previous_sign_key=former.public_key().public_bytes_raw(),
            previous_hash=bytes(32), previous_until=datetime.now(UTC) + until,
        )  # fmt: skip
        assert Signer(key, algorithms.ED25519, private).send(api, "GET", "/v1/me").is_success
        reply = Signer(key, algorithms.ED25519, former).send(api, "GET", "/v1/me")
        if works:
            assert reply.status_code == 200
        else:
            problem(reply, "bad-signature")


def test_a_key_made_and_rotated_over_the_api(owner, api):
    """The HMAC secret of the reply signs; the former one as long as the overlap."""
    wanted = {"name": "signs", "scopes": ["self"], "signature": {"alg": "hmac-sha256"}}
    made = owner.made("/v1/api-keys", wanted | {"must_sign": True})
    first = signing.from_reply(made)
    assert first.send(api, "GET", "/v1/me").status_code == 200
    rotate = f"/v1/api-keys/{made['id']}/rotate"
    second = signing.from_reply(owner.post(rotate, {"overlap_seconds": 300}).json())
    assert second.private != first.private
    assert second.send(api, "GET", "/v1/me").status_code == 200
    assert first.send(api, "GET", "/v1/me").status_code == 200
    third = signing.from_reply(owner.post(rotate, {}).json())
    assert third.send(api, "GET", "/v1/me").status_code == 200
    for former in (first, second):
        problem(former.send(api, "GET", "/v1/me"), "bad-signature")
    assert owner.http.delete(f"/v1/api-keys/{made['id']}").status_code == 204
    problem(third.send(api, "GET", "/v1/me"), "unauthenticated")


# ---- what is told of failures ----------------------------------------------------------


def test_nobody_is_named_for_a_false_signature(instance, owner, signer, api):
    """Who knows a key's name must not be able to fill its owner's log."""
    before = value(scrape(api), "eleusis_denials_total", kind="signature")
    reply, _ = tampered(signer, api, flip_bit)
    problem(reply, "bad-signature")
    assert audit_of(instance, reply) == []
    instance.log_lines()
    assert value(scrape(api), "eleusis_denials_total", kind="signature") == before + 1


def test_with_the_secret_the_denial_is_durable(instance, signer):
    with signer.key.client(instance) as own:
        reply, _ = tampered(signer, own, flip_bit)
    problem(reply, "bad-signature")
    row = audit_row(instance, reply, "patient.create", "denied")
    assert str(row["actor_id"]) == signer.key.user["id"]


def test_scopes_are_checked_after_the_signature(instance, owner, api):
    narrow = signing.ed25519_signer(instance, owner.user, scopes=["self"])
    reply, twin = tampered(narrow, api, flip_bit)
    problem(reply, "bad-signature")
    problem(api.http.send(twin), "forbidden")


# ---- Content-Digest of unsigned requests -------------------------------------------------


@pytest.mark.parametrize(
    ("field", "slug"),
    [
        (lambda b: digest(b), None),
        (lambda b: digest(b, "sha512"), None),
        (lambda b: "md5=:AAAA:", None),
        (lambda b: digest(b + b" "), "digest-mismatch"),
        (lambda b: f"{digest(b)}, {digest(b + b' ', 'sha512')}", "digest-mismatch"),
        (lambda b: "sha-256=abc", "malformed-request"),
        (lambda b: f"{digest(b)}, {digest(b)}", "malformed-request"),
    ],
)
def test_digests_without_a_signature(owner, field, slug):
    content = body()
    reply = owner.raw("POST", "/v1/patients", content, content_digest=field(content))
    if slug:
        problem(reply, slug)
    else:
        assert reply.status_code == 201, reply.text


def test_nothing_of_the_keys_is_left_in_the_log(instance, signers, api):
    offset = instance.log_size()
    for signer in signers.values():
        request = signer.request(api, "GET", "/v1/me")
        api.http.send(request)
        tampered(signer, api, flip_bit)
        text = json.dumps(instance.log_lines(offset))
        assert request.headers["signature"] not in text
        assert signer.key.text not in text
        assert signer.key.prefix not in text
    with connect(instance) as db:
        stored = db.execute(
            "SELECT sign_key FROM eleusis.api_key WHERE prefix = %s",
            [signers["hmac-sha256"].key.prefix],
        ).fetchone()["sign_key"]
    assert signers["hmac-sha256"].private not in bytes(stored)
