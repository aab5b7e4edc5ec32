"""OpenID Connect from both ends: a browser that logs in, and a provider that can lie.

The provider is a real HTTPS server with an issuer a path. What it says is made
from what a good one would say, and a test's changes to that.
"""

import base64
import contextlib
import hashlib
import hmac
import json
import re
import secrets
import ssl
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from lib.db import audit_of, keys

SESSION = "__Host-eleusis"
BINDING = "__Host-eleusis-oidc"
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
CLIENT, SECRET = "eleusis:client", "a secret/with+odd=characters"


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(n: int) -> str:
    return b64(n.to_bytes((n.bit_length() + 7) // 8, "big"))


# ---- keys and tokens ------------------------------------------------------------


class Key:
    """A signing key and its JWK."""

    def __init__(self, alg: str, /, kid: str | None = None, **more):
        self.alg, self.kid = alg, kid or secrets.token_hex(8)
        if alg.startswith("ES"):
            self.private = ec.generate_private_key(ec.SECP256R1())
            n = self.private.public_key().public_numbers()
            self.jwk = {
                "kty": "EC", "crv": "P-256",
                "x": b64(n.x.to_bytes(32, "big")), "y": b64(n.y.to_bytes(32, "big")),
            }  # fmt: skip
        else:
            self.private = rsa.generate_private_key(65537, more.pop("bits", 2048))
            n = self.private.public_key().public_numbers()
            self.jwk = {"kty": "RSA", "n": number(n.n), "e": number(n.e)}
        self.jwk |= {"kid": self.kid, "use": "sig", "alg": self.alg} | more

    def sign(self, data: bytes) -> bytes:
        if self.alg == "ES256":
            r, s = decode_dss_signature(self.private.sign(data, ec.ECDSA(hashes.SHA256())))
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")
        if self.alg == "PS256":
            pss = padding.PSS(padding.MGF1(hashes.SHA256()), hashes.SHA256().digest_size)
            return self.private.sign(data, pss, hashes.SHA256())
        return self.private.sign(data, padding.PKCS1v15(), hashes.SHA256())

    @property
    def pem(self) -> bytes:
        return self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )


def token(claims: dict, key: Key, **header) -> str:
    """Signed; a header of None leaves the member out."""
    head = {"alg": key.alg, "kid": key.kid, "typ": "JWT"} | header
    head = {name: value for name, value in head.items() if value is not None}
    data = ".".join(b64(json.dumps(part).encode()) for part in (head, claims))
    if head["alg"] == "none":
        return data + "."
    if head["alg"].startswith("HS"):
        made = hmac.digest(key.pem, data.encode(), "sha256")
    else:
        made = key.sign(data.encode())
    return f"{data}.{b64(made)}"


# ---- the provider ---------------------------------------------------------------


@dataclass
class Issuer:
    """One issuer; `answers` replaces what a path says: bytes, or a function of the handler."""

    url: str
    keys: list[Key]
    metadata: dict = field(default_factory=dict)
    answers: dict = field(default_factory=dict)
    codes: dict = field(default_factory=dict)
    hits: list = field(default_factory=list)
    forms: list = field(default_factory=list)
    authorizations: list = field(default_factory=list)

    def document(self) -> dict:
        made = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/jwks",
            "end_session_endpoint": f"{self.url}/end?x=1",
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
        } | self.metadata
        return {name: value for name, value in made.items() if value is not None}

    def claims(self, flow, **changes) -> dict:
        """What a good ID token says; None leaves a claim out."""
        now = int(time.time())
        made = {
            "iss": self.url, "aud": CLIENT, "sub": flow.sub, "nonce": flow.nonce,
            "iat": now, "exp": now + 300, "auth_time": now,
            "email": flow.email, "email_verified": True,
        } | changes  # fmt: skip
        return {name: value for name, value in made.items() if value is not None}

    def logout_claims(self, **changes) -> dict:
        now = int(time.time())
        made = {
            "iss": self.url, "aud": CLIENT, "iat": now, "exp": now + 120,
            "jti": secrets.token_hex(8), "events": {LOGOUT_EVENT: {}},
        } | changes  # fmt: skip
        return {name: value for name, value in made.items() if value is not None}

    def grant(self, id_token: str | None, **more) -> str:
        """A code for this ID token."""
        code = secrets.token_urlsafe(24)
        self.codes[code] = {"token_type": "Bearer", "id_token": id_token} | more
        return code

    def count(self, what: str) -> int:
        return self.hits.count(what)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(body)

    def issuer(self) -> tuple[Issuer | None, str]:
        name, _, what = urlsplit(self.path).path.lstrip("/").partition("/")
        return self.server.issuers.get(name), what.rpartition("/")[2]

    def answer(self, body) -> None:
        issuer, what = self.issuer()
        if issuer is None:
            return self.send(404, b"{}")
        issuer.hits.append(what)
        other = issuer.answers.get(what)
        if callable(other):
            return other(self)
        if other is not None:
            return self.send(200, other)
        return body(issuer, what)

    def do_GET(self):
        def body(issuer: Issuer, what: str) -> None:
            documents = {
                "openid-configuration": issuer.document(),
                "jwks": {"keys": [key.jwk for key in issuer.keys]},
            }
            if what not in documents:
                return self.send(404, b"{}")
            return self.send(200, json.dumps(documents[what]).encode())

        self.answer(body)

    def do_POST(self):
        sent = self.rfile.read(int(self.headers["content-length"])).decode()

        def body(issuer: Issuer, what: str) -> None:
            form = {name: value for name, (value,) in parse_qs(sent).items()}
            issuer.forms.append(form)
            issuer.authorizations.append(self.headers["authorization"])
            reply = issuer.codes.pop(form.get("code"), None)
            if reply is None:
                return self.send(400, b'{"error":"invalid_grant"}')
            return self.send(200, json.dumps(reply).encode())

        self.answer(body)


class Provider(ThreadingHTTPServer):
    """Serves until closed; `issuer()` adds one."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, pair):
        super().__init__(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.cert, pair.key)
        self.socket = context.wrap_socket(
            self.socket, server_side=True, do_handshake_on_connect=False
        )
        self.issuers: dict[str, Issuer] = {}
        self.url = f"https://localhost:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_):
        """Clients that do not trust the certificate, or had enough."""

    def issuer(self, name: str, keys: list[Key], **metadata) -> Issuer:
        self.issuers[name] = Issuer(f"{self.url}/{name}", keys, metadata)
        return self.issuers[name]

    def close(self) -> None:
        self.shutdown()
        self.server_close()


# ---- the browser ----------------------------------------------------------------


def browser(instance) -> httpx.Client:
    return httpx.Client(
        base_url=instance.url,
        verify=ssl.create_default_context(cafile=instance.ca),
        timeout=30,
        headers={"accept": "text/html"},
    )


@dataclass
class Flow:
    """A log-in under way in a browser of its own."""

    http: httpx.Client
    url: str
    params: dict
    email: str = ""
    sub: str = ""

    @property
    def state(self) -> str:
        return self.params["state"]

    @property
    def nonce(self) -> str:
        return self.params["nonce"]

    def back(self, code: str | None, issuer: str | None = None, **params) -> httpx.Response:
        """The browser comes back from the provider."""
        sent = {"code": code, "state": self.state, "iss": issuer} | params
        sent = {name: value for name, value in sent.items() if value is not None}
        return self.http.get(f"{self.callback}?{urlencode(sent)}")

    @property
    def callback(self) -> str:
        return urlsplit(self.params["redirect_uri"]).path


def flow_of(http: httpx.Client, url: str, email: str = "", sub: str = "") -> Flow:
    params = {name: value for name, (value,) in parse_qs(urlsplit(url).query).items()}
    return Flow(http, url, params, email, sub or secrets.token_hex(8))


def begin(instance, provider: str, email: str = "", sub: str = "", http=None, **params) -> Flow:
    """GET start; must redirect to the provider."""
    http = http or browser(instance)
    reply = http.get("/v1/auth/oidc/start", params={"provider": provider} | params)
    assert reply.status_code == 302, reply.text
    return flow_of(http, reply.headers["location"], email, sub)


def sessions(instance) -> set[bytes]:
    return {key for key in keys(instance) if key.startswith(b"s:")}


def goes_on_to(reply: httpx.Response) -> str:
    """The path that the page at the end of a log-in goes on to."""
    assert reply.status_code == 200, reply.text
    assert reply.headers["content-type"].startswith("text/html")
    assert reply.headers["cache-control"] == "no-store"
    return re.search(r'http-equiv="refresh" content="0;url=([^"]+)"', reply.text)[1]


def assert_refused(instance, reply: httpx.Response, slug: str) -> None:
    """A page that says so, the reason in the audit log, and no session."""
    assert 400 <= reply.status_code < 504, reply.text
    assert reply.headers["content-type"].startswith("text/html"), reply.text
    assert slug in reply.text
    assert f"{SESSION}=" not in reply.headers.get("set-cookie", "")
    (row,) = audit_of(instance, reply)
    assert (row["action"], row["outcome"]) == ("auth.oidc", "denied"), row
    assert row["detail"]["reason"] == slug, row


def s256(verifier: str) -> str:
    return b64(hashlib.sha256(verifier.encode()).digest())
