"""A software authenticator and the browser in front of it: what WebAuthn's client side does.

Independent of the server: keys by `cryptography`, structures by `fido2`. Whatever an honest client
would never do is said by keyword: a wrong origin, flags left out, a counter that stands still.

    key = Passkey()
    reply = api.post("/v1/me/passkeys", {"name": "mine", "credential": key.create(options, origin)})
    reply = api.post("/v1/auth/passkey", {"credential": key.get(options, origin)})
"""

import secrets
from hashlib import sha256

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from fido2 import cose
from fido2.utils import websafe_decode, websafe_encode
from fido2.webauthn import (
    AttestationObject,
    AttestedCredentialData,
    AuthenticatorData,
    CollectedClientData,
)

MINE = "/v1/me/passkeys"
LOGIN = "/v1/auth/passkey"
VERIFY = "/v1/auth/passkey/verify"
FLAG = AuthenticatorData.FLAG
HONEST = FLAG.UP | FLAG.UV
ES256, EDDSA, RS256 = -7, -8, -257
NAMES = {ES256: "ES256", EDDSA: "EdDSA", RS256: "RS256"}


class Passkey:
    """One credential of one authenticator."""

    def __init__(self, alg: int = ES256, private=None, counts: bool = True):
        self.alg = alg
        self.id = secrets.token_bytes(32)
        self.aaguid = secrets.token_bytes(16)
        self.user_handle = b""
        self.counter = 1 if counts else 0
        self.counts = counts
        self.backup = FLAG(0)
        self.private = private or self.new_key()

    def new_key(self):
        if self.alg == EDDSA:
            return ed25519.Ed25519PrivateKey.generate()
        if self.alg == RS256:
            return rsa.generate_private_key(65537, 2048)
        return ec.generate_private_key(ec.SECP256R1())

    @property
    def cose(self) -> cose.CoseKey:
        kind = {ES256: cose.ES256, EDDSA: cose.EdDSA, RS256: cose.RS256}[self.alg]
        return kind.from_cryptography_key(self.private.public_key())

    def sign(self, data: bytes) -> bytes:
        if self.alg == EDDSA:
            return self.private.sign(data)
        if self.alg == RS256:
            return self.private.sign(data, padding.PKCS1v15(), hashes.SHA256())
        return self.private.sign(data, ec.ECDSA(hashes.SHA256()))

    def data(self, rp_id: str, flags, credential: bytes = b"", counter: int | None = None) -> bytes:
        if counter is None:
            self.counter += self.counts
            counter = self.counter
        return AuthenticatorData.create(
            sha256(rp_id.encode()).digest(), FLAG(flags | self.backup), counter, credential
        )

    # ---- registration --------------------------------------------------------

    def attested(self, key=None) -> bytes:
        return AttestedCredentialData.create(self.aaguid, self.id, key or self.cose)

    def create(
        self,
        options: dict,
        origin: str,
        *,
        type: str = "webauthn.create",
        challenge: str | None = None,
        cross_origin: bool = False,
        rp_id: str | None = None,
        flags=HONEST | FLAG.AT,
        key=None,
        fmt: str = "none",
        statement: dict | None = None,
        client: dict | None = None,
        attestation: bytes | None = None,
    ) -> dict:
        """RegistrationResponseJSON."""
        self.user_handle = websafe_decode(options["user"]["id"])
        data = self.data(rp_id or options["rp"]["id"], flags, self.attested(key))
        said = CollectedClientData.create(
            type, challenge or options["challenge"], origin, cross_origin, **(client or {})
        )
        if attestation is None:
            attestation = AttestationObject.create(fmt, AuthenticatorData(data), statement or {})
        return self.credential(
            {
                "clientDataJSON": websafe_encode(said),
                "attestationObject": websafe_encode(attestation),
                "transports": ["internal", "hybrid"],
                "publicKeyAlgorithm": self.alg,
            }
        )

    # ---- assertion -----------------------------------------------------------

    def get(
        self,
        options: dict,
        origin: str,
        *,
        type: str = "webauthn.get",
        challenge: str | None = None,
        cross_origin: bool = False,
        rp_id: str | None = None,
        flags=HONEST,
        counter: int | None = None,
        client: dict | None = None,
        **response: bytes | None,
    ) -> dict:
        """AuthenticationResponseJSON; members of response replace those that were made."""
        data = self.data(rp_id or options["rpId"], flags, counter=counter)
        said = CollectedClientData.create(
            type, challenge or options["challenge"], origin, cross_origin, **(client or {})
        )
        made = {
            "clientDataJSON": bytes(said),
            "authenticatorData": bytes(data),
            "signature": self.sign(bytes(data) + said.hash),
            "userHandle": self.user_handle,
        } | response
        return self.credential({k: v and websafe_encode(v) for k, v in made.items()})

    def credential(self, response: dict) -> dict:
        return {
            "id": websafe_encode(self.id),
            "rawId": websafe_encode(self.id),
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
            "response": response,
        }


def one_of_each(keep, api, anonymous) -> None:
    """Every operation on passkeys, by a user who is logged in."""
    key, origin = Passkey(), api.instance.url
    sent = {"name": "a key", "credential": key.create(ask(keep, api, MINE), origin)}
    made = adopt(api, keep(api.post(MINE, sent)))["passkey"]
    path = f"{MINE}/{made['id']}"
    keep(api.get(MINE))
    keep(api.patch(path, {"name": "another"}))
    keep(anonymous.post(LOGIN, {"credential": key.get(ask(keep, anonymous, LOGIN), origin)}))
    proof = {"credential": key.get(ask(keep, api, VERIFY), origin)}
    adopt(api, keep(api.post(VERIFY, proof)))
    keep(anonymous.post(LOGIN, proof))
    adopt(api, keep(api.http.delete(path)))


def ask(keep, api, path: str) -> dict:
    reply = keep(api.post(f"{path}/options"))
    assert reply.status_code == 200, reply.text
    return reply.json()


def adopt(api, reply) -> dict:
    """Go on with the token of a LoginReply; the document."""
    assert reply.is_success, reply.text
    document = reply.json()
    api.token = document["token"]
    api.http.headers["authorization"] = f"Bearer {api.token}"
    return document
