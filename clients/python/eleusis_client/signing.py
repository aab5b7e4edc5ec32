"""HTTP message signatures (RFC 9421) with Content-Digest (RFC 9530).

The signature covers method, authority, path, query, the body's digest, and the fields that
change what a request does: what is not covered, an attacker could change.
"""

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping
from typing import Protocol
from urllib.parse import urlsplit

LABEL = "sig1"
COVERED_FIELDS = ("content-type", "idempotency-key", "if-match")
DEFAULT_PORTS = {"https": 443, "http": 80}


def b64(data: bytes) -> str:
    """The inside of a byte sequence of structured fields (RFC 9651, 3.3.5)."""
    return base64.b64encode(data).decode()


class Algorithm(Protocol):
    name: str

    def sign(self, base: bytes) -> bytes: ...


class Hmac:
    """hmac-sha256 (RFC 9421, 3.3.3); the secret as the server gave it out, in base64."""

    name = "hmac-sha256"

    def __init__(self, secret: str):
        padded = secret.replace("-", "+").replace("_", "/")
        self._secret = base64.b64decode(padded + "=" * (-len(padded) % 4), validate=True)

    def sign(self, base: bytes) -> bytes:
        return hmac.digest(self._secret, base, "sha256")


class Ed25519:
    """ed25519 (RFC 9421, 3.3.6) with a private key in PEM; needs `cryptography`."""

    name = "ed25519"

    def __init__(self, pem: bytes):
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        self._key = load_pem_private_key(pem, password=None)

    def sign(self, base: bytes) -> bytes:
        return self._key.sign(base)  # type: ignore[union-attr, call-arg]


class Signer:
    """Signs requests for one API key; keyid is the key's visible prefix."""

    def __init__(self, keyid: str, algorithm: Algorithm):
        self.keyid, self.algorithm = keyid, algorithm

    def headers(
        self, method: str, url: str, body: bytes, sent: Mapping[str, str] | None = None
    ) -> dict[str, str]:
        """The header fields that make this request a signed one: fresh for each attempt. Of
        the fields that are sent besides, the signature covers those of COVERED_FIELDS."""
        fields = {}
        parts = self._derived(method, url)
        for name, value in sorted((sent or {}).items()):
            if name.lower() in COVERED_FIELDS:
                parts.append((name.lower(), value.strip()))
        if body:
            fields["Content-Digest"] = f"sha-256=:{b64(hashlib.sha256(body).digest())}:"
            parts.append(("content-digest", fields["Content-Digest"]))
        params = self._params([name for name, _ in parts])
        lines = [f'"{name}": {value}' for name, value in parts]
        lines.append(f'"@signature-params": {params}')
        signature = self.algorithm.sign("\n".join(lines).encode())
        fields["Signature-Input"] = f"{LABEL}={params}"
        fields["Signature"] = f"{LABEL}=:{b64(signature)}:"
        return fields

    @staticmethod
    def _derived(method: str, url: str) -> list[tuple[str, str]]:
        where = urlsplit(url)
        authority = (where.hostname or "").lower()
        if ":" in authority:
            authority = f"[{authority}]"
        if where.port not in (None, DEFAULT_PORTS.get(where.scheme)):
            authority += f":{where.port}"
        return [
            ("@method", method.upper()),
            ("@authority", authority),
            ("@path", where.path or "/"),
            ("@query", f"?{where.query}"),
        ]

    def _params(self, names: list[str]) -> str:
        covered = " ".join(f'"{name}"' for name in names)
        return (
            f'({covered});created={int(time.time())};keyid="{self.keyid}"'
            f';alg="{self.algorithm.name}";nonce="{secrets.token_urlsafe(24)}"'
        )
