"""Tokens of known devices, made by another implementation than the server's.

As src/crypto/known_device.c says: keyed BLAKE2b under a subkey of the root
key, which crypto_kdf derives.
"""

import base64
import hashlib
import secrets
from pathlib import Path

COOKIE = "__Host-eleusis-device"


def subkey(root: bytes) -> bytes:
    return hashlib.blake2b(
        key=root, digest_size=32, salt=(1).to_bytes(8, "little"), person=b"knowndev"
    ).digest()


def keyed(key: bytes, label: str, data: bytes, size: int) -> bytes:
    return hashlib.blake2b(label.encode() + b"\0" + data, key=key, digest_size=size).digest()


def account(key: bytes, email: str) -> bytes:
    return keyed(key, "account", email.encode(), 16)


def token(root: bytes, email: str, password_hash: str, at_us: int, id: bytes = b"") -> str:
    """A token that says it was issued at that time."""
    key = subkey(root)
    epoch = keyed(key, "epoch", password_hash.split("$")[4].encode(), 16)  # its salt
    whose = (id or secrets.token_bytes(16)) + account(key, email)
    body = b"\1" + whose + at_us.to_bytes(8, "big") + epoch
    tag = keyed(key, "device", body, 32)
    return base64.urlsafe_b64encode(body + tag).rstrip(b"=").decode()


def root_key(instance) -> bytes:
    return (Path(instance.keys) / "root.key").read_bytes()
