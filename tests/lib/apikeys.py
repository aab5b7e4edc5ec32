"""API keys put straight into PostgreSQL, with whatever a test wants of them."""

import hashlib
import secrets
from dataclasses import dataclass

from lib import data
from lib.client import Api
from lib.db import connect

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
SCOPES = [
    "self", "patients:read", "patients:write", "predictions:read", "predictions:write",
    "models:read", "audit:read",
]  # fmt: skip


@dataclass
class Key:
    id: str
    user: dict
    prefix: str
    text: str

    def client(self, instance, source: str | None = None) -> Api:
        return Api(instance, self.text, source)


def subkey(instance, context: bytes, number: int) -> bytes:
    """crypto_kdf of libsodium: keyed BLAKE2b with the number as salt."""
    return hashlib.blake2b(
        digest_size=32,
        key=(instance.keys / "root.key").read_bytes(),
        salt=number.to_bytes(16, "little"),
        person=context.ljust(16, b"\0"),
    ).digest()


def secret_hash(instance, text: str) -> bytes:
    key = subkey(instance, b"apikeys_", 1)
    return hashlib.blake2b(text.encode(), digest_size=32, key=key).digest()


def make(instance, user: dict, **columns) -> Key:
    """A key of that user; columns as of eleusis.api_key, e.g. limit_read."""
    prefix = "elk_" + "".join(secrets.choice(ALPHABET) for _ in range(16))
    text = f"{prefix}_{secrets.token_urlsafe(32)}"
    row = {
        "id": str(data.uuid7()),
        "user_id": user["id"],
        "created_by": user["id"],
        "prefix": prefix,
        "name": "a test's",
        "scopes": SCOPES,
        "networks": [],
        "must_sign": False,
        "secret_hash": secret_hash(instance, text),
    } | columns
    names, marks = ", ".join(row), ", ".join(["%s"] * len(row))
    with connect(instance) as db:
        db.execute(f"INSERT INTO eleusis.api_key ({names}) VALUES ({marks})", list(row.values()))
    return Key(row["id"], user, prefix, text)


def rotated(instance, key: Key, seconds: float) -> None:
    """Another secret is in force; the one of the text is good for that long yet."""
    with connect(instance) as db:
        db.execute(
            "UPDATE eleusis.api_key SET previous_hash = secret_hash, secret_hash = %s,"
            " previous_until = now() + make_interval(secs => %s) WHERE id = %s",
            [secrets.token_bytes(32), seconds, key.id],
        )
