"""Signed requests, made by a library that shares nothing with the server.

http-message-signatures builds and signs; this file only chooses the parameters and
puts keys where the server finds them.
"""

import base64
import ctypes
import ctypes.util
import datetime
import os
import secrets
import struct
import uuid
from dataclasses import dataclass

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from http_message_signatures import HTTPMessageSigner, algorithms
from http_message_signatures.resolvers import MappingKeyResolver

from lib import apikeys, data
from lib.apikeys import Key, subkey
from lib.client import Api

FOUR = ("@method", "@authority", "@path", "@query")
SODIUM = ctypes.CDLL(ctypes.util.find_library("sodium"))


def seal_secret(instance, key_id: str, secret: bytes) -> bytes:
    """An HMAC secret as eleusis.api_key keeps it (crypto/aead.c)."""
    fields = [b"\x01", struct.pack(">I", 1), b"api_key", b"sign_key"]
    fields += [uuid.UUID(key_id).bytes, struct.pack(">I", 1)]
    where = b"".join(struct.pack(">I", len(f)) + f for f in fields)
    nonce, out = os.urandom(24), ctypes.create_string_buffer(len(secret) + 16)
    SODIUM.crypto_aead_xchacha20poly1305_ietf_encrypt(
        out, None, secret, ctypes.c_ulonglong(len(secret)), where,
        ctypes.c_ulonglong(len(where)), None, nonce, subkey(instance, b"apikeys_", 3),
    )  # fmt: skip
    return b"\x01" + struct.pack(">I", 1) + nonce + out.raw


@dataclass
class Signer:
    """A key that signs; alg is a class of the library."""

    key: Key
    alg: type
    private: object

    def sign(self, request: httpx.Request, **how) -> httpx.Request:
        """Signs in place, as the server wants it unless `how` says otherwise."""
        now = datetime.datetime.now(datetime.UTC)
        ids = how.pop("components", FOUR)
        options = {
            "key_id": self.key.prefix,
            "created": now + datetime.timedelta(seconds=how.pop("age", 0)),
            "nonce": secrets.token_urlsafe(24),
            "label": "sig1",
            "covered_component_ids": ids,
            "body": request.content or None,
        } | how
        if "life" in options:
            life = datetime.timedelta(seconds=options.pop("life"))
            options["expires"] = options["created"] + life
        resolver = MappingKeyResolver(
            public_keys={}, private_keys={options["key_id"]: self.private}
        )
        signer = HTTPMessageSigner(signature_algorithm=self.alg, key_resolver=resolver)
        signer.sign(request, **options)
        return request

    def request(self, api: Api, method: str, path: str, content: bytes | None = None, **how):
        """A signed request that is not sent yet."""
        headers = dict(how.pop("headers", {}))
        if content is not None:
            headers.setdefault("content-type", "application/json")
        return self.sign(
            api.http.build_request(method, path, content=content, headers=headers), **how
        )

    def send(self, api: Api, method: str, path: str, content: bytes | None = None, **how):
        return api.http.send(self.request(api, method, path, content, **how))


def from_reply(made: dict) -> Signer:
    """Of a key that the API has just made or rotated, with its HMAC secret."""
    key = Key(made["id"], {"id": made["user_id"]}, made["prefix"], made["key"])
    return Signer(key, algorithms.HMAC_SHA256, base64.b64decode(made["hmac_secret"]))


def hmac_signer(instance, user: dict, **columns) -> Signer:
    key_id, secret = str(data.uuid7()), os.urandom(32)
    key = apikeys.make(
        instance, user, id=key_id, sign_alg="hmac-sha256",
        sign_key=seal_secret(instance, key_id, secret), **columns,
    )  # fmt: skip
    return Signer(key, algorithms.HMAC_SHA256, secret)


def ed25519_signer(instance, user: dict, **columns) -> Signer:
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes_raw()
    key = apikeys.make(instance, user, sign_alg="ed25519", sign_key=public, **columns)
    return Signer(key, algorithms.ED25519, private)
